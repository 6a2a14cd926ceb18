/* Retention in the SQLite store: what has expired, is too old or is beyond the
 * number to keep is deleted, a slice at a time. Run by the thread that has the
 * owner's handle, the writer's, or that of a copy, in which the log has decided what
 * is too old. What it keeps between slices is store->trim. */

#include "app/store/store.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	SURPLUS_ROWS = 10000,  /* marked at a time: 1 ms of skipping rows, in the writer's thread */
};

/* delete_expired deletes max_rows rows at most, and returns how many, or -1. */
static int
delete_expired(struct store *store, wall_s now, int max_rows)
{
	struct sql_statement *statement;
	char *sql = mem_printf("DELETE FROM %s WHERE id IN (SELECT id FROM %s"
	    " WHERE expires_at <= ?1 LIMIT ?2)", store->table, store->table);
	int rc = sql_prepare(store->sql, &statement, sql), n = -1;

	free(sql);
	if (rc != 0)
		return -1;
	sql_bind_int64(statement, 1, now);
	sql_bind_int64(statement, 2, max_rows);
	if (sql_step(statement) == SQL_DONE)
		n = sql_changes(store->sql);
	sql_finalize(statement);
	return n;
}

/* delete_upto deletes the oldest max_rows rows up to an id, notes the highest of
 * them as trimmed, and returns how many there were, or -1. */
static int
delete_upto(struct store *store, int64_t id, int max_rows)
{
	struct sql_statement *rows;
	int64_t highest = 0;
	char *sql = mem_printf("DELETE FROM %s WHERE id IN (SELECT id FROM %s WHERE id <= ?1"
	    " ORDER BY id LIMIT ?2) RETURNING id", store->table, store->table);
	int outcome = sql_prepare(store->sql, &rows, sql), n = 0;

	free(sql);
	if (outcome != 0)
		return -1;
	sql_bind_int64(rows, 1, id);
	sql_bind_int64(rows, 2, max_rows);
	for (; (outcome = sql_step(rows)) == SQL_ROW; n++)
		if (sql_int64(rows, 0) > highest)
			highest = sql_int64(rows, 0);
	sql_finalize(rows);
	if (outcome != SQL_DONE)
		return -1;
	if (n == 0)
		return 0;
	sql = mem_printf("UPDATE rowcast_state SET trimmed = max(trimmed, %" PRId64 ")", highest);
	outcome = sql_execute(store->sql, sql);
	free(sql);
	return outcome == 0 ? n : -1;
}

/* find_surplus brings store->trim up to date. Counting costs, so it is done
 * only where there may be rows to delete, and not more often than every
 * hundredth of keep_rows. The surplus is kept as an id, not as a number: rows of
 * it that are deleted otherwise before the last slice is done (expired, erased by
 * hand) would else be made up for with rows to keep. */
static int
find_surplus(struct store *store, int64_t keep_rows)
{
	struct store_bounds bounds;
	int64_t surplus;
	char *sql;

	if (keep_rows != store->trim.keep_rows)
		store->trim.counted = store->trim.has_surplus = false;
	store->trim.keep_rows = keep_rows;
	if (keep_rows == 0)
		return 0;
	if (store_bounds(store, &bounds) < 0)
		return -1;
	if (bounds.newest - bounds.oldest < keep_rows
	    || (store->trim.has_surplus && bounds.oldest < store->trim.surplus_below)
	    || (store->trim.counted
	        && bounds.newest - store->trim.counted_newest <= keep_rows / 100))
		return 0;
	surplus = sql_number(store->sql, "SELECT count(*) FROM message", 0) - keep_rows;
	if (surplus > SURPLUS_ROWS) {
		surplus = SURPLUS_ROWS;  /* and counted again when these are gone */
	} else {
		store->trim.counted = true;
		store->trim.counted_newest = bounds.newest;
	}
	if (surplus <= 0)
		return 0;
	sql = mem_printf("SELECT id FROM message ORDER BY id LIMIT 1 OFFSET %" PRId64, surplus);
	store->trim.surplus_below = sql_number(store->sql, sql, -1);
	store->trim.has_surplus = store->trim.surplus_below >= 0;
	free(sql);
	return 0;
}

/* delete_surplus deletes the oldest max_rows of the rows that find_surplus found,
 * and returns how many there were, or -1. */
static int
delete_surplus(struct store *store, int max_rows)
{
	return store->trim.has_surplus ? delete_upto(store, store->trim.surplus_below - 1, max_rows) : 0;
}

/* find_old returns the id below which every row is older than keep_for_s seconds
 * (ids begin at 1, so below 0 there is none), reading n rows at most, or -1.
 *
 * From the oldest on and only up to the first that is younger, whatever the
 * clocks of those behind it said: a gap in the middle would be one that no cursor
 * shows. A row that is dated in the future has no age that could be known; it
 * came before the next one, and is deleted with that. Else a clock that ran ahead
 * for an hour, once, would keep what came then, and all behind it, for years. By a
 * clock that stands in 1970 every row is dated in the future: nothing is deleted. */
static int64_t
find_old(struct store *store, wall_s now, int64_t keep_for_s, int n)
{
	struct sql_statement *rows;
	int64_t below = 0, undated = store->trim.undated_upto;
	bool found_old = false;
	int outcome;

	if (sql_number(store->sql, "SELECT created_at FROM message ORDER BY id LIMIT 1", 0) <= now)
		undated = 0;
	if (sql_prepare(store->sql, &rows, "SELECT id, created_at FROM message WHERE id > ?1"
	    " ORDER BY id LIMIT ?2") != 0)
		return -1;
	sql_bind_int64(rows, 1, undated);
	sql_bind_int64(rows, 2, n);
	while ((outcome = sql_step(rows)) == SQL_ROW) {
		int64_t id = sql_int64(rows, 0);
		wall_s created_at = sql_int64(rows, 1);

		if (created_at > now) {
			/* Long runs of them are passed over in several slices. */
			if (!found_old)
				undated = id;
		} else if (created_at < now - keep_for_s) {
			below = id + 1;
			found_old = true;
		} else {
			break;
		}
	}
	sql_finalize(rows);
	store->trim.undated_upto = undated;
	return outcome < 0 ? -1 : below;
}

/* forget_ends forgets max_ends ends at most of those that were older than keep_for_s
 * seconds when they were found, and of whose topics no row is retained: an end is the last.
 * The oldest so many are looked at, in the order of our own clock. 0 or -1. */
static int
forget_ends(struct store *store, wall_s now, int64_t keep_for_s, int max_ends)
{
	struct store_bounds bounds;
	int outcome;
	char *sql;

	if (keep_for_s <= 0)
		return 0;
	if (store_bounds(store, &bounds) < 0)
		return -1;
	/* The LIMIT within: what it passes over is not looked for behind it. */
	sql = mem_printf("DELETE FROM rowcast_ended WHERE topic IN (SELECT topic FROM"
	    " (SELECT topic, id FROM rowcast_ended WHERE ended_at < %" PRId64
	    "  ORDER BY ended_at LIMIT %d) WHERE id < %" PRId64 ")",
	    now - keep_for_s, max_ends, bounds.oldest);
	outcome = sql_execute(store->sql, sql);
	free(sql);
	return outcome == 0 ? 0 : -1;
}

/* begin_trim: 0, or -1 (logged, unless merely busy). */
static int
begin_trim(struct store *store)
{
	int outcome;

	sql_wait_for_locks(store->sql, LOCK_WAIT_MS);
	outcome = sql_run(store->begin_write);
	sql_wait_for_locks(store->sql, BUSY_WAIT_MS);
	if (outcome != 0 && outcome != SQL_BUSY)
		fault_log(store, "trim");
	return outcome == 0 ? 0 : -1;
}

/* fail_trim: always -1. */
static int
fail_trim(struct store *store)
{
	fault_log(store, "old messages cannot be deleted");
	sql_roll_back(store->sql);
	return -1;
}

int
store_trim(struct store *store, int64_t keep_for_s, int64_t keep_rows, int max_rows)
{
	wall_s now = clock_wall_s();
	int64_t old_below;
	int n, n_more;

	if (begin_trim(store) < 0)
		return -1;
	n = delete_expired(store, now, max_rows);
	if (n < 0)
		goto fail;
	if (keep_for_s > 0) {
		old_below = find_old(store, now, keep_for_s, max_rows - n);
		if (old_below < 0 || (n_more = delete_upto(store, old_below - 1, max_rows - n)) < 0)
			goto fail;
		n += n_more;
	}
	/* Rows that are about to go do not count among those to keep, so this is for
	 * the slice that has room left. */
	for (n_more = 1; n_more > 0 && n < max_rows; n += n_more)
		if (find_surplus(store, keep_rows) < 0
		    || (n_more = delete_surplus(store, max_rows - n)) < 0)
			goto fail;
	if (forget_ends(store, now, keep_for_s, max_rows) < 0 || sql_run(store->commit) != 0)
		goto fail;
	return n;
fail:
	return fail_trim(store);
}

/* is_lost: does the copy end at this id because the log has lost what was below? */
static bool
is_lost(struct store *store, int64_t upto)
{
	char *sql = mem_printf("SELECT EXISTS (SELECT 1 FROM rowcast_copy WHERE id = %" PRId64
	    " AND event = 'rowcast.gap')", upto);
	int64_t found = sql_number(store->sql, sql, 0);

	free(sql);
	return found != 0;
}

int
store_trim_copy(struct store *store, int64_t upto, int64_t keep_for_s, int max_rows)
{
	wall_s now = clock_wall_s();
	int64_t trimmed, old_below;
	int n, n_more;

	if (begin_trim(store) < 0)
		return -1;
	n = delete_expired(store, now, max_rows);
	if (n < 0)
		return fail_trim(store);
	if (is_lost(store, upto)) {
		old_below = keep_for_s > 0 ? find_old(store, now, keep_for_s, max_rows - n) : 0;
		if (old_below < 0)
			return fail_trim(store);
		upto = old_below - 1 < upto ? old_below - 1 : upto;
	}
	/* What was trimmed before this copy had it may stand here nevertheless. */
	trimmed = sql_number(store->sql, "SELECT trimmed FROM rowcast_state", 0);
	n_more = delete_upto(store, upto > trimmed ? upto : trimmed, max_rows - n);
	if (n_more < 0 || sql_run(store->commit) != 0)
		return fail_trim(store);
	return n + n_more;
}
