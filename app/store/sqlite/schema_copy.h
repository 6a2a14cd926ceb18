/* The tables of a machine's copy of the log that several share, and which files can
 * become one. Called by the thread that opens the handle. */
#ifndef APP_STORE_SQLITE_SCHEMA_COPY_H
#define APP_STORE_SQLITE_SCHEMA_COPY_H

#include <stdbool.h>

#include "app/store/store.h"

/* schema_copy_is: is the file, which has tables of ours, a copy? */
bool schema_copy_is(struct store *store);

/* schema_copy_refuse writes nothing. 0, or -1 (logged, with what helps) where the file,
 * which has tables of ours, is not one to open in that way: for an owner a copy, for a
 * copy one that has messages of its own. is_ours: nothing but rowcast uses the file. The
 * caller has begun a transaction. */
int schema_copy_refuse(struct store *store, enum store_access access, bool is_ours);

/* schema_copy_step returns what has to be done in a file that is a copy, and has that
 * version of the schema, for the next; the first version of a copy is 4. */
const char *schema_copy_step(int64_t version);

/* schema_copy_make makes a copy of a file that was not refused and has the newest
 * schema, within the caller's transaction; of one that is a copy already nothing. 0 or
 * what sql_execute says. */
int schema_copy_make(struct store *store);

#endif
