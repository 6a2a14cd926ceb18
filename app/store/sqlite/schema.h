/* The tables of the SQLite store, and which version of them a file has. Called by
 * the thread that opens the handle. */
#ifndef APP_STORE_SQLITE_SCHEMA_H
#define APP_STORE_SQLITE_SCHEMA_H

#include <stdint.h>

#include "app/store/store.h"

/* The index by address is cut into segments of so many ids: the rows of one
 * lie together in it, ordered by user, topic and id. New rows so go to the few
 * pages of the newest segment, where without segments each would change a page
 * of its own; a replay reads in every segment that has rows after its cursor,
 * some 3 microseconds each. Part of the schema: a new number is a new version. */
#define SCHEMA_SEGMENT_IDS 2048
#define SCHEMA_SEGMENT(id) id " / " SCHEMA_SEGMENT_TEXT(SCHEMA_SEGMENT_IDS)
#define SCHEMA_SEGMENT_TEXT(ids) SCHEMA_SEGMENT_TEXT_(ids)
#define SCHEMA_SEGMENT_TEXT_(ids) #ids

/* schema_upgrade creates the schema in the store's file or brings an older
 * one up to date. Processes that start at once do it once. 0 or -1 (logged; a
 * file that is not ours to touch is as it was). */
int schema_upgrade(struct store *store);

/* schema_version asks in a transaction of its own and writes nothing. The version of
 * the tables in the file, 0 where it has none of ours yet, -1 (logged) for a file that
 * is not ours to touch or of a newer version. */
int64_t schema_version(struct store *store);

/* schema_check writes nothing. 0, or -1 (logged) for a file that is not
 * ours, has no tables of ours yet, or not those of this version. */
int schema_check(struct store *store);

#endif
