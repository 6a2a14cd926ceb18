/* Notices when the store is no longer the one that was opened. Run by the thread
 * that has the handle; it looks at the names of the files and writes nothing until
 * replaced_end.
 *
 * SQLite goes on writing into a file that was deleted, and reports success; the
 * publisher would be told 201 for a message that nobody finds again. So an owner
 * checks before each commit, and a reader with each read, that is within 50 ms
 * even where nothing happens. What publishers open under the configured name must
 * be what is open here, and so must the -wal and the -shm beside it: else they do
 * not see our commits nor we theirs. And ids must not go back, which is what
 * `.restore` of a backup looks like, since it keeps the file. VACUUM, checkpoints
 * and whatever else SQLite does by itself keep the files.
 *
 * On the way out nothing of another program's may be overwritten, and what was
 * acknowledged must be found again. Written back, by descriptors that are open and
 * so wherever the old file is now, is only what would be lost else, and only where
 * nobody works with files that came later (place_is_ours):
 *
 *     what happened                  others have              on the way out
 *     a link was turned              the old file, with us    closed as ever
 *     an older state restored        the same, with us        closed as ever
 *     made a machine's copy          the same, with us        closed as ever
 *     file deleted, moved            nothing by the name      written back to the old
 *       (or its whole folder)                                 file, -wal left empty
 *     another renamed over it        not open yet             the same: else who opens it
 *                                                             takes our -wal for its own
 *                                    open                     left, logged
 *     -wal deleted                   none, or an empty one    written back to the file
 *                                    one with commits         left, logged
 *     -shm deleted (-wal as it was)  maybe a new -shm         left: all is in the -wal
 *     both deleted                   neither                  written back to the file
 *                                    a new -shm               left, logged
 *
 * "Left" also keeps SQLite from what it does when the last connection closes: it
 * would write back, and delete the -wal by its name, whosoever that is by now.
 *
 * Opening the new file in place of the old one was refused: cursors of streams,
 * the ring and what the tail has read belong to the old ids. A program that
 * starts anew has none of that, and tells those who come back with an id that
 * the new file has not given yet (rowcast.gap, "ahead"). */

#include "app/store/sqlite/replaced.h"

#include <stdbool.h>
#include <unistd.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/place.h"
#include "lib/log.h"
#include "lib/sql.h"

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
	switch (place_look(store)) {
	case PLACE_MOVED:
		return set_replaced(store, "was deleted, moved or replaced");
	case PLACE_TURNED:
		return set_replaced(store, "became the name of another file (a link was turned)");
	case PLACE_WAL:
		return set_replaced(store, "had its -wal deleted or replaced");
	case PLACE_SHM:
		return set_replaced(store, "had its -shm deleted or replaced");
	case PLACE_SAME:
		break;
	}
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
replaced_by_copy(struct store *store)
{
	if (!store->replaced)
		set_replaced(store, "was made a copy of a log that several machines share");
}

/* write_back brings what only our -wal has to the file that is open, and leaves that
 * -wal empty. */
static void
write_back(struct store *store)
{
	int lock;

	if (!place_is_ours(store, &lock))
		log_errorx("store: %s: another program works with files that came later; they are left as"
		    " they are, and what only the -wal before has is not written back", store->path);
	else if (sql_execute(store->sql, "PRAGMA wal_checkpoint(TRUNCATE)") != 0)
		fault_log(store, "the file before cannot be completed");
	if (lock >= 0)
		close(lock);
}

void
replaced_end(struct store *store)
{
	bool is_owner = store->begin_write != NULL;
	enum place_change change;

	/* A reader that has not noticed has nothing to say: the owner does. What was
	 * noticed first need not be all that has happened by now. */
	if (is_owner)
		replaced_check(store);
	change = place_look(store);
	if (change == PLACE_SAME || change == PLACE_TURNED)
		return;
	sql_leave(store->sql);
	if (is_owner && change != PLACE_SHM)
		write_back(store);
}
