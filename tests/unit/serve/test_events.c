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

/* What a request has beside its query; of the token NULL is that of the setup. */
struct asking {
	const char *accept, *none_match, *last_event_id, *authorization;
	bool head;
};

static void
ask_as(struct peer *peer, const char *query, const struct asking *how)
{
	struct request request = { .method = how->head ? "HEAD" : "GET", .query = query, .accept = how->accept,
		.if_none_match = how->none_match, .last_event_id = how->last_event_id,
		.authorization = how->authorization != NULL ? how->authorization : authorization };

	request.reply = (struct reply){ .conn = conn_of(peer_pair(peer)), .request_id = 1, .head = how->head };
	events_handle(&rowcast.service, &request);
	assert_null(request.reply.conn);
}

static void
ask(struct peer *peer, const char *query)
{
	ask_as(peer, query, &(struct asking){ 0 });
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
		{ "pole=1", "/events has no parameter pole: did you mean poll?" },
		{ "Inbox=off", "/events has no parameter Inbox: did you mean inbox?" },
		{ "joins=x", "/events has no parameter joins: did you mean join?" },
		{ "topic=news&topic%5B%5D=room/1", "/events has no parameter of that name: did you mean topic?" },
		{ "%3Ctopic=", "/events has no parameter of that name: did you mean topic?" },
		{ "topic%ff=", "/events has no parameter of that name: did you mean topic?" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(cases[i].query, 400, cases[i].sentence);
}

TEST(a_parameter_that_is_near_none_is_told_which_there_are)
{
	static const char *const harmless[] = { "utm", "x", "msg", "id.x-y" };
	static const char *const odd[] = { "%00", "topic%00=news", "%3Cscript%3E", "%0D%0AX:", "a%20b", "=x",
		"%C3%A4", "abcdefghijklmnopqrstuvwxyz0123456" };
	char *sentence;

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		sentence = mem_printf("/events has no parameter %s, only topic, lastEventId, cursor,"
		    " since, last, inbox, format, join, until, poll and token", harmless[i]);
		expect(harmless[i], 400, sentence);
		free(sentence);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		expect(odd[i], 400, "/events has no parameter of that name, only topic, lastEventId,"
		    " cursor, since, last, inbox, format, join, until, poll and token");
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

/* ---- polls ---- */

#define JSON "application/json"
#define LINES "application/x-ndjson"

/* answer_of returns a whole answer, good until the next one. */
static const char *
answer_of(const char *query, const struct asking *how, int status)
{
	static struct peer peer;

	hang_up(&peer);
	ask_as(&peer, query, how);
	return expect_reply(&peer, status);
}

static void
poll_is(const char *query, const char *accept, const char *body)
{
	const char *answer = answer_of(query, &(struct asking){ .accept = accept }, 200);

	assert_string_equal(strstr(answer, "\r\n\r\n") + 4, body);
}

/* blocks_are is for events: the first block has a time of its own. */
static void
blocks_are(const char *query, const char *rest)
{
	const char *answer = answer_of(query, &(struct asking){ 0 }, 200), *body = strstr(answer, "\r\n\r\n") + 4;
	int retry_ms, at = 0;

	assert_int_equal(sscanf(body, "retry: %d%n", &retry_ms, &at), 1);
	assert_string_equal(body + at, rest);
}

#define SIX "{\"id\":6,\"data\":\"six\",\"created_at\":1900000005}"
#define EIGHT "{\"id\":8,\"data\":\"eight\",\"created_at\":1900000007}"

TEST(a_poll_is_an_answer_in_the_form_that_is_asked_for)
{
	static const char *const heads[] = { "Cache-Control: private, no-cache\r\n", "\r\nETag: W/\"", "\r\nVary: Accept\r\n" };
	const char *answer;

	poll_is("poll=1&lastEventId=5", JSON, "{\"messages\":[\n" SIX ",\n" EIGHT "],\"cursor\":8}\n");
	poll_is("poll=1&lastEventId=5", LINES, SIX "\n" EIGHT "\n"
	    "{\"event\":\"rowcast.cursor\",\"id\":8,\"data\":{\"id\":8}}\n");
	blocks_are("poll=1&lastEventId=5", "\nid: 5\n\nid: 6\ndata: six\n\nid: 8\ndata: eight\n\n");
	blocks_are("poll=1&lastEventId=6&format=json", "\nid: 6\n\nid: 8\ndata: " EIGHT "\n\n");
	/* What was passed over moves the cursor. */
	blocks_are("poll=1&lastEventId=6&cursor=event", "\nid: 6\nevent: rowcast.cursor\n"
	    "data: {\"id\":6,\"user\":\"42\",\"heartbeat\":15}\n\nid: 8\ndata: eight\n\n");
	/* Without an id: nothing, and where now is. */
	poll_is("poll=1", JSON, "{\"messages\":[],\"cursor\":8}\n");
	poll_is("poll=1", LINES, "{\"event\":\"rowcast.cursor\",\"id\":8,\"data\":{\"id\":8}}\n");
	blocks_are("poll=1", "\nid: 8\n\n");
	poll_is("poll=1&last=1", JSON, "{\"messages\":[\n" EIGHT "],\"cursor\":8}\n");
	poll_is("poll=1&since=1900000006", JSON, "{\"messages\":[\n" EIGHT "],\"cursor\":8}\n");
	poll_is("poll=1&last=1", LINES, EIGHT "\n{\"event\":\"rowcast.cursor\",\"id\":8,\"data\":{\"id\":8}}\n");
	poll_is("poll=1&last=1&cursor=off", LINES, EIGHT "\n");
	poll_is("poll=1&cursor=off", LINES, "");
	poll_is("poll=1&cursor=off", NULL, "");
	poll_is("poll=1&cursor=event", LINES, "{\"event\":\"rowcast.cursor\",\"id\":8,"
	    "\"data\":{\"id\":8,\"user\":\"42\",\"heartbeat\":15}}\n"
	    "{\"event\":\"rowcast.cursor\",\"id\":8,\"data\":{\"id\":8}}\n");
	for (size_t i = 0; i < 3; i++)
		for (int head = 0; head < 2; head++) {
			answer = answer_of("poll=1", &(struct asking){ .accept = JSON, .head = head }, 200);
			expect_text(answer, heads[i]);
			expect_text(answer, "\r\nContent-Type: application/json\r\n");
			if (head)
				assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
		}
}

TEST(the_form_is_the_one_that_is_named_first)
{
	static const struct { const char *accept, *type; } forms[] = {
		{ NULL, "text/event-stream" }, { "*/*", "text/event-stream" }, { "text/html, */*", "text/event-stream" },
		{ JSON, JSON }, { LINES, LINES }, { LINES ", " JSON, LINES }, { JSON ";q=1, " LINES, JSON },
		{ "text/event-stream, " LINES, "text/event-stream" }, { "APPLICATION/JSON", JSON },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char *line = mem_printf("\r\nContent-Type: %s\r\n", forms[i].type);

		expect_text(answer_of("poll=1", &(struct asking){ .accept = forms[i].accept }, 200), line);
		free(line);
	}
}

TEST(a_poll_tells_the_gap_in_each_form)
{
	poll_is("poll=1&lastEventId=2", JSON, "{\"messages\":[\n" SIX ",\n" EIGHT "],\"gap\":"
	    "{\"reason\":\"expired\",\"requested\":\"2\",\"oldest\":6,\"newest\":8},\"cursor\":8}\n");
	poll_is("poll=1&lastEventId=99", LINES, "{\"event\":\"rowcast.gap\",\"id\":8,\"data\":"
	    "{\"reason\":\"ahead\",\"requested\":\"99\",\"oldest\":6,\"newest\":8}}\n"
	    "{\"event\":\"rowcast.cursor\",\"id\":8,\"data\":{\"id\":8}}\n");
	poll_is("poll=1&lastEventId=%22x", JSON, "{\"messages\":[],\"gap\":"
	    "{\"reason\":\"invalid\",\"requested\":\"\\\"x\",\"oldest\":6,\"newest\":8},\"cursor\":8}\n");
}

/* tag_of returns what is between the quotes of an answer's ETag; the caller frees it. */
static char *
tag_of(const char *query, const struct asking *how)
{
	const char *at = strstr(answer_of(query, how, 200), "ETag: W/\"");

	assert_non_null(at);
	return mem_printf("%.*s", (int)strcspn(at + 9, "\""), at + 9);
}

TEST(who_has_the_answer_is_not_sent_it_again)
{
	static const char *const forms[] = { "W/\"%s\"", "\"%s\"", "\"x\", W/\"%s\"", "W/\"%s\",\"y\"" };
	char *tag = tag_of("poll=1&lastEventId=5", &(struct asking){ .accept = JSON });

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct buf known = BUF_EMPTY;
		const char *at = strstr(forms[i], "%s"), *answer;
		char *text;

		buf_add(&known, forms[i], (size_t)(at - forms[i]));
		buf_add_str(&known, tag);
		buf_add_str(&known, at + 2);
		text = buf_take(&known);
		answer = answer_of("poll=1&lastEventId=5", &(struct asking){ .accept = JSON, .none_match = text }, 304);
		expect_text(answer, "\r\nETag: W/\"");
		expect_text(answer, tag);
		assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
		assert_null(strstr(answer, "\nContent-Type"));
		free(text);
	}
	answer_of("poll=1&lastEventId=5", &(struct asking){ .accept = JSON, .none_match = "\"0\"" }, 200);
	free(tag);
}

/* differs: with the tag of the one, the other is answered. */
static void
differs(const char *query, const struct asking *one, struct asking other, const char *then)
{
	char *tag = tag_of(query, one), *known = mem_printf("W/\"%s\"", tag);

	if (then != NULL)
		table_run(&table, then);
	other.none_match = known;
	answer_of(query, &other, 200);
	free(known);
	free(tag);
}

TEST(whatever_changes_the_answer_changes_its_tag)
{
	const char *query = "poll=1&lastEventId=5";
	struct asking json = { .accept = JSON };
	char *other = bearer_of(&rowcast, "43", NULL);

	differs(query, &json, (struct asking){ .accept = LINES }, NULL);
	differs(query, &json, (struct asking){ .accept = JSON, .authorization = other }, NULL);
	/* The header wins, and is not in the address. */
	differs(query, &json, (struct asking){ .accept = JSON, .last_event_id = "6" }, NULL);
	differs("poll=1", &json, (struct asking){ .accept = JSON, .last_event_id = "x" }, NULL);
	differs("poll=1", &(struct asking){ .accept = JSON, .last_event_id = "x" },
	    (struct asking){ .accept = JSON, .last_event_id = "y" }, NULL);
	/* With no new id: what is erased, and what retention deletes. */
	table_run(&table, "INSERT INTO message(data, created_at) VALUES('nine', 1900000008), ('ten', 1900000009)");
	differs(query, &json, json, "DELETE FROM message WHERE id = 9");
	differs("poll=1&lastEventId=4", &json, json,
	    "BEGIN; DELETE FROM message WHERE id <= 7; UPDATE rowcast_state SET trimmed = 7; COMMIT");
	differs(query, &json, json, "INSERT INTO message(user, data) VALUES('43', 'eleven')");
	free(other);
}

TEST(a_poll_has_nothing_that_the_token_does_not_grant)
{
	char *other = bearer_of(&rowcast, "43", NULL);
	const char *answer;

	answer_of("poll=1&topic=other", &(struct asking){ .accept = JSON }, 403);
	answer_of("poll=1&topic=rowcast.status", &(struct asking){ .accept = JSON }, 403);
	answer_of("poll=1&topic=news", &(struct asking){ .accept = JSON, .authorization = other }, 403);
	answer_of("poll=1", &(struct asking){ .accept = JSON, .authorization = "Bearer x" }, 401);
	table_run(&table, "INSERT INTO message(user, topic, data) VALUES('43', NULL, 'secret'), ('43', 'news', 'secret'),"
	    " (NULL, 'room/1', 'secret'), ('42', 'room/2', 'mine')");
	answer = answer_of("poll=1&since=all&topic=room/2", &(struct asking){ .accept = JSON }, 200);
	expect_text(answer, "\"data\":\"mine\"");
	assert_null(strstr(answer, "secret"));
	answer = answer_of("poll=1&last=1000&topic=room/2&inbox=off", &(struct asking){ .accept = JSON }, 200);
	expect_text(answer, "{\"messages\":[\n{\"id\":15,\"user\":\"42\",\"topic\":\"room/2\",\"data\":\"mine\"");
	assert_null(strstr(answer, "eight"));
	free(other);
}

/* ---- lines ---- */

/* expect_line: what comes next is this and a line break. */
static void
expect_line(struct peer *peer, const char *line)
{
	const char *end;

	while (peer->content.len == 0
	    || (end = memchr(peer->content.bytes + peer->at, '\n', peer->content.len - peer->at)) == NULL)
		expect_record(peer);
	assert_int_equal(end - (peer->content.bytes + peer->at), strlen(line));
	assert_memory_equal(peer->content.bytes + peer->at, line, strlen(line));
	peer->at += strlen(line) + 1;
}

TEST(a_stream_may_be_lines)
{
	struct asking lines = { .accept = LINES };
	struct peer peer;

	ask_as(&peer, "lastEventId=99&topic=news", &lines);
	expect_line(&peer, "Status: 200 OK\r");
	expect_line(&peer, "Content-Type: application/x-ndjson\r");
	while (strncmp(peer.content.bytes + peer.at, "\r\n", 2) != 0)
		peer.at = (size_t)(strchr(peer.content.bytes + peer.at, '\n') + 1 - peer.content.bytes);
	expect_line(&peer, "\r");
	expect_line(&peer, "");  /* so that the head is not held back */
	expect_line(&peer, "{\"event\":\"rowcast.gap\",\"id\":15,\"data\":"
	    "{\"reason\":\"ahead\",\"requested\":\"99\",\"oldest\":8,\"newest\":15}}");
	table_run(&table, "INSERT INTO message(topic, event, data, created_at) VALUES('news', 'e', 'a' || char(10) || 'b', 5)");
	expect_line(&peer, "{\"id\":16,\"topic\":\"news\",\"event\":\"e\",\"data\":\"a\\u000ab\",\"created_at\":5}");
	hang_up(&peer);
	ask_as(&peer, "cursor=event&format=json", &lines);
	while (peer.content.len == 0 || strstr(peer.content.bytes, "\r\n\r\n") == NULL)
		expect_record(&peer);
	peer.at = (size_t)(strstr(peer.content.bytes, "\r\n\r\n") + 4 - peer.content.bytes);
	expect_line(&peer, "{\"event\":\"rowcast.cursor\",\"id\":16,\"data\":{\"id\":16,\"user\":\"42\",\"heartbeat\":15}}");
	hang_up(&peer);
}

/* ---- join= ---- */

TEST(deltas_are_joined_in_each_form)
{
	table_run(&table, "INSERT INTO message(topic, event, data, created_at) VALUES('news', 'd', 'a', 5),"
	    " ('news', 'd', '\"' || char(10), 6), ('news', 'd', 'c', 7), ('room/1', 'd', 'x', 8)");
	poll_is("poll=1&join=d&lastEventId=16&topic=news&topic=room/1", JSON, "{\"messages\":[\n"
	    "{\"id\":19,\"topic\":\"news\",\"event\":\"d\",\"data\":\"a\\\"\\u000ac\",\"created_at\":7},\n"
	    "{\"id\":20,\"topic\":\"room/1\",\"event\":\"d\",\"data\":\"x\",\"created_at\":8}],\"cursor\":20}\n");
	poll_is("poll=1&join=d&lastEventId=17&topic=news", LINES,
	    "{\"id\":19,\"topic\":\"news\",\"event\":\"d\",\"data\":\"\\\"\\u000ac\",\"created_at\":7}\n"
	    "{\"event\":\"rowcast.cursor\",\"id\":20,\"data\":{\"id\":20}}\n");
	blocks_are("poll=1&join=d&lastEventId=16&topic=news",
	    "\nid: 16\n\nid: 19\nevent: d\ndata: a\"\ndata: c\n\nid: 20\n\n");
	blocks_are("poll=1&join=d&lastEventId=17&topic=news&format=json", "\nid: 17\n\nid: 19\ndata: "
	    "{\"id\":19,\"topic\":\"news\",\"event\":\"d\",\"data\":\"\\\"\\u000ac\",\"created_at\":7}\n\nid: 20\n\n");
}

/* ---- until=end ---- */

TEST(after_the_end_there_is_no_content)
{
	struct asking json = { .accept = JSON };
	struct peer peer;

	table_run(&table, "INSERT INTO message(topic, event, data) VALUES('room/a', NULL, 'a'),"
	    " ('room/a', 'rowcast.end', '{}'), ('room/b', NULL, 'b')");
	/* 21 to 23. Who has not seen it gets it first. */
	begins(&peer, "until=end&topic=room/a&lastEventId=20", 20);
	expect_message(&peer, 21, "a");
	expect_event(&peer, "id: 22\nevent: rowcast.end\ndata: {}");
	expect_event(&peer, "id: 23");
	expect_end(&peer);
	hang_up(&peer);
	answer_of("until=end&topic=room/a&lastEventId=22", &(struct asking){ 0 }, 204);
	answer_of("until=end&topic=room/a&lastEventId=23", &(struct asking){ 0 }, 204);
	answer_of("until=end&topic=room/a", &(struct asking){ 0 }, 204);
	answer_of("until=end&topic=room/a", &(struct asking){ .head = true }, 204);
	answer_of("until=end&topic=room/a", &(struct asking){ .accept = LINES }, 204);
	answer_of("until=end&topic=room/a&poll=1", &json, 204);
	assert_null(strstr(answer_of("until=end&topic=room/a", &(struct asking){ 0 }, 204), "\nContent-Type"));
	/* Each of them, and not those that nobody asks to wait for. */
	begins(&peer, "until=end&topic=room/a&topic=room/b", 23);
	table_run(&table, "INSERT INTO message(topic, event, data) VALUES('room/b', 'rowcast.end', '{}')");
	expect_event(&peer, "id: 24\nevent: rowcast.end\ndata: {}");
	expect_end(&peer);
	hang_up(&peer);
	passes("topic=room/a&lastEventId=24");
	/* To have nothing new to say is no end. */
	poll_is("poll=1&until=end&topic=room/c", JSON, "{\"messages\":[],\"cursor\":24}\n");
	/* Whoever asks for what was before the end is given it, and comes to the end. */
	ask(&peer, "until=end&topic=room/a&inbox=off&since=all");
	expect_head(&peer);
	expect_event(&peer, ":");
	expect_start(&peer, 20);
	expect_message(&peer, 21, "a");
	expect_event(&peer, "id: 22\nevent: rowcast.end\ndata: {}");
	expect_event(&peer, "id: 24");
	expect_end(&peer);
	hang_up(&peer);
	expect("until=end", 400, "until=end needs a topic");
	expect("inbox=off", 400, "inbox=off needs a topic");
}

/* What is no longer known to have ended is like any other. */
TEST(an_end_that_is_forgotten_is_none)
{
	struct peer peer;

	table_run(&table, "BEGIN; DELETE FROM message WHERE topic = 'room/a'; DELETE FROM rowcast_ended WHERE topic = 'room/a'; COMMIT");
	begins(&peer, "until=end&topic=room/a", 24);
	table_run(&table, "INSERT INTO message(topic, data) VALUES('room/a', 'again')");
	expect_message(&peer, 25, "again");
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
	cmocka_unit_test(a_poll_is_an_answer_in_the_form_that_is_asked_for),
	cmocka_unit_test(the_form_is_the_one_that_is_named_first),
	cmocka_unit_test(a_poll_tells_the_gap_in_each_form),
	cmocka_unit_test(who_has_the_answer_is_not_sent_it_again),
	cmocka_unit_test(whatever_changes_the_answer_changes_its_tag),
	cmocka_unit_test(a_poll_has_nothing_that_the_token_does_not_grant),
	cmocka_unit_test(a_stream_may_be_lines),
	cmocka_unit_test(deltas_are_joined_in_each_form),
	cmocka_unit_test(after_the_end_there_is_no_content),
	cmocka_unit_test(an_end_that_is_forgotten_is_none),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
