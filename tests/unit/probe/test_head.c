#include "tests/unit/check.h"

#include "app/probe/head.h"

static struct head head;

static void
take(const char *line)
{
	head_take(&head, line, strlen(line));
}

TEST(a_status_line_says_which_http_and_how_it_went)
{
	static const struct {
		const char *line;
		int version, status;
	} lines[] = {
		{ "HTTP/1.0 200 OK\r\n", 10, 200 },
		{ "HTTP/1.1 404 Not Found\r\n", 11, 404 },
		{ "HTTP/2 200 \r\n", 20, 200 },
		{ "HTTP/3 503\r\n", 30, 503 },
		{ "HTTP/1.1 100 Continue\r\n", 11, 0 },
		{ "HTTP/1.1\r\n", 11, 0 },
		{ "HTTP/1.1 xyz and much more than anybody would expect there\r\n", 11, 0 },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		take(lines[i].line);
		assert_int_equal(head.version, lines[i].version);
		assert_int_equal(head.status, lines[i].status);
	}
	head_free(&head);
}

TEST(fields_are_known_in_any_case_and_others_passed_over)
{
	take("HTTP/1.1 200 OK\r\n");
	take("SERVER:nginx\r\n");
	take("cache-control: \t no-cache \r\n");
	take("Cache-Control: no-transform\r\n");
	take("X-Server: other\r\n");
	take("Serve: other\r\n");
	take("Etag\r\n");
	take("\r\n");
	assert_string_equal(head.fields[HEAD_SERVER], "nginx");
	assert_string_equal(head.fields[HEAD_CACHE_CONTROL], "no-cache, no-transform");
	assert_null(head.fields[HEAD_ETAG]);
	head_free(&head);
}

TEST(the_final_answer_begins_anew)
{
	take("HTTP/1.1 103 Early Hints\r\n");
	take("Server: early\r\n");
	take("\r\n");
	take("HTTP/1.1 200 OK\r\n");
	assert_null(head.fields[HEAD_SERVER]);
	assert_int_equal(head.status, 200);
	head_free(&head);
}

TEST(what_is_shown_is_short_and_printable)
{
	char line[70000];

	memset(line, 'x', sizeof(line));
	memcpy(line, "Server: \x1b[31m\xc3\xa9", 15);
	for (int i = 0; i < 1000; i++) {
		head_take(&head, line, sizeof(line));
		assert_true(strlen(head.fields[HEAD_SERVER]) < 1000);
	}
	assert_null(strchr(head.fields[HEAD_SERVER], '\x1b'));
	assert_memory_equal(head.fields[HEAD_SERVER], "?[31m??x", 8);
	head_free(&head);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_status_line_says_which_http_and_how_it_went),
	cmocka_unit_test(fields_are_known_in_any_case_and_others_passed_over),
	cmocka_unit_test(the_final_answer_begins_anew),
	cmocka_unit_test(what_is_shown_is_short_and_printable),
};

RUN_TESTS(tests)
