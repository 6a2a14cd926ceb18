/* Where a reading begins that knows no id: the first row since a time, the newest so
 * many rows. Run by the thread that has the handle, a catch-up's. A search may take
 * several calls, each a transaction of its own: what it has come to is the caller's, as
 * ids, which mean the same whatever is committed or deleted in between.
 *
 * There is no index of created_at. It would cost every commit, and not help: rows are
 * passed in the order of ids, of which the dates are no more than a likely order. */

#include "app/store/store.h"

#include <stdlib.h>

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/learned.h"
#include "app/store/sqlite/read.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	/* Rows whose dates are asked together, so that one of them decides nothing. */
	WINDOW_ROWS = 16,
	/* A row's date lies behind its data, which may be 1 MiB: counting rows alone bounds
	 * nothing here. As much as a read of STORE_SCAN_MAX takes. */
	FIND_US = 2000,
};

/* One call. */
struct finding {
	struct store *store;
	struct store_search *search;
	mono_us until;
	int left;        /* of STORE_SCAN_MAX */
};

/* is_spent: not before the first step, so that each call comes further. */
static bool
is_spent(const struct finding *finding)
{
	return finding->left < STORE_SCAN_MAX
	    && (finding->left <= 0 || clock_mono_us() >= finding->until);
}

static int
prepare(struct store *store)
{
	const struct read_kind *kind = read_kind(store);
	char *dated, *below;
	int rc;

	if (store->find_below != NULL)
		return 0;
	dated = mem_printf("SELECT id, created_at FROM %s WHERE id > ?1 ORDER BY id LIMIT %d",
	    kind->table, WINDOW_ROWS);
	below = mem_printf("SELECT %s FROM %s WHERE id < ?1 ORDER BY id DESC LIMIT 1",
	    kind->segment, kind->table);
	rc = sql_prepare(store->sql, &store->find_dated, dated) == 0
	    && sql_prepare(store->sql, &store->find_below, below) == 0
	    ? 0 : fault_log(store, "prepare");
	free(dated);
	free(below);
	return rc;
}

/* ---- since ---- */

/* A window: the rows that come next above an id. */
struct window {
	int n, n_late;          /* rows, and those of them dated since */
	int64_t first, first_late;  /* 0: there is none */
};

/* look_above returns SQL_DONE or -1. */
static int
look_above(struct finding *finding, int64_t id, struct window *window)
{
	struct sql_statement *rows = finding->store->find_dated;
	int outcome;

	*window = (struct window){ 0 };
	sql_bind_int64(rows, 1, id);
	while ((outcome = sql_step(rows)) == SQL_ROW) {
		if (window->n++ == 0)
			window->first = sql_int64(rows, 0);
		if (sql_int64(rows, 1) < finding->search->since)
			continue;
		if (window->n_late++ == 0)
			window->first_late = sql_int64(rows, 0);
	}
	sql_reset(rows);
	finding->left -= COST_RUN + window->n * COST_ROW;
	return outcome;
}

/* halve makes of low and high one id, above which what is `since` begins: the lowest
 * above which a window is late. SQL_DONE; SQL_ROW: it has not come to that; -1. */
static int
halve(struct finding *finding)
{
	struct store_search *search = finding->search;
	struct window window;

	while (search->low < search->high) {
		int64_t middle = search->low + (search->high - search->low) / 2;

		if (is_spent(finding))
			return SQL_ROW;
		if (look_above(finding, middle, &window) != SQL_DONE)
			return -1;
		/* Above any id before the next row is the same window. */
		if (window.n == 0 || 2 * window.n_late >= window.n)
			search->high = middle;
		else
			search->low = window.first < search->high ? window.first : search->high;
	}
	if (look_above(finding, search->high, &window) != SQL_DONE)
		return -1;
	if (window.n_late > 0)
		search->low = search->high = window.first_late - 1;
	return SQL_DONE;
}

/* ---- last ---- */

/* look_down looks at the rows of a segment from the newest down to those `since`. SQL_DONE;
 * SQL_ROW: that was enough, or enough for now; -1. */
static int
look_down(struct finding *finding, struct sql_statement *rows, int64_t segment)
{
	struct store_search *search = finding->search;
	wall_s now = clock_wall_s();
	int outcome;

	sql_bind_int64(rows, 1, segment);
	sql_bind_int64(rows, 4, search->below);
	while ((outcome = sql_step(rows)) == SQL_ROW) {
		struct expiry expiry = { !sql_is_null(rows, 2), sql_int64(rows, 2) };

		search->below = sql_int64(rows, 0);
		finding->left -= COST_FOUND_ROW;
		/* That history was lost is no message. */
		if (sql_int64(rows, 1) == 0 && !expiry_is_over(expiry, now)) {
			search->lowest = search->below;
			search->n++;
		}
		if (search->n == search->last || is_spent(finding))
			break;
	}
	sql_reset(rows);
	return outcome;
}

/* walk_segments goes from segment to segment, but for those that are known to have none of
 * the statement's rows, until there are enough. SQL_DONE: there are, or that was all;
 * SQL_ROW: not yet; -1. */
static int
walk_segments(struct finding *finding, struct sql_statement *rows, int cost,
    const struct learned *learned)
{
	struct store *store = finding->store;
	struct store_search *search = finding->search;
	int64_t segment, passed;
	int outcome = SQL_DONE;

	while (search->n < search->last && search->below > search->high + 1) {
		if (outcome == SQL_ROW || is_spent(finding))
			return SQL_ROW;
		outcome = read_segment(store->find_below, search->below, &segment);
		if (outcome != SQL_ROW)
			return outcome;
		outcome = SQL_DONE;
		passed = learned_down(learned, segment, &finding->left);
		if (passed > segment) {
			outcome = look_down(finding, rows, segment);
			if (outcome != SQL_ROW && outcome != SQL_DONE)
				return -1;
			finding->left -= cost;
			passed = segment;
		}
		if (outcome == SQL_DONE)
			search->below = passed * read_kind(store)->segment_ids;
	}
	return SQL_DONE;
}

static int
walk_down(struct finding *finding, const struct filter *filter)
{
	struct sql_statement *rows = read_runs(finding->store, &finding->store->find_newest, filter,
	    finding->search->high, "id, event IS 'rowcast.gap', expires_at", " AND id < ?4", "id DESC");
	struct learned learned;
	int outcome;

	if (rows == NULL)
		return -1;
	learned_open(&learned, finding->store, filter);
	outcome = walk_segments(finding, rows, read_runs_cost(filter), &learned);
	learned_close(&learned);
	return outcome;
}

static int
find(struct finding *finding, const struct filter *filter, int64_t *after)
{
	struct store_search *search = finding->search;
	int outcome = SQL_DONE;

	if (search->since > 0)
		outcome = halve(finding);
	else
		search->high = search->low;
	if (outcome == SQL_DONE && search->last > 0)
		outcome = walk_down(finding, filter);
	*after = search->last == 0 ? search->high
	    : search->n > 0 ? search->lowest - 1 : search->newest;
	return outcome;
}

int
store_find(struct store *store, struct store_search *search, const struct filter *filter,
    int64_t *after)
{
	struct finding finding = { .store = store, .search = search,
	    .until = clock_mono_us() + FIND_US, .left = STORE_SCAN_MAX };
	struct store_bounds bounds;
	int outcome, rc;

	if (prepare(store) != 0 || read_begin(store, &bounds) < 0)
		return read_end(store, -1);
	if (!search->has_begun) {
		search->has_begun = true;
		search->newest = search->high = bounds.newest;
		search->low = bounds.oldest - 1;
		search->below = bounds.newest + 1;
	}
	outcome = find(&finding, filter, after);
	if (outcome != SQL_ROW && outcome != SQL_DONE)
		fault_log(store, "where to begin cannot be found");
	rc = read_end(store, outcome);
	return rc == 0 && outcome == SQL_ROW ? STORE_AGAIN : rc;
}
