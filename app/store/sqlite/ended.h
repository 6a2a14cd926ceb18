/* The table of the topics that have ended. A trigger keeps it, so that the table of
 * messages itself refuses what comes after an end, whoever commits it. Part of the schema:
 * files have the text as it was when they were made. */
#ifndef APP_STORE_SQLITE_ENDED_H
#define APP_STORE_SQLITE_ENDED_H

#include "app/store/store.h"

/* What a row of a topic that has ended is refused with. */
#define ENDED_SENTENCE "the topic has ended"

/* By topic, which each new row that has one asks. WITHOUT ROWID: one tree to look in. */
#define ENDED_TABLE \
	"CREATE TABLE rowcast_ended(\n" \
	"  topic TEXT PRIMARY KEY,\n" \
	"  id INTEGER NOT NULL,  -- of the message that ended it\n" \
	"  ended_at INTEGER NOT NULL  -- Unix seconds, by the clock and not as the message says\n" \
	") WITHOUT ROWID;\n" \
	"CREATE INDEX rowcast_ended_id ON rowcast_ended(id);\n" \
	"CREATE INDEX rowcast_ended_at ON rowcast_ended(ended_at);\n"

/* Has the row NEW a topic that ended before it? By the ids, since rows of one statement
 * may come in any order of them, and triggers run in any order too. */
#define ENDED_BEFORE(id) \
	"NEW.topic IS NOT NULL AND EXISTS\n" \
	"      (SELECT 1 FROM rowcast_ended WHERE topic = NEW.topic AND id < " id ")"

/* A branch of a CASE in a trigger, after the INSERT of a row that has this id. */
#define ENDED_REFUSAL(id) \
	"    WHEN " ENDED_BEFORE(id) "\n" \
	"    THEN RAISE(ABORT, '" ENDED_SENTENCE "')\n"

/* The trigger on the table that messages come into; of its own, since it runs for few
 * rows. No UPSERT, and no INSERT OR IGNORE: see revoked.h. first: statements before the end
 * is noted. */
#define ENDED_TRIGGER(table, first) \
	"CREATE TRIGGER " table "_ends AFTER INSERT ON " table "\n" \
	"WHEN NEW.event = '" MESSAGE_EVENT_END "' AND NEW.topic IS NOT NULL\n" \
	"BEGIN\n" \
	first \
	"  INSERT INTO rowcast_ended(topic, id, ended_at)\n" \
	"    SELECT NEW.topic, NEW.id, CAST(strftime('%s','now') AS INTEGER)\n" \
	"    WHERE NOT EXISTS (SELECT 1 FROM rowcast_ended WHERE topic = NEW.topic);\n" \
	"END;\n"

/* ended_prepare prepares what store_ended runs. 0 or -1 (logged). */
int ended_prepare(struct store *store);

#endif
