/* Reading from the SQLite store: every row, or those that match a filter. One
 * reading is one transaction. Run by whichever thread has the handle: the tail's,
 * a catch-up's, a worker's or a command's. It changes nothing but the handle. */

#include "app/store/sqlite/read.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/learned.h"
#include "app/store/sqlite/replaced.h"
#include "app/store/sqlite/schema_copy.h"
#include "app/store/sqlite/segment.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/sql.h"

#define MESSAGE_COLUMNS "id, user, topic, event, data, expires_at, created_at"

static const struct read_kind own = {
	.table = "message",
	.segment = SEGMENT_OF("id"),
	.segment_ids = SEGMENT_IDS,
	.bounds = "SELECT (SELECT min(id) FROM message),"
	    " max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0),"
	    "  coalesce((SELECT max(id) FROM message), 0)),"
	    " trimmed, name IS NOT NULL FROM rowcast_state",
};

static const struct read_kind copy = {
	.table = "rowcast_copy",
	.segment = "segment",
	.segment_ids = 1,
	.bounds = "SELECT (SELECT min(id) FROM rowcast_copy WHERE id > trimmed),"
	    " max(newest, trimmed), trimmed, name IS NOT NULL FROM rowcast_state",
};

const struct read_kind *
read_kind(const struct store *store)
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
	const struct read_kind *kind;

	store->is_copy = schema_copy_is(store);
	kind = read_kind(store);
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

wall_s
store_created_at(struct store *store, int64_t id)
{
	char *sql = mem_printf("SELECT created_at FROM %s WHERE id = %" PRId64, store->table, id);
	wall_s at = sql_number(store->sql, sql, 0);

	free(sql);
	return at;
}

/* SQLite merges the runs by id as it reads. */
struct sql_statement *
read_runs(struct store *store, struct read_runs *runs, const struct filter *filter, int64_t after,
    const char *columns, const char *condition, const char *order)
{
	const struct read_kind *kind = read_kind(store);

	if (runs->statement == NULL || runs->n_topics != filter->n_topics
	    || runs->topics_only != filter->topics_only) {
		struct buf sql = BUF_EMPTY;

		/* Gaps are rows in a copy, without user and topic, and have an index there. */
		if (filter->topics_only && store->is_copy)
			buf_printf(&sql, "SELECT %s FROM %s WHERE %s = ?1 AND id > ?2%s AND"
			    " event = 'rowcast.gap'", columns, kind->table, kind->segment, condition);
		for (size_t i = filter->topics_only; i <= filter->n_topics; i++)
			for (int of_user = 0; of_user < 2; of_user++) {
				buf_printf(&sql, "%sSELECT %s FROM %s WHERE %s = ?1 AND id > ?2%s AND"
				    " user IS %s AND topic IS ", sql.len > 0 ? " UNION ALL " : "", columns,
				    kind->table, kind->segment, condition, of_user ? "?3" : "NULL");
				if (i == 0)
					buf_add_str(&sql, "NULL");
				else
					buf_printf(&sql, "?%zu", i + 4);
			}
		buf_printf(&sql, " ORDER BY %s", order);
		sql_finalize(runs->statement);
		if (prepare_taken(store, &runs->statement, buf_take(&sql)) != 0) {
			fault_log(store, "prepare");
			return NULL;
		}
		runs->n_topics = filter->n_topics;
		runs->topics_only = filter->topics_only;
	}
	sql_bind_int64(runs->statement, 2, after);
	sql_bind_text(runs->statement, 3, filter->user);
	for (size_t i = 0; i < filter->n_topics; i++)
		sql_bind_text(runs->statement, (int)i + 5, filter->topics[i]);
	return runs->statement;
}

int
read_runs_cost(const struct filter *filter)
{
	return COST_RUN * (2 * ((int)filter->n_topics + 1) + 1);
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

int
read_segment(struct sql_statement *statement, int64_t after, int64_t *segment)
{
	int outcome;

	sql_bind_int64(statement, 1, after);
	outcome = sql_step(statement);
	if (outcome == SQL_ROW)
		*segment = sql_int64(statement, 0);
	sql_reset(statement);
	return outcome;
}

/* pass_segments does it for the statement's rows of each segment that has rows after
 * `after`, but for those that are known to have none. */
static int
pass_segments(struct store *store, struct sql_statement *rows, int64_t after, int cost,
    const struct learned *learned, struct reading *reading)
{
	int64_t segment, passed;
	int outcome = read_segment(store->first_segment, after, &segment);

	while (outcome == SQL_ROW) {
		passed = learned_up(learned, segment, &reading->left);
		if (passed < segment) {
			sql_bind_int64(rows, 1, segment);
			outcome = pass_rows(rows, reading);
			if (outcome != SQL_DONE)
				return outcome;
			reading->left -= cost;
			passed = segment;
		}
		outcome = read_segment(store->next_segment, passed, &segment);
		if (outcome == SQL_ROW && reading->left <= 0) {
			reading->upto = segment * read_kind(store)->segment_ids - 1;
			return SQL_ROW;
		}
	}
	return outcome;
}

/* pass_filtered does it for the rows after `after` that match the filter. */
static int
pass_filtered(struct store *store, int64_t after, const struct filter *filter,
    struct reading *reading)
{
	struct sql_statement *rows = read_runs(store, &store->filtered, filter, after,
	    MESSAGE_COLUMNS, "", "id");
	struct learned learned;
	int outcome;

	if (rows == NULL)
		return -1;
	learned_open(&learned, store, filter);
	outcome = pass_segments(store, rows, after, read_runs_cost(filter), &learned, reading);
	learned_close(&learned);
	return outcome;
}

/* One transaction, hence one state of the table, for bounds and rows. */
int
read_begin(struct store *store, struct store_bounds *bounds)
{
	if (sql_run(store->begin) != 0) {
		fault_log(store, "cannot be read");
		return -1;
	}
	return store_bounds(store, bounds) < 0 || replaced_check_newest(store, bounds->newest) ? -1 : 0;
}

int
read_end(struct store *store, int outcome)
{
	bool done = outcome == SQL_ROW || outcome == SQL_DONE;

	if (done) {
		sql_run(store->commit);
	} else {
		sql_roll_back(store->sql);
	}
	if (replaced_check(store))
		return STORE_REPLACED;
	return done ? 0 : -1;
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
	if (read_begin(store, bounds) < 0)
		return read_end(store, -1);
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
	return read_end(store, outcome);
}
