#include "tests/unit/upstream/connection.h"
#include "tests/unit/capture.h"

/* A primary with one replica, and a Sentinel that knows them. */
static struct redis_server primary, replica, sentinel;
static char *url;

static int
start_all(void **state __attribute__((unused)))
{
	/* The one that takes over is the one that wakes, too. */
	redis_server_start(&primary, LIST("repl-timeout 5"));
	redis_replica_start(&replica, &primary, LIST("repl-timeout 5"));
	redis_sentinel_start(&sentinel, &primary, 1);
	url = mem_printf("redis-sentinel://127.0.0.1:%d/mymaster", sentinel.port);
	return 0;
}

static int
free_all(void **state __attribute__((unused)))
{
	redis_server_free(&sentinel);
	redis_server_free(&replica);
	redis_server_free(&primary);
	free(url);
	return 0;
}

TEST(a_sentinel_names_the_primary)
{
	struct redis *redis = connection_to(url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(port_of(redis), primary.port);
	redis_free(redis);
}

TEST(a_sentinel_that_is_gone_or_hangs_is_passed_over)
{
	struct redis_server hung;
	char *several;

	redis_server_start(&hung, NULL);
	redis_server_hang(&hung);
	several = mem_printf("redis-sentinel://127.0.0.1:1,127.0.0.1:%d,no-such-host.invalid:1,127.0.0.1:%d/mymaster",
	    hung.port, sentinel.port);
	for (int i = 0; i < 4; i++) {  /* each begins with another one */
		struct redis *redis = connection_to(several);

		assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
		assert_int_equal(port_of(redis), primary.port);
		redis_free(redis);
	}
	free(several);
	redis_server_free(&hung);
}

TEST(a_name_that_no_sentinel_knows_is_refused)
{
	char *other = mem_printf("redis-sentinel://127.0.0.1:%d/another", sentinel.port);
	char *some_away = mem_printf("redis-sentinel://127.0.0.1:%d,127.0.0.1:1/another", sentinel.port);
	char *no_sentinel = mem_printf("redis-sentinel://127.0.0.1:%d/mymaster", primary.port);
	struct redis *redis = connection_to(other);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), UPSTREAM_REFUSED);
	assert_says(redis_why(redis), "knows no master of the name another");
	redis_free(redis);
	/* One that does not answer might know it. */
	redis = connection_to(some_away);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(1000)), UPSTREAM_AWAY);
	redis_free(redis);
	redis = connection_to(no_sentinel);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), UPSTREAM_REFUSED);
	assert_says(redis_why(redis), "is none");
	redis_free(redis);
	free(no_sentinel);
	free(some_away);
	free(other);
}

/* Killed: the connection breaks, and the Sentinel names the replica after a while. */
TEST(when_the_primary_is_killed_the_next_one_is_found)
{
	struct redis *redis = connection_to(url);
	int old = primary.port, next = replica.port;
	char *next_port = mem_printf("%d", next);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(port_of(redis), old);
	redis_server_kill(&primary);
	assert_null(ask(redis, LIST("PING")));
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(port_of(redis), next);
	answers(redis, "OK", LIST("SET", "written", "here"));
	/* The other way round from here on. The Sentinel would see to it, after some 10 s. */
	redis_server_again(&primary);
	redis_cli_says(&primary, "OK", LIST("REPLICAOF", "127.0.0.1", next_port));
	WAIT_FOR(strstr(redis_cli(&primary, LIST("ROLE")), "connected") != NULL);
	free(next_port);
	redis_free(redis);
}

/* Hung and awake again it still answers on the connection that it has, as the primary
 * that it takes itself for. Nothing is asked of it meanwhile, so nothing breaks. */
TEST(an_old_primary_that_wakes_is_left)
{
	struct redis *redis = connection_to(url);
	char *both = mem_printf("%d", primary.port);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(port_of(redis), replica.port);
	redis_server_hang(&replica);
	WAIT_FOR(strstr(redis_cli(&sentinel, LIST("SENTINEL", "get-master-addr-by-name", "mymaster")), both)
	    != NULL);
	redis_server_wake(&replica);
	clock_ahead_us += 1000000;  /* a second later it is time to ask */
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(port_of(redis), primary.port);
	assert_int_equal(redis_n_connects(redis), 2);
	free(both);
	redis_free(redis);
}

TEST(without_any_sentinel_the_connection_that_there_is_stays)
{
	struct redis *redis = connection_to(url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_server_hang(&sentinel);
	clock_ahead_us += 2000000;  /* it is time to ask */
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(redis_n_connects(redis), 1);
	redis_server_wake(&sentinel);
	redis_free(redis);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_sentinel_names_the_primary),
	cmocka_unit_test(a_sentinel_that_is_gone_or_hangs_is_passed_over),
	cmocka_unit_test(a_name_that_no_sentinel_knows_is_refused),
	cmocka_unit_test(when_the_primary_is_killed_the_next_one_is_found),
	cmocka_unit_test(an_old_primary_that_wakes_is_left),
	/* Last: a Sentinel that has slept for long does nothing for 30 s. */
	cmocka_unit_test(without_any_sentinel_the_connection_that_there_is_stays),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, start_all, free_all);
}
