/* POST /msg in a whole rowcast, up to the writer's answer. What a body may hold
 * is test_publication.c's. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include "app/publish/publication.h"
#include "app/publish/submission.h"
#include "lib/mem.h"

enum { LARGEST = 1 << 20 };  /* max_message's own bound */

static struct rowcast rowcast;
static struct table table;   /* the same one; without a handle of its own */
static char *own, *any;      /* tokens of user u, without and with the scope */

static int
setup(void **state __attribute__((unused)))
{
	rowcast_start(&rowcast, LIST("workers = 2", "max_message = 1M"));
	table.name = rowcast.conf.store;
	own = token_of(&rowcast, "u", NULL);
	any = token_of(&rowcast, "u", "rowcast:publish");
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	free(own);
	free(any);
	rowcast_stop(&rowcast);
	return 0;
}

static const char *
posted(int status, const char *token, const char *type, const char *body)
{
	char *bearer = mem_printf("Bearer %s", token);
	const char *reply = fetch(&rowcast, status, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "CONTENT_TYPE", type, "HTTP_AUTHORIZATION", bearer), body);

	free(bearer);
	return reply;
}

TEST(a_token_decides_whom_one_may_write_to)
{
	expect_text(posted(201, own, "application/json", "{\"msg\":\"x\"}"), "\r\n\r\n{\"id\":");
	posted(201, own, "application/json", "{\"msg\":\"x\",\"user\":\"u\"}");
	expect_text(posted(403, own, "application/json", "{\"msg\":\"x\",\"user\":\"v\"}"),
	    "{\"error\":\"sending to another user needs a token with the scope rowcast:publish\"}");
	posted(201, any, "application/json", "{\"msg\":\"x\",\"user\":\"v\"}");
	expect_text(posted(400, any, "application/json", "{}"), "{\"error\":\"msg is missing\"}");
	expect_text(posted(401, "x", "application/json", "{}"), "WWW-Authenticate: Bearer");
}

/* Any link can make a browser GET, with its cookie. */
TEST(a_get_is_authorised_by_its_header_alone)
{
	char *bearer = mem_printf("Bearer %s", own), *cookie = mem_printf("rowcast_token=%s", own);

	fetch(&rowcast, 201, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/msg",
	    "QUERY_STRING", "msg=x", "HTTP_AUTHORIZATION", bearer), NULL);
	fetch(&rowcast, 201, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "QUERY_STRING", "msg=x", "HTTP_COOKIE", cookie), NULL);
	expect_text(fetch(&rowcast, 400, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/msg",
	    "QUERY_STRING", "msg=x", "HTTP_COOKIE", cookie), NULL), "token is required");
	free(cookie);
	free(bearer);
}

/* msg_body_max: six bytes for each. */
TEST(a_message_of_the_largest_size_may_be_escaped_to_its_last_byte)
{
	struct buf body = BUF_EMPTY;
	char *text;

	buf_add_str(&body, "{\"msg\":\"");
	for (int i = 0; i < LARGEST; i++)
		buf_add_str(&body, "\\u0001");
	buf_add_str(&body, "\"}");
	text = buf_take(&body);
	posted(201, own, "application/json", text);
	free(text);
}

/* publication_of_many is as large as one can be. It only has to wait: the table
 * refuses its first message, and so does not have to store the others. */
static struct publication
publication_of_many(void)
{
	struct publication p;
	struct buf lines = BUF_EMPTY;

	for (int i = 0; i < PUBLICATION_MAX_MESSAGES; i++)
		buf_add_str(&lines, "{\"msg\":\"x\"}\n");
	assert_int_equal(publication_parse(&p, "", "application/x-ndjson", lines.bytes, lines.len, 1), 0);
	buf_free(&lines);
	p.drafts[0].message.event = mem_strdup("line\nbreak");
	return p;
}

TEST(where_too_many_messages_wait_one_more_is_told_to_come_again)
{
	enum { N = WRITER_QUEUE_MESSAGES / PUBLICATION_MAX_MESSAGES };
	struct publication publications[N];
	struct peer askers[N];
	struct sqlite3 *foreign = foreign_open(&table);

	for (int i = 0; i < N; i++)
		publications[i] = publication_of_many();
	/* The writer stands still for as long as it waits for the lock: as long as the clock. */
	clock_stop();
	foreign_run(foreign, "BEGIN IMMEDIATE");
	for (int i = 0; i < N; i++) {
		struct reply reply = { .conn = conn_of(peer_pair(&askers[i])), .request_id = 1 };

		assert_int_equal(submission_give(rowcast.service.writer, &publications[i], "u", &reply), 0);
	}
	expect_text(posted(503, own, "text/plain", "one more"), "Retry-After: 1\r\n");
	expect_text(posted(503, own, "text/plain", "one more"), "{\"error\":\"nothing was stored: too many"
	    " messages wait to be committed; try again\"}");
	capture_begin();
	foreign_run(foreign, "COMMIT");
	clock_go();
	foreign_close(foreign);
	for (int i = 0; i < N; i++) {
		expect_reply(&askers[i], 400);
		hang_up(&askers[i]);
	}
	capture_end();
	posted(201, own, "text/plain", "now there is room");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_token_decides_whom_one_may_write_to),
	cmocka_unit_test(a_get_is_authorised_by_its_header_alone),
	cmocka_unit_test(a_message_of_the_largest_size_may_be_escaped_to_its_last_byte),
	cmocka_unit_test(where_too_many_messages_wait_one_more_is_told_to_come_again),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
