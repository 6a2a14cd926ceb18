/* The store in one SQLite file: appending and reading. What the table is and
 * refuses is in store_schema.c.
 *
 * The file is in WAL mode with synchronous=FULL: a commit is on the disk when
 * it returns, readers never wait for writers. SQLite has one writer at a time,
 * hence the order of ids is the order of commits. */

#include "app/store.h"

#include <stdlib.h>
#include <string.h>

#include "app/store_schema.h"
#include "app/store_state.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/filewatch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	OWNER_CACHE_KIB = 8192,       /* picked, not tuned */
	READER_CACHE_KIB = 512,       /* a page of replay and the way to it; one per reading thread */
};

#define MESSAGE_COLUMNS "id, user, topic, event, data, expires_at"

int
store_fault(const struct store *store, const char *what)
{
	log_errorx("store: %s: %s: %s", store->path, what, sql_error(store->sql));
	return -1;
}

static int
prepare(struct store *store, struct sql_statement **statement, const char *text)
{
	if (sql_prepare(store->sql, statement, text) != 0)
		return store_fault(store, "prepare");
	return 0;
}

static int
prepare_all(struct store *store, enum store_access access)
{
	if (prepare(store, &store->begin, "BEGIN") < 0
	    || prepare(store, &store->commit, "COMMIT") < 0
	    || prepare(store, &store->data_version, "PRAGMA data_version") < 0
	    || prepare(store, &store->bounds,
	        "SELECT (SELECT min(id) FROM message),"
	        " max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0),"
	        "  coalesce((SELECT max(id) FROM message), 0))") < 0
	    || prepare(store, &store->read_all,
	        "SELECT " MESSAGE_COLUMNS " FROM message WHERE id > ?1 ORDER BY id") < 0)
		return -1;
	if (access == STORE_READER)
		return 0;
	if (prepare(store, &store->begin_write, "BEGIN IMMEDIATE") < 0
	    || prepare(store, &store->savepoint, "SAVEPOINT append") < 0
	    || prepare(store, &store->rollback_to, "ROLLBACK TO append") < 0
	    || prepare(store, &store->release, "RELEASE append") < 0
	    || prepare(store, &store->by_key, "SELECT id FROM message WHERE key = ?1") < 0
	    || prepare(store, &store->insert,
	        "INSERT INTO message(user, topic, event, data, expires_at, key)"
	        " VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(key) DO NOTHING") < 0)
		return -1;
	return 0;
}

struct store *
store_open(const char *name, enum store_access access)
{
	static const char scheme[] = "sqlite:";
	struct store *store = mem_zalloc(sizeof(*store));
	char *pragmas;
	int outcome;

	store->watch.fd = -1;
	if (strncmp(name, scheme, strlen(scheme)) != 0) {
		store->path = mem_strdup(name);
		log_errorx("store: %s: must begin with %s", name, scheme);
		goto fail;
	}
	store->path = mem_strdup(name + strlen(scheme));
	if (sql_open(&store->sql, store->path, access == STORE_OWNER, BUSY_WAIT_MS) != 0) {
		log_errorx("store: %s: cannot be opened: %s (is the folder there, and ours"
		    " to write?)", store->path, sql_error(store->sql));
		goto fail;
	}
	pragmas = mem_printf("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
	    " PRAGMA cache_size = -%d; PRAGMA query_only = %d",
	    access == STORE_OWNER ? OWNER_CACHE_KIB : READER_CACHE_KIB, access == STORE_READER);
	outcome = sql_execute(store->sql, pragmas);
	free(pragmas);
	if (outcome != 0) {
		store_fault(store, "cannot be set up");
		goto fail;
	}
	if (access == STORE_OWNER) {
		if (store_schema_upgrade(store) < 0)
			goto fail;
	} else {
		int64_t version = store_schema_version(store);

		if (version == 0)
			log_errorx("store: %s: holds no messages yet: start `rowcast serve` first",
			    store->path);
		if (version <= 0)
			goto fail;
	}
	if (prepare_all(store, access) < 0)
		goto fail;
	return store;
fail:
	store_close(store);
	return NULL;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	filewatch_close(&store->watch);
	sql_close(store->sql);
	free(store->path);
	free(store);
}

/* ---- appending ---- */

/* scoped_key makes a key that no other publisher can also make: the slash
 * between the two is the only one that is not escaped. */
static char *
scoped_key(const char *publisher, const char *key)
{
	struct buf scoped = BUF_EMPTY;

	for (; *publisher != '\0'; publisher++) {
		if (*publisher == '/' || *publisher == '%')
			buf_printf(&scoped, "%%%02X", (unsigned)*publisher);
		else
			buf_add_char(&scoped, *publisher);
	}
	buf_add_char(&scoped, '/');
	buf_add_str(&scoped, key);
	return buf_take(&scoped);
}

/* find_key sets m->id to the row that has the key. 0 or what sql_step says. */
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
	return outcome == SQL_DONE ? -1 : outcome;
}

/* insert_message returns 0 and sets m->id, or what sql_run says. */
static int
insert_message(struct store *store, struct append *append, struct message *m)
{
	struct sql_statement *insert = store->insert;
	char *key = m->key != NULL ? scoped_key(append->publisher, m->key) : NULL;
	int outcome;

	sql_bind_text(insert, 1, m->user);
	sql_bind_text(insert, 2, m->topic);
	sql_bind_text(insert, 3, m->event);
	sql_bind_bytes(insert, 4, m->data, m->data_len);
	if (m->expires_at != 0)
		sql_bind_int64(insert, 5, m->expires_at);
	else
		sql_bind_null(insert, 5);
	sql_bind_text(insert, 6, key);
	outcome = sql_run(insert);
	if (outcome == 0 && key != NULL && sql_changes(store->sql) == 0) {
		append->existed = true;
		outcome = find_key(store, m, key);
	} else if (outcome == 0) {
		m->id = sql_last_id(store->sql);
	}
	free(key);
	return outcome;
}

/* append_one returns 0, also where the table refused the rows, or the outcome
 * for which the whole transaction has to go. */
static int
append_one(struct store *store, struct append *append)
{
	/* A single statement is atomic by itself. */
	bool several = append->n > 1;
	int outcome;

	append->existed = append->refused = false;
	if (several && (outcome = sql_run(store->savepoint)) != 0)
		return outcome;
	for (size_t i = 0; i < append->n; i++) {
		outcome = insert_message(store, append, &append->messages[i]);
		if (outcome == 0)
			continue;
		if (outcome != SQL_CONSTRAINT)
			return outcome;
		log_warnx("store: %s: refused a message: %s", store->path,
		    sql_error(store->sql));
		append->refused = true;
		if (several && (outcome = sql_run(store->rollback_to)) != 0)
			return outcome;
		break;
	}
	return several ? sql_run(store->release) : 0;
}

/* answer_for turns SQL's outcome into one of ours, and logs it. */
static int
answer_for(const struct store *store, int outcome, const char *what)
{
	switch (outcome) {
	case SQL_BUSY:
		log_warnx("store: %s: %s: locked by another program for over %d ms",
		    store->path, what, BUSY_WAIT_MS);
		return STORE_BUSY;
	case SQL_FULL:
		log_errorx("store: %s: %s: no room on the disk", store->path, what);
		return STORE_FULL;
	default:
		return store_fault(store, what);
	}
}

int
store_append(struct store *store, struct append *appends[], size_t n)
{
	int outcome = sql_run(store->begin_write);

	for (size_t i = 0; outcome == 0 && i < n; i++)
		outcome = append_one(store, appends[i]);
	if (outcome == 0)
		outcome = sql_run(store->commit);
	if (outcome == 0)
		return 0;
	outcome = answer_for(store, outcome, "a message cannot be stored");
	sql_roll_back(store->sql);
	return outcome;
}

/* ---- reading ---- */

int
store_bounds(struct store *store, struct store_bounds *bounds)
{
	int rc = -1;

	if (sql_step(store->bounds) == SQL_ROW) {
		bounds->newest = sql_int64(store->bounds, 1);
		bounds->oldest = sql_is_null(store->bounds, 0) ? bounds->newest + 1
		    : sql_int64(store->bounds, 0);
		rc = 0;
	} else {
		store_fault(store, "its first and last id cannot be read");
	}
	sql_reset(store->bounds);
	return rc;
}

/* filtered returns the statement for filters with n_topics topics, bound. Each
 * kind of row that matches is a run of the index; SQLite merges the runs by id
 * as it reads, so the cost is that of the rows given and of no others. */
static struct sql_statement *
filtered(struct store *store, int64_t after, const struct filter *filter)
{
	if (store->read_filtered == NULL || store->n_topics != filter->n_topics) {
		struct buf sql = BUF_EMPTY;
		char *text;
		int rc;

		for (size_t i = 0; i <= filter->n_topics; i++)
			for (int own = 0; own < 2; own++) {
				buf_printf(&sql, "%sSELECT " MESSAGE_COLUMNS " FROM message WHERE"
				    " id > ?1 AND user IS %s AND topic IS ",
				    sql.len > 0 ? " UNION ALL " : "", own ? "?2" : "NULL");
				if (i == 0)
					buf_add_str(&sql, "NULL");
				else
					buf_printf(&sql, "?%zu", i + 2);
			}
		buf_add_str(&sql, " ORDER BY id");
		text = buf_take(&sql);
		sql_finalize(store->read_filtered);
		rc = prepare(store, &store->read_filtered, text);
		free(text);
		if (rc < 0)
			return NULL;
		store->n_topics = filter->n_topics;
	}
	sql_bind_int64(store->read_filtered, 1, after);
	sql_bind_text(store->read_filtered, 2, filter->user);
	for (size_t i = 0; i < filter->n_topics; i++)
		sql_bind_text(store->read_filtered, (int)i + 3, filter->topics[i]);
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

int
store_read(struct store *store, int64_t after, const struct filter *filter,
    store_row *take_row, void *context, struct store_bounds *bounds, int64_t *upto)
{
	struct sql_statement *rows;
	wall_s now = clock_wall_s();
	int rc;

	/* One transaction, hence one state of the table, for bounds and rows. */
	if (sql_run(store->begin) != 0)
		return store_fault(store, "cannot be read");
	if (store_bounds(store, bounds) < 0)
		goto fail;
	if (filter == NULL) {
		rows = store->read_all;
		sql_bind_int64(rows, 1, after);
	} else if ((rows = filtered(store, after, filter)) == NULL) {
		goto fail;
	}
	*upto = bounds->newest;
	while ((rc = sql_step(rows)) == SQL_ROW) {
		struct message m = {
			.id = sql_int64(rows, 0),
			.user = text_at(rows, 1),
			.topic = text_at(rows, 2),
			.event = text_at(rows, 3),
			.data = text_at(rows, 4),
			.data_len = sql_bytes(rows, 4),
			.expires_at = sql_int64(rows, 5),
		};

		if (m.expires_at != 0 && m.expires_at <= now)
			continue;
		if (!take_row(context, &m)) {
			*upto = m.id;
			rc = SQL_DONE;
			break;
		}
	}
	if (rc != SQL_DONE)
		store_fault(store, "its messages cannot be read");
	sql_reset(rows);
	sql_run(store->commit);
	return rc == SQL_DONE ? 0 : -1;
fail:
	sql_roll_back(store->sql);
	return -1;
}
