/* A store with a gate before it: of store.h, what catch-up calls. Each reading
 * waits until the test lets it through, so that a test says what is asked while
 * another page is being read, and sees what is read at all and for whom. There
 * are n_rows rows, one for everybody with each id from 1 on. A step of a search is a
 * reading too, after -1. */
#ifndef TESTS_UNIT_HUB_GATE_H
#define TESTS_UNIT_HUB_GATE_H

#include "tests/unit/check.h"

#include <semaphore.h>
#include <time.h>

#include "app/store/store.h"

enum { GATE_PATIENCE_S = 30, GATE_READINGS_MAX = 1000 };

struct store { int unused; };

static struct {
	sem_t come, let_in, learned;  /* the last: once for each step of learning */
	_Atomic int n_to_learn;
	int64_t n_rows;
	int64_t n_trimmed;      /* of them, from the first on */
	int64_t n_scanned;      /* a reading looks at so many rows at most; 0: at all */
	_Atomic bool fails;
	bool is_copy;           /* of a log that others write to */
	size_t n_steps;         /* that a search takes; and what it finds */
	int64_t found, found_newest;  /* and what was the newest then */
	int64_t end_at;         /* this row is the end of topic t, ... */
	int64_t gap_at;         /* and this one of a copy tells of a gap; 0: none is */
	size_t n_readings;      /* good after gate_expect; and what was read in each */
	char users[GATE_READINGS_MAX];
	int64_t afters[GATE_READINGS_MAX];
} gate;

struct store *
store_open(const char *name __attribute__((unused)), enum store_access access __attribute__((unused)))
{
	static struct store store;

	return &store;
}

void
store_close(struct store *store __attribute__((unused)))
{
}

int
store_read(struct store *store __attribute__((unused)), int64_t after, const struct filter *filter,
    store_row *row, void *context, struct store_bounds *bounds, int64_t *upto)
{
	char data[] = "x", topic[] = "t", end[] = MESSAGE_EVENT_END, gap[] = MESSAGE_EVENT_GAP,
	    lost[] = "{\"reason\":\"expired\"}";

	assert_true(gate.n_readings < GATE_READINGS_MAX);
	gate.users[gate.n_readings] = filter->user[0];
	gate.afters[gate.n_readings++] = after;
	sem_post(&gate.come);
	sem_wait(&gate.let_in);
	if (atomic_load(&gate.fails))
		return -1;
	bounds->oldest = gate.n_trimmed + 1;
	bounds->newest = gate.n_rows;
	bounds->trimmed = gate.n_trimmed;
	bounds->given = gate.is_copy ? INT64_MAX : gate.n_rows;
	*upto = after;
	if (after > gate.n_rows)
		return 0;
	if (after < gate.n_trimmed)
		after = gate.n_trimmed;
	for (int64_t id = after + 1; id <= gate.n_rows; id++) {
		struct message m = { .id = id, .data = data, .data_len = 1 };

		if (id == gate.end_at) {
			m.topic = topic;
			m.event = end;
		} else if (id == gate.gap_at) {
			m.event = gap;
			m.data = lost;
			m.data_len = strlen(lost);
		}

		if (gate.n_scanned > 0 && id > after + gate.n_scanned) {
			*upto = id - 1;
			return 0;
		}
		if (filter->user[0] != '-' && !row(context, &m)) {
			*upto = id;
			return 0;
		}
	}
	*upto = gate.n_rows;
	return 0;
}

/* Learning takes so many steps each time that there is something to be learned. */
bool
store_learn(struct store *store __attribute__((unused)))
{
	bool more = atomic_fetch_sub(&gate.n_to_learn, 1) > 0;

	sem_post(&gate.learned);
	return more;
}

/* A search finds what the test says, in so many steps. */
int
store_find(struct store *store __attribute__((unused)), struct store_search *search,
    const struct filter *filter, int64_t *after)
{
	assert_true(gate.n_readings < GATE_READINGS_MAX);
	gate.users[gate.n_readings] = filter->user[0];
	gate.afters[gate.n_readings++] = -1;
	sem_post(&gate.come);
	sem_wait(&gate.let_in);
	if (atomic_load(&gate.fails))
		return -1;
	if (++search->n < gate.n_steps)
		return STORE_AGAIN;
	*after = gate.found;
	search->newest = gate.found_newest;
	return 0;
}

static inline void
gate_begin(int64_t n_rows)
{
	assert_int_equal(sem_init(&gate.come, 0, 0), 0);
	assert_int_equal(sem_init(&gate.let_in, 0, 0), 0);
	assert_int_equal(sem_init(&gate.learned, 0, 0), 0);
	atomic_store(&gate.n_to_learn, 0);
	gate.n_rows = n_rows;
	gate.n_scanned = 0;
	gate.n_trimmed = 0;
	gate.n_steps = 0;
	gate.end_at = gate.gap_at = 0;
	gate.fails = false;
	gate.is_copy = false;
	gate.n_readings = 0;
}

/* gate_expect waits until a reading stands at the gate. */
static inline void
gate_expect(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GATE_PATIENCE_S;
	if (sem_timedwait(&gate.come, &until) != 0)
		fail_msg("nothing was read in %d s", GATE_PATIENCE_S);
}

static inline void
gate_let_in(size_t n)
{
	while (n-- > 0)
		sem_post(&gate.let_in);
}

/* gate_is_quiet: nobody has come since, not even after a while. */
static inline bool
gate_is_quiet(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return sem_timedwait(&gate.come, &until) != 0;
}

#endif
