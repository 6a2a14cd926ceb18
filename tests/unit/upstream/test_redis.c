#include "tests/unit/upstream/connection.h"
#include "tests/unit/capture.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/thread.h"

static struct redis_server server;

static int
start_server(void **state __attribute__((unused)))
{
	redis_server_start(&server, NULL);
	return 0;
}

static int
free_server(void **state __attribute__((unused)))
{
	redis_server_free(&server);
	return 0;
}

/* is_refused: a connection to upstream is refused, and the log says why in these words. */
static void
is_refused(const char *upstream, const char *words)
{
	struct redis *redis = connection_to(upstream);
	const char *said;
	int outcome;

	capture_begin();
	outcome = redis_connect(redis, clock_mono_in_ms(PATIENCE_MS));
	said = capture_end();
	assert_int_equal(outcome, UPSTREAM_REFUSED);
	assert_says(redis_why(redis), words);
	assert_null(strstr(redis_why(redis), "s3cret"));
	assert_null(strstr(said, "s3cret"));
	redis_free(redis);
}

/* ---- connecting ---- */

TEST(a_unix_socket_and_a_port_lead_to_the_same)
{
	struct redis *one = connection_to(server.unix_url), *other = connection_to(server.url);

	assert_int_equal(redis_connect(one, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(redis_connect(other, clock_mono_in_ms(PATIENCE_MS)), 0);
	answers(one, "OK", LIST("SET", "here", "1"));
	answers(other, "1", LIST("GET", "here"));
	redis_free(one);
	redis_free(other);
}

TEST(a_host_has_a_name_too)
{
	char *url = mem_printf("redis://localhost:%d", server.port);
	struct redis *redis = connection_to(url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_free(redis);
	free(url);
}

TEST(an_open_connection_is_kept_and_costs_no_command)
{
	struct redis *redis = connection_to(server.unix_url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_cli_says(&server, "OK", LIST("CONFIG", "RESETSTAT"));
	for (int i = 0; i < 100; i++)
		assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(redis_n_connects(redis), 1);
	expect_text(redis_cli(&server, LIST("INFO", "stats")), "total_commands_processed:1\r");
	redis_free(redis);
}

TEST(the_database_is_the_one_that_is_named)
{
	char *url = mem_printf("%s/3", server.url), *none = mem_printf("%s/9999", server.url);
	struct redis *redis = connection_to(url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	answers(redis, "OK", LIST("SET", "where", "three"));
	redis_cli_says(&server, "three", LIST("-n", "3", "GET", "where"));
	redis_free(redis);
	is_refused(none, "no database of the number");
	free(none);
	free(url);
}

TEST(user_and_password_are_what_redis_asks_for)
{
	struct redis_server locked;
	char *with_user, *without_user, *wrong, *none;
	struct redis *redis;

	redis_server_start(&locked, LIST("user default on >s3cret ~* +@all",
	    "user rowcast on >s3cret:/@%x ~* +@all"));
	with_user = mem_printf("redis://rowcast:s3cret%%3A%%2F%%40%%25x@127.0.0.1:%d", locked.port);
	without_user = mem_printf("redis://:s3cret@127.0.0.1:%d", locked.port);
	wrong = mem_printf("redis://rowcast:s3cret-not@127.0.0.1:%d", locked.port);
	none = mem_printf("redis://127.0.0.1:%d", locked.port);

	redis = connection_to(with_user);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	answers(redis, "rowcast", LIST("ACL", "WHOAMI"));
	redis_free(redis);
	redis = connection_to(without_user);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	answers(redis, "default", LIST("ACL", "WHOAMI"));
	redis_free(redis);
	is_refused(wrong, "does not know the user and password");
	is_refused(none, "asks for a password");
	free(with_user);
	free(without_user);
	free(wrong);
	free(none);
	redis_server_free(&locked);
}

TEST(a_password_where_there_is_none_is_told)
{
	char *url = mem_printf("redis://:s3cret@127.0.0.1:%d", server.port);

	is_refused(url, "its default user has none");
	free(url);
}

TEST(a_permission_that_is_missing_is_named)
{
	struct redis_server strict;
	char *url;
	struct redis *redis;
	struct redis_value *value;

	redis_server_start(&strict, LIST("user able on >s3cret ~rowcast -@all +role +eval +auth",
	    "user unable on >s3cret ~* -@all +auth"));
	url = mem_printf("redis://unable:s3cret@127.0.0.1:%d", strict.port);
	is_refused(url, "may not do role: rowcast-upstream(7)");
	free(url);
	url = mem_printf("redis://able:s3cret@127.0.0.1:%d", strict.port);
	redis = connection_to(url);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	value = ask(redis, LIST("EVAL", "return 1", "1", "another"));
	assert_int_equal(redis_kind(value), REDIS_ERROR);
	assert_int_equal(redis_take_error(redis, value), UPSTREAM_REFUSED);
	assert_says(redis_why(redis), "upstream_key");
	redis_value_free(value);
	value = ask(redis, LIST("EVAL", "return redis.call('XLEN', KEYS[1])", "1", "rowcast"));
	assert_int_equal(redis_kind(value), REDIS_ERROR);
	assert_int_equal(redis_take_error(redis, value), UPSTREAM_REFUSED);
	assert_says(redis_why(redis), "rowcast-upstream(7)");
	redis_value_free(value);
	redis_free(redis);
	free(url);
	redis_server_free(&strict);
}

TEST(a_replica_is_refused_where_no_sentinel_is_named)
{
	struct redis_server replica;

	redis_replica_start(&replica, &server, NULL);
	is_refused(replica.unix_url, "is a replica");
	is_refused(replica.url, "redis-sentinel://");
	redis_server_free(&replica);
}

TEST(who_is_refused_is_not_asked_again_within_a_second)
{
	struct redis_server replica;
	struct redis *redis;
	mono_us begin;

	redis_replica_start(&replica, &server, NULL);
	redis = connection_to(replica.unix_url);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), UPSTREAM_REFUSED);
	clock_stop();
	redis_cli_says(&replica, "OK", LIST("CONFIG", "RESETSTAT"));
	for (int i = 0; i < 100; i++)
		assert_int_equal(redis_connect(redis, clock_mono_us()), UPSTREAM_REFUSED);
	expect_text(redis_cli(&replica, LIST("INFO", "stats")), "total_connections_received:1\r");
	clock_go();
	/* And who has the time is told when that second is over. */
	redis_cli_says(&replica, "OK", LIST("REPLICAOF", "NO", "ONE"));
	begin = clock_mono_us();
	assert_int_equal(redis_connect(redis, begin + PATIENCE_MS * 1000), 0);
	redis_free(redis);
	redis_server_free(&replica);
}

/* ---- away, and back ---- */

TEST(where_nobody_listens_it_is_away_at_the_deadline)
{
	struct redis *redis = connection_to("redis://127.0.0.1:1");
	mono_us deadline = clock_mono_in_ms(300);
	const char *said;
	int outcome;

	capture_begin();
	outcome = redis_connect(redis, deadline);
	said = capture_end();
	assert_int_equal(outcome, UPSTREAM_AWAY);
	assert_true(clock_mono_us() >= deadline);
	assert_string_equal(said, "warn: upstream: 127.0.0.1:1: Connection refused\n");
	/* Within the same minute it is not said again. */
	capture_begin();
	outcome = redis_connect(redis, clock_mono_in_ms(1));
	said = capture_end();
	assert_int_equal(outcome, UPSTREAM_AWAY);
	assert_string_equal(said, "");
	redis_free(redis);
}

/* As a primary without enough replicas: it connects, and refuses. */
TEST(one_that_comes_and_goes_is_told_once_a_minute)
{
	struct redis *redis = connection_to(server.unix_url);
	struct redis_value *value;
	const char *said;

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_cli_says(&server, "OK", LIST("CONFIG", "SET", "min-replicas-to-write", "1"));
	clock_ahead_us += 60 * 1000000;
	capture_begin();
	for (int i = 0; i < 5; i++) {
		value = ask(redis, LIST("SET", "a", "b"));
		redis_take_error(redis, value);
		redis_value_free(value);
		redis_connect(redis, clock_mono_in_ms(PATIENCE_MS));
	}
	said = capture_end();
	redis_cli_says(&server, "OK", LIST("CONFIG", "SET", "min-replicas-to-write", "0"));
	assert_says(said, "has too few replicas");
	assert_null(strstr(strstr(said, "has too few replicas") + 1, "has too few replicas"));
	assert_null(strstr(strstr(said, "is back") + 1, "is back"));
	redis_free(redis);
}

TEST(it_is_found_again_when_it_is_back_and_that_is_told)
{
	struct redis_server other;
	struct redis *redis;
	const char *said;
	char *expected;
	int outcome;

	redis_server_start(&other, NULL);
	redis = connection_to(other.url);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_server_kill(&other);
	clock_ahead_us += 60 * 1000000;  /* the last time that one was away is a minute ago */
	assert_null(ask(redis, LIST("PING")));
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(1)), UPSTREAM_AWAY);
	redis_server_again(&other);
	capture_begin();
	outcome = redis_connect(redis, clock_mono_in_ms(PATIENCE_MS));
	said = capture_end();
	assert_int_equal(outcome, 0);
	assert_int_equal(redis_n_connects(redis), 2);
	expected = mem_printf("info: upstream: 127.0.0.1:%d: is back\n", other.port);
	assert_string_equal(said, expected);
	free(expected);
	answers(redis, "PONG", LIST("PING"));
	redis_free(redis);
	redis_server_free(&other);
}

/* So that what is asked next is not unknown for nothing. */
TEST(a_connection_that_was_closed_while_it_was_idle_is_replaced)
{
	struct redis *redis = connection_to(server.unix_url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	expect_text(redis_cli(&server, LIST("CLIENT", "KILL", "TYPE", "normal")), "");
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(redis_n_connects(redis), 2);
	answers(redis, "PONG", LIST("PING"));
	redis_free(redis);
}

TEST(one_that_hangs_is_given_up_at_the_deadline_and_dropped)
{
	struct redis_server other;
	struct redis *redis;
	mono_us deadline;

	redis_server_start(&other, NULL);
	redis = connection_to(other.unix_url);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_server_hang(&other);
	deadline = clock_mono_in_ms(100);
	redis_send(redis, 1, (const char *const[]){ "PING" }, NULL);
	assert_null(redis_receive(redis, deadline));
	assert_true(clock_mono_us() >= deadline);
	assert_says(redis_why(redis), "no answer in time");
	/* The kernel still takes the connection; ROLE is what tells. */
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(100)), UPSTREAM_AWAY);
	redis_server_wake(&other);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	answers(redis, "PONG", LIST("PING"));
	redis_free(redis);
	redis_server_free(&other);
}

static void *
connect_in_thread(void *arg)
{
	return (void *)(intptr_t)redis_connect(arg, clock_mono_in_ms(10 * PATIENCE_MS));
}

static void *
wait_in_thread(void *arg)
{
	const char *const wait[] = { "BLPOP", "nothing", "0" };

	redis_send(arg, 3, wait, NULL);
	return redis_receive(arg, clock_mono_in_ms(10 * PATIENCE_MS));
}

TEST(an_interruption_ends_what_waits_and_all_that_comes_later)
{
	struct redis *away = connection_to("redis://127.0.0.1:1"), *redis = connection_to(server.unix_url);
	pthread_t connecting, waiting;
	void *outcome, *answer;

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	thread_start(&connecting, "connecting", connect_in_thread, away);
	thread_start(&waiting, "waiting", wait_in_thread, redis);
	WAIT_FOR(strstr(redis_cli(&server, LIST("INFO", "clients")), "blocked_clients:1") != NULL);
	redis_interrupt(away);
	redis_interrupt(redis);
	pthread_join(connecting, &outcome);
	pthread_join(waiting, &answer);
	assert_int_equal((intptr_t)outcome, UPSTREAM_AWAY);
	assert_null(answer);
	assert_true(redis_is_interrupted(redis));
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), UPSTREAM_AWAY);
	redis_send(redis, 1, (const char *const[]){ "PING" }, NULL);
	assert_null(redis_receive(redis, clock_mono_in_ms(PATIENCE_MS)));
	redis_free(away);
	redis_free(redis);
}

/* ---- commands and answers ---- */

TEST(answers_come_in_the_order_of_the_commands)
{
	struct redis *redis = connection_to(server.unix_url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	for (int i = 0; i < 1000; i++) {
		char number[16];
		const char *const echo[] = { "ECHO", number };

		snprintf(number, sizeof(number), "%d", i);
		redis_send(redis, 2, echo, NULL);
	}
	for (int i = 0; i < 1000; i++) {
		struct redis_value *value = redis_receive(redis, clock_mono_in_ms(PATIENCE_MS));
		char number[16];

		snprintf(number, sizeof(number), "%d", i);
		assert_non_null(value);
		assert_true(redis_is_text(value, number));
		redis_value_free(value);
	}
	redis_free(redis);
}

TEST(an_answer_is_what_it_is_and_nothing_else)
{
	struct redis *redis = connection_to(server.unix_url);
	struct redis_value *value;
	const char *const set[] = { "SET", "bytes", "a\0b\r\n" };
	const size_t lens[] = { 3, 5, 5 };
	size_t len;

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_send(redis, 3, set, lens);
	redis_value_free(redis_receive(redis, clock_mono_in_ms(PATIENCE_MS)));
	value = ask(redis, LIST("GET", "bytes"));
	assert_int_equal(redis_kind(value), REDIS_TEXT);
	assert_memory_equal(redis_text(value, &len), "a\0b\r\n", 6);
	assert_int_equal(len, 5);
	assert_int_equal(redis_integer(value), 0);
	assert_int_equal(redis_count(value), 0);
	redis_value_free(value);

	value = ask(redis, LIST("EVAL", "return {1, 'two', {3, {}}, false, redis.error_reply('NO no')}", "0"));
	assert_int_equal(redis_kind(value), REDIS_ARRAY);
	assert_int_equal(redis_count(value), 5);
	assert_int_equal(redis_integer(redis_at(value, 0)), 1);
	assert_true(redis_is_text(redis_at(value, 1), "two"));
	assert_int_equal(redis_integer(redis_at(redis_at(value, 2), 0)), 3);
	assert_int_equal(redis_kind(redis_at(redis_at(value, 2), 1)), REDIS_ARRAY);
	assert_int_equal(redis_count(redis_at(redis_at(value, 2), 1)), 0);
	assert_int_equal(redis_kind(redis_at(value, 3)), REDIS_NIL);
	assert_int_equal(redis_kind(redis_at(value, 4)), REDIS_ERROR);
	assert_string_equal(redis_text(redis_at(value, 4), NULL), "NO no");
	assert_int_equal(redis_kind(redis_at(value, 5)), REDIS_NIL);
	assert_null(redis_text(redis_at(redis_at(value, 9), 9), NULL));
	redis_value_free(value);

	value = ask(redis, LIST("XREAD", "STREAMS", "nothing", "0-0"));
	assert_int_equal(redis_kind(value), REDIS_NIL);
	redis_value_free(value);
	redis_free(redis);
}

/* Both ends have more to say than any buffer takes, so who only writes, or only reads,
 * stands still. */
TEST(much_goes_out_while_much_comes_in)
{
	enum { N = 64, BYTES = 1 << 20 };
	struct redis *redis = connection_to(server.unix_url);
	char *bytes = mem_alloc(BYTES);
	const char *const echo[] = { "ECHO", bytes };
	const size_t lens[] = { 4, BYTES };

	memset(bytes, 'x', BYTES);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	for (int i = 0; i < N; i++)
		redis_send(redis, 2, echo, lens);
	for (int i = 0; i < N; i++) {
		struct redis_value *value = redis_receive(redis, clock_mono_in_ms(PATIENCE_MS));
		size_t len;

		assert_non_null(value);
		assert_memory_equal(redis_text(value, &len), bytes, BYTES);
		assert_int_equal(len, BYTES);
		redis_value_free(value);
	}
	free(bytes);
	redis_free(redis);
}

TEST(without_a_connection_nothing_is_asked)
{
	struct redis *redis = connection_to(server.unix_url);

	redis_send(redis, 1, (const char *const[]){ "PING" }, NULL);
	assert_null(redis_receive(redis, clock_mono_in_ms(PATIENCE_MS)));
	assert_int_equal(redis_n_connects(redis), 0);
	redis_drop(redis);
	redis_free(redis);
	redis_free(NULL);
	redis_value_free(NULL);
}

/* ---- answers ---- */

TEST(an_answer_may_be_long_and_deep_and_of_all_kinds)
{
	struct redis *redis = connection_to(server.unix_url);
	const struct redis_value *each;
	struct redis_value *value;
	const char *text;
	size_t len;

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	value = ask(redis, LIST("EVAL", "local t = {}\n"
	    "for i = 1, 20000 do t[i] = { i, 'number ' .. i, false, {}, '', { { string.rep('x', i % 100) } } } end\n"
	    "t[20001] = string.rep('y', 3000000)\n"
	    "return t", "0"));
	assert_non_null(value);
	assert_int_equal(redis_count(value), 20001);
	for (int i = 1; i <= 20000; i++) {
		char expected[32];

		each = redis_at(value, (size_t)i - 1);
		assert_int_equal(redis_count(each), 6);
		assert_int_equal(redis_integer(redis_at(each, 0)), i);
		snprintf(expected, sizeof(expected), "number %d", i);
		assert_true(redis_is_text(redis_at(each, 1), expected));
		assert_int_equal(redis_kind(redis_at(each, 2)), REDIS_NIL);
		assert_int_equal(redis_kind(redis_at(each, 3)), REDIS_ARRAY);
		assert_int_equal(redis_count(redis_at(each, 3)), 0);
		assert_string_equal(redis_text(redis_at(each, 4), &len), "");
		assert_int_equal(len, 0);
		text = redis_text(redis_at(redis_at(redis_at(each, 5), 0), 0), &len);
		assert_int_equal(len, i % 100);
		assert_int_equal(strspn(text, "x"), len);
		/* Of what it is not, it says nothing. */
		assert_null(redis_text(redis_at(each, 0), &len));
		assert_int_equal(len, 0);
		assert_int_equal(redis_integer(redis_at(each, 1)), 0);
		assert_int_equal(redis_count(redis_at(each, 1)), 0);
		assert_int_equal(redis_kind(redis_at(redis_at(each, 1), 0)), REDIS_NIL);
	}
	text = redis_text(redis_at(value, 20000), &len);
	assert_int_equal(len, 3000000);
	assert_int_equal(strspn(text, "y"), len);
	redis_value_free(value);
	redis_free(redis);
}

TEST(an_answer_longer_or_deeper_than_any_that_is_asked_for_ends_the_connection)
{
	static const char *const scripts[] = {
		"local t = {} for i = 1, 1100000 do t[i] = 1 end return t",
		"local t = {} for i = 1, 1100000 do t[i] = 1 end return { 1, t }",
		"local t = { 1 } for i = 1, 20 do t = { t } end return t",
	};
	struct redis *redis = connection_to(server.unix_url);

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
		assert_null(ask(redis, LIST("EVAL", scripts[i], "0")));
		assert_true(strlen(redis_why(redis)) > strlen(redis_place(redis)) + 2);
	}
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	answers(redis, "PONG", LIST("PING"));
	redis_free(redis);
}

/* ---- what errors mean ---- */

/* means: an error of that text has this outcome, and ends the connection or does not. */
static void
means(const char *text, int outcome, bool ends)
{
	struct redis *redis = connection_to(server.unix_url);
	struct redis_value error = { .kind = REDIS_ERROR };
	int got;

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	error.text = mem_strdup(text);
	error.n = strlen(text);
	got = redis_take_error(redis, &error);
	if (got != outcome)
		fail_msg("%s: expected %d, got %d", text, outcome, got);
	free(error.text);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	assert_int_equal(redis_n_connects(redis), ends ? 2 : 1);
	redis_free(redis);
}

TEST(an_error_says_whether_to_look_elsewhere)
{
	means("READONLY You can't write against a read only replica.", UPSTREAM_AWAY, true);
	means("READONLY You can't write against a read only replica. script: 0a, on @user_script:1.",
	    UPSTREAM_AWAY, true);
	means("ERR Error running script (call to f_0a): @user_script:1: @user_script: 1: "
	    "-READONLY You can't write against a read only replica. ", UPSTREAM_AWAY, true);
	means("LOADING Redis is loading the dataset in memory", UPSTREAM_AWAY, true);
	means("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
	    UPSTREAM_AWAY, true);
	means("NOREPLICAS Not enough good replicas to write.", UPSTREAM_AWAY, true);
	means("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
	    UPSTREAM_AWAY, true);
	means("ERR WAIT cannot be used with replica instances. Please also note ...", UPSTREAM_AWAY, true);
	means("OOM command not allowed when used memory > 'maxmemory'.", UPSTREAM_FULL, false);
	means("ERR Error running script (call to f_0a): @user_script:1: @user_script: 1: "
	    "-OOM command not allowed when used memory > 'maxmemory'. ", UPSTREAM_FULL, false);
	means("MISCONF Redis is configured to save RDB snapshots, but ...", UPSTREAM_FULL, false);
	means("NOAUTH Authentication required.", UPSTREAM_REFUSED, true);
	means("NOPERM this user has no permissions to run the 'xadd' command", UPSTREAM_REFUSED, false);
	means("WRONGTYPE Operation against a key holding the wrong kind of value", UPSTREAM_REFUSED, false);
	means("MOVED 3999 127.0.0.1:6381", UPSTREAM_REFUSED, false);
	means("ERR unknown command 'XADD'", UPSTREAM_REFUSED, false);
}

/* What real servers answer, as they are when it happens. */
TEST(a_full_server_and_one_without_replicas_say_so)
{
	struct redis_server other;
	struct redis *redis;
	struct redis_value *value;

	redis_server_start(&other, NULL);
	redis = connection_to(other.unix_url);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_cli_says(&other, "OK", LIST("CONFIG", "SET", "maxmemory", "1"));
	value = ask(redis, LIST("EVAL", "return redis.call('XADD', KEYS[1], '*', 'data', 'x')", "1", "k"));
	assert_int_equal(redis_take_error(redis, value), UPSTREAM_FULL);
	redis_value_free(value);
	redis_cli_says(&other, "OK", LIST("CONFIG", "SET", "maxmemory", "0"));
	redis_cli_says(&other, "OK", LIST("CONFIG", "SET", "min-replicas-to-write", "1"));
	value = ask(redis, LIST("EVAL", "return redis.call('XADD', KEYS[1], '*', 'data', 'x')", "1", "k"));
	assert_int_equal(redis_take_error(redis, value), UPSTREAM_AWAY);
	redis_value_free(value);
	redis_free(redis);
	redis_server_free(&other);
}

TEST(who_is_one_client_too_many_is_away)
{
	struct redis_server other;
	struct redis *redis;

	redis_server_start(&other, NULL);
	redis = connection_to(other.unix_url);
	/* redis-cli's own connection is the one. */
	redis_cli_says(&other, "OK", LIST("CONFIG", "SET", "maxclients", "1"));
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	{
		struct redis *second = connection_to(other.unix_url);

		/* A busy machine may not answer within that millisecond. */
		WAIT_FOR(redis_connect(second, clock_mono_in_ms(1)) == UPSTREAM_AWAY
		    && strstr(redis_why(second), "maxclients") != NULL);
		redis_free(second);
	}
	redis_free(redis);
	redis_server_free(&other);
}

TEST(no_descriptor_is_left_behind)
{
	size_t before = count_descriptors();
	struct redis *redis = connection_to(server.unix_url);

	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_drop(redis);
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(PATIENCE_MS)), 0);
	redis_free(redis);
	redis = connection_to("redis://127.0.0.1:1");
	assert_int_equal(redis_connect(redis, clock_mono_in_ms(1)), UPSTREAM_AWAY);
	redis_free(redis);
	assert_int_equal(count_descriptors(), before);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(where_nobody_listens_it_is_away_at_the_deadline),  /* first: the log counts minutes */
	cmocka_unit_test(a_unix_socket_and_a_port_lead_to_the_same),
	cmocka_unit_test(a_host_has_a_name_too),
	cmocka_unit_test(an_open_connection_is_kept_and_costs_no_command),
	cmocka_unit_test(the_database_is_the_one_that_is_named),
	cmocka_unit_test(user_and_password_are_what_redis_asks_for),
	cmocka_unit_test(a_password_where_there_is_none_is_told),
	cmocka_unit_test(a_permission_that_is_missing_is_named),
	cmocka_unit_test(a_replica_is_refused_where_no_sentinel_is_named),
	cmocka_unit_test(who_is_refused_is_not_asked_again_within_a_second),
	cmocka_unit_test(one_that_comes_and_goes_is_told_once_a_minute),
	cmocka_unit_test(it_is_found_again_when_it_is_back_and_that_is_told),
	cmocka_unit_test(a_connection_that_was_closed_while_it_was_idle_is_replaced),
	cmocka_unit_test(one_that_hangs_is_given_up_at_the_deadline_and_dropped),
	cmocka_unit_test(an_interruption_ends_what_waits_and_all_that_comes_later),
	cmocka_unit_test(answers_come_in_the_order_of_the_commands),
	cmocka_unit_test(an_answer_is_what_it_is_and_nothing_else),
	cmocka_unit_test(much_goes_out_while_much_comes_in),
	cmocka_unit_test(without_a_connection_nothing_is_asked),
	cmocka_unit_test(an_answer_may_be_long_and_deep_and_of_all_kinds),
	cmocka_unit_test(an_answer_longer_or_deeper_than_any_that_is_asked_for_ends_the_connection),
	cmocka_unit_test(an_error_says_whether_to_look_elsewhere),
	cmocka_unit_test(a_full_server_and_one_without_replicas_say_so),
	cmocka_unit_test(who_is_one_client_too_many_is_away),
	cmocka_unit_test(no_descriptor_is_left_behind),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, start_server, free_server);
}
