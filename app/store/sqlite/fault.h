/* A fault of the SQLite store: what failed, on which file and why, logged, but
 * not over and over: who publishes into a full disk, or reads a damaged one, tries
 * again, and the log may be on that disk.
 *
 * Called by the thread that has the handle; touches nothing but store->fault. */
#ifndef APP_STORE_SQLITE_FAULT_H
#define APP_STORE_SQLITE_FAULT_H

#include <stdbool.h>

#include "app/store/store.h"

/* fault_log logs what failed, with the file's name and SQLite's sentence on its
 * last call, unless the same was logged within the last second. `what` is a string
 * literal: it is kept, and compared by its address. Returns -1. */
int fault_log(struct store *store, const char *what);

/* fault_outcome turns the outcome of SQL (lib/sql.h) for which a transaction that writes
 * was given up into one of store.h's, and logs it in the same way. */
int fault_outcome(struct store *store, int outcome, const char *what);

/* fault_is_new is for a caller that has a sentence of its own to log: it returns
 * false where the same `what` and outcome were logged within the last second, and
 * else notes that they are logged now. */
bool fault_is_new(struct store *store, const char *what, int outcome);

#endif
