/* Looking at a store without touching it, for `rowcast check`; see store_look. One
 * thread, with a connection of its own that is closed before store_look returns.
 *
 * Whoever opens a file in WAL mode makes its -wal and -shm where they are missing, even
 * to read. So where there is no -wal the file is read as it stands, which is right: all
 * of it is in there. Where there is a -wal but no -shm, as in a copy of a file in use,
 * what waits in the -wal cannot be seen without making one. */

#include "app/store/store.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/permit.h"
#include "app/store/sqlite/place.h"
#include "app/store/sqlite/schema.h"
#include "app/store/sqlite/schema_copy.h"
#include "lib/filesystem.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

/* read_rows fills look from the tables. */
static void
read_rows(struct store *store, struct store_look *look)
{
	bool is_copy = schema_copy_is(store);
	int64_t newest = sql_number(store->sql, is_copy
	    ? "SELECT max(newest, trimmed) FROM rowcast_state"
	    : "SELECT seq FROM sqlite_sequence WHERE name = 'message'", 0);

	look->bounds.newest = newest;
	look->bounds.oldest = sql_number(store->sql, "SELECT min(id) FROM message"
	    " HAVING min(id) IS NOT NULL", newest + 1);
	look->n_rows = sql_number(store->sql, is_copy ? "SELECT count(*) FROM rowcast_copy"
	    : "SELECT count(*) FROM message", 0);
}

/* read_file fills look from a file that is there. */
static int
read_file(struct store *store, enum store_access access, struct store_look *look,
    bool as_it_stands)
{
	if (sql_open_to_look(&store->sql, store->path, as_it_stands, BUSY_WAIT_MS) != 0) {
		log_errorx("store: %s: cannot be opened: %s", store->path, sql_error(store->sql));
		return -1;
	}
	if (place_refuse(store) < 0)
		return -1;
	look->version = schema_version(store, access);
	if (look->version > 0)
		read_rows(store, look);
	return look->version < 0 ? -1 : 0;
}

/* look_at_folder: it is there, permit_refuse has said so. */
static void
look_at_folder(const char *path, struct store_look *look)
{
	char *copy = mem_strdup(path);
	const char *folder = dirname(copy);
	struct stat st;

	snprintf(look->folder, sizeof(look->folder), "%s", folder);
	look->network = filesystem_network(folder);
	if (stat(folder, &st) == 0) {
		look->is_shared = (st.st_mode & S_IWGRP) != 0;
		look->hands_group_on = (st.st_mode & S_ISGID) != 0;
	}
	free(copy);
}

static bool
look_at_file(const char *path, int64_t *n_bytes)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	*n_bytes = (int64_t)st.st_size;
	return true;
}

int
store_look(const char *name, enum store_access access, struct store_look *look)
{
	const char *path = strchr(name, ':') + 1;  /* the setting sees to it that there is one */
	char *real = realpath(path, NULL);         /* SQLite's files lie beside that one */
	struct store store = { .path = real != NULL ? real : mem_strdup(path) };
	char *wal = mem_printf("%s-wal", store.path), *shm = mem_printf("%s-shm", store.path);
	int64_t n_shm;
	int rc;

	*look = (struct store_look){ .bounds = { .oldest = 1 }, .version_made = schema_newest() };
	rc = permit_refuse(path, PERMIT_KEEP);
	if (rc == 0) {
		look_at_folder(store.path, look);
		look->exists = look_at_file(store.path, &look->bytes.db);
	}
	if (look->exists) {
		bool has_wal = look_at_file(wal, &look->bytes.wal), has_shm = look_at_file(shm, &n_shm);

		look->has_unread = has_wal && !has_shm;
		rc = read_file(&store, access, look, !has_wal || !has_shm);
		sql_close(store.sql);
	}
	free(wal);
	free(shm);
	free(store.path);
	return rc;
}
