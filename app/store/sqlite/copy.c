/* Following the log that several machines share: what one read of it has brought goes
 * into this machine's copy in one transaction, with the position that it was read up
 * to, so that after whatever happens both are of one moment. Run by the thread that
 * has the STORE_COPY handle.
 *
 * Several processes may follow into one file. Each asks within its transaction how far
 * the file is, and leaves out what another was quicker with.
 *
 * Which segment of the index is the newest (segment.h) stands beside the position. */

#include "app/store/sqlite/copy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/store/sqlite/commit.h"
#include "app/store/sqlite/ended.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/revoked.h"
#include "app/store/sqlite/segment.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/sql.h"

enum {
	RUN_ROWS = 32,  /* of one INSERT, as in append.c */
	RUN_COLUMNS = 9,
};

#define COPY_COLUMNS "(id, segment, user, topic, event, data, created_at, expires_at, key)"

/* prepare_run: OR ROLLBACK, since for what may fail in its middle and leave the
 * transaction standing SQLite first puts aside each page that it changes. */
static int
prepare_run(struct store *store)
{
	struct buf sql = BUF_EMPTY;
	char *text;
	int rc;

	buf_add_str(&sql, "INSERT OR ROLLBACK INTO rowcast_copy" COPY_COLUMNS " VALUES");
	for (int i = 0; i < RUN_ROWS; i++)
		buf_printf(&sql, "%s(?, ?, ?, ?, ?, ?, ?, ?, ?)", i > 0 ? ", " : "");
	text = buf_take(&sql);
	rc = sql_prepare(store->sql, &store->follow_run, text);
	free(text);
	return rc;
}

int
copy_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->begin_write, "BEGIN IMMEDIATE") != 0
	    || sql_prepare(store->sql, &store->position,
	        "SELECT newest, anchor, segment, segment_rows, name FROM rowcast_state") != 0
	    || sql_prepare(store->sql, &store->set_position,
	        "UPDATE rowcast_state SET newest = max(newest, ?1), anchor = max(anchor, ?2),"
	        " trimmed = max(trimmed, ?3), segment = ?4, segment_rows = ?5") != 0
	    || prepare_run(store) != 0
	    || sql_prepare(store->sql, &store->follow_one,
	        "INSERT INTO rowcast_copy" COPY_COLUMNS " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN EXISTS"
	        " (SELECT 1 FROM rowcast_copy WHERE key = ?9) THEN NULL ELSE ?9 END)") != 0
	    || sql_prepare(store->sql, &store->erase, "DELETE FROM rowcast_copy WHERE id = ?1") != 0
	    || sql_prepare(store->sql, &store->read_outbox,
	        "SELECT number, once, user, topic, event, data, expires_at, key, replaces, erase"
	        " FROM rowcast_outbox ORDER BY number") != 0
	    || sql_prepare(store->sql, &store->empty_outbox,
	        "DELETE FROM rowcast_outbox WHERE number <= ?1") != 0)
		return fault_log(store, "prepare");
	return 0;
}

int
store_position(struct store *store, struct store_position *position)
{
	int rc = -1;

	if (sql_step(store->position) == SQL_ROW) {
		const char *name = sql_text(store->position, 4);

		position->newest = sql_int64(store->position, 0);
		position->anchor = sql_int64(store->position, 1);
		snprintf(position->name, sizeof(position->name), "%s", name != NULL ? name : "");
		rc = 0;
	} else {
		fault_log(store, "how far it has followed cannot be read");
	}
	sql_reset(store->position);
	return rc;
}

/* Where the next row goes. */
struct place_in_copy {
	int64_t newest;
	int64_t segment;
	int64_t n_rows;       /* that the segment has */
	wall_s now;
	size_t n_ended;       /* messages that were left out, since their topics have ended */
};

/* find_place: 0, or what sql_step says. */
static int
find_place(struct store *store, struct place_in_copy *place)
{
	int outcome = sql_step(store->position);

	if (outcome == SQL_ROW)
		*place = (struct place_in_copy){ .newest = sql_int64(store->position, 0),
		    .segment = sql_int64(store->position, 2), .n_rows = sql_int64(store->position, 3),
		    .now = clock_wall_s() };
	sql_reset(store->position);
	return outcome == SQL_ROW ? 0 : outcome == SQL_DONE ? -1 : outcome;
}

/* segment_of returns the segment of the next row, which has that id. */
static int64_t
segment_of(struct place_in_copy *place, int64_t id)
{
	if (place->segment == 0 || place->n_rows == SEGMENT_IDS) {
		place->segment = id;
		place->n_rows = 0;
	}
	place->n_rows++;
	return place->segment;
}

/* bind_row sets the columns of a row, from ?first on. */
static void
bind_row(struct sql_statement *insert, int first, const struct message *m, int64_t segment,
    wall_s now)
{
	sql_bind_int64(insert, first, m->id);
	sql_bind_int64(insert, first + 1, segment);
	sql_bind_text(insert, first + 2, m->user);
	sql_bind_text(insert, first + 3, m->topic);
	sql_bind_text(insert, first + 4, m->event);
	sql_bind_bytes(insert, first + 5, m->data, m->data_len);
	sql_bind_int64(insert, first + 6, m->created_at != 0 ? m->created_at : now);
	if (m->expiry.ends)
		sql_bind_int64(insert, first + 7, m->expiry.at);
	else
		sql_bind_null(insert, first + 7);
	sql_bind_text(insert, first + 8, m->key);
}

/* Each function that inserts returns 0 or what sql_run says. */

/* insert_each inserts rows one by one, without the keys that others have. */
static int
insert_each(struct store *store, const struct message *messages, size_t n,
    struct place_in_copy *place)
{
	int outcome = 0;

	for (size_t i = 0; i < n && outcome == 0; i++) {
		bind_row(store->follow_one, 1, &messages[i], segment_of(place, messages[i].id), place->now);
		outcome = sql_run(store->follow_one);
	}
	return outcome;
}

static int
insert_run(struct store *store, const struct message *messages, struct place_in_copy *place)
{
	for (int i = 0; i < RUN_ROWS; i++)
		bind_row(store->follow_run, 1 + i * RUN_COLUMNS, &messages[i],
		    segment_of(place, messages[i].id), place->now);
	return sql_run(store->follow_run);
}

/* insert_all: SQL_CONSTRAINT where one of the keys is there already, and `by_runs`; the
 * transaction is rolled back then. */
static int
insert_all(struct store *store, const struct message *messages, size_t n,
    struct place_in_copy *place, bool by_runs)
{
	int outcome = 0;

	for (; by_runs && n >= RUN_ROWS && outcome == 0; messages += RUN_ROWS, n -= RUN_ROWS)
		outcome = insert_run(store, messages, place);
	return outcome == 0 ? insert_each(store, messages, n, place) : outcome;
}

/* insert_open inserts those whose topics have not ended before them, and notes what holds
 * longer than the message: which topic it ends, whom it revokes. As insert_all. */
static int
insert_open(struct store *store, const struct message *messages, size_t n,
    struct place_in_copy *place, bool by_runs, struct ended_topics *topics)
{
	size_t from = 0;
	int outcome = 0;

	for (size_t at = 0; at < n && outcome == 0; at++) {
		bool ended;

		outcome = ended_topics_take(topics, &messages[at], &ended);
		if (outcome == 0)
			outcome = revoked_note(store, &messages[at]);
		if (outcome != 0 || !ended)
			continue;
		place->n_ended++;
		outcome = insert_all(store, messages + from, at - from, place, by_runs);
		from = at + 1;
	}
	return outcome == 0 ? insert_all(store, messages + from, n - from, place, by_runs) : outcome;
}

/* insert_news inserts the messages from `at` on, and forgets ends between them where the
 * log says so. As insert_all. */
static int
insert_news(struct store *store, const struct store_news *news, size_t at,
    struct place_in_copy *place, bool by_runs)
{
	struct ended_topics topics;
	int outcome = ended_topics_begin(&topics, store, news->n);

	for (size_t i = 0; i < news->n_forgets && outcome == 0; i++) {
		size_t end = at;

		while (end < news->n && news->messages[end].id < news->forgets[i].id)
			end++;
		outcome = insert_open(store, news->messages + at, end - at, place, by_runs, &topics);
		if (outcome == 0)
			outcome = ended_topics_forget(&topics, news->forgets[i].upto);
		at = end;
	}
	if (outcome == 0)
		outcome = insert_open(store, news->messages + at, news->n - at, place, by_runs, &topics);
	ended_topics_free(&topics);
	return outcome;
}

static int
erase_all(struct store *store, const int64_t *ids, size_t n)
{
	int outcome = 0;

	for (size_t i = 0; i < n && outcome == 0; i++) {
		sql_bind_int64(store->erase, 1, ids[i]);
		outcome = sql_run(store->erase);
	}
	return outcome;
}

static int
set_position(struct store *store, const struct store_news *news, const struct place_in_copy *place)
{
	sql_bind_int64(store->set_position, 1, news->newest);
	sql_bind_int64(store->set_position, 2, news->anchor);
	sql_bind_int64(store->set_position, 3, news->trimmed);
	sql_bind_int64(store->set_position, 4, place->segment);
	sql_bind_int64(store->set_position, 5, place->n_rows);
	return sql_run(store->set_position);
}

/* follow does all but the commit. 0 or what insert_all says. */
static int
follow(struct store *store, const struct store_news *news, bool by_runs, size_t *n_ended)
{
	struct place_in_copy place;
	size_t n_there = 0;
	int outcome = sql_run(store->begin_write);

	if (outcome == 0)
		outcome = find_place(store, &place);
	if (outcome != 0)
		return outcome;
	while (n_there < news->n && news->messages[n_there].id <= place.newest)
		n_there++;
	outcome = insert_news(store, news, n_there, &place, by_runs);
	if (n_ended != NULL)
		*n_ended = place.n_ended;
	if (outcome == 0)
		outcome = erase_all(store, news->erased, news->n_erased);
	return outcome == 0 ? set_position(store, news, &place) : outcome;
}

int
store_follow(struct store *store, const struct store_news *news, size_t *n_ended)
{
	int outcome = follow(store, news, true, n_ended);

	/* A key that is there already is rare: it is left out of the row that has it, which
	 * one statement for many rows cannot do. */
	if (outcome == SQL_CONSTRAINT) {
		sql_roll_back(store->sql);
		outcome = follow(store, news, false, n_ended);
	}
	/* Should a commit that failed half way come to life after a crash, it holds what
	 * the log has, and nobody was told otherwise. */
	return commit_end(store, outcome, "what the log has cannot be stored");
}
