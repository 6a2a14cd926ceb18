/* A machine's copy of the log that several share: what opening it has to do. The calls
 * themselves are declared in store.h. Called by the thread that has the handle. */
#ifndef APP_STORE_SQLITE_COPY_H
#define APP_STORE_SQLITE_COPY_H

#include "app/store/store.h"

/* copy_prepare prepares the statements that copy.c, outbox.c and store_trim_copy run.
 * Before it goes read_prepare. 0 or -1 (logged). */
int copy_prepare(struct store *store);

#endif
