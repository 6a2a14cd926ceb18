/* Retention in the SQLite store: what has expired, is too old or is beyond the
 * number to keep goes, a slice at a time. */

#include "app/store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/store_state.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/sql.h"

/* delete_where runs a DELETE that takes its bounds as ?1 and ?2 and returns how
 * many rows went, or -1. */
static int
delete_where(struct store *store, const char *sql, int64_t first, int64_t second)
{
	struct sql_statement *statement;
	int n = -1;

	if (sql_prepare(store->sql, &statement, sql) != 0)
		return -1;
	sql_bind_int64(statement, 1, first);
	sql_bind_int64(statement, 2, second);
	if (sql_step(statement) == SQL_DONE)
		n = sql_changes(store->sql);
	sql_finalize(statement);
	return n;
}

/* find_surplus brings surplus_below up to date. Counting costs, so it is done
 * only where there may be rows to delete, and not more often than every
 * hundredth of keep_rows. What it finds is kept as an id, not as a number, so
 * that rows which go otherwise before the last slice is done (expired, erased
 * by hand) are not made up for with rows to keep. */
static int
find_surplus(struct store *store, int64_t keep_rows)
{
	struct store_bounds bounds;
	int64_t surplus;
	char *sql;

	if (keep_rows != store->counted_keep_rows)
		store->surplus_below = store->counted_newest = 0;
	store->counted_keep_rows = keep_rows;
	if (keep_rows == 0)
		return 0;
	if (store_bounds(store, &bounds) < 0)
		return -1;
	if (bounds.newest - bounds.oldest < keep_rows
	    || bounds.newest - store->counted_newest <= keep_rows / 100)
		return 0;
	surplus = sql_number(store->sql, "SELECT count(*) FROM message", 0) - keep_rows;
	store->counted_newest = bounds.newest;
	if (surplus <= 0)
		return 0;
	sql = mem_printf("SELECT id FROM message ORDER BY id LIMIT 1 OFFSET %" PRId64, surplus);
	store->surplus_below = sql_number(store->sql, sql, 0);
	free(sql);
	return 0;
}

int
store_trim(struct store *store, int64_t keep_for_s, int64_t keep_rows, int max_rows)
{
	wall_s now = clock_wall_s();
	int outcome, expired, old = 0, beyond = 0;

	if ((outcome = sql_run(store->begin_write)) != 0)
		return outcome == SQL_BUSY ? -1 : store_fault(store, "trim");
	expired = delete_where(store, "DELETE FROM message WHERE id IN (SELECT id FROM message"
	    " WHERE expires_at <= ?1 LIMIT ?2)", now, max_rows);
	if (expired < 0)
		goto fail;
	/* From the oldest on and only up to the first that is younger, whatever its
	 * clock said: a gap in the middle would be one that no cursor shows. */
	if (keep_for_s > 0) {
		old = delete_where(store,
		    "DELETE FROM message WHERE id IN (SELECT id FROM message ORDER BY id LIMIT ?2)"
		    " AND id < coalesce((SELECT min(id) FROM (SELECT id, created_at FROM message"
		    "  ORDER BY id LIMIT ?2) WHERE created_at >= ?1), 9223372036854775807)",
		    now - keep_for_s, max_rows - expired);
		if (old < 0)
			goto fail;
	}
	/* Rows that are about to go do not count among those to keep, so this is for
	 * the slice that has room left. */
	if (expired + old < max_rows) {
		if (find_surplus(store, keep_rows) < 0)
			goto fail;
		beyond = delete_where(store, "DELETE FROM message WHERE id IN (SELECT id"
		    " FROM message WHERE id < ?1 ORDER BY id LIMIT ?2)", store->surplus_below,
		    max_rows - expired - old);
		if (beyond < 0)
			goto fail;
	}
	if (sql_run(store->commit) != 0)
		goto fail;
	return expired + old + beyond;
fail:
	store_fault(store, "old messages cannot be deleted");
	sql_roll_back(store->sql);
	return -1;
}
