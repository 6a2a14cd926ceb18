/* Topics that end and several machines, over a real Redis and real copies. */

#include "tests/unit/node/machine.h"

#include "app/node/follower.h"
#include "app/node/forwarder.h"

static struct redis_server log_server;
static struct machine a, b;

static int
setup(void **state __attribute__((unused)))
{
	redis_server_start(&log_server, NULL);
	machine_open(&a, &log_server, "a");
	machine_open(&b, &log_server, "b");
	store_close(machine_store(&a));
	store_close(machine_store(&b));
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	machine_close(&a);
	machine_close(&b);
	redis_server_free(&log_server);
	return 0;
}

static struct follower *
follow(struct machine *machine)
{
	struct follower *follower = follower_start(&machine->conf, machine_store(machine), NULL,
	    &machine->wiring);

	assert_non_null(follower);
	return follower;
}

/* add and add_end add to the log, as redis-cli does. */
static void
add(const char *topic)
{
	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "topic", topic, "data", "x"));
}

static void
add_end(const char *topic)
{
	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "topic", topic, "event", "rowcast.end", "data", ""));
}

static int64_t
n_ended(const struct machine *machine)
{
	return machine_ask_number(machine, "SELECT count(*) FROM rowcast_ended");
}

static int64_t
n_messages(const struct machine *machine)
{
	return machine_ask_number(machine, "SELECT count(*) FROM message");
}

static uint64_t
n_refused(struct follower *follower)
{
	struct follower_counters counters;

	follower_count(follower, &counters);
	return counters.n_refused;
}

/* publish appends to the log, as /msg does; was it refused since the topic has ended? */
static bool
publish_ends(const struct machine *machine, const char *topic)
{
	struct upstream *log = upstream_open(&machine->conf);
	char data[] = "x", *copy = mem_strdup(topic);
	struct message m = { .topic = copy, .data = data, .data_len = 1 };
	struct append append = { .messages = &m, .n = 1, .publisher = "p" }, *each = &append;

	assert_int_equal(upstream_append(log, &each, 1, 0, 0, clock_mono_in_ms(PATIENCE_MS)), 0);
	upstream_close(log);
	free(copy);
	return append.ended;
}

TEST(whoever_adds_an_end_all_refuse_what_comes_after_it)
{
	struct follower *on_a = follow(&a), *on_b = follow(&b);
	const char *logged;

	add("t");
	add_end("t");
	WAIT_FOR(n_ended(&a) == 1 && n_ended(&b) == 1);
	assert_int_equal(machine_ask_number(&a, "SELECT id FROM rowcast_ended"),
	    machine_ask_number(&b, "SELECT id FROM rowcast_ended"));
	assert_true(publish_ends(&a, "t"));
	capture_begin();
	add("t");
	add("t");
	add("u");
	WAIT_FOR(n_messages(&a) == 3 && n_messages(&b) == 3);
	WAIT_FOR(n_refused(on_a) == 2 && n_refused(on_b) == 2);
	follower_stop(on_a);
	follower_stop(on_b);
	logged = capture_end();
	assert_says(logged, "messages of the log were left out: their topics had ended before");
}

TEST(a_new_machine_knows_of_ends_that_are_gone_from_the_log)
{
	struct follower *on_a = follow(&a), *on_b;

	add_end("t");
	WAIT_FOR(n_ended(&a) == 1);
	redis_cli(&log_server, LIST("XTRIM", "rowcast", "MAXLEN", "0"));
	add("t");
	on_b = follow(&b);
	assert_int_equal(follower_wait(on_b, PATIENCE_MS), 0);
	assert_int_equal(n_ended(&b), 1);
	WAIT_FOR(n_refused(on_a) == 1 && n_refused(on_b) == 1);
	assert_int_equal(n_messages(&b), 0);
	follower_stop(on_a);
	follower_stop(on_b);
}

TEST(a_log_that_has_lost_everything_is_told_again)
{
	struct follower *on_a = follow(&a);

	add_end("t");
	WAIT_FOR(n_ended(&a) == 1);
	follower_stop(on_a);
	redis_cli(&log_server, LIST("FLUSHALL"));
	assert_false(publish_ends(&b, "u"));
	on_a = follow(&a);
	assert_int_equal(follower_wait(on_a, PATIENCE_MS), 0);
	assert_true(publish_ends(&b, "t"));
	follower_stop(on_a);
}

/* A machine must not leave out what the log has taken: not even one that was away, and
 * never read that the end was forgotten. */
TEST(what_the_log_takes_after_an_end_was_forgotten_every_machine_takes)
{
	struct follower *on_a = follow(&a), *on_b = follow(&b);
	struct upstream *log = upstream_open(&a.conf);
	int64_t n_deleted;
	bool more = true;

	add_end("t");
	WAIT_FOR(n_ended(&a) == 1 && n_ended(&b) == 1);
	follower_stop(on_b);
	/* Its time is past, and so is that of what came after it. */
	WAIT_FOR(upstream_trim(log, "a", 1, 0, &n_deleted, &more) == 0 && n_ended(&a) == 0);
	assert_false(publish_ends(&a, "t"));
	assert_false(publish_ends(&a, "t"));
	WAIT_FOR(n_messages(&a) >= 2);
	redis_cli(&log_server, LIST("XTRIM", "rowcast", "MAXLEN", "1"));
	on_b = follow(&b);
	assert_int_equal(follower_wait(on_b, PATIENCE_MS), 0);
	WAIT_FOR(machine_ask_number(&b, "SELECT count(*) FROM message WHERE event IS NULL") == 1);
	assert_int_equal(n_refused(on_a), 0);
	assert_int_equal(n_refused(on_b), 0);
	assert_false(publish_ends(&b, "t"));
	WAIT_FOR(machine_ask_number(&b, "SELECT count(*) FROM message WHERE event IS NULL") == 2);
	follower_stop(on_a);
	follower_stop(on_b);
	upstream_close(log);
}

TEST(an_insert_that_did_not_know_of_the_end_is_dropped_and_counted)
{
	struct follower *on_a;
	struct forwarder *on_b;
	struct forwarder_counters counters;
	const char *logged;

	/* b has not heard of it: nobody follows there. */
	table_run(&b.table, "INSERT INTO message(topic, data) VALUES('t', 'x'), ('u', 'x')");
	assert_false(publish_ends(&a, "t"));
	add_end("t");
	on_a = follow(&a);
	WAIT_FOR(n_ended(&a) == 1);
	follower_stop(on_a);
	capture_begin();
	on_b = forwarder_start(&b.conf, machine_store(&b), &b.wiring);
	assert_non_null(on_b);
	WAIT_FOR((forwarder_count(on_b, &counters), counters.n_forwarded == 2 && counters.n_waiting == 0));
	forwarder_count(on_b, &counters);
	forwarder_stop(on_b);
	logged = capture_end();
	assert_int_equal(counters.n_dropped, 1);
	assert_says(logged, "1 messages that were inserted here were dropped: others have their keys, or"
	    " their topics had ended");
}

TEST(an_end_that_is_inserted_ends_the_topic_on_all_machines)
{
	struct follower *on_a = follow(&a), *on_b = follow(&b);
	struct forwarder *forwarder = forwarder_start(&b.conf, machine_store(&b), &b.wiring);

	assert_non_null(forwarder);
	table_run(&b.table, "INSERT INTO message(topic, event, data) VALUES('t', NULL, 'x'), ('t', 'rowcast.end', '')");
	WAIT_FOR(n_ended(&a) == 1 && n_ended(&b) == 1);
	assert_true(publish_ends(&a, "t"));
	assert_int_equal(n_messages(&a), 2);
	forwarder_stop(forwarder);
	follower_stop(on_a);
	follower_stop(on_b);
}

#define NODE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	NODE_TEST(whoever_adds_an_end_all_refuse_what_comes_after_it),
	NODE_TEST(a_new_machine_knows_of_ends_that_are_gone_from_the_log),
	NODE_TEST(a_log_that_has_lost_everything_is_told_again),
	NODE_TEST(what_the_log_takes_after_an_end_was_forgotten_every_machine_takes),
	NODE_TEST(an_insert_that_did_not_know_of_the_end_is_dropped_and_counted),
	NODE_TEST(an_end_that_is_inserted_ends_the_topic_on_all_machines),
};

RUN_TESTS(tests)
