/* A whole rowcast behind its socket; the test is the web server. */

#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <poll.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/mem.h"

static struct rowcast rowcast;
static char *bearer;   /* Authorization of user u, who may publish and administer */

static int
setup(void **state __attribute__((unused)))
{
	rowcast_start(&rowcast, LIST("workers = 2", "max_message = 100",
	    "allow_origin = http://a.example https://b.example:8443"));
	bearer = bearer_of(&rowcast, "u", "rowcast:publish rowcast:admin");
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
asked(int status, const char *const params[], const char *body)
{
	return fetch(&rowcast, status, params, body);
}

static const char *
got(int status, const char *path)
{
	return asked(status, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", path), NULL);
}

static void
expect_no_text(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("did not expect \"%s\" in \"%s\"", part, text);
}

/* ---- paths ---- */

TEST(a_path_is_matched_at_its_end_whatever_it_is_mounted_under)
{
	expect_text(got(200, "/healthz"), "ok");
	expect_text(got(200, "/app/healthz"), "ok");
	expect_text(got(200, "/a/b/c.fcgi/healthz"), "ok");
	expect_text(got(200, "/events/healthz"), "ok");
	expect_text(got(400, "/app/events"), "token is required");
	expect_text(got(400, "/app/msg"), "token is required");
	expect_text(got(400, "/app/status"), "token is required");
	expect_text(got(200, "/app/metrics"), "rowcast_streams 0\n");
}

TEST(what_is_no_path_of_ours_is_not_found)
{
	static const char *const paths[] = {
		"", "/", "/healthz/", "/healthz/x", "/xhealthz", "healthz", "/Healthz", "/health",
		"/events/", "/msg.php", "/a/healthz ",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect_text(got(404, paths[i]), "{\"error\":\"there is nothing at this path;");
}

TEST(script_name_and_path_info_make_one_path)
{
	asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/x.fcgi", "PATH_INFO", "/healthz"),
	    NULL);
	asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/heal", "PATH_INFO", "thz"), NULL);
	asked(404, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/healthz", "PATH_INFO", "/x"), NULL);
}

TEST(the_uri_counts_where_the_path_says_nothing)
{
	asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/index.fcgi",
	    "REQUEST_URI", "/app/healthz?x=/y"), NULL);
	/* The web server may have rewritten it: the path comes first. */
	expect_text(asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/healthz",
	    "REQUEST_URI", "/metrics"), NULL), "ok");
	asked(404, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/x",
	    "REQUEST_URI", "/y?/healthz"), NULL);
}

/* ---- methods ---- */

TEST(other_methods_are_refused_and_the_right_ones_named)
{
	static const struct { const char *path, *method, *allow; } cases[] = {
		{ "/events", "POST", "Allow: GET, HEAD\r\n" },
		{ "/healthz", "DELETE", "Allow: GET, HEAD\r\n" },
		{ "/metrics", "POST", "Allow: GET, HEAD\r\n" },
		{ "/status", "PUT", "Allow: GET, HEAD\r\n" },
		{ "/msg", "PUT", "Allow: GET, POST\r\n" },
		{ "/msg", "OPTIONS", "Allow: GET, POST\r\n" },
		/* Parts of the names of methods are none. */
		{ "/msg", "ET", "Allow: GET, POST\r\n" },
		{ "/msg", "OST", "Allow: GET, POST\r\n" },
		{ "/msg", "P", "Allow: GET, POST\r\n" },
		{ "/msg", "GET,", "Allow: GET, POST\r\n" },
		{ "/msg", "GET, POST", "Allow: GET, POST\r\n" },
		{ "/msg", ",", "Allow: GET, POST\r\n" },
		{ "/msg", "get", "Allow: GET, POST\r\n" },
		{ "/events", "T", "Allow: GET, HEAD\r\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *reply = asked(405, LIST("REQUEST_METHOD", cases[i].method,
		    "SCRIPT_NAME", cases[i].path, "HTTP_AUTHORIZATION", bearer), NULL);

		expect_text(reply, cases[i].allow);
		expect_text(reply, "{\"error\":\"the method must be one of: ");
	}
}

TEST(to_head_the_answer_is_that_to_get_without_the_body)
{
	static const struct { const char *path; int status; } cases[] = {
		{ "/healthz", 200 }, { "/metrics", 200 }, { "/status", 400 },
		{ "/nothing", 404 }, { "/events", 400 }, { "/msg", 405 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *reply = asked(cases[i].status, LIST("REQUEST_METHOD", "HEAD",
		    "SCRIPT_NAME", cases[i].path), NULL);

		assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
	}
}

/* ---- CORS ---- */

TEST(an_origin_of_the_configuration_may_read_the_answer)
{
	const char *reply = asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/healthz",
	    "HTTP_ORIGIN", "https://b.example:8443"), NULL);

	expect_text(reply, "\r\nAccess-Control-Allow-Origin: https://b.example:8443\r\n"
	    "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n");
	/* Errors too, or the page would not learn what is wrong. */
	reply = asked(404, LIST("REQUEST_METHOD", "GET", "HTTP_ORIGIN", "http://a.example"), NULL);
	expect_text(reply, "\r\nAccess-Control-Allow-Origin: http://a.example\r\n");
}

TEST(no_other_origin_may)
{
	static const char *const origins[] = {
		"http://a.example:80", "https://a.example", "http://a.example.org", "http://A.example",
		"http://x.a.example", "http://a.exampl", "https://b.example", "null", "*", "",
	};

	expect_no_text(got(200, "/healthz"), "Access-Control");
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		expect_no_text(asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/healthz",
		    "HTTP_ORIGIN", origins[i]), NULL), "Access-Control");
		asked(405, LIST("REQUEST_METHOD", "OPTIONS", "SCRIPT_NAME", "/msg",
		    "HTTP_ORIGIN", origins[i]), NULL);
	}
}

TEST(a_preflight_is_answered_without_a_token)
{
	const char *reply = asked(204, LIST("REQUEST_METHOD", "OPTIONS", "SCRIPT_NAME", "/msg",
	    "HTTP_ORIGIN", "http://a.example",
	    "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "POST"), NULL);

	expect_text(reply, "Access-Control-Allow-Origin: http://a.example\r\n");
	expect_text(reply, "Access-Control-Allow-Methods: GET, POST\r\n");
	expect_text(reply, "Access-Control-Allow-Headers: Authorization, Content-Type,"
	    " Last-Event-ID, Cache-Control, X-Requested-With\r\n");
	expect_no_text(reply, "Content-Type: ");
	asked(404, LIST("REQUEST_METHOD", "OPTIONS", "SCRIPT_NAME", "/x",
	    "HTTP_ORIGIN", "http://a.example"), NULL);
}

TEST(a_preflight_allows_whatever_headers_it_asks_for)
{
	static const char *const lists[] = { "x-trace", "authorization, x-a,x-b", "x-!#$%&'*+-.^_`|~09AZ",
		"cache-control\t,\tx-requested-with" };
	char *longest = mem_printf("%01024d", 0), *too_long = mem_printf("%01025d", 0);
	const char *const odd[] = { "", "x:y", "x;y", "\"x\"", "x\r\nSet-Cookie: a=b", "x\xc3\xa4", "x/y", too_long };
	const char *own = "Last-Event-ID, Cache-Control, X-Requested-With";
	char *expected;

	for (size_t i = 0; i <= sizeof(lists) / sizeof(lists[0]); i++) {
		const char *list = i > 0 ? lists[i - 1] : longest;

		expected = mem_printf("%s, %s\r\n", own, list);
		expect_text(asked(204, LIST("REQUEST_METHOD", "OPTIONS", "SCRIPT_NAME", "/events",
		    "HTTP_ORIGIN", "http://a.example", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", list),
		    NULL), expected);
		free(expected);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		expected = mem_printf("%s\r\n", own);
		expect_text(asked(204, LIST("REQUEST_METHOD", "OPTIONS", "SCRIPT_NAME", "/events",
		    "HTTP_ORIGIN", "http://a.example", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", odd[i]),
		    NULL), expected);
		free(expected);
	}
	free(too_long);
	free(longest);
}

/* Or the page would not learn what is wrong. */
TEST(a_refusal_can_be_read_by_an_origin_of_the_configuration)
{
	char *stranger = bearer_of(&rowcast, "nobody", NULL);
	char *large = mem_printf("%0*d", 101, 0);
	const struct { int status; const char *const *params; const char *body; } cases[] = {
		{ 400, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events"), NULL },
		{ 400, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events", "QUERY_STRING", "topics=x",
		    "HTTP_AUTHORIZATION", bearer), NULL },
		{ 400, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
		    "HTTP_AUTHORIZATION", bearer), NULL },
		{ 401, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
		    "HTTP_AUTHORIZATION", "Bearer x"), NULL },
		{ 403, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events", "QUERY_STRING", "topic=x",
		    "HTTP_AUTHORIZATION", bearer), NULL },
		{ 403, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status",
		    "HTTP_AUTHORIZATION", stranger), NULL },
		{ 405, LIST("REQUEST_METHOD", "PUT", "SCRIPT_NAME", "/msg"), NULL },
		{ 413, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg", "CONTENT_TYPE", "text/plain",
		    "HTTP_AUTHORIZATION", bearer), large },
		{ 415, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg", "CONTENT_TYPE", "image/png",
		    "HTTP_AUTHORIZATION", bearer), "x" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *params[16], *reply;
		size_t n = 0;

		while (cases[i].params[n] != NULL) {
			params[n] = cases[i].params[n];
			n++;
		}
		params[n] = "HTTP_ORIGIN";
		params[n + 1] = "http://a.example";
		params[n + 2] = NULL;
		reply = asked(cases[i].status, params, cases[i].body);
		expect_text(reply, "\r\nAccess-Control-Allow-Origin: http://a.example\r\n");
		expect_text(reply, "\r\nAccess-Control-Allow-Credentials: true\r\n");
		expect_text(reply, "{\"error\":\"");
	}
	free(large);
	free(stranger);
}

/* ---- handlers ---- */

static const char *
post(int status, const char *authorization, const char *body)
{
	return asked(status, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "CONTENT_TYPE", "text/plain", "HTTP_AUTHORIZATION", authorization), body);
}

TEST(a_message_that_is_posted_comes_to_the_stream_of_its_user)
{
	char *token = token_of(&rowcast, "u", NULL), *query = mem_printf("token=%s", token);
	struct peer stream;
	long long cursor = -1;

	call(&rowcast, &stream);
	say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "QUERY_STRING", query, "HTTP_ACCEPT", "text/event-stream"), NULL);
	expect_head(&stream);
	assert_int_equal(sscanf(strstr(next_block(&stream), "id: "), "id: %lld", &cursor), 1);
	expect_text(post(201, bearer, "hello"), "{\"id\":");
	expect_message(&stream, cursor + 1, "hello");
	hang_up(&stream);
	free(query);
	free(token);
}

/* Only its beginning is shown, and never half a character. */
TEST(an_id_that_is_none_is_told_in_a_gap_as_far_as_it_can_be_shown)
{
	static const struct { const char *id, *shown; } ids[] = {
		{ "x", "x" },
		{ "12345678901234567890", "12345678901234567890" },  /* beyond 63 bits */
		{ "-1", "-1" },
		{ "\"", "\\\"" },
		{ "\xff", "" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa4",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		char *expected = mem_printf("event: rowcast.gap\ndata: {\"reason\":\"invalid\","
		    "\"requested\":\"%s\",", ids[i].shown);
		struct peer stream;

		call(&rowcast, &stream);
		say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
		    "HTTP_AUTHORIZATION", bearer, "HTTP_LAST_EVENT_ID", ids[i].id), NULL);
		expect_head(&stream);
		next_block(&stream);
		expect_text(next_block(&stream), expected);
		hang_up(&stream);
		free(expected);
	}
}

/* n_joined returns the line that tells it; the caller frees it. Not how many are
 * open: one of the test before may not be gone yet. */
static char *
n_joined(void)
{
	const char *line = strstr(got(200, "/metrics"), "\nrowcast_streams_opened_total ");

	assert_non_null(line);
	return mem_strndup(line, 1 + strcspn(line + 1, "\n"));
}

TEST(to_head_events_answers_the_head_of_a_stream_and_no_stream)
{
	char *before = n_joined(), *after;
	const char *reply = asked(200, LIST("REQUEST_METHOD", "HEAD", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer), NULL);

	expect_text(reply, "Content-Type: text/event-stream\r\n");
	expect_text(reply, "X-Accel-Buffering: no\r\n");
	assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
	asked(403, LIST("REQUEST_METHOD", "HEAD", "SCRIPT_NAME", "/events", "QUERY_STRING", "topic=t",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	after = n_joined();
	assert_string_equal(before, after);
	free(before);
	free(after);
}

/* ---- judged by the head alone ---- */

/* say_head says what a request begins with, and a byte of its body. */
static void
say_head(struct peer *peer, bool keep, const char *const params[])
{
	struct buf bytes = BUF_EMPTY;

	add_begin(&bytes, 1, keep);
	add_params(&bytes, 1, params);
	add_body(&bytes, 1, "x", 1);
	call(&rowcast, peer);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

static void
say_end(struct peer *peer)
{
	struct buf bytes = BUF_EMPTY;

	add_body_end(&bytes, 1);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

/* told_early: who asks that is answered though the body stays away. */
static void
told_early(int status, const char *const params[])
{
	struct peer peer;

	say_head(&peer, false, params);
	expect_reply(&peer, status);
	hang_up(&peer);
}

TEST(who_is_refused_is_told_before_the_body_has_come)
{
	told_early(404, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/x"));
	told_early(405, LIST("REQUEST_METHOD", "PUT", "SCRIPT_NAME", "/msg"));
	told_early(405, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/healthz"));
	told_early(400, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg"));
	told_early(401, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "HTTP_AUTHORIZATION", "Bearer no"));
	told_early(413, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "HTTP_AUTHORIZATION", bearer, "CONTENT_LENGTH", "1049177"));
	told_early(415, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "HTTP_AUTHORIZATION", bearer, "HTTP_CONTENT_ENCODING", "gzip"));
	told_early(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/healthz"));
	told_early(200, LIST("REQUEST_METHOD", "HEAD", "SCRIPT_NAME", "/healthz"));
	told_early(400, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status"));
	told_early(201, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/msg", "QUERY_STRING", "msg=x",
	    "HTTP_AUTHORIZATION", bearer));
}

TEST(a_slow_body_that_may_come_is_waited_for)
{
	struct peer peer;

	say_head(&peer, false, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "CONTENT_TYPE", "text/plain", "HTTP_AUTHORIZATION", bearer,
	    "CONTENT_LENGTH", "1049176"));
	/* Those that are refused meanwhile come later, and are told so at once. */
	told_early(401, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "HTTP_AUTHORIZATION", "Bearer no"));
	expect_nothing(&peer);
	say_end(&peer);
	expect_reply(&peer, 201);
	expect_closed(&peer);
	hang_up(&peer);
}

TEST(a_stream_asked_for_with_a_body_begins_at_its_end)
{
	struct peer peer;

	say_head(&peer, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer));
	told_early(404, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/x"));
	expect_nothing(&peer);
	say_end(&peer);
	expect_head(&peer);
	hang_up(&peer);
}

TEST(a_stream_that_is_aborted_ends_and_leaves_its_connection)
{
	for (int keep = 0; keep < 2; keep++) {
		struct buf bytes = BUF_EMPTY;
		struct peer peer;
		size_t len;

		call(&rowcast, &peer);
		for (int i = 0; i < 3; i++) {
			say_request(&peer, keep, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
			    "HTTP_AUTHORIZATION", bearer), NULL);
			expect_head(&peer);
			assert_non_null(next_block(&peer));
			buf_free(&bytes);
			add_record(&bytes, RECORD_ABORT, 1, NULL, 0);
			say(&peer, bytes.bytes, bytes.len);
			while (take_record(&peer, &len) != RECORD_END)
				;
			peer.ended = false;
			if (!keep)
				break;
		}
		if (keep) {
			say_request(&peer, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/healthz"),
			    NULL);
			expect_text(expect_reply(&peer, 200), "ok");
		}
		expect_closed(&peer);
		hang_up(&peer);
		buf_free(&bytes);
	}
}

TEST(an_encoded_body_is_refused_and_a_byte_order_mark_is_taken_off)
{
	struct peer peer;

	expect_text(asked(415, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "CONTENT_TYPE", "text/plain", "HTTP_AUTHORIZATION", bearer,
	    "HTTP_CONTENT_ENCODING", "gzip"), "x"), "{\"error\":\"Content-Encoding must be identity");
	asked(201, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "CONTENT_TYPE", "text/plain", "HTTP_AUTHORIZATION", bearer,
	    "HTTP_CONTENT_ENCODING", "Identity"), "x");
	call(&rowcast, &peer);
	say_request(&peer, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	expect_head(&peer);
	assert_non_null(next_block(&peer));
	post(201, bearer, "\xef\xbb\xbfhello");
	expect_text(next_block(&peer), "data: hello");
	hang_up(&peer);
}

TEST(a_body_that_is_too_large_is_refused_whatever_is_asked)
{
	size_t len = 2 << 20;
	char *body = mem_alloc(len + 1);

	memset(body, 'x', len);
	body[len] = '\0';
	expect_text(post(413, bearer, body), "{\"error\":\"the body is too large: ");
	/* Who has no token is told that, and not asked for less. */
	expect_text(post(400, "", body), "token is required");
	asked(404, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/x"), body);
	asked(405, LIST("REQUEST_METHOD", "PUT", "SCRIPT_NAME", "/msg"), body);
	body[101] = '\0';
	post(413, bearer, body);
	body[100] = '\0';
	post(201, bearer, body);
	free(body);
}

TEST(a_body_that_takes_too_long_is_refused)
{
	struct buf head = BUF_EMPTY, byte = BUF_EMPTY;
	struct pollfd answer = { .events = POLLIN };
	struct peer peer;

	add_begin(&head, 1, false);
	add_params(&head, 1, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "CONTENT_TYPE", "text/plain", "HTTP_AUTHORIZATION", bearer));
	add_body(&byte, 1, "x", 1);
	call(&rowcast, &peer);
	say(&peer, head.bytes, head.len);
	answer.fd = peer.fd;
	/* It never falls silent, so only its whole time can end it. */
	while (poll(&answer, 1, 1) == 0
	    && send(peer.fd, byte.bytes, byte.len, MSG_NOSIGNAL) > 0)
		atomic_fetch_add(&clock_ahead_us, 500000);
	expect_text(expect_reply(&peer, 408), "{\"error\":\"the body did not come in time\"}");
	expect_closed(&peer);
	hang_up(&peer);
	buf_free(&byte);
	buf_free(&head);
}

TEST(a_status_is_for_who_may_administer_and_for_direct_peers)
{
	char *plain = bearer_of(&rowcast, "u", "rowcast:publish");

	expect_text(asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status",
	    "HTTP_AUTHORIZATION", bearer), NULL), "{\"version\":");
	expect_text(asked(403, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status",
	    "HTTP_AUTHORIZATION", plain), NULL), "rowcast:admin");
	asked(400, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status"), NULL);
	asked(401, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status",
	    "HTTP_AUTHORIZATION", "Bearer x"), NULL);
	asked(200, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status",
	    REQUEST_LOCAL_PARAM, "1"), NULL);
	/* What a browser sends comes with HTTP_ before it. */
	asked(400, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status",
	    "HTTP_" REQUEST_LOCAL_PARAM, "1"), NULL);
	free(plain);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_path_is_matched_at_its_end_whatever_it_is_mounted_under),
	cmocka_unit_test(what_is_no_path_of_ours_is_not_found),
	cmocka_unit_test(script_name_and_path_info_make_one_path),
	cmocka_unit_test(the_uri_counts_where_the_path_says_nothing),
	cmocka_unit_test(other_methods_are_refused_and_the_right_ones_named),
	cmocka_unit_test(to_head_the_answer_is_that_to_get_without_the_body),
	cmocka_unit_test(an_origin_of_the_configuration_may_read_the_answer),
	cmocka_unit_test(no_other_origin_may),
	cmocka_unit_test(a_preflight_is_answered_without_a_token),
	cmocka_unit_test(a_preflight_allows_whatever_headers_it_asks_for),
	cmocka_unit_test(a_refusal_can_be_read_by_an_origin_of_the_configuration),
	cmocka_unit_test(a_message_that_is_posted_comes_to_the_stream_of_its_user),
	cmocka_unit_test(an_id_that_is_none_is_told_in_a_gap_as_far_as_it_can_be_shown),
	cmocka_unit_test(to_head_events_answers_the_head_of_a_stream_and_no_stream),
	cmocka_unit_test(who_is_refused_is_told_before_the_body_has_come),
	cmocka_unit_test(a_slow_body_that_may_come_is_waited_for),
	cmocka_unit_test(a_stream_asked_for_with_a_body_begins_at_its_end),
	cmocka_unit_test(a_stream_that_is_aborted_ends_and_leaves_its_connection),
	cmocka_unit_test(an_encoded_body_is_refused_and_a_byte_order_mark_is_taken_off),
	cmocka_unit_test(a_body_that_is_too_large_is_refused_whatever_is_asked),
	cmocka_unit_test(a_body_that_takes_too_long_is_refused),
	cmocka_unit_test(a_status_is_for_who_may_administer_and_for_direct_peers),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
