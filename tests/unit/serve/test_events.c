/* What /events refuses before there is a stream, and where one begins, in a whole
 * rowcast; what a stream is sent after that is test_hub.c's. */

#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include "app/serve/events.h"
#include "lib/mem.h"

static struct rowcast rowcast;
static struct table table;   /* the same one; without a handle of its own */
static char *authorization;  /* owned */

static int
setup(void **state __attribute__((unused)))
{
	char news[] = "news", rooms[] = "room/*";
	char *const topics[] = { news, rooms };
	char *token;

	rowcast_start(&rowcast, LIST("workers = 1", "max_streams_per_user = 100"));
	table.name = rowcast.conf.store;
	token = auth_sign(rowcast.service.auth, "42", topics, 2, NULL, 3600);
	assert_non_null(token);
	authorization = mem_printf("Bearer %s", token);
	free(token);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	free(authorization);
	rowcast_stop(&rowcast);
	return 0;
}

static void
ask(struct peer *peer, const char *query)
{
	struct request request = { .method = "GET", .query = query, .authorization = authorization };

	request.reply = (struct reply){ .conn = conn_of(peer_pair(peer)), .request_id = 1 };
	events_handle(&rowcast.service, &request);
	assert_null(request.reply.conn);
}

static void
expect(const char *query, int status, const char *sentence)
{
	char *json = mem_printf("\r\n\r\n{\"error\":\"%s\"}", sentence);
	struct peer peer;

	ask(&peer, query);
	expect_text(expect_reply(&peer, status), json);
	expect_closed(&peer);
	hang_up(&peer);
	free(json);
}

/* passes: there is a stream, and nothing else is asked of it. */
static void
passes(const char *query)
{
	struct peer peer;

	ask(&peer, query);
	expect_head(&peer);
	hang_up(&peer);
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
	expect("topic=news&topic=rowcast.status", 403,
	    "the topic rowcast.status needs a token with the scope rowcast:admin");
	free(longest);
	free(too_long);
}

TEST(a_query_has_at_most_1000_parameters)
{
	struct buf query = BUF_EMPTY;
	char *text;

	for (int i = 0; i < 1000; i++)
		buf_add_str(&query, "topic=news&");
	buf_add_char(&query, '\0');
	passes(query.bytes);
	query.len--;
	buf_add_str(&query, "topic=news");
	text = buf_take(&query);
	expect(text, 400, "the query has too many parameters");
	free(text);
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

TEST(a_parameter_that_is_misspelt_is_told_what_was_meant)
{
	static const struct { const char *query, *sentence; } cases[] = {
		{ "topics=news", "/events has no parameter topics: did you mean topic?" },
		{ "Topic=news", "/events has no parameter Topic: did you mean topic?" },
		{ "lastEventID=5", "/events has no parameter lastEventID: did you mean lastEventId?" },
		{ "last-event-id=5", "/events has no parameter last-event-id: did you mean lastEventId?" },
		{ "last_event_id=5", "/events has no parameter last_event_id: did you mean lastEventId?" },
		{ "lasteventid=", "/events has no parameter lasteventid: did you mean lastEventId?" },
		{ "cursors=off", "/events has no parameter cursors: did you mean cursor?" },
		{ "Since=all", "/events has no parameter Since: did you mean since?" },
		{ "sinse=all", "/events has no parameter sinse: did you mean since?" },
		{ "lasts=5", "/events has no parameter lasts: did you mean last?" },
		{ "fromat=json", "/events has no parameter fromat: did you mean format?" },
		{ "tokens=x", "/events has no parameter tokens: did you mean token?" },
		{ "topic=news&topic%5B%5D=room/1", "/events has no parameter of that name: did you mean topic?" },
		{ "%3Ctopic=", "/events has no parameter of that name: did you mean topic?" },
		{ "topic%ff=", "/events has no parameter of that name: did you mean topic?" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].query, 400, cases[i].sentence);
}

TEST(a_parameter_that_is_near_none_is_told_which_there_are)
{
	static const char *const harmless[] = { "utm", "x", "poll", "msg", "id.x-y" };
	static const char *const odd[] = { "%00", "topic%00=news", "%3Cscript%3E", "%0D%0AX:", "a%20b", "=x",
		"%C3%A4", "abcdefghijklmnopqrstuvwxyz0123456" };
	char *sentence;

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		sentence = mem_printf("/events has no parameter %s, only topic, lastEventId, cursor,"
		    " since, last, inbox, format and token", harmless[i]);
		expect(harmless[i], 400, sentence);
		free(sentence);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		expect(odd[i], 400, "/events has no parameter of that name, only topic, lastEventId,"
		    " cursor, since, last, inbox, format and token");
}

TEST(names_that_begin_with_an_underscore_pass)
{
	passes("_=1&_=%00&_topics=&&__&cursor=off");
	expect("_=%4", 400, "the query has a % without two hex digits");
}

TEST(what_can_be_given_once_is_not_given_twice)
{
	expect("lastEventId=5&lastEventId=5", 400, "lastEventId can be given only once");
	expect("cursor=off&topic=news&cursor=event", 400, "cursor can be given only once");
	expect("token=a&token=b", 400, "token can be given only once");
	passes("topic=news&topic=news");
	/* An empty one is none. */
	passes("lastEventId=&lastEventId=5&lastEventId=");
	passes("token=&token=a");
}

TEST(a_value_that_is_not_known_is_refused)
{
	expect("cursor=on", 400, "cursor must be off or event");
	expect("cursor=", 400, "cursor must be off or event");
	expect("cursor", 400, "cursor must be off or event");
	expect("cursor=Off", 400, "cursor must be off or event");
	expect("cursor=off%00", 400, "cursor must be off or event");
	expect("format=plain", 400, "format must be json");
	expect("format=", 400, "format must be json");
	expect("format=JSON", 400, "format must be json");
	expect("format=json%00x", 400, "format must be json");
	expect("format=json&format=json", 400, "format can be given only once");
}

TEST(a_start_is_everything_a_time_or_a_number_of_messages)
{
	static const char *const no_times[] = { "", "x", "10x", "-5m", "+5m", "all%00", "ALL", "1.5h", "5%20m", "10m%00",
		"5m6s", "1700000000000", "4102444801", "99999999999999999999", "99999999999999999d", "2023-11-14" };
	static const char *const no_numbers[] = { "", "0", "-1", "1001", "x", "1k", "5%00", "+5", "1.0", "99999999999999999999" };
	static const char *const times[] = { "all", "10m", "0s", "1ms", "1500ms", "99999d", "1h", "0", "1", "1700000000", "4102444800" };

	for (size_t i = 0; i < sizeof(no_times) / sizeof(no_times[0]); i++) {
		char *query = mem_printf("since=%s", no_times[i]);

		expect(query, 400, "since must be all, a time such as 10m, or Unix seconds (not milliseconds)");
		free(query);
	}
	for (size_t i = 0; i < sizeof(no_numbers) / sizeof(no_numbers[0]); i++) {
		char *query = mem_printf("last=%s", no_numbers[i]);

		expect(query, 400, "last must be a number of messages from 1 to 1000");
		free(query);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char *query = mem_printf("since=%s", times[i]);

		passes(query);
		free(query);
	}
	passes("last=1");
	passes("last=1000&since=all");
	passes("last=0020");
	/* A value that is none is none beside an id, too. */
	expect("lastEventId=5&last=0", 400, "last must be a number of messages from 1 to 1000");
}

/* ---- where a stream begins ---- */

/* begins asks, and compares the first block. */
static void
begins(struct peer *peer, const char *query, int64_t cursor)
{
	ask(peer, query);
	expect_head(peer);
	expect_start(peer, cursor);
}

TEST(a_stream_begins_at_what_was_seen_or_else_at_the_newest)
{
	struct store_bounds bounds;
	struct peer peer;

	table_run(&table, "INSERT INTO message(data) VALUES('one'), ('two'), ('three')");
	WAIT_FOR((tail_bounds(rowcast.service.tail, &bounds), bounds.newest == 3));
	begins(&peer, "", 3);
	hang_up(&peer);
	begins(&peer, "lastEventId=3", 3);
	hang_up(&peer);
	begins(&peer, "lastEventId=1", 1);
	expect_message(&peer, 2, "two");
	expect_message(&peer, 3, "three");
	hang_up(&peer);
	begins(&peer, "lastEventId=0", 0);
	expect_message(&peer, 1, "one");
	hang_up(&peer);
}

/* Whether it is too high, the store says, not the tail, which may be late. */
TEST(an_id_above_the_newest_is_where_the_stream_begins_until_the_gap_is_told)
{
	struct peer peer;

	begins(&peer, "lastEventId=9", 9);
	expect_event(&peer, "id: 3\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"ahead\",\"requested\":\"9\",\"oldest\":1,\"newest\":3}");
	hang_up(&peer);
	begins(&peer, "lastEventId=9223372036854775807", INT64_MAX);
	expect_text(next_block(&peer), "\"reason\":\"ahead\",\"requested\":\"9223372036854775807\"");
	hang_up(&peer);
	begins(&peer, "lastEventId=9223372036854775808", 3);
	expect_text(next_block(&peer), "\"reason\":\"invalid\",\"requested\":\"9223372036854775808\"");
	hang_up(&peer);
}

TEST(an_id_that_is_none_begins_at_the_newest)
{
	struct peer peer;

	begins(&peer, "lastEventId=x%0A", 3);
	expect_event(&peer, "id: 3\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"invalid\",\"requested\":\"x\\u000a\",\"oldest\":1,\"newest\":3}");
	hang_up(&peer);
	/* Without blocks that have no data the gap is all there is. */
	ask(&peer, "lastEventId=x&cursor=off");
	expect_head(&peer);
	expect_event(&peer, ":");
	expect_text(next_block(&peer), "\"reason\":\"invalid\"");
	hang_up(&peer);
}

TEST(with_cursor_off_a_comment_comes_at_once)
{
	struct peer peer;

	ask(&peer, "cursor=off");
	expect_head(&peer);
	expect_event(&peer, ":");
	hang_up(&peer);
	ask(&peer, "cursor=off&lastEventId=2");
	expect_head(&peer);
	expect_event(&peer, ":");
	expect_message(&peer, 3, "three");
	hang_up(&peer);
}

TEST(with_cursor_event_the_first_block_is_an_event)
{
	struct peer peer;
	int retry_ms, at = 0;
	const char *block;

	ask(&peer, "cursor=event&lastEventId=2");
	expect_head(&peer);
	block = next_block(&peer);
	assert_int_equal(sscanf(block, "retry: %d%n", &retry_ms, &at), 1);
	assert_string_equal(block + at, "\nid: 2\nevent: rowcast.cursor\n"
	    "data: {\"id\":2,\"user\":\"42\",\"heartbeat\":15}");
	expect_message(&peer, 3, "three");
	hang_up(&peer);
}

/* ---- where one begins that has no id ---- */

/* starts asks, and compares the first block, which comes with the first message. */
static void
starts(struct peer *peer, const char *query, int64_t cursor)
{
	ask(peer, query);
	expect_head(peer);
	expect_event(peer, ":");
	expect_start(peer, cursor);
}

TEST(with_since_or_last_a_stream_begins_before_the_first_message)
{
	struct peer peer;

	/* 4 and 5 are older than 6; and not for this user is 7. */
	table_run(&table, "INSERT INTO message(data, created_at) VALUES('four', 1900000000), ('five', 1900000001),"
	    " ('six', 1900000005)");
	table_run(&table, "INSERT INTO message(user, data, created_at) VALUES('43', 'seven', 1900000006)");
	starts(&peer, "since=1900000001", 4);
	expect_message(&peer, 5, "five");
	expect_message(&peer, 6, "six");
	hang_up(&peer);
	starts(&peer, "since=1900000006", 7);
	hang_up(&peer);
	starts(&peer, "since=all", 0);
	expect_message(&peer, 1, "one");
	hang_up(&peer);
	starts(&peer, "last=2", 4);
	expect_message(&peer, 5, "five");
	expect_message(&peer, 6, "six");
	table_run(&table, "INSERT INTO message(data, created_at) VALUES('eight', 1900000007)");
	expect_message(&peer, 8, "eight");
	hang_up(&peer);
	starts(&peer, "last=3&since=1900000001", 4);
	hang_up(&peer);
	starts(&peer, "last=2&since=1900000001", 5);
	hang_up(&peer);
	starts(&peer, "last=1000&since=1900000007", 7);
	expect_message(&peer, 8, "eight");
	hang_up(&peer);
	starts(&peer, "last=5&since=1900000008", 8);
	hang_up(&peer);
	starts(&peer, "last=1000", 0);
	hang_up(&peer);
}

TEST(an_id_of_its_own_wins)
{
	struct peer peer;

	begins(&peer, "lastEventId=7&since=all&last=3", 7);
	expect_message(&peer, 8, "eight");
	hang_up(&peer);
	begins(&peer, "lastEventId=8&last=3", 8);
	hang_up(&peer);
	begins(&peer, "lastEventId=x&last=3", 8);
	expect_text(next_block(&peer), "\"reason\":\"invalid\"");
	hang_up(&peer);
	starts(&peer, "lastEventId=&last=1", 7);
	hang_up(&peer);
}

TEST(what_was_deleted_is_no_gap_for_who_has_no_id)
{
	struct peer peer;

	table_run(&table, "BEGIN; DELETE FROM message WHERE id <= 5; UPDATE rowcast_state SET trimmed = 5; COMMIT");
	begins(&peer, "lastEventId=0", 0);
	expect_text(next_block(&peer), "rowcast.gap");
	hang_up(&peer);
	starts(&peer, "since=all", 5);
	expect_message(&peer, 6, "six");
	hang_up(&peer);
	starts(&peer, "last=1000", 5);
	expect_message(&peer, 6, "six");
	hang_up(&peer);
	starts(&peer, "since=1000", 5);
	expect_message(&peer, 6, "six");
	hang_up(&peer);
}

TEST(a_start_in_each_form_of_cursor)
{
	struct peer peer;
	const char *block;

	ask(&peer, "cursor=event&last=1&format=json");
	expect_head(&peer);
	expect_event(&peer, ":");
	block = next_block(&peer);
	expect_text(block, "retry: ");
	expect_text(block, "\nid: 7\nevent: rowcast.cursor\ndata: {\"id\":7,\"user\":\"42\",\"heartbeat\":15}");
	expect_event(&peer, "id: 8\ndata: {\"id\":8,\"data\":\"eight\",\"created_at\":1900000007}");
	hang_up(&peer);
	ask(&peer, "cursor=off&last=1");
	expect_head(&peer);
	expect_event(&peer, ":");
	expect_message(&peer, 8, "eight");
	hang_up(&peer);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_start_is_everything_a_time_or_a_number_of_messages),
	cmocka_unit_test(topics_are_names_that_the_token_grants),
	cmocka_unit_test(a_query_has_at_most_1000_parameters),
	cmocka_unit_test(a_stream_has_at_most_32_different_topics),
	cmocka_unit_test(an_id_in_the_query_is_not_cut_short),
	cmocka_unit_test(an_empty_id_is_none),
	cmocka_unit_test(a_parameter_that_is_misspelt_is_told_what_was_meant),
	cmocka_unit_test(a_parameter_that_is_near_none_is_told_which_there_are),
	cmocka_unit_test(names_that_begin_with_an_underscore_pass),
	cmocka_unit_test(what_can_be_given_once_is_not_given_twice),
	cmocka_unit_test(a_value_that_is_not_known_is_refused),
	cmocka_unit_test(a_stream_begins_at_what_was_seen_or_else_at_the_newest),
	cmocka_unit_test(an_id_above_the_newest_is_where_the_stream_begins_until_the_gap_is_told),
	cmocka_unit_test(an_id_that_is_none_begins_at_the_newest),
	cmocka_unit_test(with_cursor_off_a_comment_comes_at_once),
	cmocka_unit_test(with_cursor_event_the_first_block_is_an_event),
	cmocka_unit_test(with_since_or_last_a_stream_begins_before_the_first_message),
	cmocka_unit_test(an_id_of_its_own_wins),
	cmocka_unit_test(what_was_deleted_is_no_gap_for_who_has_no_id),
	cmocka_unit_test(a_start_in_each_form_of_cursor),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
