/* GET /presence of one machine: what it says of the streams that are open, and of what
 * it is asked. */

#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include "lib/mem.h"

static struct rowcast rowcast;
static char *bearer;

static int
setup(void **state __attribute__((unused)))
{
	rowcast_start(&rowcast, LIST("node = here", "max_streams_per_user = 3000"));
	bearer = bearer_of(&rowcast, "u", "rowcast:admin");
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	free(bearer);
	rowcast_stop(&rowcast);
	return 0;
}

static const char *
asked(int status, const char *query)
{
	return strstr(fetch(&rowcast, status, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/presence",
	    "QUERY_STRING", query, "HTTP_AUTHORIZATION", bearer), NULL), "\r\n\r\n") + 4;
}

static void
subscribe(struct peer *peer, const char *user)
{
	char *theirs = bearer_of(&rowcast, user, NULL);

	call(&rowcast, peer);
	say_request(peer, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", theirs), NULL);
	expect_head(peer);
	free(theirs);
}

static bool
is(const char *query, const char *expected)
{
	return strcmp(asked(200, query), expected) == 0;
}

/* total_is: what seen says is the time. */
static bool
total_is(const char *before, const char *behind)
{
	const char *text = asked(200, ""), *seen = strstr(text, "\"seen\":");
	int64_t at;

	assert_non_null(seen);
	at = strtoll(seen + 7, NULL, 10);
	assert_in_range(at, clock_wall_s() - 10, clock_wall_s() + 1);
	return strncmp(text, before, (size_t)(seen - text)) == 0 && strlen(before) == (size_t)(seen - text)
	    && strcmp(seen + 7 + strspn(seen + 7, "0123456789"), behind) == 0;
}

TEST(who_is_connected_is_told_until_it_leaves)
{
	struct peer one, two, other;

	WAIT_FOR(total_is("{\"users\":0,\"streams\":0,\"nodes\":[{\"node\":\"here\",\"streams\":0,\"users\":0,", "}]}"));
	subscribe(&one, "42");
	subscribe(&two, "42");
	subscribe(&other, "\"q\"");
	assert_true(total_is("{\"users\":2,\"streams\":3,\"nodes\":[{\"node\":\"here\",\"streams\":3,\"users\":2,", "}]}"));
	assert_string_equal(asked(200, "user=42"), "{\"user\":\"42\",\"streams\":2,\"nodes\":[\"here\"]}");
	assert_string_equal(asked(200, "user=nobody"), "{\"user\":\"nobody\",\"streams\":0,\"nodes\":[]}");
	assert_string_equal(asked(200, "list=1"), "{\"users\":[{\"user\":\"\\\"q\\\"\",\"streams\":1},"
	    "{\"user\":\"42\",\"streams\":2}],\"next\":null}");
	assert_string_equal(asked(200, "list=1&after=%22q%22"),
	    "{\"users\":[{\"user\":\"42\",\"streams\":2}],\"next\":null}");
	assert_string_equal(asked(200, "list=1&after="), "{\"users\":[{\"user\":\"\\\"q\\\"\",\"streams\":1},"
	    "{\"user\":\"42\",\"streams\":2}],\"next\":null}");
	hang_up(&two);
	hang_up(&other);
	WAIT_FOR(is("list=1", "{\"users\":[{\"user\":\"42\",\"streams\":1}],\"next\":null}"));
	hang_up(&one);
	WAIT_FOR(total_is("{\"users\":0,\"streams\":0,\"nodes\":[{\"node\":\"here\",\"streams\":0,\"users\":0,", "}]}"));
}

TEST(a_list_goes_on_until_it_is_at_its_end)
{
	enum { USERS = 2000 };
	struct tally *users = hub_users(rowcast.service.hub);
	char name[256], query[600], expected[600];

	/* Streams of thousands of users, without their descriptors. */
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "%04d", i);
		tally_add(users, name);
	}
	for (int page = 0; page < 2; page++) {
		const char *text;

		snprintf(query, sizeof(query), page == 0 ? "list=1" : "list=1&after=0999");
		text = asked(200, query);
		snprintf(expected, sizeof(expected), "{\"users\":[{\"user\":\"%04d\",", page * 1000);
		assert_memory_equal(text, expected, strlen(expected));
		/* Exactly 1000, and at the end there is no next. */
		snprintf(expected, sizeof(expected), "{\"user\":\"%04d\",\"streams\":1}],\"next\":%s}",
		    page * 1000 + 999, page == 0 ? "\"0999\"" : "null");
		assert_string_equal(text + strlen(text) - strlen(expected), expected);
	}
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "%04d", i);
		tally_remove(users, name);
	}
	/* Where names are as long as they may be, a page is shorter, and goes on. */
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "%0255d", i);
		tally_add(users, name);
	}
	snprintf(query, sizeof(query), "list=1");
	for (int n_seen = 0, n_pages = 0; n_seen < USERS; n_pages++) {
		const char *text = asked(200, query), *at = text, *next;

		assert_true(n_pages < 20 && strlen(text) < 70000);
		while ((at = strstr(at, "{\"user\":")) != NULL) {
			assert_int_equal(strtol(at + 9, NULL, 10), n_seen++);
			at++;
		}
		next = strstr(text, "\"next\":");
		if (n_seen == USERS)
			assert_string_equal(next, "\"next\":null}");
		else
			snprintf(query, sizeof(query), "list=1&after=%.255s", next + 8);
	}
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "%0255d", i);
		tally_remove(users, name);
	}
}

/* detail_is: between what the streams of `user` say of themselves with since and cursor. */
static bool
detail_is(const char *query, const char *before, const char *behind)
{
	const char *text = asked(200, query), *since = strstr(text, "\"since\":"), *topics;
	int64_t at;

	if (since == NULL)
		return false;
	at = strtoll(since + 8, NULL, 10);
	assert_in_range(at, clock_wall_s() - 60, clock_wall_s() + 1);
	topics = strstr(since, ",\"behind\":0,\"topics\":");
	return topics != NULL && strlen(before) == (size_t)(since - text)
	    && strncmp(text, before, strlen(before)) == 0 && strcmp(topics, behind) == 0;
}

TEST(each_stream_of_a_user_is_told_where_detail_is_asked_for)
{
	struct peer one, other;

	subscribe(&one, "42");
	subscribe(&other, "\"q\"");
	WAIT_FOR(is("list=1", "{\"users\":[{\"user\":\"\\\"q\\\"\",\"streams\":1},"
	    "{\"user\":\"42\",\"streams\":1}],\"next\":null}"));
	assert_true(detail_is("user=42&detail=1", "{\"node\":\"here\",\"user\":\"42\",\"streams\":1,\"detail\":[{",
	    ",\"behind\":0,\"topics\":[]}]}"));
	assert_true(detail_is("list=1&detail=1&after=%22q%22", "{\"node\":\"here\",\"users\":[{\"user\":\"42\","
	    "\"streams\":1,\"detail\":[{", ",\"behind\":0,\"topics\":[]}]}],\"next\":null}"));
	assert_string_equal(asked(200, "user=nobody&detail=1"),
	    "{\"node\":\"here\",\"user\":\"nobody\",\"streams\":0,\"detail\":[]}");
	assert_string_equal(asked(200, "list=1&detail=1&after=z"),
	    "{\"node\":\"here\",\"users\":[],\"next\":null}");
	hang_up(&one);
	hang_up(&other);
	WAIT_FOR(is("list=1", "{\"users\":[],\"next\":null}"));
}

TEST(a_list_in_detail_goes_on_until_it_is_at_its_end)
{
	enum { USERS = 2 * CENSUS_USERS + 10 };
	struct peer *peers = mem_alloc(USERS * sizeof(*peers));
	char name[16], query[64], expected[64];
	const char *text;
	int n_seen = 0;

	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "%04d", i);
		subscribe(&peers[i], name);
	}
	strcpy(query, "list=1&detail=1");
	while (n_seen < USERS) {
		const char *next;

		text = asked(200, query);
		for (int i = 0; i < CENSUS_USERS && n_seen < USERS; i++, n_seen++) {
			snprintf(expected, sizeof(expected), "{\"user\":\"%04d\",\"streams\":1,", n_seen);
			text = strstr(text, expected);
			assert_non_null(text);
		}
		next = strstr(text, "\"next\":");
		if (n_seen == USERS) {
			assert_string_equal(next, "\"next\":null}");
		} else {
			snprintf(expected, sizeof(expected), "\"next\":\"%04d\"}", n_seen - 1);
			assert_string_equal(next, expected);
			snprintf(query, sizeof(query), "list=1&detail=1&after=%04d", n_seen - 1);
		}
	}
	for (int i = 0; i < USERS; i++)
		hang_up(&peers[i]);
	free(peers);
	WAIT_FOR(is("list=1", "{\"users\":[],\"next\":null}"));
}

TEST(what_is_asked_wrongly_is_refused_with_a_sentence)
{
	static const struct { const char *query, *sentence; } cases[] = {
		{ "users=42", "/presence has no parameter users: did you mean user?" },
		{ "lists=1", "/presence has no parameter lists: did you mean list?" },
		{ "since=3", "/presence has no parameter since, only user, list, after, detail and token" },
		{ "user=", "user must not be empty" },
		{ "user=%ff", "user must be UTF-8 text" },
		{ "user=a%00b", "user must be UTF-8 text" },
		{ "user=a&user=b", "user can be given only once" },
		{ "list=0", "list must be 1" },
		{ "list=", "list must be 1" },
		{ "user=a&list=1", "user and list cannot both be given" },
		{ "after=a", "after needs list=1" },
		{ "user=a&after=a", "after needs list=1" },
		{ "detail=1", "detail needs user or list=1" },
		{ "detail=yes&user=a", "detail must be 1" },
		{ "list=1&after=%f", "the query has a % without two hex digits" },
	};
	struct buf query = BUF_EMPTY;
	char *text;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_text(asked(400, cases[i].query), cases[i].sentence);
	buf_add_str(&query, "user=");
	for (int i = 0; i < 256; i++)
		buf_add_char(&query, 'x');
	text = buf_take(&query);
	expect_text(asked(400, text), "user is longer than 255 bytes");
	free(text);
	asked(200, "_=1");
}

TEST(only_who_may_administer_is_told_and_who_is_at_the_socket)
{
	char *token = token_of(&rowcast, "u", "rowcast:admin"), *other = token_of(&rowcast, "u", "rowcast:publish");
	char *query = mem_printf("user=a&token=%s", token), *refused = mem_printf("token=%s", other);
	static const char *const base[] = { "REQUEST_METHOD", "GET", "SCRIPT_NAME", "/app/presence" };

	expect_text(fetch(&rowcast, 400, LIST(base[0], base[1], base[2], base[3]), NULL), "token is required");
	fetch(&rowcast, 401, LIST(base[0], base[1], base[2], base[3], "QUERY_STRING", "token=x"), NULL);
	expect_text(fetch(&rowcast, 403, LIST(base[0], base[1], base[2], base[3], "QUERY_STRING", refused), NULL),
	    "the token does not have the scope rowcast:admin");
	expect_text(fetch(&rowcast, 200, LIST(base[0], base[1], base[2], base[3], "QUERY_STRING", query), NULL),
	    "{\"user\":\"a\",\"streams\":0,\"nodes\":[]}");
	fetch(&rowcast, 200, LIST(base[0], base[1], base[2], base[3], REQUEST_LOCAL_PARAM, "1"), NULL);
	fetch(&rowcast, 403, LIST(base[0], base[1], base[2], base[3], "HTTP_ROWCAST_LOCAL", "1",
	    "QUERY_STRING", refused), NULL);
	expect_text(fetch(&rowcast, 405, LIST("REQUEST_METHOD", "POST", base[2], base[3]), NULL), "Allow: GET, HEAD\r\n");
	free(refused);
	free(query);
	free(other);
	free(token);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_is_connected_is_told_until_it_leaves),
	cmocka_unit_test(a_list_goes_on_until_it_is_at_its_end),
	cmocka_unit_test(each_stream_of_a_user_is_told_where_detail_is_asked_for),
	cmocka_unit_test(a_list_in_detail_goes_on_until_it_is_at_its_end),
	cmocka_unit_test(what_is_asked_wrongly_is_refused_with_a_sentence),
	cmocka_unit_test(only_who_may_administer_is_told_and_who_is_at_the_socket),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
