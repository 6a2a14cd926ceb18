/* The tables of the SQLite store, and which version of them a file has. Called by
 * the thread that opens the handle. */
#ifndef APP_STORE_SQLITE_SCHEMA_H
#define APP_STORE_SQLITE_SCHEMA_H

#include <stdint.h>

#include "app/store/store.h"

/* schema_upgrade creates the schema in the store's file or brings an older
 * one up to date; with STORE_COPY it then makes a copy of the file, if it is none. Processes
 * that start at once do it once. 0 or -1 (logged; a file that is not ours to touch, or
 * not in that way, is as it was). */
int schema_upgrade(struct store *store, enum store_access access);

/* schema_newest: the version that this program makes. */
int64_t schema_newest(void);

/* schema_version asks in a transaction of its own and writes nothing. The version of
 * the tables in the file, 0 where it has none of ours yet, -1 (logged) for a file that
 * is not ours to touch, or not to open in that way, or of a newer version. */
int64_t schema_version(struct store *store, enum store_access access);

/* schema_check writes nothing. 0, or -1 (logged) for a file that is not
 * ours, has no tables of ours yet, or not those of this version. */
int schema_check(struct store *store);

#endif
