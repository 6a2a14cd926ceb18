/* Looking at a store without touching it, for `rowcast check`; see store_look. One
 * thread, with a connection of its own that is closed before store_look returns.
 *
 * Whoever opens a file in WAL mode makes its -wal and -shm where they are missing, even
 * to read. So where there is no -wal the file is read as it stands, which is right: all
 * of it is in there. Where there is a -wal but no -shm, as in a copy of a file in use,
 * what waits in the -wal cannot be seen without making one. */

#include "app/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/place.h"
#include "app/store/sqlite/schema.h"
#include "app/store/sqlite/schema_copy.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

/* is_ours: may we do that with the file? Asked for who we act as, not who we were; a
 * file system that is read-only says so too. */
static bool
is_ours(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

/* check_folder: can SQLite make there what it needs? -1: logged. */
static int
check_folder(const char *path)
{
	char *copy = mem_strdup(path), *folder = dirname(copy);
	struct stat st;
	int rc = -1;

	if (stat(folder, &st) < 0)
		log_error("store: %s: its folder %s", path, folder);
	else if (!S_ISDIR(st.st_mode))
		log_errorx("store: %s: %s is not a folder", path, folder);
	else if (!is_ours(folder, W_OK | X_OK))
		log_error("store: %s: its folder %s cannot be written", path, folder);
	else
		rc = 0;
	free(copy);
	return rc;
}

/* check_file: can the file be read and written, if it is there at all? -1: logged. */
static int
check_file(const char *path, bool *exists)
{
	struct stat st;

	*exists = stat(path, &st) == 0;
	if (!*exists && errno == ENOENT)
		return 0;
	if (!*exists)
		log_error("store: %s", path);
	else if (!S_ISREG(st.st_mode))
		log_errorx("store: %s: this is not a regular file", path);
	else if (!is_ours(path, R_OK | W_OK))
		log_error("store: %s: cannot be read and written", path);
	else
		return 0;
	return -1;
}

/* read_file fills look from a file that is there. */
static int
read_file(struct store *store, enum store_access access, struct store_look *look,
    bool as_it_stands)
{
	int64_t version;

	if (sql_open_to_look(&store->sql, store->path, as_it_stands, BUSY_WAIT_MS) != 0) {
		log_errorx("store: %s: cannot be opened: %s", store->path, sql_error(store->sql));
		return -1;
	}
	if (place_refuse(store, false) < 0)
		return -1;
	version = schema_version(store, access);
	if (version < 0)
		return -1;
	if (version > 0) {
		int64_t newest = schema_copy_is(store)
		    ? sql_number(store->sql, "SELECT max(newest, trimmed) FROM rowcast_state", 0)
		    : sql_number(store->sql, "SELECT seq FROM sqlite_sequence WHERE name = 'message'", 0);

		look->bounds.newest = newest;
		look->bounds.oldest = sql_number(store->sql, "SELECT min(id) FROM message"
		    " HAVING min(id) IS NOT NULL", newest + 1);
	}
	return 0;
}

int
store_look(const char *name, enum store_access access, struct store_look *look)
{
	const char *path = strchr(name, ':') + 1;  /* the setting sees to it that there is one */
	char *real = realpath(path, NULL);         /* SQLite's files lie beside that one */
	struct store store = { .path = real != NULL ? real : mem_strdup(path) };
	char *wal = mem_printf("%s-wal", store.path), *shm = mem_printf("%s-shm", store.path);
	bool has_wal, has_shm;
	int rc;

	*look = (struct store_look){ .bounds = { .oldest = 1 } };
	rc = check_folder(store.path);
	if (rc == 0)
		rc = check_file(store.path, &look->exists) | check_file(wal, &has_wal)
		    | check_file(shm, &has_shm);
	if (rc == 0 && look->exists) {
		look->has_unread = has_wal && !has_shm;
		rc = read_file(&store, access, look, !has_wal || !has_shm);
		sql_close(store.sql);
	}
	free(wal);
	free(shm);
	free(store.path);
	return rc;
}
