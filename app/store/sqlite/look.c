/* Looking at a store without touching it, for `rowcast check`; see store_look. One
 * thread, with a connection of its own that is closed before store_look returns.
 *
 * Whoever opens a file in WAL mode makes its -wal and -shm where they are missing, even
 * to read. So where there is no -wal the file is read as it stands, which is right: all
 * of it is in there. Where there is a -wal but no -shm, as in a copy of a file in use,
 * what waits in the -wal cannot be seen without making one. */

#include "app/store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/permit.h"
#include "app/store/sqlite/place.h"
#include "app/store/sqlite/schema.h"
#include "app/store/sqlite/schema_copy.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

static bool
is_there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
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
	if (place_refuse(store) < 0)
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
	int rc;

	*look = (struct store_look){ .bounds = { .oldest = 1 } };
	rc = permit_refuse(path, PERMIT_KEEP);
	look->exists = rc == 0 && is_there(store.path);
	if (look->exists) {
		bool has_wal = is_there(wal), has_shm = is_there(shm);

		look->has_unread = has_wal && !has_shm;
		rc = read_file(&store, access, look, !has_wal || !has_shm);
		sql_close(store.sql);
	}
	free(wal);
	free(shm);
	free(store.path);
	return rc;
}
