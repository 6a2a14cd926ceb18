#include "tests/unit/upstream/log.h"

static void
begin(void)
{
	foreign_do(foreign, LIST("FLUSHALL"));
}

/* trim_all returns how many entries it deleted. */
static int64_t
trim_all(struct upstream *log, const char *node, int64_t keep_for_s, int64_t keep_rows)
{
	int64_t sum = 0, n_deleted;
	bool more = true;

	while (more) {
		assert_int_equal(upstream_trim(log, node, keep_for_s, keep_rows, &n_deleted, &more), 0);
		assert_true(n_deleted > 0 || !more);
		sum += n_deleted;
	}
	return sum;
}

TEST(rows_beyond_the_newest_are_deleted_and_the_floor_is_the_highest_of_them)
{
	struct upstream *log = log_open(&server, 0);
	struct upstream_news news;
	int64_t ids[3000];

	begin();
	for (int i = 0; i < 3000; i++)
		ids[i] = must_append(log, "data");
	assert_int_equal(trim_all(log, "a", 0, 100), 2900);
	assert_int_equal(log_length(), 100);
	assert_int_equal(upstream_read(log, ids[2899], ids[2899], 0, &news), 0);
	assert_int_equal(news.floor, ids[2899]);  /* who has read that one misses nothing */
	assert_int_equal(news.messages[0].id, ids[2900]);
	assert_int_equal(upstream_read(log, ids[2898], ids[2898], 0, &news), 0);
	assert_int_equal(news.floor, ids[2899]);
	assert_int_equal(trim_all(log, "a", 0, 100), 0);
	assert_int_equal(trim_all(log, "a", 0, 0), 0);
	assert_int_equal(log_length(), 100);
	upstream_close(log);
}

TEST(what_is_older_goes)
{
	struct upstream *log = log_open(&server, 0);
	char id[LOGID_TEXT_BYTES];
	int64_t old = must_append(log, "x") - 100 * INT64_C(4096000), newer;

	begin();
	for (int i = 0; i < 50; i++)
		foreign_do(foreign, LIST("XADD", "rowcast", logid_write(id, old + i), "data", "x"));
	newer = must_append(log, "y");
	assert_int_equal(trim_all(log, "a", 200, 0), 0);
	assert_int_equal(trim_all(log, "a", 50, 0), 50);
	assert_int_equal(log_length(), 1);
	foreign_do(foreign, LIST("XRANGE", "rowcast", logid_write(id, newer), "+"));
	upstream_close(log);
}

TEST(only_who_has_the_lease_deletes)
{
	struct upstream *one = log_open(&server, 0), *other = log_open(&server, 0);

	begin();
	for (int i = 0; i < 5; i++)
		must_append(one, "x");
	assert_int_equal(trim_all(one, "a", 0, 4), 1);
	assert_int_equal(trim_all(other, "b", 0, 1), 0);
	assert_int_equal(trim_all(other, "a", 0, 3), 1);
	foreign_do(foreign, LIST("DEL", "{rowcast}:trim"));  /* it is gone, after 10 s */
	assert_int_equal(trim_all(other, "b", 0, 1), 2);
	upstream_close(one);
	upstream_close(other);
}

TEST(a_slice_of_large_entries_is_small)
{
	struct upstream *log = log_open(&server, 0);
	char *data = mem_zalloc(200001);
	int64_t n_deleted;
	bool more;

	begin();
	memset(data, 'x', 200000);
	for (int i = 0; i < 60; i++)
		must_append(log, data);
	assert_int_equal(upstream_trim(log, "a", 0, 1, &n_deleted, &more), 0);
	assert_int_equal(n_deleted, 16);
	while (more) {
		assert_int_equal(upstream_trim(log, "a", 0, 1, &n_deleted, &more), 0);
		assert_in_range(n_deleted, 0, 6);
	}
	assert_int_equal(log_length(), 1);
	free(data);
	upstream_close(log);
}

TEST(without_room_it_makes_some)
{
	struct upstream *log = log_open(&server, 0);

	begin();
	for (int i = 0; i < 5; i++)
		must_append(log, "x");
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "1"));
	assert_int_equal(trim_all(log, "a", 0, 2), 3);
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "0"));
	upstream_close(log);
}

TEST(an_empty_log_has_nothing_to_delete)
{
	struct upstream *log = log_open(&server, 0);

	begin();
	assert_int_equal(trim_all(log, "a", 1, 1), 0);
	must_append(log, "x");
	assert_int_equal(trim_all(log, "a", 1000, 1), 0);
	upstream_close(log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_beyond_the_newest_are_deleted_and_the_floor_is_the_highest_of_them),
		cmocka_unit_test(what_is_older_goes),
		cmocka_unit_test(only_who_has_the_lease_deletes),
		cmocka_unit_test(a_slice_of_large_entries_is_small),
		cmocka_unit_test(without_room_it_makes_some),
		cmocka_unit_test(an_empty_log_has_nothing_to_delete),
	};

	return cmocka_run_group_tests(tests, log_start, log_stop);
}
