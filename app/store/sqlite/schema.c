/* The schema of the SQLite store: made, upgraded or checked once, by the thread
 * that opens the handle, before anything else is done with the file.
 *
 * Anybody may insert; what would break a stream is refused by the table itself,
 * so that every publisher meets the same rules. The names of the constraints
 * are the sentences that the sqlite3 shell prints.
 *
 * AUTOINCREMENT never gives an id twice, not even that of a deleted newest row:
 * Last-Event-ID depends on it.
 *
 * The schema's version stands in a table, not in user_version: the file may be
 * the application's own (a trigger can write only to its own file), and then
 * user_version is the application's. In a file of our own it is set as well, so
 * that file(1) and others can tell. */

#include "app/store/sqlite/schema.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/store/sqlite/ended.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/refusal.h"
#include "app/store/sqlite/revoked.h"
#include "app/store/sqlite/schema_copy.h"
#include "app/store/sqlite/segment.h"
#include "app/store/sqlite/will.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	APPLICATION_ID = 0x726f7763,  /* "rowc" */
	BUSY_RETRY_MS = 5,
};

#define ID_TOO_LOW \
	"id must be above the highest ever given, or streams would miss the row: leave id out"

/* 2^53 - 1, the highest number that is exact in a browser. */
#define ID_MAX "9007199254740991"

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
	REFUSAL_CHECKS
	");\n"
	"CREATE INDEX message_address ON message(user, topic);\n"
	"CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at IS NOT NULL;\n"
	/* AFTER, since BEFORE INSERT does not know an id that SQLite gives; the
	 * highest id is noted when the statement ends, so rows of one statement
	 * may come in any order: they become visible together. */
	"CREATE TRIGGER message_id_given AFTER INSERT ON message\n"
	"WHEN NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, '" ID_TOO_LOW "');\n"
	"END;\n"
	/* The id of a row that stands would fail before AFTER, as a UNIQUE
	 * constraint that tells nobody what to do. An id that SQLite gives is -1
	 * here: asked first, bulk inserts need not read the table. */
	"CREATE TRIGGER message_id_taken BEFORE INSERT ON message\n"
	"WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM message WHERE id = NEW.id)\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, '" ID_TOO_LOW "');\n"
	"END;\n"
	/* Not "UPDATE OF id": SET rowid, the same column, would pass it by. */
	"CREATE TRIGGER message_id_kept BEFORE UPDATE ON message\n"
	"WHEN NEW.id <> OLD.id\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, 'id of a message cannot change');\n"
	"END;\n"
	"CREATE TABLE rowcast_schema(version INTEGER NOT NULL);\n"
	"INSERT INTO rowcast_schema VALUES(1);\n",
	/* 2: an index ends with the rowid, so within a segment each (user, topic)
	 * is a run in the order of ids: a replay reads its own rows and no others. */
	"DROP INDEX message_address;\n"
	"CREATE INDEX message_address ON message(" SEGMENT_OF("id") ", user, topic);\n"
	"UPDATE rowcast_schema SET version = 2;\n",
	/* 3: what the constraints of step 1 do not refuse. A constraint cannot be
	 * added, and rows that stand have to stay, so these are triggers; few, since
	 * each is a program of its own that runs for every row. Whether the id was
	 * given is known before the row is inserted only (SQLite says -1 where it was
	 * not), and which it became only afterwards: that is asked by message_new, which
	 * step 6 makes, and message_changed too. */
	"DROP TRIGGER message_id_given;\n"
	"DROP TRIGGER message_id_taken;\n"
	"DROP TRIGGER message_id_kept;\n"
	"CREATE TRIGGER message_id BEFORE INSERT ON message\n"
	"WHEN NEW.id <> -1 AND NEW.id <= " ID_MAX "\n"
	"  AND (NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)\n"
	"    OR EXISTS (SELECT 1 FROM message WHERE id = NEW.id))\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, '" ID_TOO_LOW "');\n"
	"END;\n"
	/* What was trimmed before is not known: it counts as all that is gone. */
	"CREATE TABLE rowcast_state(\n"
	"  trimmed INTEGER NOT NULL,  -- the highest id that retention has deleted; 0: none\n"
	"  room BLOB                  -- NULL; written to see whether there is any\n"
	");\n"
	"INSERT INTO rowcast_state(trimmed) SELECT coalesce((SELECT min(id) - 1 FROM message),\n"
	"  (SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0);\n"
	"UPDATE rowcast_schema SET version = 3;\n",
	/* 4: a file may be a machine's copy (schema_copy.c), which older programs do not
	 * know, so that they have to refuse it. Its name is NULL where it is none. */
	"ALTER TABLE rowcast_state ADD COLUMN name TEXT; UPDATE rowcast_schema SET version = 4;\n",
	/* 5: who was revoked. The trigger that it had is one with that of ends since step 6. */
	REVOKED_TABLE "UPDATE rowcast_schema SET version = 5;\n",
	/* 6: topics end. What a new and a changed row may not be is in triggers made anew,
	 * those of step 3 with more to ask. */
	"DROP TRIGGER IF EXISTS message_new;\n"
	"DROP TRIGGER IF EXISTS message_changed;\n"
	"CREATE TRIGGER message_new AFTER INSERT ON message\n"
	"BEGIN\n"
	"  SELECT CASE\n"
	"    WHEN NEW.id < 1\n"
	"    THEN RAISE(ABORT, '" ID_TOO_LOW "')\n"
	"    WHEN NEW.id > " ID_MAX "\n"
	"    THEN RAISE(ABORT, 'id would be above 2^53 - 1, where browsers cannot tell one from"
	" the next: leave id out; where it was left out, begin a new file')\n"
	"    END,\n"
	REFUSAL_OF_NEW(ENDED_REFUSAL("NEW.id")) ";\n"
	"END;\n"
	/* Not "UPDATE OF id": SET rowid, the same column, would pass it by. A time is
	 * asked only where it changes: in a row from before this step it may be any. */
	"CREATE TRIGGER message_changed BEFORE UPDATE ON message\n"
	"BEGIN\n"
	"  SELECT CASE\n"
	"    WHEN NEW.id <> OLD.id\n"
	"    THEN RAISE(ABORT, 'id of a message cannot change')\n"
	"    WHEN NEW.user IS NOT OLD.user OR NEW.topic IS NOT OLD.topic\n"
	"      OR NEW.event IS NOT OLD.event OR NEW.data IS NOT OLD.data\n"
	"    THEN RAISE(ABORT, 'a published message cannot change: delete it and insert another')\n"
	"    WHEN NEW.created_at IS NOT OLD.created_at\n"
	"      AND NEW.created_at NOT BETWEEN 1 AND " REFUSAL_TIME_MAX "\n"
	"    THEN RAISE(ABORT, 'created_at must be Unix seconds, from 1 to the year 2100 (not"
	" milliseconds)')\n"
	"    WHEN NEW.expires_at IS NOT OLD.expires_at\n"
	"      AND NEW.expires_at NOT BETWEEN 1 AND " REFUSAL_TIME_MAX "\n"
	"    THEN RAISE(ABORT, 'expires_at must be Unix seconds, from 1 to the year 2100 (not"
	" milliseconds), or NULL for never')\n"
	"    WHEN NEW.expires_at IS NOT OLD.expires_at AND NEW.expires_at IS NOT NULL\n"
	"      AND NEW.event = '" MESSAGE_EVENT_END "'\n"
	"    THEN RAISE(ABORT, '" MESSAGE_EVENT_END " ends a topic and does not expire before it:"
	" leave expires_at NULL')\n"
	"  END;\n"
	"END;\n"
	"DROP TRIGGER IF EXISTS message_revokes;\n"
	ENDED_TABLE
	WILL_TABLE
	/* What holds longer than the message is noted by one trigger, since each is a program
	 * of its own that is begun for every row. No UPSERT, and no INSERT OR anything: the
	 * conflict clause of the statement that set it off would hold in its place. Rows of the
	 * same statement may have higher ids than an end, and come before it. */
	"CREATE TRIGGER message_noted AFTER INSERT ON message\n"
	"WHEN NEW.topic IS NOT NULL AND NEW.event IN ('" MESSAGE_EVENT_END "', 'revoke')\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, '" ENDED_SENTENCE "')\n"
	"    WHERE NEW.event = '" MESSAGE_EVENT_END "'\n"
	"      AND EXISTS (SELECT 1 FROM message WHERE id > NEW.id AND topic = NEW.topic);\n"
	ENDED_NOTE
	REVOKED_NOTE
	"END;\n"
	"UPDATE rowcast_schema SET version = 6;\n",
};
enum { SCHEMA_VERSION = sizeof(schema_steps) / sizeof(schema_steps[0]) };

/* is_marked: is the file one of our own? */
static bool
is_marked(struct store *store)
{
	return sql_number(store->sql, "PRAGMA application_id", 0) == APPLICATION_ID;
}

/* version_of returns 0 for a file without our tables, -1 (logged) for one
 * that is not ours to touch, or not in that way. It asks several times, so the caller has begun a
 * transaction: another process may be making the tables at this very moment. */
static int64_t
version_of(struct store *store, enum store_access access)
{
	int64_t version, marked = 0;

	if (sql_number(store->sql, "SELECT count(*) FROM sqlite_schema", -1) < 0)
		return fault_log(store, "cannot be read");
	if (is_marked(store))
		marked = sql_number(store->sql, "PRAGMA user_version", 0);
	version = sql_number(store->sql, "SELECT max(version) FROM rowcast_schema", 0);
	if (marked > version)
		version = marked;
	if (version > SCHEMA_VERSION) {
		log_errorx("store: %s: its schema has version %" PRId64 ", this rowcast knows up"
		    " to %d: use a newer rowcast", store->path, version, SCHEMA_VERSION);
		return -1;
	}
	if (version == 0
	    && sql_number(store->sql, "SELECT count(*) FROM sqlite_schema"
	        " WHERE name = 'message'", 0) > 0) {
		log_errorx("store: %s: has a table named message that is not rowcast's:"
		    " choose another file", store->path);
		return -1;
	}
	return version > 0 && schema_copy_refuse(store, access, is_marked(store)) < 0 ? -1 : version;
}

int64_t
schema_newest(void)
{
	return SCHEMA_VERSION;
}

int64_t
schema_version(struct store *store, enum store_access access)
{
	int64_t version;

	if (sql_execute(store->sql, "BEGIN") != 0)
		return fault_log(store, "cannot be read");
	version = version_of(store, access);
	sql_roll_back(store->sql);
	return version;
}

int
schema_check(struct store *store)
{
	int64_t version = schema_version(store, STORE_READER);

	if (version == 0)
		log_errorx("store: %s: holds no messages yet: start `rowcast serve` first",
		    store->path);
	else if (version > 0 && version < SCHEMA_VERSION)
		log_errorx("store: %s: its schema has version %" PRId64 ": start this version's"
		    " `rowcast serve` first, which upgrades it", store->path, version);
	return version == SCHEMA_VERSION ? 0 : -1;
}

/* is_blank: has nobody put anything into the file yet, not even a mark? */
static bool
is_blank(struct store *store)
{
	return sql_number(store->sql, "SELECT count(*) FROM sqlite_schema", 1) == 0
	    && sql_number(store->sql, "PRAGMA application_id", 1) == 0
	    && sql_number(store->sql, "PRAGMA user_version", 1) == 0;
}

/* use_wal waits by itself: where another process is about the same, SQLite
 * says at once that the file is busy, lest the two wait for each other. */
static int
use_wal(struct store *store)
{
	mono_us deadline = clock_mono_in_ms(BUSY_WAIT_MS);
	int outcome;

	while ((outcome = sql_execute(store->sql, "PRAGMA journal_mode = WAL")) == SQL_BUSY
	    && clock_mono_us() < deadline)
		usleep(BUSY_RETRY_MS * 1000);
	return outcome;
}

/* In one transaction, so that two processes that start at once do it once. */
int
schema_upgrade(struct store *store, enum store_access access)
{
	int64_t version;

	/* Asked before anything is written, so that a file that is not ours to
	 * touch stays as it is, and again below, since another may be quicker. */
	if (schema_version(store, access) < 0)
		return -1;
	if (use_wal(store) != 0 || sql_execute(store->sql, "BEGIN IMMEDIATE") != 0)
		return fault_log(store, "cannot be written");
	version = version_of(store, access);
	if (version < 0)
		return -1;
	if (is_blank(store) || (version < SCHEMA_VERSION && is_marked(store))) {
		char *mark = mem_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
		    APPLICATION_ID, SCHEMA_VERSION);
		int outcome = sql_execute(store->sql, mark);

		free(mark);
		if (outcome != 0)
			return fault_log(store, "cannot be marked");
	}
	for (; version < SCHEMA_VERSION; version++)
		if (sql_execute(store->sql, schema_copy_is(store) ? schema_copy_step(version)
		    : schema_steps[version]) != 0)
			return fault_log(store, "its schema cannot be made");
	if (access == STORE_COPY && schema_copy_make(store) != 0)
		return fault_log(store, "its schema cannot be made");
	if (sql_execute(store->sql, "COMMIT") != 0)
		return fault_log(store, "its schema cannot be committed");
	return 0;
}
