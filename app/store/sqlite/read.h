/* Reading from the SQLite store: what opening it has to do for that. store_read
 * and store_bounds themselves are declared in store.h. Called by the thread that
 * has the handle. */
#ifndef APP_STORE_SQLITE_READ_H
#define APP_STORE_SQLITE_READ_H

#include "app/store/store.h"

/* read_prepare prepares the statements that store_read, store_bounds and
 * store_wait run. The file has its schema by then. 0 or -1 (logged). */
int read_prepare(struct store *store);

#endif
