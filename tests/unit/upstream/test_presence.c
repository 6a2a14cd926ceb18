/* Who is connected where, in a real Redis, told by several machines. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/dice.h"
#include "tests/unit/redis.h"

#include <stdlib.h>

#include "app/upstream/upstream.h"
#include "lib/buf.h"
#include "lib/mem.h"

static struct redis_server server;
static struct conf conf;
static struct upstream *a, *b, *asks;   /* two machines, and one that asks */

static int
setup(void **state __attribute__((unused)))
{
	char *upstream;

	redis_server_start(&server, NULL);
	upstream = mem_printf("upstream = %s", server.unix_url);
	conf_of(&conf, LIST(upstream));
	free(upstream);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	conf_free(&conf);
	redis_server_free(&server);
	return 0;
}

static int
begin(void **state __attribute__((unused)))
{
	redis_cli(&server, LIST("FLUSHALL"));
	a = upstream_open(&conf);
	b = upstream_open(&conf);
	asks = upstream_open(&conf);
	return 0;
}

static int
end(void **state __attribute__((unused)))
{
	upstream_close(a);
	upstream_close(b);
	upstream_close(asks);
	return 0;
}

/* tells beats with users as "name:n name:n". */
static int
tells(struct upstream *log, const char *node, const char *copy, bool is_first, const char *text)
{
	struct upstream_user users[16];
	char *own = mem_strdup(text), *rest = own, *word;
	size_t n = 0;
	int outcome;

	while ((word = strsep(&rest, " ")) != NULL && *word != '\0') {
		char *colon = strrchr(word, ':');

		*colon = '\0';
		users[n++] = (struct upstream_user){ word, strtoul(colon + 1, NULL, 10) };
	}
	outcome = upstream_beat(log, node, copy, users, n, is_first);
	free(own);
	return outcome;
}

static void
users_are(const char *after, size_t max, const char *expected)
{
	const struct upstream_user *users;
	struct buf out = BUF_EMPTY;
	size_t n;
	char *text;

	assert_int_equal(upstream_users(asks, after, max, &users, &n), 0);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s%s:%zu", i > 0 ? " " : "", users[i].user, users[i].n_streams);
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
}

/* nodes_are: as "name:streams/users ...", then how many users in all. */
static void
nodes_are(const char *expected, size_t expected_users)
{
	const struct upstream_node *nodes;
	struct buf out = BUF_EMPTY;
	size_t n, n_users;
	char *text;

	assert_int_equal(upstream_nodes(asks, &nodes, &n, &n_users), 0);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&out, "%s%s:%zu/%zu", i > 0 ? " " : "", nodes[i].node,
		    nodes[i].n_streams, nodes[i].n_users);
		assert_in_range(nodes[i].seen, clock_wall_s() - 10, clock_wall_s() + 1);
	}
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
	assert_int_equal(n_users, expected_users);
}

static void
user_is_at(const char *user, const char *expected)
{
	const struct upstream_node *nodes;
	struct buf out = BUF_EMPTY;
	size_t n;
	char *text;

	assert_int_equal(upstream_user_nodes(asks, user, &nodes, &n), 0);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s%s:%zu", i > 0 ? " " : "", nodes[i].node, nodes[i].n_streams);
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
}

TEST(what_machines_tell_is_added_up_a_user_once)
{
	nodes_are("", 0);
	users_are(NULL, 10, "");
	assert_int_equal(tells(b, "b", "2", true, "42:1 ada:2"), 0);
	assert_int_equal(tells(a, "a", "1", true, "42:3 zoe:1"), 0);
	nodes_are("a:4/2 b:3/2", 3);
	users_are(NULL, 10, "42:4 ada:2 zoe:1");
	user_is_at("42", "a:3 b:1");
	user_is_at("zoe", "a:1");
	user_is_at("4", "");
}

TEST(a_beat_tells_what_has_changed)
{
	assert_int_equal(tells(a, "a", "1", true, "u:1 v:12 w:2"), 0);
	assert_int_equal(tells(a, "a", "1", false, "v:2 w:0 x:10"), 0);
	nodes_are("a:13/3", 3);
	users_are(NULL, 10, "u:1 v:2 x:10");
	assert_int_equal(tells(a, "a", "1", false, ""), 0);
	nodes_are("a:13/3", 3);
	/* All anew. */
	assert_int_equal(tells(a, "a", "1", true, "y:1"), 0);
	assert_int_equal(tells(a, "a", "1", false, "z:1"), 0);
	nodes_are("a:2/2", 2);
	users_are(NULL, 10, "y:1 z:1");
}

/* Names that are beginnings of others, and odd bytes; in the order of strcmp. */
TEST(users_come_in_the_order_of_their_bytes_a_page_at_a_time)
{
	assert_int_equal(tells(a, "a", "1", true, "a:1 ab:1 B:1 \xc3\xa9:1 a\x01:1 *:1"), 0);
	assert_int_equal(tells(b, "b", "2", true, "a\x01:1 ab:1 abc:1 [x:1"), 0);
	users_are(NULL, 20, "*:1 B:1 [x:1 a:1 a\x01:2 ab:2 abc:1 \xc3\xa9:1");
	users_are(NULL, 3, "*:1 B:1 [x:1");
	users_are("[x", 3, "a:1 a\x01:2 ab:2");
	users_are("ab", 3, "abc:1 \xc3\xa9:1");
	users_are("\xc3\xa9", 3, "");
	users_are("aa", 1, "ab:2");
}

TEST(a_machine_that_leaves_is_gone_at_once)
{
	assert_int_equal(tells(a, "a", "1", true, "u:1"), 0);
	assert_int_equal(tells(b, "b", "2", true, "v:1"), 0);
	assert_int_equal(upstream_leave(b, "a", "2"), 0);  /* not its own */
	nodes_are("a:1/1 b:1/1", 2);
	assert_int_equal(upstream_leave(a, "a", "1"), 0);
	nodes_are("b:1/1", 1);
	users_are(NULL, 10, "v:1");
	assert_int_equal(upstream_leave(b, "b", "2"), 0);
	redis_cli_says(&server, "0", LIST("DBSIZE"));
}

TEST(a_machine_that_dies_is_forgotten_with_all_its_users)
{
	assert_int_equal(tells(a, "a", "1", true, "u:1"), 0);
	assert_int_equal(tells(b, "b", "2", true, "v:1"), 0);
	/* All that is kept of one expires within 15 s; here at once. */
	assert_in_range(strtol(redis_cli(&server, LIST("PTTL", "{rowcast}:node:a")), NULL, 10),
	    1, UPSTREAM_GONE_MS);
	assert_in_range(strtol(redis_cli(&server, LIST("PTTL", "{rowcast}:users:a")), NULL, 10),
	    1, UPSTREAM_GONE_MS);
	redis_cli(&server, LIST("PEXPIRE", "{rowcast}:node:a", "0"));
	nodes_are("b:1/1", 1);
	users_are(NULL, 10, "v:1");
	user_is_at("u", "");
	redis_cli(&server, LIST("PEXPIRE", "{rowcast}:users:a", "0"));
	assert_int_equal(tells(b, "b", "2", false, ""), 0);
	redis_cli_says(&server, "b", LIST("SMEMBERS", "{rowcast}:nodes"));
	/* It lived on, and was only silent: it tells all anew. */
	assert_int_equal(tells(a, "a", "1", false, "x:1"), UPSTREAM_UNKNOWN);
	nodes_are("b:1/1", 1);
	assert_int_equal(tells(a, "a", "1", true, "u:1 x:1"), 0);
	nodes_are("a:2/2 b:1/1", 3);
}

/* A failover that took the last beat back. */
TEST(a_beat_that_was_lost_is_noticed)
{
	assert_int_equal(tells(a, "a", "1", true, "u:1"), 0);
	redis_cli(&server, LIST("HSET", "{rowcast}:node:a", "beat", "7"));
	assert_int_equal(tells(a, "a", "1", false, "v:1"), UPSTREAM_UNKNOWN);
	users_are(NULL, 10, "u:1");
	assert_int_equal(tells(a, "a", "1", true, "u:1 v:1"), 0);
	assert_int_equal(tells(a, "a", "1", false, "u:0"), 0);
	users_are(NULL, 10, "v:1");
}

TEST(a_name_that_is_alive_elsewhere_is_refused_and_nothing_is_changed)
{
	assert_int_equal(tells(a, "n", "1", true, "u:1"), 0);
	capture_begin();
	assert_int_equal(tells(b, "n", "2", true, "v:1"), UPSTREAM_REFUSED);
	assert_says(capture_end(), "another machine that is alive has the name n");
	users_are(NULL, 10, "u:1");
	/* The same after kill -9: its copy is its own. */
	assert_int_equal(tells(b, "n", "1", true, "v:1"), 0);
	users_are(NULL, 10, "v:1");
	assert_int_equal(upstream_leave(b, "n", "1"), 0);
	assert_int_equal(tells(a, "n", "2", true, "w:1"), 0);
	users_are(NULL, 10, "w:1");
}

/* ---- many ---- */

enum { USERS = 4000, NODES = 3 };

TEST(thousands_of_users_on_several_machines_are_counted_and_listed_once)
{
	static struct upstream_user users[USERS];
	static size_t n_streams[USERS];
	const struct upstream_node *nodes;
	const struct upstream_user *page;
	struct upstream *logs[NODES] = { a, b, asks };
	size_t n_users = 0, n, counted, at = 0;
	char *after = NULL;

	dice_begin();
	memset(n_streams, 0, sizeof(n_streams));
	for (size_t node = 0; node < NODES; node++) {
		char name[2] = { (char)('a' + (char)node), '\0' };

		n = 0;
		for (size_t i = 0; i < USERS; i++) {
			/* Runs of one machine's users, and some of several. */
			if (dice_throw(NODES) != 0 && i / 500 % NODES != node)
				continue;
			users[n].user = mem_printf("user-%05zu", i);
			users[n].n_streams = 1 + dice_throw(3);
			n_streams[i] += users[n++].n_streams;
		}
		for (size_t from = 0; from < n; from += 1000)
			assert_int_equal(upstream_beat(logs[node], name, name, users + from,
			    n - from < 1000 ? n - from : 1000, from == 0), 0);
		while (n > 0)
			free((char *)(uintptr_t)users[--n].user);
	}
	for (size_t i = 0; i < USERS; i++)
		n_users += n_streams[i] > 0;
	assert_int_equal(upstream_nodes(a, &nodes, &n, &counted), 0);
	assert_int_equal(n, NODES);
	assert_int_equal(counted, n_users);
	do {
		assert_int_equal(upstream_users(a, after, 777, &page, &n), 0);
		free(after);
		after = n > 0 ? mem_strdup(page[n - 1].user) : NULL;
		for (size_t i = 0; i < n; i++, at++) {
			while (n_streams[at] == 0)
				at++;
			assert_int_equal(strtoul(page[i].user + 5, NULL, 10), at);
			assert_int_equal(page[i].n_streams, n_streams[at]);
		}
	} while (n == 777);
	free(after);
	while (at < USERS)
		assert_int_equal(n_streams[at++], 0);
}

TEST(a_log_that_is_away_is_said_to_be)
{
	const struct upstream_node *nodes;
	const struct upstream_user *users;
	size_t n, n_users;

	assert_int_equal(tells(a, "a", "1", true, "u:1"), 0);
	redis_server_kill(&server);
	capture_begin();
	assert_int_not_equal(tells(a, "a", "1", false, ""), 0);
	assert_int_not_equal(upstream_nodes(asks, &nodes, &n, &n_users), 0);
	assert_int_not_equal(upstream_users(asks, NULL, 10, &users, &n), 0);
	assert_int_not_equal(upstream_user_nodes(asks, "u", &nodes, &n), 0);
	assert_int_not_equal(upstream_leave(a, "a", "1"), 0);
	capture_end();
	redis_server_again(&server);
	capture_begin();
	assert_int_equal(tells(a, "a", "1", false, ""), UPSTREAM_UNKNOWN);
	assert_int_equal(tells(a, "a", "1", true, "u:1"), 0);
	users_are(NULL, 10, "u:1");
	capture_end();
}

#define IN_REDIS(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
	IN_REDIS(what_machines_tell_is_added_up_a_user_once),
	IN_REDIS(a_beat_tells_what_has_changed),
	IN_REDIS(users_come_in_the_order_of_their_bytes_a_page_at_a_time),
	IN_REDIS(a_machine_that_leaves_is_gone_at_once),
	IN_REDIS(a_machine_that_dies_is_forgotten_with_all_its_users),
	IN_REDIS(a_beat_that_was_lost_is_noticed),
	IN_REDIS(a_name_that_is_alive_elsewhere_is_refused_and_nothing_is_changed),
	IN_REDIS(thousands_of_users_on_several_machines_are_counted_and_listed_once),
	IN_REDIS(a_log_that_is_away_is_said_to_be),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
