/* The schema of a copy: where several machines share a log, each machine's file holds
 * what it has read of it, and what is on its way to it. Made once, by the thread that
 * opens the handle.
 *
 * `message` is a view here, so that whoever publishes by INSERT, or erases by DELETE,
 * need not know. A view keeps nothing: what is inserted goes to rowcast_outbox, in the
 * transaction that inserts it, and comes back from the log into rowcast_copy, under
 * the id that is the same on every machine. Constraints and triggers of the outbox
 * refuse what the own table refuses, in the same words (refusal.h). rowcast_copy has no
 * triggers: what is noted of a message copy.c notes.
 *
 * What a view cannot do, SQLite says: an UPSERT ("cannot UPSERT a view"; INSERT OR
 * IGNORE does the same here). RETURNING id is NULL, and changes() counts nothing. */

#include "app/store/sqlite/schema_copy.h"

#include <stdlib.h>

#include "app/store/sqlite/ended.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/refusal.h"
#include "app/store/sqlite/revoked.h"
#include "app/store/sqlite/segment.h"
#include "app/store/sqlite/will.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/sql.h"

enum { FIRST_VERSION = 4 };  /* of the schema, in which there are copies */

/* Longer than what keys over HTTP become with their publisher before them. */
#define KEY_MAX "1024"

/* A key is compared as the text that it becomes in the outbox. */
#define NEW_KEY "CAST(NEW.key AS TEXT)"

#define KEY_IS_TAKEN \
	"NEW.key IS NOT NULL AND (EXISTS (SELECT 1 FROM rowcast_copy WHERE key = " NEW_KEY ")\n" \
	"    OR EXISTS (SELECT 1 FROM rowcast_outbox WHERE key = " NEW_KEY "))"

#define KEY_IS_REPLACED "(SELECT chosen FROM rowcast_conflict WHERE taken = 2)"

/* The ends that are on their way, and what of a new row is refused. An end that is known
 * here is before all that goes to the log from here. */
#define OUTBOX_ENDS \
	"CREATE INDEX rowcast_outbox_end ON rowcast_outbox(topic)\n" \
	"  WHERE event = '" MESSAGE_EVENT_END "';\n"
#define OUTBOX_NEW \
	"CREATE TRIGGER rowcast_outbox_new AFTER INSERT ON rowcast_outbox\n" \
	"BEGIN\n" \
	"  SELECT\n" \
	REFUSAL_OF_NEW(ENDED_REFUSAL("9223372036854775807") \
	"    WHEN EXISTS (SELECT 1 FROM rowcast_outbox\n" \
	"      WHERE event = '" MESSAGE_EVENT_END "' AND topic = NEW.topic AND number < NEW.number)\n" \
	"    THEN RAISE(ABORT, '" ENDED_SENTENCE "')\n") \
	"    , CASE WHEN length(CAST(NEW.key AS BLOB)) > " KEY_MAX " OR instr(NEW.key, char(0)) > 0\n" \
	"    THEN RAISE(ABORT, 'key must be text of at most " KEY_MAX " bytes without U+0000')\n" \
	"    END;\n" \
	"END;\n"

/* Streams that read runs of users and topics find the gaps, which have neither, by an index
 * of their own. */
#define COPY_GAPS \
	"CREATE INDEX rowcast_copy_gap ON rowcast_copy(segment, id) WHERE event = 'rowcast.gap';\n"

static const char copy_schema[] =
	"DROP TABLE message;\n"
	"CREATE TABLE rowcast_copy(\n"
	"  id INTEGER PRIMARY KEY,  -- the log's, the same on every machine\n"
	"  segment INTEGER NOT NULL,  -- the id of the first row of its run of "
		SEGMENT_IDS_TEXT "\n"
	"  user TEXT,\n"
	"  topic TEXT,\n"
	"  event TEXT,\n"
	"  data TEXT NOT NULL,\n"
	"  created_at INTEGER NOT NULL,\n"
	"  expires_at INTEGER,\n"
	"  key TEXT\n"
	");\n"
	"CREATE INDEX rowcast_copy_address ON rowcast_copy(segment, user, topic);\n"
	"CREATE INDEX rowcast_copy_expiry ON rowcast_copy(expires_at) WHERE expires_at IS NOT NULL;\n"
	"CREATE UNIQUE INDEX rowcast_copy_key ON rowcast_copy(key) WHERE key IS NOT NULL;\n"
	"CREATE TABLE rowcast_outbox(\n"
	"  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of the commits\n"
	/* Random, not file and number: in a file that is restored from a backup new rows
	 * get numbers that were given before. */
	"  once TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),\n"
	"  user TEXT,\n"
	"  topic TEXT,\n"
	"  event TEXT,\n"
	"  data TEXT NOT NULL,\n"
	"  created_at INTEGER NOT NULL  -- as it was given; the log has its own\n"
	"    DEFAULT (CAST(strftime('%s','now') AS INTEGER)),\n"
	"  expires_at INTEGER,\n"
	"  key TEXT,\n"
	"  replaces INTEGER NOT NULL DEFAULT 0,  -- the message that has its key is erased\n"
	"  erase INTEGER,  -- no message: this one is erased\n"
	REFUSAL_CHECKS
	");\n"
	"CREATE INDEX rowcast_outbox_key ON rowcast_outbox(key);\n"
	OUTBOX_ENDS OUTBOX_NEW
	/* How an INSERT asked for conflicts to be resolved no trigger is told. But what it
	 * asked for holds in the triggers too, in place of what is said there: so it shows
	 * in what becomes of a row that is there already. */
	"CREATE TABLE rowcast_conflict(taken INTEGER PRIMARY KEY, chosen INTEGER NOT NULL);\n"
	"INSERT INTO rowcast_conflict VALUES(1, 0), (2, 0);\n"
	/* Rows of the log that say that history was lost are for streams, not for people. */
	"CREATE VIEW message(id, user, topic, event, data, created_at, expires_at, key) AS\n"
	"  SELECT id, user, topic, event, data, created_at, expires_at, key FROM rowcast_copy\n"
	"  WHERE id > (SELECT trimmed FROM rowcast_state) AND event IS NOT 'rowcast.gap';\n"
	"CREATE TRIGGER rowcast_insert INSTEAD OF INSERT ON message\n"
	"BEGIN\n"
	"  SELECT CASE\n"
	"    WHEN NEW.id IS NOT NULL\n"
	"    THEN RAISE(ABORT, 'id is given by the log that several machines share: leave id out')\n"
	"    WHEN NEW.data IS NULL\n"
	"    THEN RAISE(ABORT, 'NOT NULL constraint failed: message.data')\n"
	"  END;\n"
	/* Nothing asked for, or OR REPLACE: the first row is replaced; OR REPLACE: the
	 * second too; OR IGNORE: neither; else one of these two statements fails. */
	"  INSERT OR REPLACE INTO rowcast_conflict SELECT 1, 1 WHERE " KEY_IS_TAKEN ";\n"
	"  INSERT OR IGNORE INTO rowcast_conflict SELECT 2, 1 WHERE " KEY_IS_TAKEN ";\n"
	"  SELECT CASE (SELECT sum(chosen) FROM rowcast_conflict)\n"
	"    WHEN 0 THEN RAISE(IGNORE)\n"
	"    WHEN 1 THEN RAISE(ABORT, 'UNIQUE constraint failed: message.key')\n"
	"  END WHERE " KEY_IS_TAKEN ";\n"
	"  INSERT INTO rowcast_outbox(data, erase)\n"
	"    SELECT '', id FROM rowcast_copy WHERE key = " NEW_KEY " AND " KEY_IS_REPLACED ";\n"
	"  DELETE FROM rowcast_copy WHERE key = " NEW_KEY " AND " KEY_IS_REPLACED ";\n"
	"  INSERT INTO rowcast_outbox(user, topic, event, data, created_at, expires_at, key, replaces)\n"
	"    VALUES(NEW.user, NEW.topic, NEW.event, NEW.data,\n"
	"      coalesce(NEW.created_at, CAST(strftime('%s','now') AS INTEGER)), NEW.expires_at,\n"
	"      " NEW_KEY ", " KEY_IS_REPLACED ");\n"
	"  UPDATE rowcast_conflict SET chosen = 0 WHERE chosen <> 0;\n"
	"END;\n"
	"CREATE TRIGGER rowcast_update INSTEAD OF UPDATE ON message\n"
	"BEGIN\n"
	"  SELECT RAISE(ABORT, 'a published message cannot change, since other machines have it"
	" too: delete it and insert another');\n"
	"END;\n"
	"CREATE TRIGGER rowcast_delete INSTEAD OF DELETE ON message\n"
	"BEGIN\n"
	"  DELETE FROM rowcast_copy WHERE id = OLD.id;\n"
	"  INSERT INTO rowcast_outbox(data, erase) VALUES('', OLD.id);\n"
	"END;\n"
	"ALTER TABLE rowcast_state ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;\n"
	"ALTER TABLE rowcast_state ADD COLUMN anchor INTEGER NOT NULL DEFAULT 0;\n"
	/* The newest segment, and how many rows were put into it. */
	"ALTER TABLE rowcast_state ADD COLUMN segment INTEGER NOT NULL DEFAULT 0;\n"
	"ALTER TABLE rowcast_state ADD COLUMN segment_rows INTEGER NOT NULL DEFAULT 0;\n"
	/* What the file itself has trimmed before, its readers may have missed: it stays. */
	"UPDATE rowcast_state SET name = lower(hex(randomblob(16)));\n"
	/* Topics that ended here, in messages that are gone, mean nothing to the log. */
	"DELETE FROM rowcast_ended;\n"
	"DELETE FROM rowcast_following;\n"
	COPY_GAPS;

bool
schema_copy_is(struct store *store)
{
	return sql_number(store->sql, "SELECT count(*) FROM sqlite_schema"
	    " WHERE name = 'rowcast_copy' AND type = 'table'", 0) > 0;
}

/* quoted returns the text as SQL has it between quotes; the caller frees it. */
static char *
quoted(const char *text)
{
	struct buf sql = BUF_EMPTY;

	for (; *text != '\0'; text++) {
		if (*text == '\'')
			buf_add_char(&sql, '\'');
		buf_add_char(&sql, *text);
	}
	return buf_take(&sql);
}

#define COLUMNS "user,topic,event,data,expires_at,key"

/* What sqlite3 is called with beside others that write: without a time-out it gives up at
 * once. */
#define SHELL "sqlite3 -cmd '.timeout 5000' %s"

/* refuse_messages says how the messages that the file has come to all machines. Always
 * -1. */
static int
refuse_messages(struct store *store, bool is_ours)
{
	char *old = quoted(store->path);

	if (is_ours)
		log_errorx("store: %s: has messages of its own, which the other machines would never"
		    " get. To publish them to all: `mv %s %s.old`, start rowcast, then `" SHELL
		    " \"ATTACH '%s.old' AS old; INSERT INTO message(" COLUMNS ") SELECT " COLUMNS
		    " FROM old.message ORDER BY id\"`", store->path, store->path, store->path,
		    store->path, old);
	else
		log_errorx("store: %s: has messages of its own, which the other machines would never"
		    " get. To publish them to all: `" SHELL " \"VACUUM INTO '%s.old'; DELETE"
		    " FROM message\"`, start rowcast, then `" SHELL " \"ATTACH '%s.old' AS old; INSERT"
		    " INTO message(" COLUMNS ") SELECT " COLUMNS " FROM old.message ORDER BY id\"`",
		    store->path, store->path, old, store->path, old);
	free(old);
	return -1;
}

/* refuse_additions: what an application has hung on the table would go with it, without
 * a word. */
static int
refuse_additions(struct store *store)
{
	struct sql_statement *theirs;
	int rc = 0;

	if (sql_prepare(store->sql, &theirs, "SELECT type, name FROM sqlite_schema"
	    " WHERE tbl_name = 'message' AND type IN ('index', 'trigger') AND sql IS NOT NULL"
	    "  AND name NOT IN ('message_address', 'message_expiry', 'message_id', 'message_new',"
	    "   'message_changed', 'message_revokes', 'message_noted',"
	    "    'message_id_given', 'message_id_taken', 'message_id_kept')") != 0)
		return -1;
	if (sql_step(theirs) == SQL_ROW) {
		log_errorx("store: %s: has the %s %s on the table message, which in a machine's copy is a"
		    " view: drop it first", store->path, sql_text(theirs, 0), sql_text(theirs, 1));
		rc = -1;
	}
	sql_finalize(theirs);
	return rc;
}

int
schema_copy_refuse(struct store *store, enum store_access access, bool is_ours)
{
	bool is_copy = schema_copy_is(store);

	if (access == STORE_OWNER && is_copy) {
		log_errorx("store: %s: is a machine's copy of a log that several machines share: set"
		    " `upstream`, or choose another file", store->path);
		return -1;
	}
	if (access != STORE_COPY || is_copy)
		return 0;
	if (sql_number(store->sql, "SELECT EXISTS (SELECT 1 FROM message)", 0) != 0)
		return refuse_messages(store, is_ours);
	return refuse_additions(store);
}

const char *
schema_copy_step(int64_t version)
{
	static const char *const steps[] = {
		REVOKED_TABLE "UPDATE rowcast_schema SET version = 5;\n",
		"DROP TRIGGER IF EXISTS rowcast_copy_revokes;\n" ENDED_TABLE WILL_TABLE
		COPY_GAPS OUTBOX_ENDS "DROP TRIGGER rowcast_outbox_new;\n" OUTBOX_NEW
		"UPDATE rowcast_schema SET version = 6;\n",
	};

	return steps[version - FIRST_VERSION];
}

int
schema_copy_make(struct store *store)
{
	return schema_copy_is(store) ? 0 : sql_execute(store->sql, copy_schema);
}
