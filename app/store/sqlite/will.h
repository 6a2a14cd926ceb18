/* The table of last wills (store.h). Part of the schema: files have the text as it was when
 * they were made. */
#ifndef APP_STORE_SQLITE_WILL_H
#define APP_STORE_SQLITE_WILL_H

#include "app/store/store.h"

#define WILL_TABLE \
	"CREATE TABLE rowcast_following(\n" \
	"  life INTEGER NOT NULL,  -- of the process: the byte of the -wal that it has locked\n" \
	"  number INTEGER NOT NULL,  -- of the body, within that\n" \
	"  topic TEXT NOT NULL,  -- which is to end, should the body break off\n" \
	"  PRIMARY KEY(life, number)\n" \
	") WITHOUT ROWID;\n"

/* will_prepare prepares the statements, of a handle that writes. 0 or -1 (logged). */
int will_prepare(struct store *store);

/* will_change does what the append says of its will, within the caller's transaction. 0 or
 * what sql_run says. */
int will_change(struct store *store, const struct append *append);

/* will_end ends the life of the handle, if it has begun one. */
void will_end(struct store *store);

#endif
