/* Reading from the SQLite store: what opening it has to do for that, and what
 * reading rows (read.c) and searching for where to begin (find.c) share. store_read and
 * store_bounds themselves are declared in store.h. Called by the thread that has the
 * handle. */
#ifndef APP_STORE_SQLITE_READ_H
#define APP_STORE_SQLITE_READ_H

#include <stdint.h>

#include "app/store/sqlite/handle.h"
#include "app/store/store.h"
#include "lib/sql.h"

enum {
	/* What a read spends of STORE_SCAN_MAX on each. A row of the index is looked up
	 * in the table as well. Measured on a million rows: a row of the table 0.5
	 * microseconds, one found through the index 1.7, a run of it without rows 1.2 to 2. */
	COST_ROW = 1,
	COST_FOUND_ROW = 6,
	COST_RUN = 6,
};

/* What differs between the two kinds of file. In each the segments rise with the ids,
 * and no row of a segment is below segment * segment_ids. */
struct read_kind {
	const char *table, *segment, *bounds;
	int64_t segment_ids;
};

/* read_prepare prepares the statements that store_read, store_bounds and
 * store_wait run. The file has its schema by then. 0 or -1 (logged). */
int read_prepare(struct store *store);

/* read_kind is known from then on. */
const struct read_kind *read_kind(const struct store *store);

/* read_begin begins a reading, which is one transaction, and tells the bounds. 0 or -1
 * (logged). read_end is due in either case: it takes the outcome of the last statement,
 * or -1 (logged), and returns what store_read is to. */
int read_begin(struct store *store, struct store_bounds *bounds);
int read_end(struct store *store, int outcome);

/* read_runs returns the statement for a filter's rows of the segment ?1, each kind of
 * which is a run of the index (segment.h), above `after`; all but ?1 is bound. It asks for
 * these columns, in that order, of rows that meet the condition too (" AND ...", perhaps
 * with ?4, or ""); it is kept in `runs`, always for the same three. NULL: logged. */
struct sql_statement *read_runs(struct store *store, struct read_runs *runs,
    const struct filter *filter, int64_t after, const char *columns, const char *condition,
    const char *order);

/* read_runs_cost returns what it costs to look for a segment and at each of its runs,
 * whether there is a row in them or not. */
int read_runs_cost(const struct filter *filter);

/* read_segment sets *segment to what a statement about segments finds for this id or
 * segment. SQL_ROW, SQL_DONE where there is none, or -1. */
int read_segment(struct sql_statement *statement, int64_t of, int64_t *segment);

#endif
