/* The handle of the SQLite store: one open connection to its file, with the
 * statements that are prepared on it and what each of its files remembers from
 * call to call. Included by the files of this folder only.
 *
 * A handle belongs to one thread at a time, so nothing in it is locked. */
#ifndef APP_STORE_SQLITE_HANDLE_H
#define APP_STORE_SQLITE_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/store/store.h"
#include "lib/clock.h"
#include "lib/filewatch.h"
#include "lib/sieve.h"
#include "lib/sql.h"

enum {
	BUSY_WAIT_MS = 2000,          /* for another program's lock; then the answer is 503 */
	LOCK_WAIT_MS = 50,            /* where nobody asked: who publishes meanwhile waits too */
};

/* Which file a name stands for. */
struct place_file {
	bool exists;
	dev_t device;
	ino_t inode;                   /* both 0 where it does not exist */
};

/* The store's file and what lies beside it, as they were when it was opened. */
struct place {
	const char *path;              /* of the file itself; SQLite's string, for as long as the handle is open */
	struct place_file file, wal, shm;
};

/* read.c: a statement for filters of so many topics; NULL: none yet. */
struct read_runs {
	struct sql_statement *statement;
	size_t n_topics;
	bool topics_only;
};

struct store {
	char *path;
	struct sql *sql;
	bool is_copy;                  /* a machine's copy of the log that several share */
	const char *table;             /* where its messages are: message, or rowcast_copy */
	struct sql_statement *begin, *begin_write, *commit;
	struct sql_statement *savepoint, *rollback_to, *release;
	struct sql_statement *insert, *insert_run, *by_key;
	struct sql_statement *bounds, *read_all, *first_segment, *next_segment, *data_version;
	struct sql_statement *revoke[2], *read_revoked, *ended, *any_ended, *end;
	struct sql_statement *will[STORE_WILL_CHANGES];  /* will.c; of STORE_WILL_KEEP none */
	struct read_runs filtered;     /* read.c */

	/* learn.c: prepared when it is first asked */
	struct sql_statement *learn, *learn_gap;
	struct sieve sieve;            /* of each segment up to `learned`, the addresses in it */
	int64_t learned;               /* -1: none yet */

	/* find.c: prepared when it is first asked */
	struct sql_statement *find_dated, *find_below;
	struct read_runs find_newest;

	/* copy.c and outbox.c */
	struct sql_statement *position, *follow_run, *follow_one, *erase, *set_position;
	struct sql_statement *read_outbox, *empty_outbox;

	/* beside.c */
	struct sql_wal wal;
	int page_bytes;                /* that one takes in the -wal */

	/* fault.c: what was logged last */
	struct {
		const char *what;
		int outcome;
		mono_us logged_at;
	} fault;

	/* will.c */
	int64_t life;                  /* 0: none */
	int life_fd;                   /* of the -wal, with the life's lock; -1: none */

	/* wait.c */
	struct filewatch watch;        /* fd -1 until store_wait is first called */
	bool watch_tried;
	int64_t seen_version;          /* data_version when store_wait last returned */
	mono_us check_until;           /* until then data_version is read every check_us */
	mono_us check_us;
	mono_us woken_at;              /* by wake_fd, that is by our own writer */

	/* place.c */
	struct place place;

	/* replaced.c */
	int64_t newest;                /* the highest id that this handle has seen given */
	bool replaced;                 /* it is another store now; logged */

	/* trim.c: the rows beyond the newest keep_rows, as they were last counted */
	struct {
		int64_t keep_rows;         /* the bound that they were counted for */
		bool counted;              /* all of them, when counted_newest was the newest id */
		int64_t counted_newest;
		bool has_surplus;          /* some were found: those below the id surplus_below */
		int64_t surplus_below;
		int64_t undated_upto;      /* every row up to this id was dated in the future */
	} trim;
};

#endif
