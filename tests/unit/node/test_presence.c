/* The thread of presence in front of a real Redis; what it tells is asked of it as
 * /presence asks, and of another machine. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/redis.h"

#include "app/node/presence.h"
#include "lib/mem.h"

static struct redis_server server;
static struct conf conf;          /* of the node "here" */
static struct tally users;
static struct presence *presence;

static int
begin(void **state __attribute__((unused)))
{
	char *upstream;

	redis_server_start(&server, NULL);
	upstream = mem_printf("upstream = %s", server.unix_url);
	conf_of(&conf, LIST(upstream, "node = here"));
	free(upstream);
	users = (struct tally){ 0 };
	return 0;
}

static int
end(void **state __attribute__((unused)))
{
	conf_free(&conf);
	redis_server_free(&server);
	return 0;
}

static void
start(void)
{
	presence = presence_start(&conf, "copy", &users);
	assert_non_null(presence);
}

/* ask sends a question, and told reads what came: its body. */
static void
ask(struct peer *peer, int kind, const char *name)
{
	struct audience_question question = { .kind = kind, .name = name != NULL ? mem_strdup(name) : NULL };
	struct reply reply = { .conn = conn_of(peer_pair(peer)), .request_id = 1 };

	assert_int_equal(presence_ask(presence, &question, &reply), 0);
	assert_null(question.name);
}

static const char *
told(struct peer *peer)
{
	return strstr(expect_reply(peer, 200), "\r\n\r\n") + 4;
}

/* ask_whole asks; NULL: while the machine has no time for Redis a part is told, where that
 * is not expected. The caller frees it. */
static char *
ask_whole(int kind, const char *name, const char *expected)
{
	struct peer peer;
	char *text;

	ask(&peer, kind, name);
	text = mem_strdup(told(&peer));
	expect_closed(&peer);
	hang_up(&peer);
	if (strstr(text, "\"partial\"") != NULL && strstr(expected, "\"partial\"") == NULL) {
		free(text);
		text = NULL;
	}
	return text;
}

static void
is_told(int kind, const char *name, const char *expected)
{
	char *text;

	WAIT_FOR((text = ask_whole(kind, name, expected)) != NULL);
	assert_string_equal(text, expected);
	free(text);
}

/* total_is leaves out when each was seen. */
static bool
total_is(const char *expected)
{
	char *text, *to, *from;
	bool is;

	WAIT_FOR((text = ask_whole(AUDIENCE_TOTAL, NULL, expected)) != NULL);
	for (to = from = text; *from != '\0'; ) {
		if (strncmp(from, ",\"seen\":", 8) == 0)
			from += 8 + strspn(from + 8, "0123456789");
		else
			*to++ = *from++;
	}
	*to = '\0';
	is = strcmp(text, expected) == 0;
	free(text);
	return is;
}

TEST(what_has_happened_here_is_in_the_next_answer)
{
	start();
	assert_true(total_is("{\"users\":0,\"streams\":0,\"nodes\":[{\"node\":\"here\",\"streams\":0,\"users\":0}]}"));
	tally_add(&users, "42");
	tally_add(&users, "42");
	tally_add(&users, "ada");
	assert_true(total_is("{\"users\":2,\"streams\":3,\"nodes\":[{\"node\":\"here\",\"streams\":3,\"users\":2}]}"));
	is_told(AUDIENCE_USER, "42", "{\"user\":\"42\",\"streams\":2,\"nodes\":[\"here\"]}");
	is_told(AUDIENCE_LIST, NULL,
	    "{\"users\":[{\"user\":\"42\",\"streams\":2},{\"user\":\"ada\",\"streams\":1}],\"next\":null}");
	tally_remove(&users, "42");
	tally_remove(&users, "ada");
	is_told(AUDIENCE_USER, "ada", "{\"user\":\"ada\",\"streams\":0,\"nodes\":[]}");
	is_told(AUDIENCE_LIST, "4", "{\"users\":[{\"user\":\"42\",\"streams\":1}],\"next\":null}");
	is_told(AUDIENCE_LIST, "42", "{\"users\":[],\"next\":null}");
	assert_int_equal(presence_n_nodes(presence), 1);
	presence_stop(presence);
	tally_remove(&users, "42");
	redis_cli_says(&server, "0", LIST("DBSIZE"));
}

TEST(all_machines_are_told_together)
{
	struct upstream *other = upstream_open(&conf);
	struct upstream_user there[] = { { "42", 2 }, { "zoe", 1 } };

	assert_int_equal(upstream_beat(other, "there", "another copy", there, 2, true), 0);
	tally_add(&users, "42");
	start();
	assert_int_equal(presence_n_nodes(presence), 2);
	assert_true(total_is("{\"users\":2,\"streams\":4,\"nodes\":["
	    "{\"node\":\"here\",\"streams\":1,\"users\":1},{\"node\":\"there\",\"streams\":3,\"users\":2}]}"));
	is_told(AUDIENCE_USER, "42", "{\"user\":\"42\",\"streams\":3,\"nodes\":[\"here\",\"there\"]}");
	is_told(AUDIENCE_LIST, NULL,
	    "{\"users\":[{\"user\":\"42\",\"streams\":3},{\"user\":\"zoe\",\"streams\":1}],\"next\":null}");
	presence_stop(presence);
	upstream_close(other);
	tally_remove(&users, "42");
}

TEST(thousands_of_users_are_told_from_the_first_beat_on_a_page_at_a_time)
{
	enum { USERS = 2500 };
	char name[16];

	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "u%04d", i);
		tally_add(&users, name);
	}
	start();
	assert_true(total_is("{\"users\":2500,\"streams\":2500,\"nodes\":["
	    "{\"node\":\"here\",\"streams\":2500,\"users\":2500}]}"));
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "u%04d", i);
		tally_remove(&users, name);
		snprintf(name, sizeof(name), "v%04d", i);
		tally_add(&users, name);
	}
	assert_true(total_is("{\"users\":2500,\"streams\":2500,\"nodes\":["
	    "{\"node\":\"here\",\"streams\":2500,\"users\":2500}]}"));
	for (int page = 0; page < 3; page++) {
		struct peer peer;
		const char *text;
		char expected[64];

		snprintf(name, sizeof(name), "v%04d", page * 1000 - 1);
		ask(&peer, AUDIENCE_LIST, page > 0 ? name : NULL);
		text = told(&peer);
		snprintf(expected, sizeof(expected), "{\"users\":[{\"user\":\"v%04d\",\"streams\":1},", page * 1000);
		assert_memory_equal(text, expected, strlen(expected));
		snprintf(expected, sizeof(expected), page == 2 ? "{\"user\":\"v2499\",\"streams\":1}],\"next\":null}"
		    : "{\"user\":\"v%04d\",\"streams\":1}],\"next\":\"v%04d\"}", page * 1000 + 999, page * 1000 + 999);
		assert_string_equal(text + strlen(text) - strlen(expected), expected);
		hang_up(&peer);
	}
	presence_stop(presence);
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "v%04d", i);
		tally_remove(&users, name);
	}
}

TEST(while_the_log_is_away_this_machine_alone_is_told_and_that_it_is)
{
	start();
	tally_add(&users, "42");
	capture_begin();
	redis_server_kill(&server);
	assert_true(total_is("{\"users\":1,\"streams\":1,\"nodes\":[{\"node\":\"here\",\"streams\":1,\"users\":1}],"
	    "\"partial\":true}"));
	is_told(AUDIENCE_USER, "42", "{\"user\":\"42\",\"streams\":1,\"nodes\":[\"here\"],\"partial\":true}");
	is_told(AUDIENCE_USER, "ada", "{\"user\":\"ada\",\"streams\":0,\"nodes\":[],\"partial\":true}");
	tally_add(&users, "ada");
	is_told(AUDIENCE_LIST, NULL, "{\"users\":[{\"user\":\"42\",\"streams\":1},{\"user\":\"ada\",\"streams\":1}],"
	    "\"next\":null,\"partial\":true}");
	/* It comes back, empty, and is told all. */
	redis_server_again(&server);
	WAIT_FOR(total_is("{\"users\":2,\"streams\":2,\"nodes\":[{\"node\":\"here\",\"streams\":2,\"users\":2}]}"));
	capture_end();
	presence_stop(presence);
	tally_remove(&users, "42");
	tally_remove(&users, "ada");
}

TEST(a_machine_starts_without_the_log_but_not_under_a_name_that_is_alive)
{
	struct upstream *other = upstream_open(&conf);

	assert_int_equal(upstream_beat(other, "here", "another copy", NULL, 0, true), 0);
	capture_begin();
	assert_null(presence_start(&conf, "copy", &users));
	assert_says(capture_end(), "another machine that is alive has the name here");
	assert_int_equal(upstream_leave(other, "here", "another copy"), 0);
	/* Killed, and at once there again. */
	assert_int_equal(upstream_beat(other, "here", "copy", NULL, 0, true), 0);
	start();
	presence_stop(presence);
	upstream_close(other);
	redis_server_kill(&server);
	capture_begin();
	start();
	assert_true(total_is("{\"users\":0,\"streams\":0,\"nodes\":[{\"node\":\"here\",\"streams\":0,\"users\":0}],"
	    "\"partial\":true}"));
	assert_int_equal(presence_n_nodes(presence), 1);
	presence_stop(presence);
	capture_end();
}

/* Nobody waits for a log that hangs, but for those that have asked; and they are few. */
TEST(who_asks_while_too_many_wait_is_refused_and_the_others_are_answered)
{
	struct peer peers[PRESENCE_QUESTIONS_MAX + 1];
	struct audience_question question = { .kind = AUDIENCE_TOTAL };
	struct reply reply = { .request_id = 1 };
	size_t n = 0;

	start();
	redis_server_hang(&server);
	capture_begin();
	reply.conn = conn_of(peer_pair(&peers[n]));
	while (n < PRESENCE_QUESTIONS_MAX && presence_ask(presence, &question, &reply) == 0) {
		n++;
		reply.conn = conn_of(peer_pair(&peers[n]));
	}
	assert_int_equal(n, PRESENCE_QUESTIONS_MAX);
	assert_int_equal(presence_ask(presence, &question, &reply), PRESENCE_FULL);
	assert_non_null(reply.conn);
	reply_drop(&reply);
	hang_up(&peers[n]);
	redis_server_wake(&server);
	while (n > 0) {
		told(&peers[--n]);
		hang_up(&peers[n]);
	}
	presence_stop(presence);
	capture_end();
}

#define IN_REDIS(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
	IN_REDIS(what_has_happened_here_is_in_the_next_answer),
	IN_REDIS(all_machines_are_told_together),
	IN_REDIS(thousands_of_users_are_told_from_the_first_beat_on_a_page_at_a_time),
	IN_REDIS(while_the_log_is_away_this_machine_alone_is_told_and_that_it_is),
	IN_REDIS(a_machine_starts_without_the_log_but_not_under_a_name_that_is_alive),
	IN_REDIS(who_asks_while_too_many_wait_is_refused_and_the_others_are_answered),
};

RUN_TESTS(tests)
