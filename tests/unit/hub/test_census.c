/* The census by hand: what it says of streams in each state, and that an answer has its
 * bounds whatever is asked for. There is no socket and no store. */

#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <jansson.h>

#include "app/hub/census.h"
#include "app/hub/life.h"
#include "lib/mem.h"

static struct hub_state hub;

static void
begin(void)
{
	hub = (struct hub_state){ .now = 1000000, .sent = 50, .sending = 50 };
	TAILQ_INIT(&hub.behind);
	TAILQ_INIT(&hub.ahead);
	TAILQ_INIT(&hub.closed);
	TAILQ_INIT(&hub.unproven);
}

static void
end(void)
{
	while (hub.roster.n > 0) {
		struct stream *s = hub.roster.streams[0];

		life_set_state(&hub, s, STREAM_JOINING);
		roster_remove(&hub.roster, s);
		stream_free(s);
	}
	roster_free(&hub.roster);
}

static struct stream *
stream_of(const char *user, int64_t cursor)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup(user) });

	s->cursor = cursor;
	roster_add(&hub.roster, s);
	life_set_by_cursor(&hub, s);
	return s;
}

/* asked gives the hub's answer as JSON, for names ended by NULL. */
static json_t *
asked(bool is_list, bool has_more, const char *const names[])
{
	struct census *census = census_new();
	struct peer peer;
	const char *reply;
	json_t *json;

	for (; names[census->n] != NULL; census->n++)
		buf_add(&census->names, names[census->n], strlen(names[census->n]) + 1);
	census->is_list = is_list;
	census->has_more = has_more;
	census->node = "a \"node\"";
	census->reply = (struct reply){ .conn = conn_of(peer_pair(&peer)), .request_id = 1 };
	census_answer(census, &hub);
	reply = expect_reply(&peer, 200);
	json = json_loads(strstr(reply, "\r\n\r\n") + 4, 0, NULL);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "node")), "a \"node\"");
	assert_true(strlen(reply) < CENSUS_BYTES + 4096);
	hang_up(&peer);
	return json;
}

static int64_t
number(const json_t *json, const char *name)
{
	assert_true(json_is_integer(json_object_get(json, name)));
	return json_integer_value(json_object_get(json, name));
}

static const char *
text(const json_t *json, const char *name)
{
	assert_true(json_is_string(json_object_get(json, name)));
	return json_string_value(json_object_get(json, name));
}

TEST(of_one_user_each_stream_is_told)
{
	struct stream *live, *behind, *blocked, *ahead;
	json_t *json, *detail;

	begin();
	live = stream_of("u", 50);
	behind = stream_of("u", 20);
	blocked = stream_of("u", 30);
	ahead = stream_of("u", 60);
	stream_of("other", 1);
	life_set_state(&hub, blocked, STREAM_BLOCKED);
	live->since = 1700000000;
	assert_int_equal(live->state, STREAM_LIVE);
	assert_int_equal(behind->state, STREAM_BEHIND);
	assert_int_equal(ahead->state, STREAM_AHEAD);
	json = asked(false, false, LIST("u"));
	assert_string_equal(text(json, "user"), "u");
	assert_int_equal(number(json, "streams"), 4);
	detail = json_object_get(json, "detail");
	assert_int_equal(json_array_size(detail), 4);
	/* The newest first. */
	assert_string_equal(text(json_array_get(detail, 0), "state"), "live");
	assert_int_equal(number(json_array_get(detail, 0), "cursor"), 60);
	assert_int_equal(number(json_array_get(detail, 0), "behind"), 0);
	assert_string_equal(text(json_array_get(detail, 1), "state"), "blocked");
	assert_int_equal(number(json_array_get(detail, 1), "behind"), 20);
	assert_string_equal(text(json_array_get(detail, 2), "state"), "behind");
	assert_int_equal(number(json_array_get(detail, 2), "behind"), 30);
	assert_string_equal(text(json_array_get(detail, 3), "state"), "live");
	assert_int_equal(number(json_array_get(detail, 3), "behind"), 0);
	assert_int_equal(number(json_array_get(detail, 3), "since"), 1700000000);
	assert_int_equal(json_array_size(json_object_get(json_array_get(detail, 3), "topics")), 0);
	json_decref(json);

	json = asked(false, false, LIST("nobody"));
	assert_int_equal(number(json, "streams"), 0);
	assert_int_equal(json_array_size(json_object_get(json, "detail")), 0);
	json_decref(json);
	end();
}

TEST(of_a_list_those_who_have_gone_meanwhile_are_left_out)
{
	json_t *json, *users;

	begin();
	stream_of("a", 0);
	stream_of("c", 0);
	json = asked(true, false, LIST("a", "b", "c"));
	users = json_object_get(json, "users");
	assert_int_equal(json_array_size(users), 2);
	assert_string_equal(text(json_array_get(users, 0), "user"), "a");
	assert_string_equal(text(json_array_get(users, 1), "user"), "c");
	assert_true(json_is_null(json_object_get(json, "next")));
	json_decref(json);
	/* The list goes on after the last one, though that has gone. */
	json = asked(true, true, LIST("a", "b"));
	assert_int_equal(json_array_size(json_object_get(json, "users")), 1);
	assert_string_equal(text(json, "next"), "b");
	json_decref(json);
	end();
}

TEST(many_streams_of_a_user_are_counted_and_the_newest_told)
{
	json_t *json, *user;

	begin();
	for (int i = 0; i < 150; i++)
		stream_of("u", i);
	json = asked(false, false, LIST("u"));
	assert_int_equal(number(json, "streams"), 150);
	assert_int_equal(json_array_size(json_object_get(json, "detail")), CENSUS_LONE_STREAMS);
	assert_int_equal(number(json_array_get(json_object_get(json, "detail"), 0), "cursor"), 149);
	json_decref(json);
	json = asked(true, false, LIST("u"));
	user = json_array_get(json_object_get(json, "users"), 0);
	assert_int_equal(number(user, "streams"), 150);
	assert_int_equal(json_array_size(json_object_get(user, "detail")), CENSUS_USER_STREAMS);
	json_decref(json);
	end();
}

/* long_topics gives the stream the most that a request can ask for, of bytes that take
 * six in JSON. */
static void
long_topics(struct stream *s)
{
	roster_remove(&hub.roster, s);
	s->filter.topics = mem_alloc(STREAM_MAX_TOPICS * sizeof(char *));
	for (; s->filter.n_topics < STREAM_MAX_TOPICS; s->filter.n_topics++) {
		char *topic = mem_alloc(256);

		memset(topic, 1, 255);
		topic[255] = '\0';
		topic[0] = (char)('a' + s->filter.n_topics % 26);
		s->filter.topics[s->filter.n_topics] = topic;
	}
	roster_add(&hub.roster, s);
}

TEST(an_answer_ends_at_its_bound_in_bytes_and_a_list_goes_on_there)
{
	static const char *const names[] = { "a", "b", "c", "d", NULL };
	const char *const *from = names;
	json_t *json, *users;
	size_t n_pages = 0;

	begin();
	for (int i = 0; names[i] != NULL; i++)
		for (int n = 0; n < 2; n++)
			long_topics(stream_of(names[i], 0));
	json = asked(false, false, LIST("a"));
	assert_int_equal(number(json, "streams"), 2);
	assert_int_equal(json_array_size(json_object_get(json, "detail")), 1);
	json_decref(json);
	while (*from != NULL) {
		const char *next;

		json = asked(true, false, from);
		users = json_object_get(json, "users");
		assert_true(json_array_size(users) > 0);
		for (size_t i = 0; i < json_array_size(users); i++)
			assert_string_equal(text(json_array_get(users, i), "user"), *from++);
		next = json_string_value(json_object_get(json, "next"));
		if (next != NULL)
			assert_string_equal(next, from[-1]);
		else
			assert_null(*from);
		json_decref(json);
		n_pages++;
	}
	assert_int_equal(n_pages, 4);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(of_one_user_each_stream_is_told),
	cmocka_unit_test(of_a_list_those_who_have_gone_meanwhile_are_left_out),
	cmocka_unit_test(many_streams_of_a_user_are_counted_and_the_newest_told),
	cmocka_unit_test(an_answer_ends_at_its_bound_in_bytes_and_a_list_goes_on_there),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
