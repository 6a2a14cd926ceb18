/* The forwarder over a real Redis and a real copy; the test's thread is an application
 * that inserts into the table, and looks into the log. */

#include "tests/unit/node/machine.h"

#include "app/node/forwarder.h"

static struct redis_server log_server;
static struct machine machine;
static struct forwarder *forwarder;

/* ---- verbs ---- */

static int
setup(void **state __attribute__((unused)))
{
	redis_server_start(&log_server, NULL);
	machine_open(&machine, &log_server, "a");
	store_close(machine_store(&machine));
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	machine_close(&machine);
	redis_server_free(&log_server);
	return 0;
}

static void
begin(void)
{
	forwarder = forwarder_start(&machine.conf, machine_store(&machine), &machine.wiring);
	assert_non_null(forwarder);
}

static void
end(void)
{
	forwarder_stop(forwarder);
	forwarder = NULL;
}

static struct forwarder_counters
counters(void)
{
	struct forwarder_counters c;

	forwarder_count(forwarder, &c);
	return c;
}

static long
log_length(void)
{
	return strtol(redis_cli(&log_server, LIST("XLEN", "rowcast")), NULL, 10);
}

static int64_t
outbox(void)
{
	return machine_ask_number(&machine, "SELECT count(*) FROM rowcast_outbox");
}

/* expect_numbers: the log holds the messages 1 to last, in order, each once. */
static void
expect_numbers(int last)
{
	char *wanted = mem_printf("%d", last);

	assert_int_equal(log_length(), last);
	redis_cli_says(&log_server, wanted, LIST("EVAL",
	    "local n = 0 for _, e in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do"
	    " for i = 1, #e[2], 2 do if e[2][i] == 'data' and tonumber(e[2][i + 1]) == n + 1 then"
	    " n = n + 1 end end end return n", "1", "rowcast"));
	free(wanted);
}

static void
insert_numbers(int first, int last)
{
	char *sql = mem_printf("WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < %d) INSERT INTO message(data) SELECT CAST(i AS TEXT) FROM n", first, last);

	table_run(&machine.table, sql);
	free(sql);
}

/* follow has the copy take what the log has, as the follower does. */
static void
follow(void)
{
	struct upstream *log = upstream_open(&machine.conf);
	struct store *copy = machine_store(&machine);
	struct upstream_news news = { 0 };

	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	assert_int_equal(store_follow(copy, &(struct store_news){ .messages = news.messages,
	    .n = news.n, .newest = news.upto, .anchor = news.anchor }, NULL), 0);
	store_close(copy);
	upstream_close(log);
}

/* ---- tests ---- */

TEST(what_is_inserted_comes_to_the_log_and_leaves_the_outbox)
{
	const char *entry;

	begin();
	table_run(&machine.table, "INSERT INTO message(user, topic, event, data, expires_at, key)"
	    " VALUES('42', 'prices', 'tick', 'a\nb', 2000000000, 'k')");
	WAIT_FOR(log_length() == 1);
	follow();
	WAIT_FOR(outbox() == 0);
	entry = redis_cli(&log_server, LIST("XRANGE", "rowcast", "-", "+"));
	expect_text(entry, "user\n42\n");
	expect_text(entry, "topic\nprices\n");
	expect_text(entry, "event\ntick\n");
	expect_text(entry, "a\nb");
	expect_text(entry, "2000000000");
	WAIT_FOR(counters().n_waiting == 0);
	assert_int_equal(counters().n_forwarded, 1);
	assert_int_equal(counters().n_dropped, 0);
	end();
}

static void
is_refused(const char *sql, const char *sentence)
{
	struct sqlite3 *foreign = foreign_open(&machine.table);
	char *error = NULL;

	if (sqlite3_exec(foreign, sql, NULL, NULL, &error) == SQLITE_OK)
		fail_msg("%s: was done", sql);
	assert_string_equal(error, sentence);
	sqlite3_free(error);
	foreign_close(foreign);
}

/* There is no moment in which neither the outbox nor the copy knows of it. */
TEST(what_refuses_others_stays_in_the_outbox_until_the_copy_has_it)
{
	static const char *const rows[][2] = {
		{ "INSERT INTO message(data, key) VALUES('1', 'k')", "UNIQUE constraint failed: message.key" },
		{ "INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', '2')",
		    "the topic has ended" },
	};
	static const char *const others[] = {
		"INSERT INTO message(data, key) VALUES('x', 'k')",
		"INSERT INTO message(topic, data) VALUES('t', 'x')",
	};

	clock_stop();
	begin();
	for (int i = 0; i < 2; i++) {
		table_run(&machine.table, rows[i][0]);
		WAIT_FOR(counters().n_messages == (uint64_t)i + 1);
		is_refused(others[i], rows[i][1]);
		follow();
		WAIT_FOR(outbox() == 0);
		is_refused(others[i], rows[i][1]);
	}
	clock_go();
	end();
	expect_numbers(2);
}

/* As a follower reads it: with an entry of another machine's between ours. */
TEST(which_of_the_logs_messages_are_ours_is_told)
{
	struct upstream *log = upstream_open(&machine.conf);
	struct upstream_news news = { 0 };
	struct idruns ids = { 0 };

	begin();
	insert_numbers(1, 20);
	WAIT_FOR(counters().n_messages == 20);
	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "data", "theirs"));
	insert_numbers(21, 2500);
	WAIT_FOR(counters().n_messages == 2500);
	end();
	while (idruns_count(&ids, INT64_MAX) < 2501) {
		assert_int_equal(upstream_read(log, news.upto, news.anchor, 0, &news), 0);
		assert_true(news.n > 0);
		for (size_t i = 0; i < news.n; i++)
			idruns_add(&ids, news.messages[i].id, news.messages[i].id);
	}
	origin_read(machine.wiring.origin, &ids);
	assert_int_equal(origin_n_foreign(machine.wiring.origin), 1);
	idruns_free(&ids);
	upstream_close(log);
}

TEST(what_was_inserted_while_nobody_ran_comes_in_order)
{
	insert_numbers(1, 25000);
	begin();
	WAIT_FOR(counters().n_waiting == 0);
	end();
	assert_int_equal(outbox(), 0);
	expect_numbers(25000);
}

TEST(large_messages_come_in_order_too)
{
	table_run(&machine.table, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 8) INSERT INTO message(data) SELECT printf('%0700000d', i) FROM n");
	begin();
	WAIT_FOR(counters().n_waiting == 0);
	end();
	expect_numbers(8);
}

TEST(one_that_is_killed_before_the_outbox_is_empty_repeats_nothing)
{
	pid_t child;

	insert_numbers(1, 3);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store *store = machine_store(&machine);

		/* While it is locked the outbox can be read, but not emptied. */
		foreign_run(foreign_open(&machine.table), "BEGIN IMMEDIATE");
		log_set_level(LOG_LEVEL_ERROR);
		forwarder_start(&machine.conf, store, &machine.wiring);
		pause();
	}
	WAIT_FOR(log_length() == 3);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(outbox(), 3);
	insert_numbers(4, 5);
	begin();
	WAIT_FOR(counters().n_waiting == 0);
	end();
	expect_numbers(5);
}

TEST(one_that_is_killed_at_any_time_loses_nothing_and_repeats_nothing)
{
	enum { ALL = 40000 };

	insert_numbers(1, ALL);
	for (int i = 1; i <= 5; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			begin();
			pause();
		}
		WAIT_FOR(log_length() > i * ALL / 8);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	begin();
	WAIT_FOR(counters().n_waiting == 0);
	end();
	expect_numbers(ALL);
}

TEST(a_key_that_another_machine_was_first_with_is_dropped_and_counted)
{
	struct machine other;
	struct forwarder *first;

	machine_open(&other, &log_server, "b");
	first = forwarder_start(&other.conf, machine_store(&other), &other.wiring);
	table_run(&other.table, "INSERT INTO message(data, key) VALUES('theirs', 'k')");
	WAIT_FOR(log_length() == 1);
	capture_begin();
	begin();
	table_run(&machine.table, "INSERT INTO message(data, key) VALUES('ours', 'k'), ('2', NULL)");
	WAIT_FOR(counters().n_dropped == 1);
	assert_int_equal(counters().n_messages, 1);
	end();
	expect_text(capture_end(), "dropped");
	assert_int_equal(log_length(), 2);
	assert_int_equal(outbox(), 0);
	forwarder_stop(first);
	machine_close(&other);
}

TEST(a_message_that_is_deleted_here_is_erased_in_the_log)
{
	struct store *copy;
	char *id, data[] = "x";
	struct message m = { .data = data, .data_len = 1, .created_at = 1700000000 };

	redis_cli(&log_server, LIST("XADD", "rowcast", "1700000000000-0", "data", "x"));
	m.id = (INT64_C(1700000000000) - INT64_C(1577836800000)) * 4096;
	copy = machine_store(&machine);
	assert_int_equal(store_follow(copy, &(struct store_news){ .messages = &m, .n = 1,
	    .newest = m.id, .anchor = m.id }, NULL), 0);
	store_close(copy);
	begin();
	table_run(&machine.table, "DELETE FROM message");
	WAIT_FOR(counters().n_forwarded == 1);
	assert_int_equal(counters().n_messages, 0);  /* to erase is none */
	end();
	id = mem_printf("%lld", (long long)m.id);
	expect_text(redis_cli(&log_server, LIST("XRANGE", "rowcast", "-", "+")), id);
	redis_cli_says(&log_server, "", LIST("XRANGE", "rowcast", "1700000000000-0",
	    "1700000000000-0"));
	free(id);
}

TEST(while_the_log_is_away_rows_wait_and_are_counted)
{
	begin();
	redis_server_hang(&log_server);
	capture_begin();
	insert_numbers(1, 3000);
	WAIT_FOR(counters().n_waiting == 3000);
	insert_numbers(3001, 3002);
	redis_server_wake(&log_server);
	WAIT_FOR(counters().n_waiting == 0);
	capture_end();
	end();
	expect_numbers(3002);
}

TEST(a_stop_leaves_what_the_log_cannot_take_for_the_next_start)
{
	begin();
	redis_server_kill(&log_server);
	capture_begin();
	insert_numbers(1, 5);
	end();
	capture_end();
	assert_int_equal(outbox(), 5);
	redis_server_again(&log_server);
	begin();
	WAIT_FOR(counters().n_waiting == 0);
	end();
	expect_numbers(5);
}

TEST(a_stop_brings_what_is_there)
{
	begin();
	insert_numbers(1, 2000);
	end();
	assert_int_equal(outbox(), 0);
	expect_numbers(2000);
}

#define FORWARDER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	FORWARDER_TEST(what_is_inserted_comes_to_the_log_and_leaves_the_outbox),
	FORWARDER_TEST(what_refuses_others_stays_in_the_outbox_until_the_copy_has_it),
	FORWARDER_TEST(which_of_the_logs_messages_are_ours_is_told),
	FORWARDER_TEST(what_was_inserted_while_nobody_ran_comes_in_order),
	FORWARDER_TEST(large_messages_come_in_order_too),
	FORWARDER_TEST(one_that_is_killed_before_the_outbox_is_empty_repeats_nothing),
	FORWARDER_TEST(one_that_is_killed_at_any_time_loses_nothing_and_repeats_nothing),
	FORWARDER_TEST(a_key_that_another_machine_was_first_with_is_dropped_and_counted),
	FORWARDER_TEST(a_message_that_is_deleted_here_is_erased_in_the_log),
	FORWARDER_TEST(while_the_log_is_away_rows_wait_and_are_counted),
	FORWARDER_TEST(a_stop_leaves_what_the_log_cannot_take_for_the_next_start),
	FORWARDER_TEST(a_stop_brings_what_is_there),
};
RUN_TESTS(tests)
