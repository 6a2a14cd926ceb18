/* The store in one SQLite file.
 *
 * The file is in WAL mode with synchronous=FULL: a commit is on the disk when
 * it returns, readers never wait for writers. Anybody may insert; what would
 * break a stream is refused by the table itself, so that every publisher meets
 * the same rules. The names of the constraints are the sentences that the
 * sqlite3 shell prints.
 *
 * AUTOINCREMENT never gives an id twice, not even that of a deleted newest row:
 * Last-Event-ID depends on it. SQLite has one writer at a time, hence the order
 * of ids is the order of commits.
 *
 * The schema's version stands in a table, not in user_version: the file may be
 * the application's own (a trigger can write only to its own file), and then
 * user_version is the application's. In a file of our own it is set as well, so
 * that file(1) and others can tell. */

#include "app/store.h"

#include <inttypes.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/filewatch.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	APPLICATION_ID = 0x726f7763,  /* "rowc" */
	BUSY_WAIT_MS = 2000,          /* for another program's lock; then the answer is 503 */
	BUSY_RETRY_MS = 5,
	OWNER_CACHE_KIB = 8192,       /* picked, not tuned */
	READER_CACHE_KIB = 512,       /* a page of replay and the way to it; one per reading thread */

	/* A commit's frames are written to the WAL, and seen by inotify, before
	 * the commit becomes visible. So after an event look again, soon at first.
	 * Measured: insert to seen in 0.4-0.6 ms. */
	LOOK_FIRST_US = 200,
	LOOK_LAST_US = 2000,
	LOOK_FOR_US = 50000,
	LOOK_ANYWAY_US = 50000,       /* where inotify is not to be had or lost an event */
};

/* What each step adds to the schema of the step before. */
static const char *const schema_steps[] = {
	/* 1 */
	"CREATE TABLE message(\n"
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- leave it out when inserting\n"
	"  user TEXT,        -- who may read it; NULL: everyone\n"
	"  topic TEXT,       -- only streams that asked for it; NULL: any stream\n"
	"  event TEXT,       -- event name; NULL: message\n"
	"  data TEXT NOT NULL,\n"
	"  created_at INTEGER NOT NULL\n"
	"    DEFAULT (CAST(strftime('%s','now') AS INTEGER)),  -- Unix seconds\n"
	"  expires_at INTEGER,  -- Unix seconds; not sent from then on; NULL: never\n"
	"  key TEXT UNIQUE,     -- the same key again inserts nothing (POST /msg)\n"
	"  CONSTRAINT \"data must be text without U+0000\"\n"
	"    CHECK (typeof(data) = 'text' AND instr(data, char(0)) = 0),\n"
	"  CONSTRAINT \"data must not be over 1 MiB\"\n"
	"    CHECK (length(CAST(data AS BLOB)) <= 1048576),\n"
	"  CONSTRAINT \"event must be text without a line break\"\n"
	"    CHECK (event IS NULL OR (typeof(event) = 'text' AND instr(event, char(10)) = 0\n"
	"      AND instr(event, char(13)) = 0 AND instr(event, char(0)) = 0)),\n"
	"  CONSTRAINT \"user must be NULL or text, not empty and without U+0000\"\n"
	"    CHECK (user IS NULL OR (typeof(user) = 'text' AND user <> ''\n"
	"      AND instr(user, char(0)) = 0)),\n"
	"  CONSTRAINT \"topic must be NULL or text, not empty and without U+0000\"\n"
	"    CHECK (topic IS NULL OR (typeof(topic) = 'text' AND topic <> ''\n"
	"      AND instr(topic, char(0)) = 0)),\n"
	"  CONSTRAINT \"created_at must be a number of Unix seconds\"\n"
	"    CHECK (typeof(created_at) = 'integer'),\n"
	"  CONSTRAINT \"expires_at must be NULL or a number of Unix seconds\"\n"
	"    CHECK (expires_at IS NULL OR typeof(expires_at) = 'integer')\n"
	");\n"
	/* An index ends with the rowid, so each (user, topic) is a run in the
	 * order of ids: a replay reads its own rows and no others. */
	"CREATE INDEX message_address ON message(user, topic);\n"
	"CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at IS NOT NULL;\n"
	/* AFTER, since BEFORE INSERT does not know an id that SQLite gives; the
	 * highest id is noted when the statement ends, so rows of one statement
	 * may come in any order: they become visible together. */
	"CREATE TRIGGER message_id_given AFTER INSERT ON message\n"
	"WHEN NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, 'id must be above the highest ever given, or streams"
	" would miss the row: leave id out');\n"
	"END;\n"
	/* Not "UPDATE OF id": SET rowid, the same column, would pass it by. */
	"CREATE TRIGGER message_id_kept BEFORE UPDATE ON message\n"
	"WHEN NEW.id <> OLD.id\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, 'id of a message cannot change');\n"
	"END;\n"
	"CREATE TABLE rowcast_schema(version INTEGER NOT NULL);\n"
	"INSERT INTO rowcast_schema VALUES(1);\n",
};
enum { SCHEMA_VERSION = sizeof(schema_steps) / sizeof(schema_steps[0]) };

#define MESSAGE_COLUMNS "id, user, topic, event, data, expires_at"

struct store {
	char *path;
	sqlite3 *db;
	sqlite3_stmt *begin, *begin_write, *commit;
	sqlite3_stmt *savepoint, *rollback_to, *release;
	sqlite3_stmt *bounds, *insert, *by_key, *read_all, *data_version;
	sqlite3_stmt *read_filtered;   /* for filters of n_topics topics */
	size_t n_topics;
	struct filewatch watch;        /* fd -1 until store_wait is first called */
	bool watch_tried;
	int64_t seen_version;          /* data_version when store_wait last returned */
	mono_us look_until;
	int64_t counted_keep_rows;     /* when store_trim last counted the rows: for what bound */
	int64_t counted_newest;        /* and the newest id */
	int64_t surplus_below;         /* rows below this id were found to be beyond it */
};

/* log_fault says what failed, on which file, and why, and returns -1. */
static int
log_fault(const struct store *store, const char *what)
{
	log_errorx("store: %s: %s: %s", store->path, what, sqlite3_errmsg(store->db));
	return -1;
}

/* outcome_of turns the handle's last error into one of ours. */
static int
outcome_of(const struct store *store, const char *what)
{
	switch (sqlite3_errcode(store->db)) {
	case SQLITE_BUSY:
		log_warnx("store: %s: %s: locked by another program for over %d ms",
		    store->path, what, BUSY_WAIT_MS);
		return STORE_BUSY;
	case SQLITE_FULL:
		log_errorx("store: %s: %s: no room on the disk", store->path, what);
		return STORE_FULL;
	default:
		return log_fault(store, what);
	}
}

/* run steps a statement that gives no rows. */
static int
run(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);

	sqlite3_reset(statement);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int
prepare(struct store *store, sqlite3_stmt **statement, const char *sql)
{
	if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
	    statement, NULL) != SQLITE_OK)
		return log_fault(store, "prepare");
	return 0;
}

/* number_of returns the first column of a query's first row, or fallback. */
static int64_t
number_of(struct store *store, const char *sql, int64_t fallback)
{
	sqlite3_stmt *statement;
	int64_t number = fallback;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return fallback;
	if (sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static int
execute(struct store *store, const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

static void
roll_back(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		execute(store, "ROLLBACK");
}

/* schema_version returns 0 for a file without our tables, -1 (logged) for one
 * that is not ours to touch. It asks several times, so the caller has begun a
 * transaction: another process may be making the tables at this very moment. */
static int64_t
schema_version(struct store *store)
{
	int64_t version, marked = 0;

	if (number_of(store, "SELECT count(*) FROM sqlite_schema", -1) < 0)
		return log_fault(store, "cannot be read");
	if (number_of(store, "PRAGMA application_id", 0) == APPLICATION_ID)
		marked = number_of(store, "PRAGMA user_version", 0);
	version = number_of(store, "SELECT max(version) FROM rowcast_schema", 0);
	if (marked > version)
		version = marked;
	if (version > SCHEMA_VERSION) {
		log_errorx("store: %s: its schema has version %" PRId64 ", this rowcast knows up"
		    " to %d: use a newer rowcast", store->path, version, SCHEMA_VERSION);
		return -1;
	}
	if (version == 0
	    && number_of(store, "SELECT count(*) FROM sqlite_schema WHERE name = 'message'", 0) > 0) {
		log_errorx("store: %s: has a table named message that is not rowcast's:"
		    " choose another file", store->path);
		return -1;
	}
	return version;
}

static int64_t
peek_schema_version(struct store *store)
{
	int64_t version;

	if (execute(store, "BEGIN") < 0)
		return log_fault(store, "cannot be read");
	version = schema_version(store);
	roll_back(store);
	return version;
}

/* is_blank: has nobody put anything into the file yet, not even a mark? */
static bool
is_blank(struct store *store)
{
	return number_of(store, "SELECT count(*) FROM sqlite_schema", 1) == 0
	    && number_of(store, "PRAGMA application_id", 1) == 0
	    && number_of(store, "PRAGMA user_version", 1) == 0;
}

/* use_wal waits by itself: where another process is about the same, SQLite
 * says at once that the file is busy, lest the two wait for each other. */
static int
use_wal(struct store *store)
{
	mono_us deadline = clock_mono_us() + BUSY_WAIT_MS * 1000;

	while (execute(store, "PRAGMA journal_mode = WAL") < 0) {
		if (sqlite3_errcode(store->db) != SQLITE_BUSY || clock_mono_us() >= deadline)
			return -1;
		sqlite3_sleep(BUSY_RETRY_MS);
	}
	return 0;
}

/* upgrade creates the schema or brings an older one up to date, in one
 * transaction, so that two processes that start at once do it once. */
static int
upgrade(struct store *store)
{
	int64_t version;

	/* Asked before anything is written, so that a file that is not ours to
	 * touch stays as it is, and again below, since another may be quicker. */
	if (peek_schema_version(store) < 0)
		return -1;
	if (use_wal(store) < 0 || execute(store, "BEGIN IMMEDIATE") < 0)
		return log_fault(store, "cannot be written");
	version = schema_version(store);
	if (version < 0)
		return -1;
	if (version == 0 && is_blank(store)) {
		char *mark = mem_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
		    APPLICATION_ID, SCHEMA_VERSION);
		int rc = execute(store, mark);

		free(mark);
		if (rc < 0)
			return log_fault(store, "cannot be marked");
	}
	for (; version < SCHEMA_VERSION; version++)
		if (execute(store, schema_steps[version]) < 0)
			return log_fault(store, "its schema cannot be made");
	if (execute(store, "COMMIT") < 0)
		return log_fault(store, "its schema cannot be committed");
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
	int rc, flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	store->watch.fd = -1;
	if (strncmp(name, scheme, strlen(scheme)) != 0) {
		store->path = mem_strdup(name);
		log_errorx("store: %s: must begin with %s", name, scheme);
		goto fail;
	}
	store->path = mem_strdup(name + strlen(scheme));
	if (access == STORE_OWNER)
		flags |= SQLITE_OPEN_CREATE;
	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK) {
		log_errorx("store: %s: cannot be opened: %s (is the folder there, and ours"
		    " to write?)", store->path, sqlite3_errmsg(store->db));
		goto fail;
	}
	sqlite3_busy_timeout(store->db, BUSY_WAIT_MS);
	pragmas = mem_printf("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
	    " PRAGMA cache_size = -%d; PRAGMA query_only = %d",
	    access == STORE_OWNER ? OWNER_CACHE_KIB : READER_CACHE_KIB, access == STORE_READER);
	rc = execute(store, pragmas);
	free(pragmas);
	if (rc < 0) {
		log_fault(store, "cannot be set up");
		goto fail;
	}
	if (access == STORE_OWNER) {
		if (upgrade(store) < 0)
			goto fail;
	} else {
		int64_t version = peek_schema_version(store);

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
	sqlite3_stmt *statement;

	if (store == NULL)
		return;
	filewatch_close(&store->watch);
	while (store->db != NULL && (statement = sqlite3_next_stmt(store->db, NULL)) != NULL)
		sqlite3_finalize(statement);
	sqlite3_close(store->db);
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

static void
bind_text(sqlite3_stmt *statement, int place, const char *text)
{
	if (text != NULL)
		sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, place);
}

/* find_key sets m->id to the row that has the key. */
static int
find_key(struct store *store, struct message *m, const char *key)
{
	int rc;

	bind_text(store->by_key, 1, key);
	rc = sqlite3_step(store->by_key) == SQLITE_ROW ? 0 : -1;
	if (rc == 0)
		m->id = sqlite3_column_int64(store->by_key, 0);
	sqlite3_reset(store->by_key);
	return rc;
}

/* insert_message returns 0 and sets m->id, or -1 with the error in the handle. */
static int
insert_message(struct store *store, struct append *append, struct message *m)
{
	sqlite3_stmt *insert = store->insert;
	char *key = m->key != NULL ? scoped_key(append->publisher, m->key) : NULL;
	int rc;

	bind_text(insert, 1, m->user);
	bind_text(insert, 2, m->topic);
	bind_text(insert, 3, m->event);
	sqlite3_bind_text64(insert, 4, m->data, m->data_len, SQLITE_STATIC, SQLITE_UTF8);
	if (m->expires_at != 0)
		sqlite3_bind_int64(insert, 5, m->expires_at);
	else
		sqlite3_bind_null(insert, 5);
	bind_text(insert, 6, key);
	rc = run(insert);
	if (rc == 0 && key != NULL && sqlite3_changes(store->db) == 0) {
		append->existed = true;
		rc = find_key(store, m, key);
	} else if (rc == 0) {
		m->id = sqlite3_last_insert_rowid(store->db);
	}
	free(key);
	return rc;
}

/* append_one returns 0, also where the table refused the rows, or -1 where the
 * whole transaction has to go. */
static int
append_one(struct store *store, struct append *append)
{
	/* A single statement is atomic by itself. */
	bool several = append->n > 1;

	append->existed = append->refused = false;
	if (several && run(store->savepoint) < 0)
		return -1;
	for (size_t i = 0; i < append->n; i++) {
		if (insert_message(store, append, &append->messages[i]) == 0)
			continue;
		if (sqlite3_errcode(store->db) != SQLITE_CONSTRAINT)
			return -1;
		log_warnx("store: %s: refused a message: %s", store->path,
		    sqlite3_errmsg(store->db));
		append->refused = true;
		if (several && run(store->rollback_to) < 0)
			return -1;
		break;
	}
	if (several && run(store->release) < 0)
		return -1;
	return 0;
}

int
store_append(struct store *store, struct append *appends[], size_t n)
{
	int outcome;

	if (run(store->begin_write) < 0)
		goto fail;
	for (size_t i = 0; i < n; i++)
		if (append_one(store, appends[i]) < 0)
			goto fail;
	if (run(store->commit) < 0)
		goto fail;
	return 0;
fail:
	outcome = outcome_of(store, "a message cannot be stored");
	roll_back(store);
	return outcome;
}

/* ---- reading ---- */

int
store_bounds(struct store *store, struct store_bounds *bounds)
{
	int rc = -1;

	if (sqlite3_step(store->bounds) == SQLITE_ROW) {
		bounds->newest = sqlite3_column_int64(store->bounds, 1);
		bounds->oldest = sqlite3_column_type(store->bounds, 0) != SQLITE_NULL
		    ? sqlite3_column_int64(store->bounds, 0) : bounds->newest + 1;
		rc = 0;
	} else {
		log_fault(store, "its first and last id cannot be read");
	}
	sqlite3_reset(store->bounds);
	return rc;
}

/* filtered returns the statement for filters with n_topics topics, bound. Each
 * kind of row that matches is a run of the index; SQLite merges the runs by id
 * as it reads, so the cost is that of the rows given and of no others. */
static sqlite3_stmt *
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
		sqlite3_finalize(store->read_filtered);
		store->read_filtered = NULL;
		rc = prepare(store, &store->read_filtered, text);
		free(text);
		if (rc < 0)
			return NULL;
		store->n_topics = filter->n_topics;
	}
	sqlite3_bind_int64(store->read_filtered, 1, after);
	bind_text(store->read_filtered, 2, filter->user);
	for (size_t i = 0; i < filter->n_topics; i++)
		bind_text(store->read_filtered, (int)i + 3, filter->topics[i]);
	return store->read_filtered;
}

/* text_at lends the column's text for as long as the row stands. The message's
 * strings are not const, since elsewhere it owns them; here nobody writes. */
static char *
text_at(sqlite3_stmt *row, int column)
{
	union { const unsigned char *lent; char *text; } t;

	t.lent = sqlite3_column_text(row, column);
	return t.text;
}

int
store_read(struct store *store, int64_t after, const struct filter *filter,
    store_row *take_row, void *context, struct store_bounds *bounds, int64_t *upto)
{
	sqlite3_stmt *rows;
	wall_s now = clock_wall_s();
	int rc;

	/* One transaction, hence one state of the table, for bounds and rows. */
	if (run(store->begin) < 0)
		return log_fault(store, "cannot be read");
	if (store_bounds(store, bounds) < 0)
		goto fail;
	if (filter == NULL) {
		rows = store->read_all;
		sqlite3_bind_int64(rows, 1, after);
	} else if ((rows = filtered(store, after, filter)) == NULL) {
		goto fail;
	}
	*upto = bounds->newest;
	while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
		struct message m = {
			.id = sqlite3_column_int64(rows, 0),
			.user = text_at(rows, 1),
			.topic = text_at(rows, 2),
			.event = text_at(rows, 3),
			.data = text_at(rows, 4),
			.data_len = (size_t)sqlite3_column_bytes(rows, 4),
			.expires_at = sqlite3_column_int64(rows, 5),
		};

		if (m.expires_at != 0 && m.expires_at <= now)
			continue;
		if (!take_row(context, &m)) {
			*upto = m.id;
			rc = SQLITE_DONE;
			break;
		}
	}
	if (rc != SQLITE_DONE)
		log_fault(store, "its messages cannot be read");
	sqlite3_reset(rows);
	run(store->commit);
	return rc == SQLITE_DONE ? 0 : -1;
fail:
	roll_back(store);
	return -1;
}

/* ---- news ---- */

/* changed: has another handle, of this process or any other, committed since
 * this was last asked? 1.8 microseconds. */
static bool
changed(struct store *store)
{
	int64_t version = store->seen_version;

	if (sqlite3_step(store->data_version) == SQLITE_ROW)
		version = sqlite3_column_int64(store->data_version, 0);
	sqlite3_reset(store->data_version);
	if (version == store->seen_version)
		return false;
	store->seen_version = version;
	return true;
}

void
store_wait(struct store *store, int wake_fd)
{
	mono_us look_us = LOOK_FIRST_US;

	if (!store->watch_tried) {
		store->watch_tried = true;
		if (filewatch_open(&store->watch, store->path) < 0)
			log_warn("store: %s: cannot be watched; foreign rows will be seen"
			    " within %d ms", store->path, LOOK_ANYWAY_US / 1000);
	}
	while (!changed(store)) {
		bool looking = clock_mono_us() < store->look_until;
		struct pollfd p[2] = {
			{ .fd = wake_fd, .events = POLLIN },
			{ .fd = store->watch.fd, .events = POLLIN },
		};
		struct timespec wait = { .tv_nsec = (looking ? look_us : LOOK_ANYWAY_US) * 1000 };

		/* While looking, further events tell nothing, and a commit makes one
		 * for every page: they are left to gather. */
		ppoll(p, looking ? 1 : 2, &wait, NULL);
		if (p[0].revents != 0) {
			changed(store);  /* what woke us is about to be read */
			return;
		}
		if (looking)
			look_us = look_us * 5 / 4 < LOOK_LAST_US ? look_us * 5 / 4 : LOOK_LAST_US;
		if (filewatch_read(&store->watch)) {
			store->look_until = clock_mono_us() + LOOK_FOR_US;
			if (!looking)
				look_us = LOOK_FIRST_US;
		}
	}
}

/* ---- retention ---- */

/* delete_where runs a DELETE that takes its bounds as ?1 and ?2 and returns how
 * many rows went, or -1. */
static int
delete_where(struct store *store, const char *sql, int64_t first, int64_t second)
{
	sqlite3_stmt *statement;
	int n = -1;

	if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	sqlite3_bind_int64(statement, 1, first);
	sqlite3_bind_int64(statement, 2, second);
	if (sqlite3_step(statement) == SQLITE_DONE)
		n = sqlite3_changes(store->db);
	sqlite3_finalize(statement);
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
	surplus = number_of(store, "SELECT count(*) FROM message", 0) - keep_rows;
	store->counted_newest = bounds.newest;
	if (surplus <= 0)
		return 0;
	sql = mem_printf("SELECT id FROM message ORDER BY id LIMIT 1 OFFSET %" PRId64, surplus);
	store->surplus_below = number_of(store, sql, 0);
	free(sql);
	return 0;
}

int
store_trim(struct store *store, int64_t keep_for_s, int64_t keep_rows, int max_rows)
{
	wall_s now = clock_wall_s();
	int expired, old = 0, beyond = 0;

	if (run(store->begin_write) < 0)
		return sqlite3_errcode(store->db) == SQLITE_BUSY ? -1 : log_fault(store, "trim");
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
	if (run(store->commit) < 0)
		goto fail;
	return expired + old + beyond;
fail:
	log_fault(store, "old messages cannot be deleted");
	roll_back(store);
	return -1;
}
