/* A node as a whole: how it starts with a log and without, and what it counts. */

#include "tests/unit/node/machine.h"

#include "app/node/node.h"

static struct redis_server log_server;
static struct machine machine;

static int
setup(void **state __attribute__((unused)))
{
	redis_server_start(&log_server, NULL);
	machine_open(&machine, &log_server, "a");
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	machine_close(&machine);
	redis_server_free(&log_server);
	return 0;
}

static struct node_counters
count(struct node *node)
{
	struct node_counters c;

	node_count(node, &c);
	return c;
}

TEST(a_node_that_has_started_knows_where_the_log_stands)
{
	struct node *node;

	redis_cli(&log_server, LIST("XADD", "rowcast", "1700000000000-7", "data", "x"));
	node = node_start(&machine.conf, machine_store(&machine), &machine.wiring);
	assert_non_null(node);
	assert_false(node_is_blank(node));
	assert_int_equal(atomic_load(&machine.newest),
	    (INT64_C(1700000000000) - INT64_C(1577836800000)) * 4096 + 7);
	assert_true(count(node).is_up);
	node_stop(node);
}

TEST(what_is_inserted_on_one_machine_comes_to_both)
{
	struct machine other;
	struct node *a, *b;

	machine_open(&other, &log_server, "b");
	a = node_start(&machine.conf, machine_store(&machine), &machine.wiring);
	b = node_start(&other.conf, machine_store(&other), &other.wiring);
	assert_non_null(a);
	assert_non_null(b);
	table_run(&machine.table, "INSERT INTO message(data) VALUES('x')");
	WAIT_FOR(machine_ask_number(&machine, "SELECT max(id) FROM message") > 0);
	WAIT_FOR(machine_ask_number(&other, "SELECT max(id) FROM message")
	    == machine_ask_number(&machine, "SELECT max(id) FROM message"));
	WAIT_FOR(count(a).n_outbox == 0);
	WAIT_FOR(count(a).n_nodes == 2);
	node_stop(a);
	node_stop(b);
	machine_close(&other);
}

TEST(a_name_that_is_alive_elsewhere_is_refused_at_the_start)
{
	struct machine other;
	struct node *first = node_start(&machine.conf, machine_store(&machine), &machine.wiring);

	assert_non_null(first);
	machine_open(&other, &log_server, "a");
	capture_begin();
	assert_null(node_start(&other.conf, machine_store(&other), &other.wiring));
	assert_true(strlen(capture_end()) > 0);
	node_stop(first);
	/* When that is gone the name is free. */
	first = node_start(&other.conf, machine_store(&other), &other.wiring);
	assert_non_null(first);
	node_stop(first);
	machine_close(&other);
}

TEST(a_node_starts_without_the_log)
{
	struct node *node;

	redis_server_kill(&log_server);
	capture_begin();
	node = node_start(&machine.conf, machine_store(&machine), &machine.wiring);
	assert_non_null(node);
	assert_true(node_is_blank(node));
	assert_false(count(node).is_up);
	table_run(&machine.table, "INSERT INTO message(data) VALUES('x')");
	WAIT_FOR(count(node).n_outbox == 1);
	redis_server_again(&log_server);
	WAIT_FOR(machine_ask_number(&machine, "SELECT count(*) FROM message") == 1);
	capture_end();
	assert_false(node_is_blank(node));
	node_stop(node);
}

TEST(retention_is_taken_over_while_it_runs)
{
	struct node *node = node_start(&machine.conf, machine_store(&machine), &machine.wiring);

	assert_non_null(node);
	table_run(&machine.table, "INSERT INTO message(data) VALUES('1'), ('2'), ('3')");
	WAIT_FOR(machine_ask_number(&machine, "SELECT count(*) FROM message") == 3);
	machine.conf.keep_rows = 1;
	node_reload(node, &machine.conf);
	WAIT_FOR(machine_ask_number(&machine, "SELECT count(*) FROM message") == 1);
	assert_int_equal(machine_ask_number(&machine, "SELECT data FROM message"), 3);
	assert_int_equal(count(node).n_trimmed, 2);
	node_stop(node);
}

#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	NODE_TEST(a_node_that_has_started_knows_where_the_log_stands),
	NODE_TEST(what_is_inserted_on_one_machine_comes_to_both),
	NODE_TEST(a_name_that_is_alive_elsewhere_is_refused_at_the_start),
	NODE_TEST(a_node_starts_without_the_log),
	NODE_TEST(retention_is_taken_over_while_it_runs),
};
RUN_TESTS(tests)
