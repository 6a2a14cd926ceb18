/* What /events refuses before there is a stream; streams are test_hub.c's. */

#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <sys/socket.h>

#include "app/serve/events.h"
#include "lib/mem.h"

static struct service service;
static char *authorization;  /* owned */

static int
setup(void **state __attribute__((unused)))
{
	char news[] = "news", rooms[] = "room/*", *token;

	service.auth = auth_of_conf();
	token = auth_sign(service.auth, "42", (char *[]){ news, rooms }, 2, NULL, 3600);
	assert_non_null(token);
	authorization = mem_printf("Bearer %s", token);
	free(token);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	auth_close(service.auth);
	free(authorization);
	return 0;
}

/* expect asks without a store, so 503 is what a query gets that is all right. */
static void
expect(const char *query, int status, const char *sentence)
{
	struct worker worker = { .service = &service };
	struct request request = { .method = "GET", .query = query, .authorization = authorization };
	char answer[2048], *json = mem_printf("\r\n\r\n{\"error\":\"%s\"}", sentence);
	struct peer peer;
	ssize_t n;
	int got;

	request.reply.conn = conn_of(peer_pair(&peer));
	events_handle(&worker, &request);
	assert_null(request.reply.conn);
	n = recv(peer.fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	hang_up(&peer);
	assert_in_range(n, 9, sizeof(answer) - 1);
	answer[n] = '\0';
	assert_int_equal(sscanf(answer + 8, "Status: %d ", &got), 1);
	if (got != status || strstr(answer + 8, json) == NULL)
		fail_msg("%s: expected %d %s, got %s", query, status, sentence, answer + 8);
	free(json);
}

static void
passes(const char *query)
{
	expect(query, 503, "the store cannot be read; see the log");
}

TEST(topics_are_names_that_the_token_grants)
{
	char *longest = mem_printf("topic=room/%0*d", 250, 0);
	char *too_long = mem_printf("%s0", longest);

	passes("topic=news&topic=room%2F1&topic=room/");
	passes(longest);
	expect(too_long, 400, "topic is longer than 255 bytes");
	expect("topic=", 400, "topic must not be empty");
	expect("topic=news%00", 400, "topic must be UTF-8 text");
	expect("topic=%ff", 400, "topic must be UTF-8 text");
	expect("topic=news&topic=room", 403, "the token does not grant the topic room");
	free(longest);
	free(too_long);
}

TEST(a_stream_has_at_most_32_different_topics)
{
	struct buf query = BUF_EMPTY;
	char *text;

	for (int i = 0; i < 32; i++)
		buf_printf(&query, "topic=room/%d&topic=room/%d&", i, i);
	buf_add_char(&query, '\0');
	passes(query.bytes);
	query.len--;
	buf_add_str(&query, "topic=news");
	text = buf_take(&query);
	expect(text, 400, "a stream can have at most 32 topics");
	free(text);
}

TEST(an_id_in_the_query_is_not_cut_short)
{
	passes("lastEventId=5");
	passes("lastEventId=x");
	expect("lastEventId=5%00x", 400, "lastEventId must not contain U+0000");
}

/* What EventSource sends before it has an id. */
TEST(an_empty_id_is_none)
{
	passes("lastEventId=");
	passes("lastEventId=&topic=news");
}

TEST(parameters_of_others_pass_but_malformed_ones_do_not)
{
	passes("utm=1&_=%00&cursor=off&&x");
	expect("x=%4", 400, "the query has a % without two hex digits");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(topics_are_names_that_the_token_grants),
	cmocka_unit_test(a_stream_has_at_most_32_different_topics),
	cmocka_unit_test(an_id_in_the_query_is_not_cut_short),
	cmocka_unit_test(an_empty_id_is_none),
	cmocka_unit_test(parameters_of_others_pass_but_malformed_ones_do_not),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
