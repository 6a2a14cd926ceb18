/* The table of the topics that have ended. A trigger keeps it, so that the table of
 * messages itself refuses what comes after an end, whoever commits it; in a copy, into
 * which messages come by copy.c alone, that does. Part of the schema:
 * files have the text as it was when they were made. */
#ifndef APP_STORE_SQLITE_ENDED_H
#define APP_STORE_SQLITE_ENDED_H

#include "app/store/store.h"
#include "lib/hash.h"

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

/* A branch for REFUSAL_OF_NEW, of a row that has this id: did its topic end before it? By
 * the ids, since rows of one statement may come in any order of them, and triggers run in
 * any order too. */
#define ENDED_REFUSAL(id) \
	"    WHEN EXISTS (SELECT 1 FROM rowcast_ended WHERE topic = NEW.topic AND id < " id ")\n" \
	"    THEN RAISE(ABORT, '" ENDED_SENTENCE "')\n"

/* Of the trigger that notes it. */
#define ENDED_NOTE \
	"  INSERT INTO rowcast_ended(topic, id, ended_at)\n" \
	"    SELECT NEW.topic, NEW.id, CAST(strftime('%s','now') AS INTEGER)\n" \
	"    WHERE NEW.event = '" MESSAGE_EVENT_END "'\n" \
	"      AND NOT EXISTS (SELECT 1 FROM rowcast_ended WHERE topic = NEW.topic);\n"

/* What is known of the topics of messages that a copy takes in one transaction. Each is
 * asked for once, and none where no end is known. */
struct ended_topics {
	struct store *store;
	bool any;             /* of all topics, has one ended? */
	struct hash topics;   /* those that were asked for, to the id of their end */
	int64_t *ids;         /* owned: of n topics; room for those of all messages */
	size_t n, capacity;
};

/* ended_topics_begin: room for max messages. 0 or what sql_step says; ended_topics_free is
 * due in either case. */
int ended_topics_begin(struct ended_topics *topics, struct store *store, size_t max);
void ended_topics_free(struct ended_topics *topics);

/* ended_topics_take asks whether the topic of the message, which is lent until the end, has
 * ended before it: *ended. If not, and it is an end itself, that is noted. Messages come in
 * the order of their ids. 0 or what sql_run says. */
int ended_topics_take(struct ended_topics *topics, const struct message *m, bool *ended);

/* ended_topics_forget forgets the ends up to an id, and what was asked. 0 or what sql_run
 * says. */
int ended_topics_forget(struct ended_topics *topics, int64_t upto);

/* ended_forget forgets the ends up to an id, within the caller's transaction. 0 or what
 * sql_run says. */
int ended_forget(struct store *store, int64_t upto);

/* ended_prepare prepares what store_ended runs. 0 or -1 (logged). */
int ended_prepare(struct store *store);

#endif
