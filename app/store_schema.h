/* The tables of the SQLite store, and which version of them a file has. */
#ifndef APP_STORE_SCHEMA_H
#define APP_STORE_SCHEMA_H

#include <stdint.h>

#include "app/store.h"

/* store_schema_upgrade creates the schema in the store's file or brings an older
 * one up to date. Processes that start at once do it once. 0 or -1 (logged; a
 * file that is not ours to touch is as it was). */
int store_schema_upgrade(struct store *store);

/* store_schema_version writes nothing. It returns 0 for a file without our
 * tables, -1 (logged) for one that cannot be read or is not ours to touch. */
int64_t store_schema_version(struct store *store);

#endif
