/* The end of a transaction that writes, which is the same for all but that of appends. */
#ifndef APP_STORE_SQLITE_COMMIT_H
#define APP_STORE_SQLITE_COMMIT_H

#include "app/store/store.h"

/* commit_end commits what was done with this outcome, 0 or what sql_run says, unless the
 * store is another one by now; else it takes all of it back. 0; or as store_append, logged
 * with what failed. */
int commit_end(struct store *store, int outcome, const char *failed);

#endif
