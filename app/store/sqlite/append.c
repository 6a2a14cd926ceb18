/* Appending to the SQLite store: whatever is asked at once goes into one
 * transaction, by as few statements as can be. Run by the thread that has the
 * owner's handle: the writer's, or that of `rowcast publish`. */

#include "app/store/sqlite/append.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "app/store/sqlite/ended.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "app/store/sqlite/will.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	/* Rows of one INSERT: at most, and from how many on it costs less than one for each.
	 * Counted, thousands of instructions a row: alone 50, four 50, eight 38, 32 28. */
	RUN_ROWS = 32,
	RUN_MIN = 4,
	RUN_COLUMNS = 5,
	RUN_LENGTH = RUN_ROWS * RUN_COLUMNS + 1,  /* the place of how many rows there are */
	PROBE_MAX_BYTES = 1 << 20,  /* the largest message that the table takes */
};

/* One statement for runs of any length: ?RUN_LENGTH says which of the rows are meant, and
 * ends it behind them. A statement for each length would cost memory. */
static int
prepare_insert_run(struct store *store)
{
	struct buf sql = BUF_EMPTY;
	char *text;
	int rc;

	buf_add_str(&sql, "INSERT INTO message(user, topic, event, data, expires_at)"
	    " SELECT column2, column3, column4, column5, column6 FROM (VALUES");
	for (int i = 0; i < RUN_ROWS; i++)
		buf_printf(&sql, "%s(%d, ?, ?, ?, ?, ?)", i > 0 ? ", " : "", i);
	buf_printf(&sql, ") WHERE column1 < ?%d LIMIT ?%d RETURNING id", RUN_LENGTH, RUN_LENGTH);
	text = buf_take(&sql);
	rc = sql_prepare(store->sql, &store->insert_run, text);
	free(text);
	return rc;
}

int
append_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->begin_write, "BEGIN IMMEDIATE") != 0
	    || sql_prepare(store->sql, &store->savepoint, "SAVEPOINT append") != 0
	    || sql_prepare(store->sql, &store->rollback_to, "ROLLBACK TO append") != 0
	    || sql_prepare(store->sql, &store->release, "RELEASE append") != 0
	    || sql_prepare(store->sql, &store->by_key, "SELECT id FROM message WHERE key = ?1") != 0
	    || sql_prepare(store->sql, &store->insert,
	        "INSERT INTO message(user, topic, event, data, expires_at, key)"
	        " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(key) DO NOTHING") != 0
	    || prepare_insert_run(store) != 0)
		return fault_log(store, "prepare");
	return 0;
}

/* find_key sets m->id to the row that has the key. 0, SQL_CONSTRAINT where none
 * has it, or what sql_step says. */
static int
find_key(struct store *store, struct message *m, const char *key)
{
	int outcome;

	sql_bind_text(store->by_key, 1, key);
	outcome = sql_step(store->by_key);
	if (outcome == SQL_ROW)
		m->id = sql_int64(store->by_key, 0);
	sql_reset(store->by_key);
	if (outcome == SQL_ROW)
		return 0;
	return outcome == SQL_DONE ? SQL_CONSTRAINT : outcome;
}

/* bind_message sets the columns that every message has, from ?place on. */
static void
bind_message(struct sql_statement *insert, int place, const struct message *m)
{
	sql_bind_text(insert, place, m->user);
	sql_bind_text(insert, place + 1, m->topic);
	sql_bind_text(insert, place + 2, m->event);
	sql_bind_bytes(insert, place + 3, m->data, m->data_len);
	if (m->expiry.ends)
		sql_bind_int64(insert, place + 4, m->expiry.at);
	else
		sql_bind_null(insert, place + 4);
}

/* Each function that inserts returns 0 and has set the ids, or what sql_run says. */

/* insert_one sets *inserted to false, and no id, where the key is there already. */
static int
insert_one(struct store *store, struct message *m, const char *scoped, bool *inserted)
{
	int outcome;

	bind_message(store->insert, 1, m);
	sql_bind_text(store->insert, 1 + RUN_COLUMNS, scoped);
	outcome = sql_run(store->insert);
	*inserted = outcome == 0 && sql_changes(store->sql) == 1;
	if (*inserted)
		m->id = sql_last_id(store->sql);
	return outcome;
}

static int
insert_keyless(struct store *store, struct message *m)
{
	bool inserted;
	int outcome = insert_one(store, m, NULL, &inserted);

	/* A trigger of the application's may ignore a row. */
	return outcome == 0 && !inserted ? SQL_CONSTRAINT : outcome;
}

static int
insert_keyed(struct store *store, struct append *append, struct message *m)
{
	char *scoped = message_scope_key(append->publisher, m->key);
	bool inserted;
	int outcome = insert_one(store, m, scoped, &inserted);

	if (outcome == 0 && !inserted) {
		outcome = find_key(store, m, scoped);
		append->existed |= outcome == 0;
		append->n_existed += outcome == 0;
	}
	free(scoped);
	return outcome;
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;

	return first < second ? -1 : first > second;
}

/* insert_run inserts n messages without keys, RUN_ROWS at most, by one statement. SQLite
 * does not promise in which order it returns their ids, but a later row has a
 * higher one. */
static int
insert_run(struct store *store, struct message *const messages[], size_t n)
{
	struct sql_statement *insert = store->insert_run;
	int64_t ids[RUN_ROWS];
	size_t n_ids = 0;
	int outcome;

	sql_clear(insert);
	for (size_t i = 0; i < n; i++)
		bind_message(insert, 1 + (int)i * RUN_COLUMNS, messages[i]);
	sql_bind_int64(insert, RUN_LENGTH, (int64_t)n);
	while ((outcome = sql_step(insert)) == SQL_ROW && n_ids < n)
		ids[n_ids++] = sql_int64(insert, 0);
	sql_reset(insert);
	if (outcome != SQL_DONE)
		return outcome;
	if (n_ids != n)
		return SQL_CONSTRAINT;  /* a trigger of the application's ignores rows: append_each shows which */
	qsort(ids, n, sizeof(ids[0]), compare_ids);
	/* Into a view rows go without ids. One by one they are inserted with ON CONFLICT,
	 * which a view does not take at all. */
	if (ids[0] == 0) {
		replaced_by_copy(store);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		messages[i]->id = ids[i];
	return 0;
}

/* insert_waiting inserts the *n messages without keys, RUN_ROWS at most, and sets *n
 * to 0. */
static int
insert_waiting(struct store *store, struct message *const messages[], size_t *n)
{
	size_t n_rows = *n;
	int outcome = 0;

	*n = 0;
	if (n_rows >= RUN_MIN)
		return insert_run(store, messages, n_rows);
	for (size_t i = 0; i < n_rows && outcome == 0; i++)
		outcome = insert_keyless(store, messages[i]);
	return outcome;
}

/* append_together inserts the messages of all appends that are not refused, in their order, by as few
 * statements as can be. It does not show in which append a refused row was. */
static int
append_together(struct store *store, struct append *appends[], size_t n)
{
	struct message *run[RUN_ROWS];
	size_t n_run = 0;
	int outcome = 0;

	for (size_t i = 0; i < n; i++) {
		struct append *append = appends[i];

		if (!append->refused && outcome == 0)
			outcome = will_change(store, append);
		for (size_t k = 0; k < append->n && !append->refused && outcome == 0; k++) {
			struct message *m = &append->messages[k];

			if (m->key != NULL) {
				outcome = insert_waiting(store, run, &n_run);
				if (outcome == 0)
					outcome = insert_keyed(store, append, m);
			} else {
				run[n_run++] = m;
				if (n_run == RUN_ROWS)
					outcome = insert_waiting(store, run, &n_run);
			}
		}
	}
	return outcome == 0 ? insert_waiting(store, run, &n_run) : outcome;
}

/* was_ended: did the last call fail since a topic has ended? */
static bool
was_ended(struct store *store)
{
	return strcmp(sql_error(store->sql), ENDED_SENTENCE) == 0;
}

/* is_of_ended: is there a message in it that the table refuses since its topic has ended?
 * Of one that has a key that is not known: its key may be there already. */
static bool
is_of_ended(struct store *store, const struct append *append)
{
	char *before = NULL;  /* the topic that was asked last */
	int64_t id = 0;

	for (size_t k = 0; k < append->n && id == 0; k++) {
		char *topic = append->messages[k].topic;

		if (topic == NULL || append->messages[k].key != NULL
		    || (before != NULL && strcmp(topic, before) == 0))
			continue;
		if (store_ended(store, &topic, 1, &id) < 0)
			return false;
		before = topic;
	}
	return id != 0;
}

/* refuse_ended refuses appends before they are tried. Unlike other refusals, these come
 * from whoever goes on after an end, and may be many. */
static void
refuse_ended(struct store *store, struct append *appends[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		appends[i]->refused = appends[i]->ended = is_of_ended(store, appends[i]);
}

/* append_one returns 0, also where the table refused the rows, which are then
 * gone again, or the outcome for which the whole transaction has to go. Where a
 * trigger that refused has ended the transaction itself, that is SQL_CONSTRAINT. */
static int
append_one(struct store *store, struct append *append)
{
	int outcome = sql_run(store->savepoint);

	if (outcome != 0)
		return outcome;
	append->existed = false;
	append->n_existed = 0;
	outcome = will_change(store, append);
	for (size_t i = 0; i < append->n && outcome == 0; i++) {
		struct message *m = &append->messages[i];

		outcome = m->key != NULL ? insert_keyed(store, append, m) : insert_keyless(store, m);
	}
	if (outcome == SQL_CONSTRAINT) {
		append->ended = was_ended(store);
		if (!append->ended)
			log_warnx("store: %s: refused a message: %s", store->path, sql_error(store->sql));
		append->refused = true;
		if (!sql_is_in_transaction(store->sql))
			return SQL_CONSTRAINT;
		outcome = sql_run(store->rollback_to);
	}
	return outcome != 0 ? outcome : sql_run(store->release);
}

/* overwrite_failed_commit commits something that changes nothing, after a commit
 * that may have failed half way. Where only its last sync failed, the whole
 * transaction stands in the log; no connection sees it, but whoever recovers the
 * log after a crash would, and the publisher was told that nothing was stored. The
 * next commit, whatever it is, is written over it. This one is no UPDATE to the
 * same value, or SQLite would see that nothing changes. */
static void
overwrite_failed_commit(struct store *store)
{
	sql_execute(store->sql, "BEGIN IMMEDIATE; INSERT INTO rowcast_schema VALUES(0);"
	    " DELETE FROM rowcast_schema WHERE version = 0; COMMIT");
}

/* finish commits what was inserted with that outcome, or nothing. 0 or what
 * sql_run says; -1 too where the store was replaced. */
static int
finish(struct store *store, int outcome)
{
	if (replaced_check(store))
		return -1;
	return outcome == 0 ? sql_run(store->commit) : outcome;
}

/* commit_together sets *ended where it failed since a topic has ended. */
static int
commit_together(struct store *store, struct append *appends[], size_t n, bool *ended)
{
	int outcome = sql_run(store->begin_write);

	if (outcome == 0)
		outcome = append_together(store, appends, n);
	*ended = outcome == SQL_CONSTRAINT && was_ended(store);
	return finish(store, outcome);
}

/* commit_each shows which appends the table refuses, and commits the others: in one
 * transaction, but for an application's trigger that raises ROLLBACK. That takes
 * the appends before it along, so they are inserted again and committed by
 * themselves, and those behind it are the next transaction. Each is inserted twice
 * at most, unless the trigger now refuses what it let pass before. */
static int
commit_each(struct store *store, struct append *appends[], size_t n)
{
	size_t first = 0, end = n;

	while (first < n) {
		int outcome = sql_run(store->begin_write);
		size_t i;

		for (i = first; i < end && outcome == 0; i++)
			if (!appends[i]->refused)
				outcome = append_one(store, appends[i]);
		if (outcome == SQL_CONSTRAINT) {
			end = i - 1;
			if (end > first)
				continue;
		} else {
			outcome = finish(store, outcome);
			if (outcome != 0)
				return outcome;
			for (i = first; i < end; i++)
				appends[i]->stored = !appends[i]->refused;
		}
		first = end;
		while (first < n && appends[first]->refused)
			first++;
		end = n;
	}
	return 0;
}

/* undo takes back what commit_together has done. */
static void
undo(struct store *store, struct append *appends[], size_t n)
{
	sql_roll_back(store->sql);
	for (size_t i = 0; i < n; i++) {
		appends[i]->existed = false;
		appends[i]->n_existed = 0;
	}
}

int
store_append(struct store *store, struct append *appends[], size_t n)
{
	bool ended;
	int outcome;

	for (size_t i = 0; i < n; i++) {
		appends[i]->existed = appends[i]->stored = false;
		appends[i]->refused = appends[i]->ended = false;
		appends[i]->n_existed = 0;
	}
	outcome = commit_together(store, appends, n, &ended);
	if (outcome == SQL_CONSTRAINT && ended) {
		undo(store, appends, n);
		refuse_ended(store, appends, n);
		outcome = commit_together(store, appends, n, &ended);
	}
	/* The table refused a row. Savepoints show which append it is in and keep the
	 * others, but cost more than everything else, and a refusal is rare: so they
	 * are used only now. */
	if (outcome == SQL_CONSTRAINT) {
		undo(store, appends, n);
		outcome = commit_each(store, appends, n);
	} else if (outcome == 0) {
		for (size_t i = 0; i < n; i++)
			appends[i]->stored = !appends[i]->refused;
	}
	if (outcome == 0)
		return 0;
	outcome = store->replaced ? STORE_REPLACED
	    : fault_outcome(store, outcome, "a message cannot be stored");
	sql_roll_back(store->sql);
	if (outcome < 0)
		overwrite_failed_commit(store);
	return outcome;
}

int
store_probe(struct store *store, size_t n_bytes)
{
	int outcome;
	char *sql;

	if (replaced_check(store))
		return STORE_REPLACED;
	if (n_bytes > PROBE_MAX_BYTES)
		n_bytes = PROBE_MAX_BYTES;
	/* Committed, since only then is room asked for; and given back at once. */
	sql = mem_printf("UPDATE rowcast_state SET room = zeroblob(%zu)", n_bytes + 1);
	sql_wait_for_locks(store->sql, LOCK_WAIT_MS);
	outcome = sql_execute(store->sql, sql);
	if (outcome == 0)
		outcome = sql_execute(store->sql, "UPDATE rowcast_state SET room = NULL");
	sql_wait_for_locks(store->sql, BUSY_WAIT_MS);
	sql_roll_back(store->sql);
	free(sql);
	return outcome == SQL_BUSY ? STORE_BUSY : outcome == SQL_FULL ? STORE_FULL
	    : outcome == 0 ? 0 : -1;
}
