/* The store in one SQLite file: opening it. What the table is and refuses is in
 * store_schema.c; store_append.c, store_read.c, store_wait.c and store_trim.c
 * are what is done with it.
 *
 * The file is in WAL mode with synchronous=FULL: a commit is on the disk when
 * it returns, readers never wait for writers. SQLite has one writer at a time,
 * hence the order of ids is the order of commits. */

#include "app/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "app/store/sqlite/schema.h"
#include "app/store/sqlite/handle.h"
#include "lib/filewatch.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sql.h"

enum {
	OWNER_CACHE_KIB = 8192,       /* picked, not tuned */
	READER_CACHE_KIB = 512,       /* a page of replay and the way to it; one per reading thread */
	SAY_AGAIN_MS = 1000,          /* the same fault, while it lasts */
};

bool
store_said(struct store *store, const char *what, int outcome)
{
	mono_us now = clock_mono_us();

	if (store->said == what && store->said_outcome == outcome
	    && now - store->said_at < SAY_AGAIN_MS * 1000)
		return true;
	store->said = what;
	store->said_outcome = outcome;
	store->said_at = now;
	return false;
}

int
store_fault(struct store *store, const char *what)
{
	if (!store_said(store, what, -1))
		log_errorx("store: %s: %s: %s", store->path, what, sql_error(store->sql));
	return -1;
}

int
store_prepare(struct store *store, struct sql_statement **statement, const char *text)
{
	if (sql_prepare(store->sql, statement, text) != 0)
		return store_fault(store, "prepare");
	return 0;
}

struct store *
store_open(const char *name, enum store_access access)
{
	static const char scheme[] = "sqlite:";
	struct store *store = mem_zalloc(sizeof(*store));
	char *pragmas;
	int outcome;

	store->watch.fd = -1;
	if (strncmp(name, scheme, strlen(scheme)) != 0) {
		store->path = mem_strdup(name);
		log_errorx("store: %s: must begin with %s", name, scheme);
		goto fail;
	}
	store->path = mem_strdup(name + strlen(scheme));
	if (sql_open(&store->sql, store->path, access == STORE_OWNER, BUSY_WAIT_MS) != 0) {
		log_errorx("store: %s: cannot be opened: %s (is the folder there, and ours"
		    " to write?)", store->path, sql_error(store->sql));
		goto fail;
	}
	pragmas = mem_printf("PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
	    " PRAGMA cache_size = -%d; PRAGMA query_only = %d",
	    access == STORE_OWNER ? OWNER_CACHE_KIB : READER_CACHE_KIB, access == STORE_READER);
	outcome = sql_execute(store->sql, pragmas);
	free(pragmas);
	if (outcome != 0) {
		store_fault(store, "cannot be set up");
		goto fail;
	}
	if (access == STORE_OWNER) {
		if (store_schema_upgrade(store) < 0)
			goto fail;
	} else if (store_schema_check(store) < 0) {
		goto fail;
	}
	store_replaced_begin(store);
	if (store_read_prepare(store) < 0)
		goto fail;
	if (access == STORE_OWNER && store_append_prepare(store) < 0)
		goto fail;
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
	store_replaced_end(store);
	filewatch_close(&store->watch);
	sql_close(store->sql);
	free(store->path);
	free(store);
}
