/* The table of those whose tokens were revoked. A trigger keeps it, so that whoever commits
 * the message that revokes, no process has to be running, and no retention can be
 * quicker; in a copy, into which messages come by copy.c alone, that does. Part of the schema: files have the text as it was when they were made. */
#ifndef APP_STORE_SQLITE_REVOKED_H
#define APP_STORE_SQLITE_REVOKED_H

#include "app/store/store.h"

/* One row a user, with the latest second. A user whose second is raised gets a new
 * number, so that what is new is found by that alone. */
#define REVOKED_TABLE \
	"CREATE TABLE rowcast_revoked(\n" \
	"  number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of the commits\n" \
	"  user TEXT NOT NULL UNIQUE,\n" \
	"  until INTEGER NOT NULL  -- Unix seconds: tokens issued up to then are refused\n" \
	");\n"

/* Of the trigger that notes it. */
#define REVOKED_NOTE \
	"  DELETE FROM rowcast_revoked WHERE user = NEW.user AND until < NEW.created_at\n" \
	"    AND " REVOKED_IS_ONE ";\n" \
	"  INSERT INTO rowcast_revoked(user, until) SELECT NEW.user, NEW.created_at\n" \
	"    WHERE " REVOKED_IS_ONE "\n" \
	"      AND NOT EXISTS (SELECT 1 FROM rowcast_revoked WHERE user = NEW.user);\n"
#define REVOKED_IS_ONE \
	"NEW.topic = '" MESSAGE_TOPIC_CONTROL "' AND NEW.event = 'revoke' AND NEW.user IS NOT NULL"

/* revoked_note notes it where the message, of a copy, revokes, within the caller's
 * transaction. 0 or what sql_run says. */
int revoked_note(struct store *store, const struct message *m);

/* revoked_prepare prepares what store_read_revoked runs. 0 or -1 (logged). */
int revoked_prepare(struct store *store);

#endif
