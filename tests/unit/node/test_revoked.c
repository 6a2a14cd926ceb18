/* Revoked users and several machines, over a real Redis and real copies. */

#include "tests/unit/node/machine.h"

#include "app/node/follower.h"

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

/* add_revocation adds to the log what revokes, as redis-cli does. */
static void
add_revocation(const char *user)
{
	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "topic", "rowcast.control", "event",
	    "revoke", "user", user, "data", ""));
}

static int64_t
n_revoked(const struct machine *machine)
{
	return machine_ask_number(machine, "SELECT count(*) FROM rowcast_revoked");
}

static int64_t
n_messages(const struct machine *machine)
{
	return machine_ask_number(machine, "SELECT count(*) FROM message");
}

TEST(whoever_adds_it_every_machine_knows)
{
	struct follower *on_a = follow(&a), *on_b = follow(&b);

	add_revocation("42");
	WAIT_FOR(n_revoked(&a) == 1 && n_revoked(&b) == 1);
	assert_int_equal(machine_ask_number(&a, "SELECT until FROM rowcast_revoked"),
	    machine_ask_number(&b, "SELECT until FROM rowcast_revoked"));
	assert_in_range(machine_ask_number(&a, "SELECT until FROM rowcast_revoked"),
	    clock_wall_s() - 60, clock_wall_s());
	follower_stop(on_a);
	follower_stop(on_b);
}

TEST(a_new_machine_knows_who_was_revoked_by_messages_that_are_gone)
{
	struct follower *on_a = follow(&a), *on_b;

	add_revocation("42");
	add_revocation("43");
	WAIT_FOR(n_revoked(&a) == 2);
	redis_cli(&log_server, LIST("XTRIM", "rowcast", "MAXLEN", "0"));
	on_b = follow(&b);
	assert_int_equal(follower_wait(on_b, PATIENCE_MS), 0);
	/* Known when the log has answered: nobody is let in before. */
	assert_int_equal(n_revoked(&b), 2);
	assert_int_equal(n_messages(&b), 0);
	follower_stop(on_a);
	follower_stop(on_b);
}

TEST(a_machine_that_was_away_knows_who_was_revoked_by_messages_that_are_gone)
{
	struct follower *on_a = follow(&a), *on_b = follow(&b);

	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "data", "x"));
	WAIT_FOR(n_messages(&b) == 1);
	follower_stop(on_b);
	add_revocation("42");
	WAIT_FOR(n_revoked(&a) == 1);
	redis_cli(&log_server, LIST("XTRIM", "rowcast", "MAXLEN", "0"));
	on_b = follow(&b);
	assert_int_equal(follower_wait(on_b, PATIENCE_MS), 0);
	assert_int_equal(n_revoked(&b), 1);
	follower_stop(on_a);
	follower_stop(on_b);
}

TEST(a_log_that_has_lost_everything_is_told_again)
{
	struct follower *on_a = follow(&a), *on_b;

	add_revocation("42");
	WAIT_FOR(n_revoked(&a) == 1);
	follower_stop(on_a);
	redis_cli(&log_server, LIST("FLUSHALL"));
	on_a = follow(&a);
	assert_int_equal(follower_wait(on_a, PATIENCE_MS), 0);
	on_b = follow(&b);
	assert_int_equal(follower_wait(on_b, PATIENCE_MS), 0);
	assert_int_equal(n_revoked(&b), 1);
	follower_stop(on_a);
	follower_stop(on_b);
}

#define REVOKED_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	REVOKED_TEST(whoever_adds_it_every_machine_knows),
	REVOKED_TEST(a_new_machine_knows_who_was_revoked_by_messages_that_are_gone),
	REVOKED_TEST(a_machine_that_was_away_knows_who_was_revoked_by_messages_that_are_gone),
	REVOKED_TEST(a_log_that_has_lost_everything_is_told_again),
};

RUN_TESTS(tests)
