/* A program that knows nothing of rowcast but its table: it inserts by its own
 * SQLite connection, as the sqlite3 shell or a cron job would. */
#ifndef BENCH_FOREIGN_H
#define BENCH_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct foreign;

/* foreign_open opens the table's file; it ends the program where it cannot, as
 * do the others where SQLite refuses. */
struct foreign *foreign_open(const char *path);
void foreign_close(struct foreign *f);

/* foreign_insert commits one row for everyone; it copies text. */
void foreign_insert(struct foreign *f, const char *text, size_t len);

/* foreign_insert_topic adds a row of a topic to the transaction that foreign_begin has
 * begun; it copies. event may be NULL. */
void foreign_begin(struct foreign *f);
void foreign_insert_topic(struct foreign *f, const char *topic, const char *event, const char *text, size_t len);
void foreign_commit(struct foreign *f);

/* foreign_newest returns the id of the newest row; 0: there is none. */
int64_t foreign_newest(struct foreign *f);

/* foreign_fill adds rows messages of size bytes, numbered from 1, for replay.
 * With users 0 they are for everyone. Else `each` of them are for each of the
 * users u0, u1, ..., in turn, and the rest is for a thousand others; the users'
 * are the newest or, with spread, lie evenly among the others'.
 * Returns the id of the newest row. */
int64_t foreign_fill(struct foreign *f, uint32_t rows, uint32_t users, uint32_t each, bool spread, size_t size);

#endif
