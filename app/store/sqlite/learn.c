/* Learning which segments may have rows for whom. Run by the thread that has the handle,
 * when it has nothing else to do.
 *
 * The index by address (segment.h) has a place for each segment, so who looks for a row
 * looks in each: some 20 microseconds where the file is large. Of a segment above which
 * there is another, nothing but erasure can change any more: ids rise, and neither user nor
 * topic of a row can change. So what was once learned of it stays true, whoever writes, and
 * need not be kept on the disk. */

#include "app/store/store.h"

#include <stdlib.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/learned.h"
#include "app/store/sqlite/read.h"
#include "lib/mem.h"
#include "lib/sieve.h"

enum { SIEVE_BYTES_MAX = 64 << 20 };  /* some 4 KiB a segment at most; picked, not tuned */

static int
prepare(struct store *store)
{
	const struct read_kind *kind = read_kind(store);
	char *addresses;
	int rc = 0;

	if (store->learn != NULL)
		return 0;
	addresses = mem_printf("SELECT DISTINCT user, topic FROM %s WHERE %s = ?1",
	    kind->table, kind->segment);
	if (store->is_copy)
		rc = sql_prepare(store->sql, &store->learn_gap, "SELECT 1 FROM rowcast_copy"
		    " WHERE segment = ?1 AND event = 'rowcast.gap' LIMIT 1");
	if (rc == 0)
		rc = sql_prepare(store->sql, &store->learn, addresses);
	free(addresses);
	return rc == 0 ? 0 : fault_log(store, "prepare");
}

static void
add_key(uint64_t **keys, size_t *n, size_t *max, uint64_t key)
{
	if (*n == *max) {
		*max = *max != 0 ? 2 * *max : 256;
		*keys = mem_realloc(*keys, *max * sizeof(**keys));
	}
	(*keys)[(*n)++] = key;
}

/* learn_one learns what addresses a segment has. SQL_DONE or -1. */
static int
learn_one(struct store *store, int64_t segment)
{
	uint64_t *keys = NULL;
	size_t n = 0, max = 0;
	int64_t unused;
	int outcome;

	sql_bind_int64(store->learn, 1, segment);
	while ((outcome = sql_step(store->learn)) == SQL_ROW)
		add_key(&keys, &n, &max, sieve_key(sql_text(store->learn, 0), sql_text(store->learn, 1)));
	sql_reset(store->learn);
	if (outcome == SQL_DONE && store->is_copy) {
		outcome = read_segment(store->learn_gap, segment, &unused);
		if (outcome == SQL_ROW)
			add_key(&keys, &n, &max, learned_gap());
	}
	if (outcome == SQL_DONE || outcome == SQL_ROW) {
		sieve_add(&store->sieve, segment, keys, n);
		outcome = SQL_DONE;
	}
	free(keys);
	return outcome;
}

/* find_next finds the lowest segment that is still to be learned. SQL_ROW; SQL_DONE: there
 * is none for now; -1. */
static int
find_next(struct store *store, int64_t *segment)
{
	int64_t higher;
	int outcome = read_segment(store->next_segment, -1, segment);

	if (outcome == SQL_ROW)
		sieve_forget(&store->sieve, *segment);
	if (outcome == SQL_ROW && store->learned >= *segment)
		outcome = read_segment(store->next_segment, store->learned, segment);
	return outcome == SQL_ROW ? read_segment(store->next_segment, *segment, &higher) : outcome;
}

bool
store_learn(struct store *store)
{
	struct store_bounds bounds;
	int64_t segment;
	int outcome;
	bool found;

	if (prepare(store) != 0)
		return false;
	if (read_begin(store, &bounds) < 0)
		return read_end(store, -1) == 0;
	outcome = find_next(store, &segment);
	found = outcome == SQL_ROW && store->sieve.n_bytes < SIEVE_BYTES_MAX;
	if (found)
		outcome = learn_one(store, segment);
	if (found && outcome == SQL_DONE)
		store->learned = segment;
	if (outcome != SQL_ROW && outcome != SQL_DONE)
		fault_log(store, "which messages there are cannot be read");
	return read_end(store, outcome) == 0 && found;
}
