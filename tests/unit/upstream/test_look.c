#include "tests/unit/capture.h"
#include "tests/unit/redis.h"

#include "app/upstream/upstream.h"
#include "lib/mem.h"

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

/* looks: what upstream_look says with these settings, its outcome, and what is logged
 * meanwhile. The first two are good until the next. */
static const char *logged;

static const char *
looks(int outcome, const char *upstream, const char *line)
{
	static char *what;
	char *first = mem_printf("upstream = %s", upstream);
	struct upstream *log;
	struct conf conf;
	int got;

	free(what);
	what = NULL;
	conf_of(&conf, LIST(first, line));
	log = upstream_open(&conf);
	capture_begin();
	got = upstream_look(log, &what);
	logged = capture_end();
	upstream_close(log);
	conf_free(&conf);
	free(first);
	if (got != outcome)
		fail_msg("expected %d, got %d: %s", outcome, got, what);
	return what;
}

TEST(an_empty_log_has_no_messages_and_looking_makes_none)
{
	expect_text(looks(0, server.unix_url, "node = a"), ": no messages yet, replicas: 0");
	redis_cli_says(&server, "", LIST("KEYS", "*"));
}

TEST(what_is_in_the_log_is_counted_with_its_last_id)
{
	redis_cli_says(&server, "1600000000000-5", LIST("XADD", "some", "1600000000000-5", "data", "a"));
	redis_cli_says(&server, "1600000000001-0", LIST("XADD", "some", "1600000000001-0", "data", "b"));
	redis_cli_says(&server, "1", LIST("XDEL", "some", "1600000000001-0"));
	expect_text(looks(0, server.unix_url, "upstream_key = some"), "entries: 1, the last id: 90780467204096,");
}

TEST(an_id_of_an_impossible_clock_is_refused)
{
	redis_cli_says(&server, "99-1", LIST("XADD", "old", "99-1", "data", "a"));
	redis_cli_says(&server, "3700000000000-0", LIST("XADD", "far", "3700000000000-0", "data", "a"));
	expect_text(looks(UPSTREAM_REFUSED, server.unix_url, "upstream_key = old"), "is 99-1, which no clock");
	expect_text(logged, "error: upstream: ");
	expect_text(looks(UPSTREAM_REFUSED, server.unix_url, "upstream_key = far"), "no clock that is right");
}

TEST(a_key_of_another_kind_is_refused)
{
	redis_cli_says(&server, "OK", LIST("SET", "text", "a"));
	expect_text(looks(UPSTREAM_REFUSED, server.unix_url, "upstream_key = text"), "what is not rowcast's");
}

TEST(where_it_is_away_that_is_said)
{
	expect_text(looks(UPSTREAM_AWAY, "redis://127.0.0.1:1", "node = a"), "127.0.0.1:1: Connection refused");
}

TEST(what_may_lose_messages_is_a_warning)
{
	looks(0, server.unix_url, "upstream_replicas = 1");
	expect_text(logged, "appendonly is no");
	expect_text(logged, "min-replicas-to-write is 0");
	expect_text(logged, "has 0 replicas, and upstream_replicas is 1");
	assert_null(strstr(logged, "maxmemory"));
	redis_cli_says(&server, "OK", LIST("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"));
	looks(0, server.unix_url, "node = a");
	expect_text(logged, "maxmemory-policy is not noeviction");
	redis_cli_says(&server, "OK", LIST("CONFIG", "SET", "maxmemory-policy", "noeviction",
	    "appendonly", "yes"));
	looks(0, server.unix_url, "node = a");
	assert_string_equal(logged, "");
}

/* The permissions that the manual names, and CONFIG is not among them. */
TEST(looking_needs_no_permission_of_its_own)
{
	struct redis_server strict;
	char *url;

	redis_server_start(&strict, LIST("user app on >s3cret ~rowcast ~{rowcast}:* -@all +xinfo +zmscore +eval +role"));
	url = mem_printf("redis://app:s3cret@127.0.0.1:%d", strict.port);
	expect_text(looks(0, url, "node = a"), ": no messages yet, replicas: 0");
	assert_string_equal(logged, "");
	expect_text(looks(UPSTREAM_REFUSED, url, "upstream_key = other"), "not with this `upstream_key`");
	free(url);
	redis_server_free(&strict);
}

/* Whoever upgrades is told before nothing can be published any more. */
TEST(an_acl_from_before_topics_ended_is_told)
{
	struct redis_server strict;
	char *url;

	redis_server_start(&strict, LIST("user app on >s3cret ~rowcast ~{rowcast}:* -@all +xinfo +eval +role"));
	url = mem_printf("redis://app:s3cret@127.0.0.1:%d", strict.port);
	expect_text(looks(UPSTREAM_REFUSED, url, "node = a"), "may not do all that it has to");
	free(url);
	redis_server_free(&strict);
}

TEST(what_this_program_cannot_do_is_told_before_it_is_tried)
{
	struct conf conf;
	const char *said;
	bool is_possible;

	conf_of(&conf, LIST("upstream = redis://127.0.0.1:1"));
	assert_true(upstream_is_possible(&conf));
	conf.upstream.tls = true;
	capture_begin();
	is_possible = upstream_is_possible(&conf);
	said = capture_end();
	if (strstr(upstream_built_with(), "rediss://") != NULL) {
		assert_true(is_possible);
	} else {
		assert_false(is_possible);
		assert_says(said, "rediss:// needs a rowcast that was built with hiredis_ssl");
	}
	conf_free(&conf);
	conf_of(&conf, NULL);
	assert_true(upstream_is_possible(&conf));
	conf_free(&conf);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_empty_log_has_no_messages_and_looking_makes_none),
	cmocka_unit_test(what_is_in_the_log_is_counted_with_its_last_id),
	cmocka_unit_test(an_id_of_an_impossible_clock_is_refused),
	cmocka_unit_test(a_key_of_another_kind_is_refused),
	cmocka_unit_test(where_it_is_away_that_is_said),
	cmocka_unit_test(what_may_lose_messages_is_a_warning),
	cmocka_unit_test(looking_needs_no_permission_of_its_own),
	cmocka_unit_test(an_acl_from_before_topics_ended_is_told),
	cmocka_unit_test(what_this_program_cannot_do_is_told_before_it_is_tried),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, start_server, free_server);
}
