/* A database in one SQLite file, and no more of SQLite than that takes.
 *
 * A handle and its statements belong to one thread at a time. Nothing is
 * logged here: what failed is an outcome, why is in sql_error. */
#ifndef LIB_SQL_H
#define LIB_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the calls that return int return; anything else that went wrong is -1. */
enum sql_outcome {
	SQL_DONE = 0,    /* it was done; of a statement: there are no more rows */
	SQL_ROW,         /* a row stands, to be read by its columns */
	SQL_BUSY,        /* another connection holds the lock longer than we wait */
	SQL_FULL,        /* no room on the disk */
	SQL_CONSTRAINT,  /* a constraint or a trigger refused it */
};

struct sql;            /* a connection */
struct sql_statement;  /* belongs to the connection that prepared it */

/* sql_open opens the file at path for reading and writing; where it is missing,
 * it is made, with mode 0660 whatever the umask, or that is a failure. Whoever
 * finds it locked tries again every 1 to 3 ms for up to busy_wait_ms: between the
 * short transactions of another it so gets its turn. *sql is set even on failure, for
 * sql_error to say why, and is the caller's to close. */
int sql_open(struct sql **sql, const char *path, bool create, int busy_wait_ms);

/* sql_open_to_look opens the file for reading. as_it_stands: nobody else has it open
 * for now, so neither locks nor files beside it are looked at or made. As sql_open. */
int sql_open_to_look(struct sql **sql, const char *path, bool as_it_stands, int busy_wait_ms);

/* sql_wait_for_locks changes for how long from now on. */
void sql_wait_for_locks(struct sql *sql, int busy_wait_ms);

/* sql_close frees the connection (NULL: nothing) and every statement that still
 * belongs to it; a transaction under way is rolled back. */
void sql_close(struct sql *sql);

/* sql_has_moved: is the file at the path no longer the one that this connection
 * has open? It was deleted, moved away, or another was put in its place. */
bool sql_has_moved(struct sql *sql);

/* sql_path lends the file's own path: absolute, symbolic links followed. Beside it,
 * with "-wal" and "-shm" at the end of their names, lie its write-ahead log and
 * the index of that. */
const char *sql_path(struct sql *sql);

/* What the commits of a connection do with the write-ahead log: where it has max_pages
 * or more, the one that made it so writes it back into the file before it returns, and
 * waits for the disk; each notes in n_pages how many it has then. */
struct sql_wal {
	int max_pages, n_pages;
};
void sql_set_wal(struct sql *sql, struct sql_wal *wal);  /* lent as long as the connection */

/* sql_write_back writes back what nobody still reads there, waits for nobody but the
 * disk, and says how many pages the log has, and how many of them are in the file.
 * SQL_BUSY: another connection is at it. */
int sql_write_back(struct sql *sql, int *n_pages, int *n_written);

/* sql_leave lets sql_close leave the files as they are. By itself the last
 * connection to close writes the log back, and deletes it by its name. */
void sql_leave(struct sql *sql);

/* sql_error lends a sentence on what the last call on this connection or one of
 * its statements met, until the next such call. */
const char *sql_error(struct sql *sql);

/* sql_execute runs one or more statements, parted by semicolons, and passes
 * over the rows that they give. */
int sql_execute(struct sql *sql, const char *text);

/* sql_number returns the first column of a query's first row; fallback where
 * there is no row or the query fails. */
int64_t sql_number(struct sql *sql, const char *text, int64_t fallback);

/* sql_is_in_transaction: some errors end the one that was begun. */
bool sql_is_in_transaction(struct sql *sql);

/* sql_roll_back ends the transaction that is under way, if any is: some errors
 * have ended it already. */
void sql_roll_back(struct sql *sql);

/* What the last INSERT, UPDATE or DELETE of this connection did. */
int64_t sql_last_id(struct sql *sql);  /* of the row inserted last */
int sql_changes(struct sql *sql);      /* how many rows it changed */

/* ---- statements ---- */

/* sql_prepare makes of the text, which is copied, a statement to be kept and run
 * many times. The caller finalizes it or leaves that to sql_close. On failure
 * *statement is NULL. */
int sql_prepare(struct sql *sql, struct sql_statement **statement, const char *text);
void sql_finalize(struct sql_statement *statement);  /* NULL: nothing */

/* Each sets the parameter ?place, counted from 1, until it is set anew. Text is
 * UTF-8 and lent for as long as the statement runs with it; it may be freed
 * between two runs if the parameter is set anew before the next. sql_bind_text
 * takes NULL for NULL, sql_bind_bytes text of n bytes. */
void sql_bind_null(struct sql_statement *statement, int place);
void sql_bind_int64(struct sql_statement *statement, int place, int64_t number);
void sql_bind_text(struct sql_statement *statement, int place, const char *text);
void sql_bind_bytes(struct sql_statement *statement, int place, const char *text, size_t n);

/* sql_step goes on to the next row: SQL_ROW; after the last one SQL_DONE. */
int sql_step(struct sql_statement *statement);

/* sql_reset ends the reading, and so the lock it takes; the statement may be
 * run again. Parameters stay set. */
void sql_reset(struct sql_statement *statement);

/* sql_clear sets all parameters to NULL. */
void sql_clear(struct sql_statement *statement);

/* sql_run steps a statement that gives no rows and resets it. A row is -1. */
int sql_run(struct sql_statement *statement);

/* ---- the row that stands; columns count from 0 ---- */

/* sql_text lends UTF-8 with a NUL at its end until the next step or reset; NULL
 * for NULL. sql_bytes is its length without that NUL. */
const char *sql_text(struct sql_statement *row, int column);
size_t sql_bytes(struct sql_statement *row, int column);
int64_t sql_int64(struct sql_statement *row, int column);  /* 0 for NULL */
bool sql_is_null(struct sql_statement *row, int column);

#endif
