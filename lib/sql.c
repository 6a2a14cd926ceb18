/* SQLite behind names of ours, so that one file knows its header. A connection
 * belongs to one thread at a time.
 *
 * A struct sql is SQLite's connection and a struct sql_statement its prepared
 * statement: neither is ever defined, a pointer is only called otherwise. So
 * there is nothing to allocate and nothing to look up between a caller and
 * SQLite, not even in the loop over rows. */

#include "lib/sql.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"

enum {
	FILE_MODE = 0660,        /* a group may write; nobody else may read */
	/* SQLite's own pauses grow to 100 ms, in which a bulk loader of short
	 * transactions has let the lock go, and taken it again, a hundred times. */
	BUSY_FIRST_US = 1000,
	BUSY_LAST_US = 3000,
};

static sqlite3 *
db_of(struct sql *sql)
{
	return (sqlite3 *)sql;
}

static sqlite3_stmt *
stmt_of(struct sql_statement *statement)
{
	return (sqlite3_stmt *)statement;
}

static int
outcome_of(int rc)
{
	/* The low byte is the kind of error, above it stand its variants. */
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return SQL_DONE;
	case SQLITE_ROW:
		return SQL_ROW;
	case SQLITE_BUSY:
		return SQL_BUSY;
	case SQLITE_FULL:
		return SQL_FULL;
	case SQLITE_CONSTRAINT:
		return SQL_CONSTRAINT;
	default:
		return -1;
	}
}

/* busy_again is called by SQLite for the n-th time, counted from 0, that a lock is
 * held by another. 0: give up. A wait is begun and ended by one thread, which
 * meanwhile does nothing else. */
static int
busy_again(void *wait_ms, int n)
{
	static _Thread_local mono_us began;
	int pause_us = BUSY_FIRST_US + n * 10;

	if (n == 0)
		began = clock_mono_us();
	if (clock_mono_us() - began >= (mono_us)(intptr_t)wait_ms * 1000)
		return 0;
	usleep((useconds_t)(pause_us < BUSY_LAST_US ? pause_us : BUSY_LAST_US));
	return 1;
}

/* make_file makes the file where it is missing, also where a link leads nowhere yet.
 * By itself SQLite asks for 0644, and a group that may write never could. What lies
 * beside the file gets its mode. */
static void
make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);

	if (fd < 0 && errno == EEXIST && access(path, F_OK) != 0)
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return;  /* it is there, or SQLite will say why not */
	fchmod(fd, FILE_MODE);
	close(fd);
}

/* set_up: by itself SQLite counts what it has allocated, under one lock that every
 * allocation of every thread takes twice. Nobody asks for these numbers. */
static void
set_up(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* open_connection: SQLite lets itself be set up only before it is first used. */
static int
open_connection(sqlite3 **db, const char *path, int flags)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
	/* No mutex: a connection has one thread at a time. */
	return sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
}

int
sql_open(struct sql **sql, const char *path, bool create, int busy_wait_ms)
{
	int flags = SQLITE_OPEN_READWRITE;
	sqlite3 *db;
	int rc;

	if (create) {
		make_file(path);
		flags |= SQLITE_OPEN_CREATE;
	}
	rc = open_connection(&db, path, flags);
	*sql = (struct sql *)db;
	if (rc == SQLITE_OK)
		sql_wait_for_locks(*sql, busy_wait_ms);
	return outcome_of(rc);
}

int
sql_open_to_look(struct sql **sql, const char *path, bool as_it_stands, int busy_wait_ms)
{
	struct buf uri = BUF_EMPTY;
	char *whole;
	sqlite3 *db;
	int rc;

	buf_add_str(&uri, "file:");
	for (; *path != '\0'; path++) {
		if (strchr("%?#", *path) != NULL)  /* what means something in a URI */
			buf_printf(&uri, "%%%02x", *path);
		else
			buf_add_char(&uri, *path);
	}
	buf_add_str(&uri, as_it_stands ? "?mode=ro&immutable=1" : "?mode=ro");
	whole = buf_take(&uri);
	rc = open_connection(&db, whole, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
	free(whole);
	*sql = (struct sql *)db;
	if (rc == SQLITE_OK)
		sql_wait_for_locks(*sql, busy_wait_ms);
	return outcome_of(rc);
}

void
sql_wait_for_locks(struct sql *sql, int busy_wait_ms)
{
	sqlite3_busy_handler(db_of(sql), busy_again, (void *)(intptr_t)busy_wait_ms);
}

void
sql_close(struct sql *sql)
{
	sqlite3_stmt *statement;

	if (sql == NULL)
		return;
	while ((statement = sqlite3_next_stmt(db_of(sql), NULL)) != NULL)
		sqlite3_finalize(statement);
	sqlite3_close(db_of(sql));
}

bool
sql_has_moved(struct sql *sql)
{
	int moved = 0;

	return sqlite3_file_control(db_of(sql), NULL, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK
	    && moved != 0;
}

const char *
sql_path(struct sql *sql)
{
	return sqlite3_db_filename(db_of(sql), "main");
}

static int
committed(void *context, sqlite3 *db, const char *name, int n_pages)
{
	struct sql_wal *wal = context;

	wal->n_pages = n_pages;
	/* As SQLite does it by itself: what fails here fails in the next commit again, and
	 * this one is done. */
	if (n_pages >= wal->max_pages)
		sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return SQLITE_OK;
}

void
sql_set_wal(struct sql *sql, struct sql_wal *wal)
{
	sqlite3_wal_hook(db_of(sql), committed, wal);
}

int
sql_write_back(struct sql *sql, int *n_pages, int *n_written)
{
	return outcome_of(sqlite3_wal_checkpoint_v2(db_of(sql), "main", SQLITE_CHECKPOINT_PASSIVE,
	    n_pages, n_written));
}

void
sql_leave(struct sql *sql)
{
	sqlite3_db_config(db_of(sql), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
}

const char *
sql_error(struct sql *sql)
{
	return sqlite3_errmsg(db_of(sql));
}

int
sql_execute(struct sql *sql, const char *text)
{
	return outcome_of(sqlite3_exec(db_of(sql), text, NULL, NULL, NULL));
}

int64_t
sql_number(struct sql *sql, const char *text, int64_t fallback)
{
	sqlite3_stmt *statement;
	int64_t number = fallback;

	if (sqlite3_prepare_v2(db_of(sql), text, -1, &statement, NULL) != SQLITE_OK)
		return fallback;
	if (sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

bool
sql_is_in_transaction(struct sql *sql)
{
	return !sqlite3_get_autocommit(db_of(sql));
}

void
sql_roll_back(struct sql *sql)
{
	if (sql_is_in_transaction(sql))
		sql_execute(sql, "ROLLBACK");
}

int64_t
sql_last_id(struct sql *sql)
{
	return sqlite3_last_insert_rowid(db_of(sql));
}

int
sql_changes(struct sql *sql)
{
	return sqlite3_changes(db_of(sql));
}

/* ---- statements ---- */

int
sql_prepare(struct sql *sql, struct sql_statement **statement, const char *text)
{
	sqlite3_stmt *prepared;
	int rc = sqlite3_prepare_v3(db_of(sql), text, -1, SQLITE_PREPARE_PERSISTENT,
	    &prepared, NULL);

	*statement = (struct sql_statement *)prepared;
	return outcome_of(rc);
}

void
sql_finalize(struct sql_statement *statement)
{
	sqlite3_finalize(stmt_of(statement));
}

void
sql_bind_null(struct sql_statement *statement, int place)
{
	sqlite3_bind_null(stmt_of(statement), place);
}

void
sql_bind_int64(struct sql_statement *statement, int place, int64_t number)
{
	sqlite3_bind_int64(stmt_of(statement), place, number);
}

void
sql_bind_text(struct sql_statement *statement, int place, const char *text)
{
	/* SQLite takes a NULL pointer for NULL. */
	sqlite3_bind_text(stmt_of(statement), place, text, -1, SQLITE_STATIC);
}

void
sql_bind_bytes(struct sql_statement *statement, int place, const char *text, size_t n)
{
	sqlite3_bind_text64(stmt_of(statement), place, text, n, SQLITE_STATIC, SQLITE_UTF8);
}

int
sql_step(struct sql_statement *statement)
{
	return outcome_of(sqlite3_step(stmt_of(statement)));
}

void
sql_reset(struct sql_statement *statement)
{
	sqlite3_reset(stmt_of(statement));
}

void
sql_clear(struct sql_statement *statement)
{
	sqlite3_clear_bindings(stmt_of(statement));
}

int
sql_run(struct sql_statement *statement)
{
	int outcome = sql_step(statement);

	sql_reset(statement);
	return outcome == SQL_ROW ? -1 : outcome;
}

/* ---- rows ---- */

const char *
sql_text(struct sql_statement *row, int column)
{
	return (const char *)sqlite3_column_text(stmt_of(row), column);
}

size_t
sql_bytes(struct sql_statement *row, int column)
{
	return (size_t)sqlite3_column_bytes(stmt_of(row), column);
}

int64_t
sql_int64(struct sql_statement *row, int column)
{
	return sqlite3_column_int64(stmt_of(row), column);
}

bool
sql_is_null(struct sql_statement *row, int column)
{
	return sqlite3_column_type(stmt_of(row), column) == SQLITE_NULL;
}
