/* Writing the -wal of a copy back into the file. By itself SQLite does that in the commit
 * that finds the -wal long: it syncs it, writes the pages where they belong, and syncs
 * those, some 70 ms on a busy disk, in which nothing of the log is delivered here. So the
 * follower and the forwarder leave it to a thread of its own (app/node/writeback.c),
 * which holds no lock that a commit needs.
 *
 * But the -wal is only begun from its start again by a commit that finds all of it
 * written back. That one waits for the disk, for the new header alone: else a power
 * failure could mix what was with what is. And while the follower commits without a
 * pause, as where a million rows are copied, there always is more when that thread is
 * done. So a commit that finds STORE_BESIDE_MAX bytes writes back after all: most is in
 * the file by then, and it is once for so many bytes. Beyond that the -wal grows only
 * where a program leaves a read transaction open, as ever. Other programs' commits keep
 * their own measure, and the last who closes the file leaves it whole, and no -wal. */

#include "app/store/sqlite/beside.h"

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "lib/sql.h"

enum { FRAME_OWN_BYTES = 24 };  /* of a page in the -wal; part of the file format */

static size_t
bytes_of(struct store *store, int n_pages)
{
	return (size_t)n_pages * (size_t)store->page_bytes;
}

void
beside_begin(struct store *store)
{
	store->page_bytes = (int)sql_number(store->sql, "PRAGMA page_size", 4096) + FRAME_OWN_BYTES;
	store->wal.max_pages = STORE_BESIDE_MAX / store->page_bytes;
	sql_set_wal(store->sql, &store->wal);
}

size_t
store_beside(struct store *store)
{
	return bytes_of(store, store->wal.n_pages);
}

int
store_write_back(struct store *store, size_t *n_bytes)
{
	int n_pages = 0, n_written = 0, outcome;

	*n_bytes = 0;
	if (replaced_check(store))
		return STORE_REPLACED;
	outcome = sql_write_back(store->sql, &n_pages, &n_written);
	if (n_written > 0)
		*n_bytes = bytes_of(store, n_written);
	/* Where another is at it, it need not be done twice. */
	return outcome == 0 || outcome == SQL_BUSY ? 0
	    : fault_outcome(store, outcome, "its -wal cannot be written back");
}
