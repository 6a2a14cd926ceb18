#include "tests/unit/upstream/log.h"

static void
begin(void)
{
	foreign_do(foreign, LIST("FLUSHALL"));
	foreign_do(foreign, LIST("SCRIPT", "FLUSH"));
}

/* row_of: `once` is 32 times that digit. */
static struct outgoing
row_of(char once, const char *data, const char *key, int64_t erase)
{
	static char names[256][33];
	struct outgoing row = { .number = 1, .once = names[(unsigned char)once], .erase = erase };

	memset(names[(unsigned char)once], once, 32);
	if (data != NULL)
		row.message = message_of("42", data, key);
	return row;
}

static size_t
must_forward(struct upstream *log, const struct outgoing *rows, size_t n)
{
	size_t n_dropped;

	assert_int_equal(upstream_forward(log, rows, n, 0, 0, &n_dropped, NULL), 0);
	return n_dropped;
}

TEST(a_row_comes_once_whoever_brings_it_and_how_often)
{
	struct upstream *one = log_open(&server, 0), *other = log_open(&server, 0);
	struct outgoing rows[2] = { row_of('a', "first", NULL, 0), row_of('b', "second", NULL, 0) };
	struct upstream_news news;

	begin();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(must_forward(one, rows, 2), 0);
		assert_int_equal(must_forward(other, rows + 1, 1), 0);
	}
	assert_int_equal(upstream_read(one, 0, 0, 0, &news), 0);
	assert_int_equal(news.n, 2);
	assert_string_equal(news.messages[0].data, "first");
	assert_string_equal(news.messages[0].user, "42");
	assert_string_equal(news.messages[1].data, "second");
	upstream_close(one);
	upstream_close(other);
}

TEST(who_brings_messages_is_told_their_ids_also_when_others_were_quicker)
{
	struct upstream *one = log_open(&server, 0), *other = log_open(&server, 0);
	struct outgoing rows[3] = { row_of('a', "first", NULL, 0), row_of('b', "second", "k", 0),
		row_of('c', "dropped", "k", 0) };
	struct upstream_news news;
	struct idruns ids = { 0 };
	size_t n_dropped;

	begin();
	must_forward(one, rows, 1);
	assert_int_equal(upstream_forward(other, rows, 3, 0, 0, &n_dropped, &ids), 0);
	assert_int_equal(n_dropped, 1);
	assert_int_equal(upstream_read(one, 0, 0, 0, &news), 0);
	assert_int_equal(news.n, 2);
	assert_int_equal(idruns_count(&ids, INT64_MAX), 2);
	assert_int_equal(idruns_count(&ids, news.messages[1].id - 1), 1);
	assert_int_equal(idruns_count(&ids, news.messages[0].id - 1), 0);
	idruns_clear(&ids);
	/* To erase is an entry of the log, and no message. */
	rows[0] = row_of('d', NULL, NULL, news.messages[0].id);
	assert_int_equal(upstream_forward(one, rows, 1, 0, 0, &n_dropped, &ids), 0);
	assert_int_equal(idruns_count(&ids, INT64_MAX), 0);
	idruns_free(&ids);
	upstream_close(one);
	upstream_close(other);
}

TEST(a_key_that_is_there_drops_the_row_and_says_so)
{
	struct upstream *log = log_open(&server, 0);
	struct outgoing rows[3] = { row_of('a', "first", "k", 0), row_of('b', "second", "k", 0),
		row_of('c', "third", NULL, 0) };
	struct upstream_news news;

	begin();
	assert_int_equal(must_forward(log, rows, 3), 1);
	assert_int_equal(must_forward(log, rows, 3), 1);  /* whose answer was lost */
	assert_int_equal(log_length(), 2);
	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	assert_string_equal(news.messages[0].key, "k");
	upstream_close(log);
}

TEST(an_erasure_deletes_the_entry_and_tells_of_it)
{
	struct upstream *log = log_open(&server, 0);
	struct outgoing rows[2] = { row_of('a', "first", "k", 0), row_of('b', "second", NULL, 0) };
	struct outgoing erasures[2], again = row_of('e', "third", "k", 0);
	struct upstream_news news;
	int64_t first, second, after, anchor;

	begin();
	must_forward(log, rows, 2);
	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	first = news.messages[0].id;
	second = news.messages[1].id;
	after = news.upto;
	anchor = news.anchor;
	/* The one that was read last, and then another one, from behind. */
	erasures[0] = row_of('c', NULL, NULL, second);
	erasures[1] = row_of('d', NULL, NULL, first);
	for (int i = 0; i < 2; i++)
		assert_int_equal(must_forward(log, erasures, 2), 0);
	assert_int_equal(log_length(), 2);
	assert_int_equal(upstream_read(log, after, anchor, 0, &news), 0);
	assert_int_equal(news.floor, 0);
	assert_int_equal(news.n_erased, 2);
	assert_int_equal(news.erased[0], second);
	assert_int_equal(news.erased[1], first);
	assert_int_equal(must_forward(log, &again, 1), 0);  /* the key is free */
	assert_int_equal(upstream_read(log, news.upto, news.anchor, 0, &news), 0);
	assert_int_equal(news.n, 1);
	upstream_close(log);
}

/* A DELETE and an INSERT in one transaction. */
TEST(a_key_that_the_same_batch_frees_is_free)
{
	struct upstream *log = log_open(&server, 0);
	struct outgoing first = row_of('a', "first", "k", 0), rows[2];
	struct upstream_news news;

	begin();
	must_forward(log, &first, 1);
	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	rows[0] = row_of('b', NULL, NULL, news.messages[0].id);
	rows[1] = row_of('c', "second", "k", 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(must_forward(log, rows, 2), 0);
	assert_int_equal(upstream_read(log, news.upto, news.anchor, 0, &news), 0);
	assert_int_equal(news.n_erased, 1);
	assert_int_equal(news.n, 1);
	assert_string_equal(news.messages[0].data, "second");
	upstream_close(log);
}

/* INSERT OR REPLACE: whoever has the key, also a row of the same batch, is erased. */
TEST(a_row_that_replaces_erases_what_has_its_key)
{
	struct upstream *log = log_open(&server, 0);
	struct outgoing rows[4] = { row_of('a', "first", "k", 0), row_of('b', "second", "k", 0),
		row_of('c', "third", "k", 0), row_of('d', "other", "l", 0) };
	struct upstream_news news;
	int64_t first;

	for (int i = 1; i < 4; i++)
		rows[i].replaces = true;
	begin();
	must_forward(log, rows, 1);
	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	first = news.messages[0].id;
	for (int i = 0; i < 2; i++)
		assert_int_equal(must_forward(log, rows + 1, 3), 0);
	assert_int_equal(log_length(), 4);
	assert_int_equal(upstream_read(log, news.upto, news.anchor, 0, &news), 0);
	assert_int_equal(news.floor, 0);
	assert_int_equal(news.n_erased, 2);
	assert_int_equal(news.erased[0], first);
	assert_true(news.erased[1] > first);
	assert_int_equal(news.n, 2);
	assert_string_equal(news.messages[0].data, "third");
	assert_string_equal(news.messages[0].key, "k");
	assert_string_equal(news.messages[1].data, "other");
	/* It has the key now, for who comes next. */
	rows[0] = row_of('e', "fourth", "k", 0);
	assert_int_equal(must_forward(log, rows, 1), 1);
	upstream_close(log);
}

TEST(erasing_what_one_has_read_last_is_no_gap_though_later_ones_are_erased_too)
{
	struct upstream *log = log_open(&server, 0);
	int64_t read_last, later;
	struct outgoing erasures[2];
	struct upstream_news news;

	begin();
	must_append(log, "a");
	read_last = must_append(log, "b");
	later = must_append(log, "c");
	erasures[0] = row_of('a', NULL, NULL, read_last);
	erasures[1] = row_of('b', NULL, NULL, later);
	must_forward(log, erasures, 2);
	assert_int_equal(upstream_read(log, read_last, read_last, 0, &news), 0);
	assert_int_equal(news.floor, 0);
	assert_int_equal(news.n_erased, 2);
	upstream_close(log);
}

TEST(what_was_brought_before_is_remembered_for_an_hour)
{
	struct upstream *log = log_open(&server, 0);
	struct outgoing one = row_of('a', "x", NULL, 0), two = row_of('b', "y", NULL, 0);
	const char *const ttl[] = { "PTTL", "{rowcast}:once:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL };

	begin();
	must_forward(log, &one, 1);
	assert_true(foreign_number(foreign, ttl) > 86400000);
	must_forward(log, &one, 1);
	assert_true(foreign_number(foreign, ttl) > 86400000);
	must_forward(log, &two, 1);
	assert_in_range(foreign_number(foreign, ttl), 1, 3600000);
	upstream_close(log);
}

TEST(without_room_nothing_is_stored)
{
	struct upstream *log = log_open(&server, 0);
	struct outgoing row = row_of('a', "x", "k", 0);
	size_t n_dropped;

	begin();
	must_append(log, "x");
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "1"));
	assert_int_equal(upstream_forward(log, &row, 1, 0, 0, &n_dropped, NULL), UPSTREAM_FULL);
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "0"));
	assert_int_equal(log_length(), 1);
	assert_int_equal(must_forward(log, &row, 1), 0);
	assert_int_equal(log_length(), 2);
	upstream_close(log);
}

TEST(without_the_replicas_it_is_unknown_and_a_repeat_adds_nothing)
{
	struct redis_server primary, replica;
	struct upstream *log;
	struct outgoing row = row_of('a', "x", NULL, 0);
	size_t n_dropped;

	redis_server_start(&primary, NULL);
	redis_replica_start(&replica, &primary, NULL);
	log = log_open(&primary, 1);
	redis_server_hang(&replica);
	for (int i = 0; i < 2; i++)
		assert_int_equal(upstream_forward(log, &row, 1, 0, 0, &n_dropped, NULL), UPSTREAM_UNKNOWN);
	redis_server_wake(&replica);
	WAIT_FOR(upstream_forward(log, &row, 1, 0, 0, &n_dropped, NULL) == 0);
	redis_cli_says(&primary, "1", LIST("XLEN", "rowcast"));
	redis_cli_says(&replica, "1", LIST("XLEN", "rowcast"));
	upstream_close(log);
	redis_server_free(&replica);
	redis_server_free(&primary);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_once_whoever_brings_it_and_how_often),
		cmocka_unit_test(who_brings_messages_is_told_their_ids_also_when_others_were_quicker),
		cmocka_unit_test(a_key_that_is_there_drops_the_row_and_says_so),
		cmocka_unit_test(an_erasure_deletes_the_entry_and_tells_of_it),
		cmocka_unit_test(a_key_that_the_same_batch_frees_is_free),
		cmocka_unit_test(a_row_that_replaces_erases_what_has_its_key),
		cmocka_unit_test(erasing_what_one_has_read_last_is_no_gap_though_later_ones_are_erased_too),
		cmocka_unit_test(what_was_brought_before_is_remembered_for_an_hour),
		cmocka_unit_test(without_room_nothing_is_stored),
		cmocka_unit_test(without_the_replicas_it_is_unknown_and_a_repeat_adds_nothing),
	};

	return cmocka_run_group_tests(tests, log_start, log_stop);
}
