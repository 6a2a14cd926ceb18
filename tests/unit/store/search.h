/* What store.h promises of store_find, for both kinds of file. Who includes this says
 * how rows with given dates come into the store of the test, and which handle asks. */
#ifndef TESTS_UNIT_STORE_SEARCH_H
#define TESTS_UNIT_STORE_SEARCH_H

#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "app/store/store.h"
#include "lib/mem.h"

enum { SEARCH_USERS = 5, SEARCH_TOPICS = 4, SEARCH_DAY = 1700000000, SEARCH_STEPS_MAX = 100000 };

struct search_row {
	int64_t id;          /* search_put sets it */
	const char *user, *topic;
	wall_s created_at;
	bool expired;
};

/* search_put commits the rows, above all that are there; search_drop deletes one, for all;
 * search_trim those up to an id, as retention does. */
static void search_put(struct search_row *rows, size_t n);
static void search_drop(int64_t id);
static void search_trim(int64_t upto);
static struct store *search_handle(void);

static size_t search_n_steps;   /* of the last search */

static int64_t
search_on(struct store_search *search, const struct filter *filter)
{
	int64_t after = -1;
	int rc;

	search_n_steps = 0;
	do {
		assert_true(search_n_steps++ < SEARCH_STEPS_MAX);
		rc = store_find(search_handle(), search, filter, &after);
	} while (rc == STORE_AGAIN);
	assert_int_equal(rc, 0);
	return after;
}

static int64_t
search_for(wall_s since, size_t last, const struct filter *filter)
{
	struct store_search search = { .since = since, .last = last };

	return search_on(&search, filter);
}

static char search_users[SEARCH_USERS][8] = { "1", "10", "a", "A", "\xc3\xa4" };
static char search_topics[SEARCH_TOPICS][8] = { "t", "T", "t/1", "u" };

static const struct filter search_filter = { .user = search_users[0] };

/* search_put_dated puts rows for everyone, one with each of these dates. */
static void
search_put_dated(struct search_row *rows, size_t n, const int *dates)
{
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct search_row){ .created_at = SEARCH_DAY + dates[i] };
	search_put(rows, n);
}

TEST(in_a_store_without_rows_everything_begins_at_the_newest_id)
{
	struct search_row row = { .created_at = SEARCH_DAY };

	assert_int_equal(search_for(0, 0, &search_filter), 0);
	assert_int_equal(search_for(0, 20, &search_filter), 0);
	assert_int_equal(search_for(SEARCH_DAY, 0, &search_filter), 0);
	search_put(&row, 1);
	search_drop(row.id);
	assert_int_equal(search_for(0, 0, &search_filter), row.id);
	assert_int_equal(search_for(0, 20, &search_filter), row.id);
	assert_int_equal(search_for(SEARCH_DAY, 20, &search_filter), row.id);
	assert_int_equal(search_for(SEARCH_DAY, 0, &search_filter), row.id);
}

TEST(everything_begins_before_the_oldest)
{
	struct search_row rows[3] = { { .created_at = SEARCH_DAY }, { .created_at = SEARCH_DAY },
		{ .created_at = SEARCH_DAY } };
	int64_t after;

	search_put(rows, 3);
	after = search_for(0, 0, &search_filter);
	assert_true(after < rows[0].id && after >= 0);
	search_trim(rows[0].id);
	after = search_for(0, 0, &search_filter);
	assert_true(after < rows[1].id && after >= rows[0].id);
}

TEST(rows_in_order_of_their_dates_begin_with_the_first_that_is_not_older)
{
	enum { ROWS = 5000 };
	static struct search_row rows[ROWS];

	dice_begin();
	for (size_t i = 0; i < ROWS; i++)
		rows[i].created_at = (i > 0 ? rows[i - 1].created_at : SEARCH_DAY) + (wall_s)(dice_throw(3) / 2);
	search_put(rows, ROWS);
	for (wall_s since = SEARCH_DAY - 2; since < rows[ROWS - 1].created_at + 3; since++) {
		int64_t after = search_for(since, 0, &search_filter);
		size_t first = 0;

		while (first < ROWS && rows[first].created_at < since)
			first++;
		if (first < ROWS)
			assert_true(after < rows[first].id);
		assert_true(first == 0 || after >= rows[first - 1].id);
		since += (wall_s)dice_throw(40);
	}
}

/* Whichever it is that is looked at first. */
TEST(one_that_is_dated_otherwise_misleads_nobody)
{
	enum { ROWS = 300, FIRST = 170 };

	for (int odd = 0; odd < ROWS - 20; odd++) {
		struct search_row rows[ROWS];
		int dates[ROWS];
		int64_t after;

		for (int i = 0; i < ROWS; i++)
			dates[i] = i;
		/* Not among the few that are asked together with the first. */
		if (odd > FIRST - 20 && odd < FIRST + 20)
			continue;
		dates[odd] = odd < FIRST ? 1000000 : -1000000;
		search_put_dated(rows, ROWS, dates);
		after = search_for(SEARCH_DAY + FIRST, 0, &search_filter);
		if (after >= rows[FIRST].id || after < rows[FIRST - 1].id)
			fail_msg("row %d is dated otherwise: row %d is not where it begins", odd, FIRST);
		search_trim(rows[ROWS - 1].id);
	}
}

TEST(near_the_first_none_that_is_newer_is_left_out)
{
	/* Two programs, one of which dates by a clock of its own. */
	static const int dates[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
		20, 31, 22, 33, 24, 25, 26, 27, 30, 29, 32, 21, 34, 23, 36, 37, 38, 39, 40, 41, 42, 43, 44 };
	enum { ROWS = sizeof(dates) / sizeof(dates[0]) };
	struct search_row rows[ROWS];
	int64_t after;

	search_put_dated(rows, ROWS, dates);
	after = search_for(SEARCH_DAY + 30, 0, &search_filter);
	assert_true(after < rows[21].id && after >= rows[20].id);
}

TEST(the_newest_so_many_are_those_that_match_and_have_not_expired)
{
	struct search_row rows[8] = { { .user = "1" }, { 0 }, { .user = "10" }, { .topic = "t" },
		{ .user = "1", .expired = true }, { .user = "1" }, { .user = "1", .topic = "t" }, { .user = "10" } };
	char *topics[] = { search_topics[0] };
	struct filter with_topic = { .user = search_users[0], .topics = topics, .n_topics = 1 };
	struct filter nobody = { .user = search_users[4] };

	for (size_t i = 0; i < 8; i++)
		rows[i].created_at = SEARCH_DAY + (wall_s)i;
	search_put(rows, 8);
	assert_int_equal(search_for(0, 1, &search_filter), rows[5].id - 1);
	assert_int_equal(search_for(0, 2, &search_filter), rows[1].id - 1);
	assert_int_equal(search_for(0, 3, &search_filter), rows[0].id - 1);
	assert_int_equal(search_for(0, 4, &search_filter), rows[0].id - 1);
	assert_int_equal(search_for(0, 1000, &search_filter), rows[0].id - 1);
	assert_int_equal(search_for(0, 1, &with_topic), rows[6].id - 1);
	assert_int_equal(search_for(0, 3, &with_topic), rows[3].id - 1);
	assert_int_equal(search_for(0, 4, &with_topic), rows[1].id - 1);
	/* Of those since. */
	assert_int_equal(search_for(SEARCH_DAY + 2, 4, &with_topic), rows[3].id - 1);
	assert_int_equal(search_for(SEARCH_DAY + 7, 4, &with_topic), rows[7].id);
	assert_int_equal(search_for(SEARCH_DAY + 2, 1, &nobody), rows[7].id);
	assert_int_equal(search_for(0, 1, &nobody), rows[1].id - 1);
	assert_int_equal(search_for(0, 3, &(struct filter){ .user = search_users[1] }), rows[1].id - 1);
}

/* One who searches is waited for by others. */
TEST(a_long_search_takes_several_calls_and_misses_nothing_meanwhile)
{
	enum { ROWS = 50000 };
	static struct search_row rows[ROWS], more[3];
	struct store_search search = { .last = 3 };
	int64_t after;

	for (size_t i = 0; i < ROWS; i++)
		rows[i] = (struct search_row){ .created_at = SEARCH_DAY, .user = i == 5 ? "1" : "10",
		    .expired = i > 20000 && i < 40000 };
	search_put(rows, ROWS);
	for (int i = 0; i < 3; i++)
		more[i] = (struct search_row){ .created_at = SEARCH_DAY, .user = "1" };
	after = search_for(0, 3, &(struct filter){ .user = search_users[1] });
	assert_int_equal(after, rows[ROWS - 3].id - 1);
	/* Rows that are passed cost, ... */
	after = search_for(0, 1000, &(struct filter){ .user = search_users[1] });
	assert_int_equal(after, rows[ROWS - 1000].id - 1);
	assert_true(search_n_steps > 1);
	search = (struct store_search){ .since = SEARCH_DAY, .last = 1000 };
	search_drop(rows[ROWS - 1].id);
	assert_int_equal(search_on(&search, &(struct filter){ .user = search_users[1] }),
	    rows[ROWS - 1001].id - 1);
	/* ... and so do places where there is nothing. */
	search = (struct store_search){ .last = 3 };
	for (int n = 0; n < 16; n++) {
		static char names[32][16], *topics[32];
		struct filter filter = { .user = search_users[0], .topics = topics, .n_topics = 32 };
		int rc;

		for (int i = 0; i < 32; i++) {
			snprintf(names[i], sizeof(names[i]), "no/%d", i);
			topics[i] = names[i];
		}
		rc = store_find(search_handle(), &search, &filter, &after);
		if (n == 0) {
			assert_int_equal(rc, STORE_AGAIN);
			search_put(more, 3);
		}
		if (rc == STORE_AGAIN)
			continue;
		assert_int_equal(rc, 0);
		/* What has come since it began is not among them: it comes after. */
		assert_int_equal(search.n, 1);
		assert_int_equal(after, rows[5].id - 1);
		return;
	}
	fail_msg("no end");
}

TEST(a_search_goes_on_where_rows_go_and_come_between_its_calls)
{
	enum { ROWS = 12000 };
	static struct search_row rows[ROWS], one;

	dice_begin();
	for (size_t i = 0; i < ROWS; i++)
		rows[i] = (struct search_row){ .created_at = SEARCH_DAY + (wall_s)i, .user = dice_throw(2) ? "1" : "10" };
	search_put(rows, ROWS);
	for (int round = 0; round < 20; round++) {
		struct store_search search = { .since = dice_throw(2) ? SEARCH_DAY + (wall_s)dice_throw(ROWS) : 0,
			.last = dice_throw(3) ? 900 : 0 };
		int64_t after = -1;
		size_t n = 0;
		int rc;

		while ((rc = store_find(search_handle(), &search, &search_filter, &after)) == STORE_AGAIN) {
			assert_true(n++ < 1000);
			one = (struct search_row){ .created_at = SEARCH_DAY + ROWS, .user = "1" };
			search_put(&one, 1);
			search_drop(rows[dice_throw(ROWS)].id);
			if (dice_throw(4) == 0)
				store_learn(search_handle());
			if (dice_throw(4) == 0)
				search_trim(rows[dice_throw(ROWS / 100) + (size_t)round * (ROWS / 30)].id);
		}
		assert_int_equal(rc, 0);
		assert_true(after >= 0 && after <= search.newest);
	}
}

/* ---- against a model ---- */

static bool
search_matches(const struct search_row *row, const struct filter *filter)
{
	if (row->expired || (row->user != NULL && strcmp(row->user, filter->user) != 0))
		return false;
	if (row->topic == NULL && filter->topics_only)
		return false;
	for (size_t i = 0; row->topic != NULL && i <= filter->n_topics; i++) {
		if (i == filter->n_topics)
			return false;
		if (strcmp(row->topic, filter->topics[i]) == 0)
			break;
	}
	return true;
}

/* search_reads reads what the filter matches, all of it, in as many readings as that takes. */
static int64_t search_ids[20000];
static size_t search_n_ids;

static bool
search_note(void *context __attribute__((unused)), const struct message *m)
{
	assert_true(search_n_ids < sizeof(search_ids) / sizeof(search_ids[0]));
	search_ids[search_n_ids++] = m->id;
	return true;
}

static void
search_read(int64_t after, const struct filter *filter)
{
	struct store_bounds bounds;
	int64_t upto = after;

	search_n_ids = search_n_steps = 0;
	do {
		after = upto;
		assert_true(search_n_steps++ < SEARCH_STEPS_MAX);
		assert_int_equal(store_read(search_handle(), after, filter, search_note, NULL, &bounds, &upto), 0);
	} while (upto < bounds.newest);
}

TEST(every_search_finds_what_looking_at_every_row_finds)
{
	enum { ROWS = 9000, SEARCHES = 300 };
	static struct search_row rows[ROWS];
	wall_s date = SEARCH_DAY;
	size_t n_trimmed;

	dice_begin();
	for (size_t i = 0; i < ROWS; i++) {
		date += dice_throw(3) == 0;
		rows[i] = (struct search_row){ .created_at = date, .expired = dice_throw(20) == 0,
		    .user = dice_throw(3) ? search_users[dice_throw(SEARCH_USERS)] : NULL,
		    .topic = dice_throw(3) ? search_topics[dice_throw(SEARCH_TOPICS)] : NULL };
	}
	/* Some are rare, so that they are far apart. */
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].user == search_users[4] && dice_throw(200) > 0)
			rows[i].user = search_users[3];
	for (size_t i = 0; i < ROWS; ) {
		size_t n = 1 + dice_throw(3000);

		if (i + n > ROWS)
			n = ROWS - i;
		search_put(rows + i, n);
		i += n;
	}
	n_trimmed = dice_throw(ROWS / 2);
	if (n_trimmed > 0)
		search_trim(rows[n_trimmed - 1].id);
	for (int round = 0; round < SEARCHES; round++) {
		char *topics[SEARCH_TOPICS];
		struct filter filter = { .user = search_users[dice_throw(SEARCH_USERS)], .topics = topics,
			.n_topics = dice_throw(SEARCH_TOPICS + 1) };
		wall_s since = dice_throw(2) ? SEARCH_DAY - 5 + (wall_s)dice_throw((size_t)(date - SEARCH_DAY) + 10) : 0;
		size_t last = dice_throw(3) ? 1 + dice_throw(dice_throw(2) ? 1000 : 20) : 0, n = 0, first = ROWS;
		int64_t after;

		filter.topics_only = filter.n_topics > 0 && dice_throw(2);
		for (size_t i = 0; i < SEARCH_TOPICS; i++)
			topics[i] = search_topics[i];
		/* From nothing to all that there is to be known. */
		if (dice_throw(40) == 0)
			store_learn(search_handle());
		search_read(rows[ROWS / 3].id, &filter);
		for (size_t i = 0, at = 0; i < ROWS; i++) {
			if (i <= ROWS / 3 || i < n_trimmed || !search_matches(&rows[i], &filter))
				continue;
			if (at == search_n_ids || search_ids[at] != rows[i].id)
				fail_msg("%zu topics: row %lld is left out", filter.n_topics, (long long)rows[i].id);
			at++;
		}
		after = search_for(since, last, &filter);
		for (size_t i = ROWS; i-- > n_trimmed && rows[i].created_at >= since; ) {
			if (last == 0 || search_matches(&rows[i], &filter)) {
				first = i;
				n++;
			}
			if (n == last && last > 0)
				break;
		}
		if (first == ROWS)
			assert_int_equal(after, rows[ROWS - 1].id);
		else if (after >= rows[first].id || (last > 0 && after != rows[first].id - 1)
		    || (first > n_trimmed && after < rows[first - 1].id))
			fail_msg("since %lld, last %zu, %zu topics: after %lld, but the first is %lld",
			    (long long)since, last, filter.n_topics, (long long)after, (long long)rows[first].id);
	}
}

#define SEARCH_TESTS(TEST_IN) \
	TEST_IN(in_a_store_without_rows_everything_begins_at_the_newest_id), \
	TEST_IN(everything_begins_before_the_oldest), \
	TEST_IN(rows_in_order_of_their_dates_begin_with_the_first_that_is_not_older), \
	TEST_IN(one_that_is_dated_otherwise_misleads_nobody), \
	TEST_IN(near_the_first_none_that_is_newer_is_left_out), \
	TEST_IN(the_newest_so_many_are_those_that_match_and_have_not_expired), \
	TEST_IN(a_long_search_takes_several_calls_and_misses_nothing_meanwhile), \
	TEST_IN(a_search_goes_on_where_rows_go_and_come_between_its_calls), \
	TEST_IN(every_search_finds_what_looking_at_every_row_finds)

#endif
