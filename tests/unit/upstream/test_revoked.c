/* Who was revoked, in a real Redis, told by several machines. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/redis.h"

#include <stdlib.h>

#include "app/upstream/upstream.h"
#include "lib/mem.h"

static struct redis_server server;
static struct conf conf;
static struct upstream *a, *b;

static int
setup(void **state __attribute__((unused)))
{
	char *upstream;

	redis_server_start(&server, NULL);
	upstream = mem_printf("upstream = %s", server.unix_url);
	conf_of(&conf, LIST(upstream));
	free(upstream);
	a = upstream_open(&conf);
	b = upstream_open(&conf);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	upstream_close(a);
	upstream_close(b);
	conf_free(&conf);
	redis_server_free(&server);
	return 0;
}

/* until_of returns the user's second, 0 where it is not there; *n_all: how many are. */
static wall_s
until_of(struct upstream *log, const char *user, size_t *n_all)
{
	const struct store_revocation *all;

	assert_int_equal(upstream_revoked(log, &all, n_all), 0);
	for (size_t i = 0; i < *n_all; i++)
		if (strcmp(all[i].user, user) == 0)
			return all[i].until;
	return 0;
}

TEST(what_one_machine_tells_another_knows_and_the_latest_second_counts)
{
	const struct store_revocation first[] = { { "42", 1000 }, { "a b", 2000 } };
	const struct store_revocation second[] = { { "42", 999 }, { "a b", 2001 }, { "7", 1 } };
	size_t n;

	assert_int_equal(until_of(a, "42", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(upstream_revoke(a, first, 2), 0);
	assert_int_equal(upstream_revoke(b, second, 3), 0);
	assert_int_equal(upstream_revoke(b, NULL, 0), 0);
	assert_int_equal(until_of(a, "42", &n), 1000);
	assert_int_equal(n, 3);
	assert_int_equal(until_of(b, "a b", &n), 2001);
	assert_int_equal(until_of(b, "7", &n), 1);
}

TEST(thousands_go_at_once)
{
	enum { N = 2500 };
	struct store_revocation *many = mem_alloc(N * sizeof(*many));
	char (*names)[16] = mem_alloc(N * sizeof(names[0]));
	size_t n;

	for (int i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "%d", i);
		many[i] = (struct store_revocation){ names[i], 1000 + i };
	}
	assert_int_equal(upstream_revoke(a, many, N), 0);
	assert_int_equal(until_of(b, "2499", &n), 3499);
	assert_int_equal(n, N);
	free(names);
	free(many);
}

TEST(news_stay_good_meanwhile)
{
	const struct store_revocation one[] = { { "42", 1000 } };
	struct upstream_news news;
	size_t n;

	redis_cli(&server, LIST("XADD", "rowcast", "*", "data", "something to read"));
	assert_int_equal(upstream_read(a, 0, 0, 0, &news), 0);
	assert_int_equal(upstream_revoke(a, one, 1), 0);
	assert_int_equal(until_of(a, "42", &n), 1000);
	assert_int_equal(news.n, 1);
	assert_string_equal(news.messages[0].data, "something to read");
}

#define REVOKED_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	REVOKED_TEST(what_one_machine_tells_another_knows_and_the_latest_second_counts),
	REVOKED_TEST(thousands_go_at_once),
	REVOKED_TEST(news_stay_good_meanwhile),
};

RUN_TESTS(tests)
