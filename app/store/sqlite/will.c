/* Last wills (store.h). Run by the thread that has the handle.
 *
 * Whether the process that wrote a will still lives is asked of the kernel: each life locks
 * one byte of the -wal, far behind its end, and a lock goes with the last descriptor of its
 * opening, however the process ends. A process's number would not tell: two containers that
 * share the file, as during a restart, both have a 1. The -wal, since it is there for as
 * long as any handle is, and since SQLite puts no locks on it: whoever closes any descriptor
 * of the file itself, or of the -shm, would take SQLite's own locks along (fcntl(2),
 * "advisory record locks"). Those of open file descriptions (Linux 3.15) belong to the one
 * that was opened here. */

#include "app/store/sqlite/will.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/store/sqlite/commit.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

/* Lives are bytes of the -wal from here on: none ever grows so long. The numbers below
 * are as many as two never meet by chance. */
#define LIFE_FIRST (INT64_C(1) << 40)
#define LIFE_MASK ((INT64_C(1) << 61) - 1)

int
will_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->will[STORE_WILL_WRITE], "INSERT INTO"
	        " rowcast_following(life, number, topic) VALUES(?1, ?2, ?3)") != 0
	    || sql_prepare(store->sql, &store->will[STORE_WILL_REVOKE],
	        "DELETE FROM rowcast_following WHERE life = ?1 AND number = ?2") != 0)
		return fault_log(store, "prepare");
	return 0;
}

int
will_change(struct store *store, const struct append *append)
{
	struct sql_statement *statement = store->will[append->will_change];

	if (append->will_change == STORE_WILL_KEEP)
		return 0;
	sql_bind_int64(statement, 1, append->will.life);
	sql_bind_int64(statement, 2, append->will.number);
	if (append->will_change == STORE_WILL_WRITE)
		sql_bind_text(statement, 3, append->will.topic);
	return sql_run(statement);
}

int
store_write_wills(struct store *store, struct append *const appends[], size_t n)
{
	int outcome = sql_run(store->begin_write);

	for (size_t i = 0; i < n && outcome == 0; i++)
		outcome = will_change(store, appends[i]);
	return commit_end(store, outcome, "the last will of a topic cannot be stored");
}

/* ---- lives ---- */

static int
open_wal(const struct store *store, int flags)
{
	char *path = mem_printf("%s-wal", sql_path(store->sql));
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);

	free(path);
	return fd;
}

static struct flock
byte_of(int64_t life)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = life, .l_len = 1 };
}

/* is_over: has nobody that byte locked? Where that cannot be asked, it is not over. */
static bool
is_over(int fd, int64_t life)
{
	struct flock lock = byte_of(life);

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

int64_t
store_live(struct store *store)
{
	struct flock lock;

	if (store->life != 0)
		return store->life;
	if (getrandom(&store->life, sizeof(store->life), 0) != sizeof(store->life))
		fatal("store: getrandom");
	store->life = (store->life & LIFE_MASK) + LIFE_FIRST;
	/* What a copy's log has nobody takes back, so the will is to be on the disk, too. */
	if (store->is_copy && sql_execute(store->sql, "PRAGMA synchronous = FULL") != 0)
		fault_log(store, "cannot be set up");
	store->life_fd = open_wal(store, O_RDWR);
	lock = byte_of(store->life);
	if (store->life_fd < 0 || fcntl(store->life_fd, F_OFD_SETLK, &lock) != 0)
		log_warn("store: %s-wal: cannot be locked: a rowcast that is started while this one"
		    " runs ends the topics that are written to here", sql_path(store->sql));
	return store->life;
}

void
will_end(struct store *store)
{
	if (store->life_fd >= 0)
		close(store->life_fd);
}

int
store_read_wills(struct store *store, int64_t life, store_will_row *take, void *context)
{
	struct sql_statement *rows;
	int fd = -1, outcome, n_alive = 0;
	int64_t asked = life;
	bool over = false;

	if (sql_prepare(store->sql, &rows, "SELECT life, number, topic FROM rowcast_following"
	    " WHERE life <> ?1 ORDER BY life, number") != 0)
		return fault_log(store, "prepare");
	sql_bind_int64(rows, 1, life);
	while ((outcome = sql_step(rows)) == SQL_ROW) {
		struct store_will will = { sql_int64(rows, 0), sql_int64(rows, 1), sql_text(rows, 2) };

		if (fd < 0)
			fd = open_wal(store, O_RDONLY);
		if (will.life != asked)
			over = is_over(fd, will.life);
		asked = will.life;
		if (over)
			take(context, &will);
		else
			n_alive++;
	}
	if (fd >= 0)
		close(fd);
	sql_finalize(rows);
	return outcome == SQL_DONE ? n_alive : fault_log(store, "last wills cannot be read");
}
