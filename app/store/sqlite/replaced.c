/* Notices when the store is no longer the one that was opened. Run by the thread
 * that has the handle; it looks at the names of the files and writes nothing until
 * replaced_end.
 *
 * SQLite goes on writing into a file that was deleted, and reports success; the
 * publisher would be told 201 for a message that nobody finds again. So an owner
 * checks before each commit, and a reader with each read, that is within 50 ms
 * even where nothing happens. It costs two stat(), some 2 microseconds.
 *
 * It notices: the file deleted, moved, or another renamed into its place (what
 * SQLite itself looks at for its rollback journal, not in WAL mode); the -wal
 * deleted or replaced alone, for which SQLite has no question, though other
 * programs then no longer see our commits nor we theirs; and ids that go back,
 * which is what `.restore` of a backup looks like, since it keeps the file.
 * VACUUM, checkpoints and whatever else SQLite does by itself keep the files.
 *
 * Opening the new file in place of the old one was refused: cursors of streams,
 * the ring and what the tail has read belong to the old ids. A program that
 * starts anew has none of that, and tells those who come back with an id that
 * the new file has not given yet (rowcast.gap, "ahead"). */

#include "app/store/sqlite/replaced.h"

#include <stdbool.h>
#include <sys/stat.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "lib/log.h"

/* find_wal tells which file the -wal is now. While a connection is open nobody who
 * keeps to SQLite's locks deletes it, so it stays the same. */
static struct wal
find_wal(const struct store *store)
{
	struct wal wal = { false, 0 };
	struct stat st;

	if (stat(sql_wal_path(store->sql), &st) == 0)
		wal = (struct wal){ true, st.st_ino };
	return wal;
}

static bool
is_same_wal(struct wal a, struct wal b)
{
	return a.exists == b.exists && a.inode == b.inode;
}

void
replaced_begin(struct store *store)
{
	store->wal = find_wal(store);
}

/* set_replaced notes, and logs, in what way. Always true. */
static bool
set_replaced(struct store *store, const char *what)
{
	store->replaced = true;
	log_errorx("store: %s: %s while it was open; nothing more is written to it, and"
	    " rowcast has to start anew", store->path, what);
	return true;
}

bool
replaced_check(struct store *store)
{
	if (store->replaced)
		return true;
	if (sql_has_moved(store->sql))
		return set_replaced(store, "was deleted, moved or replaced");
	if (!is_same_wal(find_wal(store), store->wal))
		return set_replaced(store, "had its -wal deleted or replaced");
	return false;
}

bool
replaced_check_newest(struct store *store, int64_t newest)
{
	if (newest >= store->newest) {
		store->newest = newest;
		return false;
	}
	if (!store->replaced)
		set_replaced(store, "got an older state, from a backup perhaps,");
	return true;
}

void
replaced_end(struct store *store)
{
	bool is_owner = store->begin_write != NULL;

	if (!is_owner || !replaced_check(store))
		return;
	/* Through descriptors that are open, so wherever the old file is now, it
	 * gets what only its -wal had; and a -wal that stayed behind is emptied, or
	 * whoever opens the new file would take it for that one's. */
	if (sql_execute(store->sql, "PRAGMA wal_checkpoint(TRUNCATE)") != 0)
		fault_log(store, "the file before cannot be completed");
}
