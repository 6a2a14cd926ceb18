/* Reading from the SQLite store: every row, or those that match a filter. One
 * reading is one transaction. Run by whichever thread has the handle: the tail's,
 * a catch-up's, a worker's or a command's. It changes nothing but the handle. */

#include "app/store/sqlite/read.h"

#include <stdlib.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "app/store/sqlite/schema_copy.h"
#include "app/store/sqlite/segment.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	/* What a read spends of STORE_SCAN_MAX on each. A row of the index is looked up
	 * in the table as well. Measured on a million rows: a row of the table 0.5
	 * microseconds, one found through the index 1.7, a run of it without rows 1.2 to 2. */
	COST_ROW = 1,
	COST_FOUND_ROW = 6,
	COST_RUN = 6,
};

#define MESSAGE_COLUMNS "id, user, topic, event, data, expires_at, created_at"

/* What differs between the two kinds of file. In each the segments rise with the ids,
 * and no row of a segment is below segment * segment_ids. */
struct kind {
	const char *table, *segment, *bounds;
	int64_t segment_ids;
};

static const struct kind own = {
	.table = "message",
	.segment = SEGMENT_OF("id"),
	.segment_ids = SEGMENT_IDS,
	.bounds = "SELECT (SELECT min(id) FROM message),"
	    " max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0),"
	    "  coalesce((SELECT max(id) FROM message), 0)),"
	    " trimmed, name IS NOT NULL FROM rowcast_state",
};

static const struct kind copy = {
	.table = "rowcast_copy",
	.segment = "segment",
	.segment_ids = 1,
	.bounds = "SELECT (SELECT min(id) FROM rowcast_copy WHERE id > trimmed),"
	    " max(newest, trimmed), trimmed, name IS NOT NULL FROM rowcast_state",
};

static const struct kind *
kind_of(const struct store *store)
{
	return store->is_copy ? &copy : &own;
}

/* prepare_taken takes the text. */
static int
prepare_taken(struct store *store, struct sql_statement **statement, char *text)
{
	int rc = sql_prepare(store->sql, statement, text);

	free(text);
	return rc;
}

int
read_prepare(struct store *store)
{
	const struct kind *kind;

	store->is_copy = schema_copy_is(store);
	kind = kind_of(store);
	store->table = kind->table;
	if (sql_prepare(store->sql, &store->begin, "BEGIN") != 0
	    || sql_prepare(store->sql, &store->commit, "COMMIT") != 0
	    || sql_prepare(store->sql, &store->data_version, "PRAGMA data_version") != 0
	    || sql_prepare(store->sql, &store->bounds, kind->bounds) != 0
	    || prepare_taken(store, &store->read_all,
	        mem_printf("SELECT " MESSAGE_COLUMNS " FROM %s WHERE id > ?1 ORDER BY id",
	            kind->table)) != 0
	    || prepare_taken(store, &store->first_segment,
	        mem_printf("SELECT %s FROM %s WHERE id > ?1 ORDER BY id LIMIT 1",
	            kind->segment, kind->table)) != 0
	    || prepare_taken(store, &store->next_segment,
	        mem_printf("SELECT %s FROM %s WHERE %s > ?1 ORDER BY %s LIMIT 1",
	            kind->segment, kind->table, kind->segment, kind->segment)) != 0)
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
		/* What another machine has given is not known here. */
		bounds->given = store->is_copy ? INT64_MAX : bounds->newest;
		if (sql_int64(store->bounds, 3) == store->is_copy)
			rc = 0;
		else
			replaced_by_copy(store);
	} else {
		fault_log(store, "its first and last id cannot be read");
	}
	sql_reset(store->bounds);
	return rc;
}

/* prepare_filtered returns the statement for filters with n_topics topics, bound but
 * for the segment. Within a segment each kind of row that matches is a run of
 * the index (segment.h); SQLite merges the runs by id as it reads. */
static struct sql_statement *
prepare_filtered(struct store *store, int64_t after, const struct filter *filter)
{
	const struct kind *kind = kind_of(store);

	if (store->read_filtered == NULL || store->n_topics != filter->n_topics) {
		struct buf sql = BUF_EMPTY;
		char *text;
		int rc;

		for (size_t i = 0; i <= filter->n_topics; i++)
			for (int of_user = 0; of_user < 2; of_user++) {
				buf_printf(&sql, "%sSELECT " MESSAGE_COLUMNS " FROM %s WHERE"
				    " %s = ?1 AND id > ?2 AND user IS %s AND topic IS ",
				    sql.len > 0 ? " UNION ALL " : "", kind->table, kind->segment,
				    of_user ? "?3" : "NULL");
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
			.created_at = sql_int64(rows, 6),
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

/* find_segment sets *segment to what the statement, first_segment or next_segment, finds
 * after that. SQL_ROW, SQL_DONE where there is none, or -1. */
static int
find_segment(struct sql_statement *statement, int64_t after, int64_t *segment)
{
	int outcome;

	sql_bind_int64(statement, 1, after);
	outcome = sql_step(statement);
	if (outcome == SQL_ROW)
		*segment = sql_int64(statement, 0);
	sql_reset(statement);
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
	int64_t segment;
	int outcome;

	if (rows == NULL)
		return -1;
	outcome = find_segment(store->first_segment, after, &segment);
	while (outcome == SQL_ROW) {
		sql_bind_int64(rows, 1, segment);
		outcome = pass_rows(rows, reading);
		if (outcome != SQL_DONE)
			return outcome;
		outcome = find_segment(store->next_segment, segment, &segment);
		reading->left -= cost;
		if (outcome == SQL_ROW && reading->left <= 0) {
			reading->upto = segment * kind_of(store)->segment_ids - 1;
			return SQL_ROW;
		}
	}
	return outcome;
}

int
store_read(struct store *store, int64_t after, const struct filter *filter,
    store_row *take_row, void *context, struct store_bounds *bounds, int64_t *upto)
{
	struct reading reading = { .take_row = take_row, .context = context, .now = clock_wall_s(),
	    .left = STORE_SCAN_MAX, .cost = filter == NULL ? COST_ROW : COST_FOUND_ROW };
	int64_t from;
	int outcome;

	*upto = after;
	/* One transaction, hence one state of the table, for bounds and rows. */
	if (sql_run(store->begin) != 0) {
		fault_log(store, "cannot be read");
		goto fail;
	}
	if (store_bounds(store, bounds) < 0 || replaced_check_newest(store, bounds->newest))
		goto fail;
	/* Rows that are trimmed are gone, though in a copy some may still stand. */
	from = after > bounds->trimmed ? after : bounds->trimmed;
	if (filter == NULL) {
		sql_bind_int64(store->read_all, 1, from);
		outcome = pass_rows(store->read_all, &reading);
	} else {
		outcome = pass_filtered(store, from, filter, &reading);
	}
	*upto = outcome == SQL_ROW && reading.upto < bounds->newest ? reading.upto : bounds->newest;
	if (*upto < after && after <= bounds->given)
		*upto = after;
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
