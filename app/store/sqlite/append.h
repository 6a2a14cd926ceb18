/* Appending to the SQLite store: what opening it has to do for that. store_append
 * itself is declared in store.h. Called by the thread that has the handle. */
#ifndef APP_STORE_SQLITE_APPEND_H
#define APP_STORE_SQLITE_APPEND_H

#include "app/store/store.h"

/* append_prepare prepares the statements that store_append and store_trim run,
 * which makes the handle an owner's. Before it goes read_prepare. 0 or -1 (logged). */
int append_prepare(struct store *store);

#endif
