/* The inside of the SQLite store, shared by the files that are it:
 * store_sqlite.c (opening), store_schema.c (the table), store_append.c,
 * store_read.c, store_wait.c (news), store_trim.c (retention) and
 * store_replaced.c (whether it is still the same). */
#ifndef APP_STORE_SQLITE_HANDLE_H
#define APP_STORE_SQLITE_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/store/store.h"
#include "lib/clock.h"
#include "lib/filewatch.h"
#include "lib/sql.h"

enum {
	BUSY_WAIT_MS = 2000,          /* for another program's lock; then the answer is 503 */
};

struct store {
	char *path;
	const char *said;              /* what failed last, as logged */
	int said_outcome;
	mono_us said_at;
	struct sql *sql;
	struct sql_statement *begin, *begin_write, *commit;
	struct sql_statement *savepoint, *rollback_to, *release;
	struct sql_statement *insert, *insert_run, *by_key;
	struct sql_statement *bounds, *read_all, *first_from, *data_version;
	struct sql_statement *read_filtered;  /* for filters of n_topics topics */
	size_t n_topics;
	struct filewatch watch;        /* fd -1 until store_wait is first called */
	bool watch_tried;
	int64_t seen_version;          /* data_version when store_wait last returned */
	mono_us look_until;            /* look again every look_us until then */
	mono_us look_us;
	mono_us woken_at;              /* by wake_fd, that is by our own writer */
	ino_t wal_inode;               /* 0: there was none */
	int64_t newest;                /* the highest id that this handle has seen given */
	bool replaced;                 /* it is another store now; logged */
	int64_t counted_keep_rows;     /* when store_trim last counted the rows: for what bound */
	int64_t counted_newest;        /* and the newest id */
	int64_t surplus_below;         /* rows below this id were found to be beyond it */
	int64_t undated_upto;          /* every row up to this id was dated in the future */
};

/* store_fault logs what failed, on which file, and why, and returns -1. The same
 * again within a second is not logged. */
int store_fault(struct store *store, const char *what);

/* store_said: was the very same said within the last second? Who publishes into a
 * full disk, or reads a damaged one, tries again, and the log may be on that disk.
 * If not, it is about to be. */
bool store_said(struct store *store, const char *what, int outcome);

/* store_prepare is sql_prepare. 0 or -1 (logged). */
int store_prepare(struct store *store, struct sql_statement **statement, const char *text);

/* What reading, and what appending, wants prepared. 0 or -1 (logged). */
int store_read_prepare(struct store *store);
int store_append_prepare(struct store *store);

/* store_replaced_begin notes which files are open, once they are. */
void store_replaced_begin(struct store *store);

/* store_is_replaced: are the files at the path no longer those? Or was that, or
 * ids that went back, found before? Logged when found. */
bool store_is_replaced(struct store *store);

/* store_went_back: is the newest id lower than one that was seen? Logged the same
 * way. */
bool store_went_back(struct store *store, int64_t newest);

/* store_replaced_end does, before the handle is closed, what an owner of a store
 * that was replaced has to. */
void store_replaced_end(struct store *store);

#endif
