/* The outbox of a machine's copy: what was inserted or erased on this machine and is on
 * its way to the log that several share. Triggers fill it, in the transaction of who
 * publishes (schema_copy.c). Run by a thread that has a STORE_COPY handle. */

#include "app/store/store.h"

#include "app/store/sqlite/commit.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "lib/sql.h"

/* text_at lends the column's text for as long as the row stands; see read.c. */
static char *
text_at(struct sql_statement *row, int column)
{
	union { const char *lent; char *text; } t;

	t.lent = sql_text(row, column);
	return t.text;
}

int
store_read_outbox(struct store *store, store_outgoing_row *take_row, void *context)
{
	struct sql_statement *rows = store->read_outbox;
	int outcome;

	while ((outcome = sql_step(rows)) == SQL_ROW) {
		struct outgoing row = {
			.number = sql_int64(rows, 0),
			.once = sql_text(rows, 1),
			.message = {
				.user = text_at(rows, 2),
				.topic = text_at(rows, 3),
				.event = text_at(rows, 4),
				.data = text_at(rows, 5),
				.data_len = sql_bytes(rows, 5),
				.expiry = { !sql_is_null(rows, 6), sql_int64(rows, 6) },
				.key = text_at(rows, 7),
			},
			.replaces = sql_int64(rows, 8) != 0,
			.erase = sql_int64(rows, 9),
		};

		if (!take_row(context, &row))
			break;
	}
	if (outcome != SQL_ROW && outcome != SQL_DONE)
		fault_log(store, "its outbox cannot be read");
	sql_reset(rows);
	if (replaced_check(store))
		return STORE_REPLACED;
	return outcome == SQL_ROW || outcome == SQL_DONE ? 0 : -1;
}

int
store_empty_outbox(struct store *store, int64_t number)
{
	int outcome = sql_run(store->begin_write);

	if (outcome == 0) {
		sql_bind_int64(store->empty_outbox, 1, number);
		outcome = sql_run(store->empty_outbox);
	}
	return commit_end(store, outcome, "its outbox cannot be emptied");
}

int64_t
store_count_outbox(struct store *store)
{
	/* By its two ends: to look at a million rows every second costs. */
	int64_t n = sql_number(store->sql, "SELECT coalesce((SELECT max(number) FROM rowcast_outbox)"
	    " - (SELECT min(number) FROM rowcast_outbox) + 1, 0)", -1);

	return n < 0 ? fault_log(store, "its outbox cannot be counted") : n;
}
