/* Opening and closing the store in one SQLite file. What the table is and refuses
 * is in schema.c; append.c, read.c, wait.c and trim.c are what is done with it, and
 * schema_copy.c, copy.c and outbox.c are the same of a machine's copy of a log;
 * place.c knows where the files are, replaced.c notices when they are taken away,
 * fault.c logs what fails.
 *
 * The handle belongs to one thread at a time: whoever opens it, or whom it is
 * passed to, uses it alone. Nothing here is shared between handles but the file.
 *
 * The file is in WAL mode with synchronous=FULL: a commit is on the disk when
 * it returns, readers never wait for writers. SQLite has one writer at a time,
 * hence the order of ids is the order of commits.
 *
 * What is copied from a log need not be on the disk: whatever a power failure takes
 * is read from there again, so that handle has synchronous=NORMAL. Not OFF: the -wal
 * is written back into the file by whoever finds it long (beside.c), and with OFF it
 * is not synced first. A power failure would then tear the file, and in
 * it is what the application has committed, perhaps its own tables. */

#include "app/store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/store/sqlite/append.h"
#include "app/store/sqlite/beside.h"
#include "app/store/sqlite/copy.h"
#include "app/store/sqlite/ended.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/permit.h"
#include "app/store/sqlite/place.h"
#include "app/store/sqlite/read.h"
#include "app/store/sqlite/replaced.h"
#include "app/store/sqlite/revoked.h"
#include "app/store/sqlite/schema.h"
#include "app/store/sqlite/will.h"
#include "lib/filewatch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	OWNER_CACHE_KIB = 8192,       /* picked, not tuned */
	READER_CACHE_KIB = 512,       /* a page of replay and the way to it; one per reading thread */
};

/* log_unopened: what SQLite says, which is little. */
static void
log_unopened(const struct store *store)
{
	log_errorx("store: %s: cannot be opened: %s%s", store->path, sql_error(store->sql),
	    access(store->path, F_OK) == 0 ? "" : ": there is none yet: start `rowcast serve` first");
}

struct store *
store_open(const char *name, enum store_access access)
{
	static const char scheme[] = "sqlite:";
	bool writes = access != STORE_READER;
	struct store *store = mem_zalloc(sizeof(*store));
	char *pragmas;
	int outcome;

	store->learned = -1;
	store->watch.fd = store->life_fd = -1;
	if (strncmp(name, scheme, strlen(scheme)) != 0) {
		store->path = mem_strdup(name);
		log_errorx("store: %s: must begin with %s", name, scheme);
		goto fail;
	}
	store->path = mem_strdup(name + strlen(scheme));
	if (permit_refuse(store->path, writes ? PERMIT_WRITE : PERMIT_READ) < 0)
		goto fail;
	if (sql_open(&store->sql, store->path, writes, BUSY_WAIT_MS) != 0) {
		log_unopened(store);
		goto fail;
	}
	if (place_refuse(store) < 0)
		goto fail;
	/* trusted_schema stays on, SQLite's default: OFF keeps triggers and CHECKs of the
	 * file from functions and virtual tables with effects, and we add none, but to
	 * SQLite 3.40 the JSON functions are such too, and a file in which an application
	 * has a CHECK(json_valid(...)) could not be read at all. */
	pragmas = mem_printf("PRAGMA synchronous = %s;"
	    " PRAGMA cache_size = -%d; PRAGMA query_only = %d",
	    access == STORE_COPY ? "NORMAL" : "FULL", writes ? OWNER_CACHE_KIB : READER_CACHE_KIB,
	    !writes);
	outcome = sql_execute(store->sql, pragmas);
	free(pragmas);
	if (outcome != 0) {
		fault_log(store, "cannot be set up");
		goto fail;
	}
	if (writes) {
		if (schema_upgrade(store, access) < 0)
			goto fail;
	} else if (schema_check(store) < 0) {
		goto fail;
	}
	if (place_begin(store) < 0 || read_prepare(store) < 0
	    || revoked_prepare(store) < 0 || ended_prepare(store) < 0)
		goto fail;
	if (writes && will_prepare(store) < 0)
		goto fail;
	if (access == STORE_OWNER && append_prepare(store) < 0)
		goto fail;
	if (access == STORE_COPY && copy_prepare(store) < 0)
		goto fail;
	if (access == STORE_COPY)
		beside_begin(store);
	return store;
fail:
	store_close(store);
	return NULL;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	if (store->place.file.exists)
		replaced_end(store);
	filewatch_close(&store->watch);
	sql_close(store->sql);
	sieve_free(&store->sieve);
	will_end(store);
	free(store->path);
	free(store);
}
