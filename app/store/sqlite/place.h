/* Where the files of a SQLite store are, and whether they are still those that were
 * opened: the file itself, its -wal and its -shm. Called by the thread that has the
 * handle; touches nothing but store->place. */
#ifndef APP_STORE_SQLITE_PLACE_H
#define APP_STORE_SQLITE_PLACE_H

#include <stdbool.h>

#include "app/store/store.h"

/* What has become of them; of several, the first in this order. */
enum place_change {
	PLACE_SAME,
	PLACE_MOVED,     /* the file was deleted or moved, or another is in its place */
	PLACE_WAL,       /* the -wal was deleted or replaced */
	PLACE_SHM,       /* the -shm was */
	PLACE_TURNED,    /* the configured name leads elsewhere; all is where it was */
};

/* place_refuse looks at the files before any of them is read. 0, or -1 (logged)
 * where others can reach one of them in a way that is not ours, by a second name
 * or a mount, and would have another -wal. */
int place_refuse(struct store *store);

/* place_begin notes which files are open, once they are. 0, or -1 (logged) where
 * they were exchanged meanwhile. */
int place_begin(struct store *store);

/* place_look costs four statx(), some 4 microseconds; more where something has changed. */
enum place_change place_look(const struct store *store);

/* place_is_ours: is what the handle has open used by nobody but by those who have
 * the same files open? Whoever came later under the old names has others, and must
 * find them as they are. While *lock is held (a descriptor; -1: none needed) nobody
 * can come; the caller closes it. */
bool place_is_ours(const struct store *store, int *lock);

#endif
