/* Reading from the SQLite store: every row, or those that match a filter. One
 * reading is one transaction. Run by whichever thread has the handle: the tail's,
 * a catch-up's, a worker's or a command's. It changes nothing but the handle. */

#include "app/store/sqlite/read.h"

#include <stdlib.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "app/store/sqlite/schema.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/sql.h"

enum {
	/* What a read spends of STORE_SCAN_MAX on each. A row of the index is looked up
	 * in the table as well. Measured on a million rows: a row of the table 0.5
	 * microseconds, one found through the index 1.7, a run of it without rows 1.2 to 2. */
	COST_ROW = 1,
	COST_FOUND_ROW = 6,
	COST_RUN = 6,
};

#define MESSAGE_COLUMNS "id, user, topic, event, data, expires_at"

int
read_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->begin, "BEGIN") != 0
	    || sql_prepare(store->sql, &store->commit, "COMMIT") != 0
	    || sql_prepare(store->sql, &store->data_version, "PRAGMA data_version") != 0
	    || sql_prepare(store->sql, &store->bounds,
	        "SELECT (SELECT min(id) FROM message),"
	        " max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0),"
	        "  coalesce((SELECT max(id) FROM message), 0)),"
	        " (SELECT trimmed FROM rowcast_state)") != 0
	    || sql_prepare(store->sql, &store->read_all,
	        "SELECT " MESSAGE_COLUMNS " FROM message WHERE id > ?1 ORDER BY id") != 0
	    || sql_prepare(store->sql, &store->first_from,
	        "SELECT min(id) FROM message WHERE id >= ?1") != 0)
		return fault_log(store, "prepare");
	return 0;
}

int
store_bounds(struct store *store, struct store_bounds *bounds)
{
	int rc = -1;

	if (sql_step(store->bounds) == SQL_ROW) {
		bounds->newest = sql_int64(store->bounds, 1);
		bounds->oldest = sql_is_null(store->bounds, 0) ? bounds->newest + 1
		    : sql_int64(store->bounds, 0);
		bounds->trimmed = sql_int64(store->bounds, 2);
		bounds->given = bounds->newest;
		rc = 0;
	} else {
		fault_log(store, "its first and last id cannot be read");
	}
	sql_reset(store->bounds);
	return rc;
}

/* prepare_filtered returns the statement for filters with n_topics topics, bound but
 * for the segment. Within a segment each kind of row that matches is a run of
 * the index (schema.h); SQLite merges the runs by id as it reads. */
static struct sql_statement *
prepare_filtered(struct store *store, int64_t after, const struct filter *filter)
{
	if (store->read_filtered == NULL || store->n_topics != filter->n_topics) {
		struct buf sql = BUF_EMPTY;
		char *text;
		int rc;

		for (size_t i = 0; i <= filter->n_topics; i++)
			for (int own = 0; own < 2; own++) {
				buf_printf(&sql, "%sSELECT " MESSAGE_COLUMNS " FROM message WHERE"
				    " " SCHEMA_SEGMENT("id") " = ?1 AND id > ?2 AND user IS %s"
				    " AND topic IS ",
				    sql.len > 0 ? " UNION ALL " : "", own ? "?3" : "NULL");
				if (i == 0)
					buf_add_str(&sql, "NULL");
				else
					buf_printf(&sql, "?%zu", i + 3);
			}
		buf_add_str(&sql, " ORDER BY id");
		text = buf_take(&sql);
		sql_finalize(store->read_filtered);
		rc = sql_prepare(store->sql, &store->read_filtered, text);
		free(text);
		if (rc != 0) {
			fault_log(store, "prepare");
			return NULL;
		}
		store->n_topics = filter->n_topics;
	}
	sql_bind_int64(store->read_filtered, 2, after);
	sql_bind_text(store->read_filtered, 3, filter->user);
	for (size_t i = 0; i < filter->n_topics; i++)
		sql_bind_text(store->read_filtered, (int)i + 4, filter->topics[i]);
	return store->read_filtered;
}

/* text_at lends the column's text for as long as the row stands. The message's
 * strings are not const, since elsewhere it owns them; here nobody writes. */
static char *
text_at(struct sql_statement *row, int column)
{
	union { const char *lent; char *text; } t;

	t.lent = sql_text(row, column);
	return t.text;
}

/* What a reading is about. */
struct reading {
	store_row *take_row;
	void *context;
	wall_s now;
	int left;        /* of STORE_SCAN_MAX */
	int cost;        /* of a row */
	int64_t upto;    /* out, where SQL_ROW says that it ended before its time */
};

/* pass_rows passes the rows of a statement, from its first, to take_row, but for
 * those that have expired. SQL_DONE: that was all; SQL_ROW: take_row ended it, or
 * nothing is left to be spent; -1. */
static int
pass_rows(struct sql_statement *rows, struct reading *reading)
{
	int outcome;

	while ((outcome = sql_step(rows)) == SQL_ROW) {
		struct message m = {
			.id = sql_int64(rows, 0),
			.user = text_at(rows, 1),
			.topic = text_at(rows, 2),
			.event = text_at(rows, 3),
			.data = text_at(rows, 4),
			.data_len = sql_bytes(rows, 4),
			.expiry = { !sql_is_null(rows, 5), sql_int64(rows, 5) },
		};

		reading->upto = m.id;
		reading->left -= reading->cost;
		if (!expiry_is_over(m.expiry, reading->now)
		    && !reading->take_row(reading->context, &m))
			break;
		if (reading->left <= 0)
			break;
	}
	sql_reset(rows);
	return outcome;
}

/* pass_filtered does it for the rows that match the filter, in each segment that
 * has rows after `after`. Looking for a segment and at each of its runs costs,
 * whether there is a row in them or not. */
static int
pass_filtered(struct store *store, int64_t after, const struct filter *filter,
    struct reading *reading)
{
	struct sql_statement *rows = prepare_filtered(store, after, filter);
	int cost = COST_RUN * (2 * ((int)filter->n_topics + 1) + 1);
	int64_t from = after, segment;
	int outcome;

	if (rows == NULL)
		return -1;
	for (;;) {
		sql_bind_int64(store->first_from, 1, from);
		outcome = sql_step(store->first_from);
		if (outcome == SQL_ROW && sql_is_null(store->first_from, 0))
			outcome = SQL_DONE;
		segment = sql_int64(store->first_from, 0) / SCHEMA_SEGMENT_IDS;
		sql_reset(store->first_from);
		if (outcome != SQL_ROW)
			return outcome;
		sql_bind_int64(rows, 1, segment);
		outcome = pass_rows(rows, reading);
		if (outcome != SQL_DONE)
			return outcome;
		if (segment == INT64_MAX / SCHEMA_SEGMENT_IDS)
			return SQL_DONE;
		from = (segment + 1) * SCHEMA_SEGMENT_IDS;
		reading->left -= cost;
		if (reading->left <= 0) {
			reading->upto = from - 1;
			return SQL_ROW;
		}
	}
}

int
store_read(struct store *store, int64_t after, const struct filter *filter,
    store_row *take_row, void *context, struct store_bounds *bounds, int64_t *upto)
{
	struct reading reading = { .take_row = take_row, .context = context, .now = clock_wall_s(),
	    .left = STORE_SCAN_MAX, .cost = filter == NULL ? COST_ROW : COST_FOUND_ROW };
	int outcome;

	*upto = after;
	/* One transaction, hence one state of the table, for bounds and rows. */
	if (sql_run(store->begin) != 0) {
		fault_log(store, "cannot be read");
		goto fail;
	}
	if (store_bounds(store, bounds) < 0 || replaced_check_newest(store, bounds->newest))
		goto fail;
	if (filter == NULL) {
		sql_bind_int64(store->read_all, 1, after);
		outcome = pass_rows(store->read_all, &reading);
	} else {
		outcome = pass_filtered(store, after, filter, &reading);
	}
	*upto = outcome == SQL_ROW && reading.upto < bounds->newest ? reading.upto : bounds->newest;
	if (outcome != SQL_ROW && outcome != SQL_DONE)
		fault_log(store, "its messages cannot be read");
	sql_run(store->commit);
	if (replaced_check(store))
		return STORE_REPLACED;
	return outcome == SQL_ROW || outcome == SQL_DONE ? 0 : -1;
fail:
	sql_roll_back(store->sql);
	return replaced_check(store) ? STORE_REPLACED : -1;
}
