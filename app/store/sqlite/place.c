/* Where the store's files are. The thread that has the handle.
 *
 * SQLite follows symbolic links, of the file and of folders, and puts -wal and -shm
 * beside the real file: so links are fine. But by a second hard link, or where the
 * file alone is mounted elsewhere, another program comes to the same file with a
 * -wal of its own, and neither sees what the other commits until one overwrites it
 * ("How To Corrupt An SQLite Database File", 2.4 and 2.5). */

#include "app/store/sqlite/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "app/store/sqlite/handle.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

/* SQLite's lock bytes in a database file (sqlite3.h, "PENDING_BYTE"): who holds all
 * of them has it alone. Part of the file format. */
enum { LOCK_FIRST = 0x40000000, LOCK_BYTES = 512 };

/* path_beside returns the real path of the file with that suffix; the caller frees it. */
static char *
path_beside(const struct store *store, const char *suffix)
{
	return mem_printf("%s%s", sql_path(store->sql), suffix);
}

/* No times are asked for: from Linux 6.13 on the write after somebody has looked at them
 * gives the file a new one, which is one more write of ext4's for each commit. */
static struct place_file
find_file(const char *path)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_INO, &stx) != 0)
		return (struct place_file){ .exists = false };
	return (struct place_file){ true, makedev(stx.stx_dev_major, stx.stx_dev_minor), stx.stx_ino };
}

static struct place_file
find_beside(const struct store *store, const char *suffix)
{
	char *path = path_beside(store, suffix);
	struct place_file found = find_file(path);

	free(path);
	return found;
}

static bool
is_same(struct place_file a, struct place_file b)
{
	return a.exists == b.exists && a.device == b.device && a.inode == b.inode;
}

/* bytes_beside asks SQLite nothing: another thread may be using the handle. */
static int64_t
bytes_beside(const struct store *store, const char *suffix)
{
	char *path = mem_printf("%s%s", store->place.path, suffix);
	struct stat st;
	int64_t n = stat(path, &st) == 0 ? (int64_t)st.st_size : 0;

	free(path);
	return n;
}

void
store_bytes(const struct store *store, struct store_bytes *bytes)
{
	bytes->db = bytes_beside(store, "");
	bytes->wal = bytes_beside(store, "-wal");
}

/* ---- what is refused ---- */

/* is_mounted_by_table looks the path up in the kernel's table of mounts, for
 * kernels before 5.8. */
static bool
is_mounted_by_table(const char *path)
{
	FILE *table = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, point[4096];
	size_t size = 0;
	bool found = false;

	/* proc(5): the fifth field is the mount point; what is no name there is octal. */
	while (table != NULL && !found && getline(&line, &size, table) > 0)
		found = sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 && strcmp(point, path) == 0;
	free(line);
	if (table != NULL)
		fclose(table);
	return found;
}

static bool
is_mounted(const char *path)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0
	    && (stx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
		return (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	return is_mounted_by_table(path);
}

static int
refuse_one(const struct store *store, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return 0;
	if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
		log_errorx("store: %s: %s has a second name (a hard link): who comes by that has"
		    " another -wal, and the two overwrite each other: remove one of the names, or"
		    " make it a symbolic link", store->path, path);
		return -1;
	}
	if (is_mounted(path)) {
		log_errorx("store: %s: %s is mounted by itself: who comes by its other name has another"
		    " -wal, and the two overwrite each other: mount its folder instead",
		    store->path, path);
		return -1;
	}
	return 0;
}

int
place_refuse(struct store *store)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	int rc = 0;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && rc == 0; i++) {
		char *path = path_beside(store, suffixes[i]);

		rc = refuse_one(store, path);
		free(path);
	}
	return rc;
}

/* ---- which they are ---- */

int
place_begin(struct store *store)
{
	store->place.path = sql_path(store->sql);
	store->place.file = find_file(store->place.path);
	store->place.wal = find_beside(store, "-wal");
	store->place.shm = find_beside(store, "-shm");
	/* SQLite compares the file with its own descriptor: asked after the stat, so what
	 * was noted is what is open. */
	if (!store->place.file.exists || sql_has_moved(store->sql)
	    || place_look(store) != PLACE_SAME) {
		log_errorx("store: %s: was moved or exchanged while it was being opened: start again",
		    store->path);
		return -1;
	}
	return 0;
}

static enum place_change
look(const struct store *store)
{
	if (!is_same(find_file(sql_path(store->sql)), store->place.file))
		return PLACE_MOVED;
	if (!is_same(find_beside(store, "-wal"), store->place.wal))
		return PLACE_WAL;
	if (!is_same(find_beside(store, "-shm"), store->place.shm))
		return PLACE_SHM;
	return is_same(find_file(store->path), store->place.file) ? PLACE_SAME : PLACE_TURNED;
}

enum place_change
place_look(const struct store *store)
{
	enum place_change change = look(store), again;

	if (change == PLACE_SAME)
		return change;
	/* The names are looked at one after the other: where the file was moved just after
	 * its own, that is first seen at another, and was no link that was turned. */
	again = look(store);
	return again != PLACE_SAME && again < change ? again : change;
}

/* lock_alone locks a file as SQLite does one that it writes, and returns the
 * descriptor: nobody has it open, and nobody can read it until that is closed. -1:
 * somebody has. We ourselves have it nowhere open, so that to close it gives away
 * no lock of ours. */
static int
lock_alone(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_FIRST,
	    .l_len = LOCK_BYTES };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && fcntl(fd, F_SETLK, &lock) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool
is_same_or_gone(struct place_file now, struct place_file then)
{
	return !now.exists || is_same(now, then);
}

/* is_empty: nobody has committed anything into it. */
static bool
is_empty(const struct store *store, const char *suffix)
{
	char *path = path_beside(store, suffix);
	struct stat st;
	bool empty = stat(path, &st) == 0 && st.st_size == 0;

	free(path);
	return empty;
}

bool
place_is_ours(const struct store *store, int *lock)
{
	struct place_file file = find_file(sql_path(store->sql));
	struct place_file wal = find_beside(store, "-wal"), shm = find_beside(store, "-shm");

	*lock = -1;
	/* A -shm that is not ours was made by somebody who works without us. */
	if (!is_same_or_gone(shm, store->place.shm))
		return false;
	if (!is_same_or_gone(wal, store->place.wal))
		return is_same(file, store->place.file) && is_empty(store, "-wal");
	if (is_same_or_gone(file, store->place.file))
		return true;
	/* Another file, and our -wal still beside it: whoever has it open takes that for
	 * its own. Where one of them is gone, somebody has had it open. */
	if (!wal.exists || !shm.exists)
		return false;
	*lock = lock_alone(sql_path(store->sql));
	return *lock >= 0;
}
