/* Answers that are read while they are written: stream i reads answer i % answers, and
 * must get each of its tokens once, in order, nothing of another's, then its end. */

#include "tests/bench/foreign.h"
#include "tests/bench/run.h"
#include "tests/bench/scribe.h"

enum {
	GIVE_UP_US = 10000000, /* nothing came for so long: what is missing shows in the completeness */
	TURN_MS = 20
};

static void
take(void *arg, struct stream *stream, uint32_t number, mono_us sent, mono_us now)
{
	struct run *r = arg;

	(void)stream;
	(void)number;
	r->received++;
	if (sent >= r->latency_from)
		hist_add(&r->latency, (uint64_t)(now - sent));
}

/* mark_rows is run_mark with what is durable by now: rows of the table. */
static void
mark_rows(struct run *r, struct mark *m, struct foreign *table)
{
	r->acked = (uint64_t)foreign_newest(table);
	run_mark(r, m, 0);
}

/* expected returns the deliveries that are due for `made` tokens. */
static uint64_t
expected(const struct options *o, uint32_t made)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < o->n_streams; i++)
		sum += (made + o->answers - 1 - i % o->answers) / o->answers;
	return sum;
}

/* read_on reads until the scribe is done and every stream has ended. */
static void
read_on(struct run *r, const struct scribe *s)
{
	mono_us moved = clock_mono_us();
	uint64_t before = r->received;

	while (!s->is_done || r->swarm.n_open > 0) {
		loop_turn(TURN_MS);
		if (r->received != before || !s->is_done) {
			before = r->received;
			moved = clock_mono_us();
		} else if (clock_mono_us() - moved > GIVE_UP_US) {
			break;
		}
	}
}

void
answers_run(struct run *r)
{
	static struct scribe s;
	struct foreign *table = foreign_open(r->options.db);

	swarm_take_by(&r->swarm, take);
	scribe_start(&s, &r->options);
	while (s.begun == 0)
		loop_turn(1);
	r->latency_from = s.begun + (mono_us)(r->options.warmup * 1e6);
	run_turn_until(r->latency_from);
	mark_rows(r, &r->from, table);
	run_turn_until(r->latency_from + (mono_us)(r->options.seconds * 1e6));
	mark_rows(r, &r->to, table);
	read_on(r, &s);
	scribe_stop(&s);
	foreign_close(table);

	r->flights.next = r->options.first + s.made;
	r->flights.expected = expected(&r->options, s.made);
	r->flights.misdelivered = r->swarm.misdelivered;
	r->crew.refused = s.written.refused;
	r->crew.last_bad_status = s.written.bad_status;
	r->late = s.late;
	r->transactions = s.written.transactions;
	r->wrong_ids = s.written.wrong_ids;
}
