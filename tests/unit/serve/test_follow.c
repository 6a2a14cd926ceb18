/* POST /msg?follow=1 in a whole rowcast: what comes is committed while more is to come, and
 * the last will, whichever way a body ends. The test is the web server, and so decides how
 * a body is cut; another program looks into the table. The file stays from test to test, so
 * each has topics of its own. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <sys/socket.h>

#include "app/store/store.h"
#include "lib/mem.h"

#define ABORTED "rowcast.end:{\"reason\":\"aborted\"}\n"

static struct rowcast rowcast;
static struct table table;      /* the same one; without a handle of its own */
static sqlite3 *reader;
static char *bearer, *own;      /* of user u, with the scope and without */

/* ---- verbs ---- */

static void
begin_with(const struct following_bounds *bounds)
{
	rowcast_start_following(&rowcast, LIST("workers = 2", "max_message = 1k"), bounds);
	if (table.name == NULL)
		table.name = mem_strdup(rowcast.conf.store);
	bearer = bearer_of(&rowcast, "u", "rowcast:publish");
	own = bearer_of(&rowcast, "u", NULL);
	assert_int_equal(sqlite3_open(table.name + strlen("sqlite:"), &reader), SQLITE_OK);
	sqlite3_busy_timeout(reader, 10000);
}

static int
begin(void **state __attribute__((unused)))
{
	begin_with(NULL);
	return 0;
}

static int
end(void **state __attribute__((unused)))
{
	free(bearer);
	free(own);
	rowcast_stop(&rowcast);
	assert_int_equal(sqlite3_close(reader), SQLITE_OK);
	return 0;
}

/* again ends rowcast and starts another on the same file. */
static void
again(const struct following_bounds *bounds)
{
	end(NULL);
	begin_with(bounds);
}

/* rows returns the topic's messages, "event:data" and a line's end each, until the next call. */
static const char *
rows(const char *topic)
{
	static char text[4096];
	sqlite3_stmt *statement;
	size_t n = 0;

	assert_int_equal(sqlite3_prepare_v2(reader, "SELECT coalesce(event, ''), data FROM message"
	    " WHERE topic = ? ORDER BY id", -1, &statement, NULL), SQLITE_OK);
	sqlite3_bind_text(statement, 1, topic, -1, SQLITE_STATIC);
	text[0] = '\0';
	while (sqlite3_step(statement) == SQLITE_ROW && n < sizeof(text) - 1) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s:%s\n",
		    (const char *)sqlite3_column_text(statement, 0),
		    (const char *)sqlite3_column_text(statement, 1));
	}
	sqlite3_finalize(statement);
	return text;
}

static int64_t
number(const char *sql)
{
	sqlite3_stmt *statement;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(reader, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return n;
}

static int64_t
n_wills(void)
{
	return number("SELECT count(*) FROM rowcast_following");
}

/* has waits until those are the topic's rows. */
static void
has(const char *topic, const char *expected)
{
	mono_us until = clock_mono_in_ms(PATIENCE_MS);

	while (strcmp(rows(topic), expected) != 0) {
		if (clock_mono_us() > until)
			fail_msg("expected \"%s\" in %s, there is \"%s\"", expected, topic, rows(topic));
		look_again(until, "the topic's rows");
	}
}

/* say_head begins a request. */
static void
say_head(struct peer *peer, bool keep, const char *query, const char *type)
{
	struct buf bytes = BUF_EMPTY;

	add_begin(&bytes, 1, keep);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg", "QUERY_STRING",
	    query, "CONTENT_TYPE", type, "HTTP_AUTHORIZATION", bearer));
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

#define NDJSON "application/x-ndjson"
#define SSE "text/event-stream"

/* follow begins a body to the topic; it is the peer's to hang up. */
static struct peer
follow_as(const char *topic, const char *type)
{
	struct peer peer;
	char *query = mem_printf("topic=%s&follow=1", topic);

	call(&rowcast, &peer);
	say_head(&peer, false, query, type);
	free(query);
	return peer;
}

static struct peer
follow(const char *topic)
{
	return follow_as(topic, NDJSON);
}

static void
say_bytes(struct peer *peer, const void *text, size_t n)
{
	struct buf bytes = BUF_EMPTY;

	add_body(&bytes, 1, text, n);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

static void
say_text(struct peer *peer, const char *text)
{
	say_bytes(peer, text, strlen(text));
}

static void
say_end(struct peer *peer)
{
	struct buf bytes = BUF_EMPTY;

	add_body_end(&bytes, 1);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

/* is_answered expects that answer, and hangs up. */
static void
is_answered(struct peer *peer, int status, const char *body)
{
	expect_text(expect_reply(peer, status), body);
	hang_up(peer);
}

static const char *
posted(int status, const char *authorization, const char *query, const char *type,
    const char *body)
{
	return fetch(&rowcast, status, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "QUERY_STRING", query, "CONTENT_TYPE", type, "HTTP_AUTHORIZATION", authorization), body);
}

/* ---- lines and events ---- */

TEST(a_line_is_committed_while_the_body_goes_on)
{
	struct peer peer = follow("live");

	say_text(&peer, "{\"msg\":\"a\"}\n");
	has("live", ":a\n");
	say_text(&peer, "{\"data\":\"b\",\"event\":\"e\"}\r\n\n{\"msg\":\"c\",\"to");
	has("live", ":a\ne:b\n");
	assert_int_equal(n_wills(), 1);
	say_text(&peer, "pic\":\"live\"}\n{\"event\":\"rowcast.end\",\"data\":\"{}\"}\n");
	has("live", ":a\ne:b\n:c\nrowcast.end:{}\n");
	is_answered(&peer, 201, "\r\n\r\n{\"ids\":[");
	assert_int_equal(n_wills(), 0);
}

TEST(events_are_committed_by_their_data_and_name)
{
	struct peer peer = follow_as("sse", SSE);

	say_text(&peer, "\xef\xbb\xbf: hi\nid: 7\nretry: 1\ndata: a\ndata: b\n\nevent: e\nda");
	has("sse", ":a\nb\n");
	say_text(&peer, "ta: c\r\r\nevent: message\r\ndata: d\r\n\r\nevent: nothing\n\n"
	    "data: [DONE]\n\n");
	has("sse", ":a\nb\ne:c\n:d\n:[DONE]\n");
	say_text(&peer, "event: rowcast.end\ndata: {\"reason\":\"done\"}\n\n");
	is_answered(&peer, 201, "{\"ids\":[");
	has("sse", ":a\nb\ne:c\n:d\n:[DONE]\nrowcast.end:{\"reason\":\"done\"}\n");
}

TEST(the_ids_are_those_of_the_rows)
{
	struct peer peer = follow("ids");
	char *expected;

	for (int i = 0; i < 100; i++)
		say_text(&peer, "{\"msg\":\"x\",\"key\":\"k\"}\n{\"msg\":\"y\"}\n");
	say_end(&peer);
	expect_text(expect_reply(&peer, 201), "{\"ids\":[");
	/* A key that was there gives the id that it had. */
	assert_int_equal(number("SELECT count(*) FROM message WHERE topic = 'ids'"), 101);
	expected = mem_printf("%" PRId64 ",%" PRId64 "]}",
	    number("SELECT min(id) FROM message WHERE topic = 'ids'"),
	    number("SELECT max(id) FROM message WHERE topic = 'ids'"));
	expect_text(peer.content.bytes, expected);
	free(expected);
	hang_up(&peer);
}

TEST(a_body_that_ends_by_itself_leaves_the_topic_open)
{
	struct peer peer = follow("open");

	say_text(&peer, "{\"msg\":\"a\"}\n");
	has("open", ":a\n");
	say_text(&peer, "{\"msg\":\"b\"}");
	say_end(&peer);
	is_answered(&peer, 201, "{\"ids\":[");
	assert_int_equal(n_wills(), 0);
	/* By the standard an event without its blank line is none. */
	peer = follow_as("open", SSE);
	say_text(&peer, "data: c\n\ndata: d\n");
	say_end(&peer);
	is_answered(&peer, 201, "{\"ids\":[");
	peer = follow("open");
	say_end(&peer);
	is_answered(&peer, 200, "{\"ids\":[]}");
	has("open", ":a\n:b\n:c\n");
	posted(201, bearer, "", "application/x-www-form-urlencoded", "topic=open&msg=d");
}

TEST(a_small_body_that_comes_whole_is_followed_too)
{
	expect_text(posted(201, bearer, "follow=1&topic=whole", NDJSON, "{\"msg\":\"a\"}\n{\"msg\":\"b\"}"),
	    "{\"ids\":[");
	expect_text(posted(400, bearer, "topic=whole&follow=1", NDJSON, "{\"msg\":\"c\"}\n{\n"),
	    "{\"error\":\"line 2: not valid JSON (column 1)\"}");
	assert_string_equal(rows("whole"), ":a\n:b\n:c\n" ABORTED);
	expect_text(posted(409, bearer, "topic=whole&follow=1", NDJSON, "{\"msg\":\"d\"}\n"),
	    "{\"error\":\"the topic has ended\"}");
	expect_text(posted(201, bearer, "topic=whole2&follow=1", SSE, "event: rowcast.end\ndata: x\n\n"),
	    "{\"ids\":[");
	assert_string_equal(rows("whole2"), "rowcast.end:x\n");
}

TEST(what_comes_after_the_end_is_thrown_away)
{
	struct peer peer = follow("after");

	say_text(&peer, "{\"msg\":\"a\"}\n{\"msg\":\"z\",\"event\":\"rowcast.end\"}\n{\"msg\":\"b\"}\nnonsense\n");
	expect_text(expect_reply(&peer, 201), "{\"ids\":[");
	say_text(&peer, "{\"msg\":\"c\"}\n");
	say_end(&peer);
	expect_closed(&peer);
	hang_up(&peer);
	assert_string_equal(rows("after"), ":a\nrowcast.end:z\n");
}

TEST(a_connection_is_kept_for_the_next_request)
{
	struct peer peer;

	call(&rowcast, &peer);
	for (int i = 0; i < 3; i++) {
		say_head(&peer, true, "topic=kept&follow=1", NDJSON);
		say_text(&peer, "{\"msg\":\"a\"}\n");
		if (i == 1)
			has("kept", ":a\n:a\n");
		say_end(&peer);
		expect_text(expect_reply(&peer, 201), "{\"ids\":[");
	}
	say_head(&peer, true, "topic=kept&follow=1", NDJSON);
	say_text(&peer, "{\"event\":\"rowcast.end\",\"msg\":\"\"}\n");
	expect_reply(&peer, 201);
	say_text(&peer, "more of it\n");
	say_end(&peer);
	say_head(&peer, false, "topic=kept&follow=1", NDJSON);
	say_end(&peer);
	is_answered(&peer, 409, "the topic has ended");
}

/* ---- what is refused ---- */

TEST(a_malformed_line_ends_the_topic_as_aborted)
{
	static const struct { const char *line, *sentence; int status; } lines[] = {
		{ "nonsense", "line 3: not valid JSON (column 8)", 400 },
		{ "[]", "line 3: not a JSON object", 400 },
		{ "{}", "line 3: msg is missing", 400 },
		{ "{\"msg\":1}", "line 3: msg must be a string", 400 },
		{ "{\"msg\":\"b\",\"topic\":\"other\"}", "line 3: topic is another than the one that is followed", 400 },
		{ "{\"msg\":\"b\",\"user\":\"u\"}", "line 3: what is followed is for all who read its topic: leave out user", 400 },
		{ "{\"msg\":\"b\",\"all\":true}", "line 3: what is followed is for all who read its topic: leave out all", 400 },
		{ "{\"msg\":\"b\",\"event\":\"rowcast.gap\"}", "line 3: event may not begin with rowcast.", 400 },
		{ "{\"msg\":\"b\",\"event\":\"rowcast.end\",\"ttl\":9}", "line 3: rowcast.end ends a topic for everybody", 400 },
		{ "{\"event\":\"rowcast.end\"}", "line 3: msg is missing", 400 },
		{ "{\"msg\":\"b\\u0000\"}", "line 3: the text may not contain U+0000", 400 },
		{ "{\"msg\":\"\xff\"}", "line 3: the text is not valid UTF-8", 400 },
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *topic = mem_printf("bad-%zu", i);
		struct peer peer = follow(topic);

		say_text(&peer, "{\"msg\":\"a\"}\n\n");
		say_text(&peer, lines[i].line);
		say_text(&peer, "\n{\"msg\":\"c\"}\n");
		is_answered(&peer, lines[i].status, lines[i].sentence);
		assert_string_equal(rows(topic), ":a\n" ABORTED);
		assert_int_equal(n_wills(), 0);
		free(topic);
	}
}

TEST(a_message_that_is_too_long_is_refused_as_soon_as_that_is_known)
{
	char *data = mem_alloc(64 << 10);
	struct peer peer = follow("long");

	memset(data, 'x', 64 << 10);
	say_text(&peer, "{\"msg\":\"a\"}\n{\"msg\":\"");
	say_bytes(&peer, data, 1025);
	say_text(&peer, "\"}\n");
	is_answered(&peer, 413, "line 2: msg is 1025 bytes long, at most 1024 are allowed");
	has("long", ":a\n" ABORTED);
	/* An event without end. */
	peer = follow_as("long-event", SSE);
	say_text(&peer, "data: a\n\ndata: ");
	say_bytes(&peer, data, 2000);
	is_answered(&peer, 413, "line 3: longer than a message may be");
	has("long-event", ":a\n" ABORTED);
	peer = follow_as("long-event2", SSE);
	for (int i = 0; i < 3; i++) {
		say_text(&peer, "data: ");
		say_bytes(&peer, data, 500);
		say_text(&peer, "\n");
	}
	is_answered(&peer, 413, "line 1: longer than a message may be");
	/* As many bytes as may be, all of them escaped. */
	peer = follow("longest");
	say_text(&peer, "{\"msg\":\"");
	for (int i = 0; i < 1024; i++)
		say_text(&peer, "\\u0078");
	say_text(&peer, "\"}\n");
	say_end(&peer);
	is_answered(&peer, 201, "{\"ids\":[");
	free(data);
}

TEST(a_line_without_end_is_not_held_for_ever)
{
	char *data = mem_alloc(64 << 10);
	struct peer peer = follow("endless");

	memset(data, 'x', 64 << 10);
	say_text(&peer, "{\"msg\":\"a\"}\n");
	say_bytes(&peer, data, 60000);
	is_answered(&peer, 413, "line 2: longer than a message may be");
	has("endless", ":a\n" ABORTED);
	free(data);
}

/* An application's trigger may refuse a row: those before it stay, none after it comes. */
TEST(a_line_that_the_table_refuses_is_named)
{
	struct sqlite3 *foreign = foreign_open(&table);
	struct peer peer = follow("trigger");

	foreign_run(foreign, "CREATE TRIGGER no AFTER INSERT ON message WHEN NEW.data = 'bad'"
	    " BEGIN SELECT RAISE(ABORT, 'no'); END");
	capture_begin();
	say_text(&peer, "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n{\"msg\":\"bad\"}\n{\"msg\":\"c\"}\n");
	is_answered(&peer, 400, "line 3: the table refuses the message; see the log");
	capture_end();
	assert_string_equal(rows("trigger"), ":a\n:b\n" ABORTED);
	foreign_run(foreign, "DROP TRIGGER no");
	foreign_close(foreign);
}

TEST(the_head_alone_decides_who_may_follow_what)
{
	char *admin;

	expect_text(posted(400, "", "topic=h&follow=1", NDJSON, ""), "token is required");
	posted(401, "Bearer x", "topic=h&follow=1", NDJSON, "");
	expect_text(posted(403, own, "topic=h&follow=1", NDJSON, ""),
	    "sending to a topic needs a token with the scope rowcast:publish");
	expect_text(posted(415, bearer, "topic=h&follow=1", "application/json", ""),
	    "with follow=1 the Content-Type must be application/x-ndjson or text/event-stream");
	posted(415, bearer, "topic=h&follow=1", "", "");
	expect_text(posted(415, bearer, "topic=h&follow=1", "text/event-stream; charset=latin1", ""),
	    "the charset must be UTF-8");
	posted(200, bearer, "topic=h&follow=1&_=7", "Text/Event-Stream; charset=utf-8", "");
	expect_text(posted(400, bearer, "follow=1", NDJSON, ""), "follow=1 needs a topic in the query");
	expect_text(posted(400, bearer, "topic=&follow=1", NDJSON, ""), "topic is empty");
	expect_text(posted(400, bearer, "topic=%ff&follow=1", NDJSON, ""), "topic is not valid UTF-8");
	expect_text(posted(400, bearer, "topic=a&topic=b&follow=1", NDJSON, ""),
	    "topic can be given only once");
	expect_text(posted(400, bearer, "topic=a&follow=2", NDJSON, ""), "follow must be 1");
	expect_text(posted(400, bearer, "topic=a&follow=1&ttl=7", NDJSON, ""),
	    "with follow=1 ttl does not belong in the query");
	expect_text(posted(400, bearer, "topic=a&follow=1&topik=b", NDJSON, ""), "did you mean topic?");
	expect_text(posted(403, bearer, "topic=rowcast.x&follow=1", NDJSON, ""), "rowcast:admin");
	admin = bearer_of(&rowcast, "u", "rowcast:admin");
	expect_text(posted(400, admin, "topic=rowcast.x&follow=1", NDJSON, ""),
	    "a topic that begins with rowcast. does not end, and so cannot be followed");
	free(admin);
	assert_string_equal(rows("h"), "");
}

TEST(who_may_not_is_answered_before_the_body_comes)
{
	struct peer peer = follow_as("early", "text/plain");

	say_text(&peer, "x");
	is_answered(&peer, 415, "with follow=1 the Content-Type must be");
	table_run(&table, "INSERT INTO message(topic, event, data) VALUES('early', 'rowcast.end', '')");
	peer = follow("early");
	say_text(&peer, "{");
	is_answered(&peer, 409, "the topic has ended");
}

/* ---- the last will ---- */

TEST(a_body_that_breaks_off_ends_its_topic_as_aborted)
{
	struct peer peer = follow("cut");
	struct buf bytes = BUF_EMPTY;

	say_text(&peer, "{\"msg\":\"a\"}\n{\"msg\":\"b\"");
	has("cut", ":a\n");
	hang_up(&peer);
	has("cut", ":a\n" ABORTED);
	/* All that came counts, if it came whole. */
	peer = follow("cut-at-once");
	say_text(&peer, "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n{\"msg\":\"c\"}");
	hang_up(&peer);
	has("cut-at-once", ":a\n:b\n" ABORTED);
	peer = follow_as("cut-event", SSE);
	say_text(&peer, "data: a\n\ndata: b\n");
	hang_up(&peer);
	has("cut-event", ":a\n" ABORTED);
	peer = follow("abort");
	say_text(&peer, "{\"msg\":\"a\"}\n");
	has("abort", ":a\n");
	add_record(&bytes, RECORD_ABORT, 1, NULL, 0);
	say(&peer, bytes.bytes, bytes.len);
	has("abort", ":a\n" ABORTED);
	expect_closed(&peer);
	hang_up(&peer);
	peer = follow("nonsense");
	say_text(&peer, "{\"msg\":\"a\"}\n");
	has("nonsense", ":a\n");
	say(&peer, "no record", 9);
	has("nonsense", ":a\n" ABORTED);
	hang_up(&peer);
	assert_int_equal(n_wills(), 0);
	buf_free(&bytes);
}

/* Readers may wait for the topic already. */
TEST(a_body_that_breaks_off_before_its_first_line_ends_its_topic_too)
{
	struct peer peer = follow("nothing");

	say_text(&peer, "{\"msg\":");
	/* Followed it is when it was judged, which comes of itself. */
	WAIT_FOR(following_count(rowcast.service.following) == 1);
	hang_up(&peer);
	has("nothing", ABORTED);
}

TEST(a_body_that_is_silent_is_not_waited_for)
{
	struct peer peer;

	again(&(struct following_bounds){ .silence_ms = 50 });
	peer = follow("silent");
	say_text(&peer, "{\"msg\":\"a\"}\n");
	is_answered(&peer, 408, "nothing of the body came for too long");
	assert_string_equal(rows("silent"), ":a\n" ABORTED);
}

TEST(where_rowcast_ends_its_bodies_have_their_will_before)
{
	struct peer open = follow("stop"), whole = follow("stop-whole"), waiting = follow("stop-none");

	say_text(&open, "{\"msg\":\"a\"}\n");
	say_text(&whole, "{\"msg\":\"a\"}\n");
	say_text(&waiting, "{");
	has("stop", ":a\n");
	has("stop-whole", ":a\n");
	WAIT_FOR(following_count(rowcast.service.following) == 3);
	say_text(&whole, "{\"msg\":\"b\"}\n");
	say_end(&whole);
	is_answered(&whole, 201, "{\"ids\":[");
	again(NULL);
	assert_string_equal(rows("stop"), ":a\n" ABORTED);
	assert_string_equal(rows("stop-whole"), ":a\n:b\n");
	assert_string_equal(rows("stop-none"), ABORTED);
	assert_int_equal(n_wills(), 0);
	expect_text(expect_reply(&open, 503), "rowcast is being stopped");
	hang_up(&open);
	hang_up(&waiting);
}

TEST(what_an_earlier_life_has_left_is_ended_when_the_next_begins)
{
	end(NULL);
	table_run(&table, "INSERT INTO message(topic, data) VALUES('left', 'a'), ('left2', 'a');"
	    " INSERT INTO rowcast_following VALUES(1100000000000, 1, 'left'),"
	    "  (1100000000000, 2, 'left2'), (1100000000001, 1, 'left')");
	begin_with(NULL);
	has("left", ":a\n" ABORTED);
	has("left2", ":a\n" ABORTED);
	WAIT_FOR(n_wills() == 0);
	assert_string_equal(rows("left"), ":a\n" ABORTED);
}

/* Where the socket is handed over, two processes have the file for a while. */
TEST(the_will_of_a_process_that_lives_is_left_alone_until_it_is_gone)
{
	struct store *other;
	char *sql;

	end(NULL);
	other = store_open(table.name, STORE_OWNER);
	sql = mem_printf("INSERT INTO rowcast_following VALUES(%" PRId64 ", 1, 'lives'),"
	    " (1100000000000, 1, 'gone')", store_live(other));
	table_run(&table, sql);
	free(sql);
	begin_with(NULL);
	has("gone", ABORTED);
	WAIT_FOR(n_wills() == 1);
	assert_string_equal(rows("lives"), "");
	store_close(other);
	has("lives", ABORTED);
	WAIT_FOR(n_wills() == 0);
}

TEST(a_store_that_takes_nothing_is_told_and_the_will_comes_when_it_does)
{
	struct sqlite3 *foreign = foreign_open(&table);
	struct peer peer = follow("locked");

	say_text(&peer, "{\"msg\":\"a\"}\n");
	has("locked", ":a\n");
	capture_begin();
	foreign_run(foreign, "BEGIN IMMEDIATE");
	say_text(&peer, "{\"msg\":\"b\"}\n");
	is_answered(&peer, 503, "another program keeps the store locked");
	foreign_run(foreign, "COMMIT");
	has("locked", ":a\n" ABORTED);
	WAIT_FOR(n_wills() == 0);
	capture_end();
	foreign_close(foreign);
}

/* ---- several on one topic ---- */

TEST(several_may_follow_a_topic_and_who_breaks_off_ends_it_for_all)
{
	struct peer first = follow("several"), second = follow("several"), third = follow("several");

	say_text(&first, "{\"msg\":\"a\"}\n");
	has("several", ":a\n");
	say_text(&second, "{\"msg\":\"b\"}\n");
	has("several", ":a\n:b\n");
	say_text(&third, "{\"msg\":\"c\"}\n");
	has("several", ":a\n:b\n:c\n");
	hang_up(&second);
	has("several", ":a\n:b\n:c\n" ABORTED);
	say_text(&first, "{\"msg\":\"d\"}\n");
	is_answered(&first, 409, "{\"error\":\"the topic has ended\"}");
	/* Its will has come too late, and a body that ends has nothing to be told. */
	say_end(&third);
	is_answered(&third, 201, "{\"ids\":[");
	assert_string_equal(rows("several"), ":a\n:b\n:c\n" ABORTED);
	assert_int_equal(n_wills(), 0);
}

TEST(where_somebody_else_ends_the_topic_the_next_line_is_told)
{
	struct peer peer = follow("stopped"), cut = follow("stopped");

	say_text(&peer, "{\"msg\":\"a\"}\n");
	say_text(&cut, "{\"msg\":\"a\"}\n");
	has("stopped", ":a\n:a\n");
	table_run(&table, "INSERT INTO message(topic, event, data)"
	    " VALUES('stopped', 'rowcast.end', 'stop')");
	say_text(&peer, "{\"msg\":\"b\"}\n{\"msg\":\"c\"}\n");
	is_answered(&peer, 409, "{\"error\":\"the topic has ended\"}");
	hang_up(&cut);
	WAIT_FOR(n_wills() == 0);
	assert_string_equal(rows("stopped"), ":a\n:a\nrowcast.end:stop\n");
}

/* ---- bounds ---- */

TEST(beyond_so_many_bodies_one_is_refused_and_nothing_ended)
{
	struct peer first, second, third;

	again(&(struct following_bounds){ .max_bodies = 2 });
	first = follow("crowd");
	second = follow("crowd");
	say_text(&first, "{\"msg\":\"a\"}\n");
	say_text(&second, "{\"msg\":\"a\"}\n");
	has("crowd", ":a\n:a\n");
	third = follow("crowd");
	say_text(&third, "{\"msg\":\"b\"}\n");
	expect_text(expect_reply(&third, 503), "Retry-After: 1\r\n");
	expect_text(third.content.bytes, "nothing was stored: too many bodies are being followed");
	hang_up(&third);
	say_end(&first);
	is_answered(&first, 201, "{\"ids\":[");
	WAIT_FOR(following_count(rowcast.service.following) == 1);
	expect_text(posted(201, bearer, "topic=crowd&follow=1", NDJSON, "{\"msg\":\"c\"}"), "{\"ids\":[");
	say_end(&second);
	is_answered(&second, 201, "{\"ids\":[");
	assert_string_equal(rows("crowd"), ":a\n:a\n:c\n");
}

TEST(a_body_has_so_many_messages_at_most)
{
	struct peer peer;

	again(&(struct following_bounds){ .max_messages = 3 });
	expect_text(posted(201, bearer, "topic=count&follow=1", NDJSON,
	    "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n\n{\"msg\":\"c\"}\n\n"), "{\"ids\":[");
	peer = follow("count");
	say_text(&peer, "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n{\"msg\":\"c\"}\n{\"msg\":\"d\"}\n");
	is_answered(&peer, 413, "line 4: more than 3 messages in one body");
	assert_string_equal(rows("count"), ":a\n:b\n:c\n:a\n:b\n:c\n" ABORTED);
}

/* What has not come to its end is held in memory: of one user so much. */
TEST(a_user_s_unfinished_messages_are_bounded)
{
	enum { LINE_BYTES = 6 << 20, N = 3 };
	char *text = mem_alloc(LINE_BYTES);
	struct peer peers[N];
	size_t n_refused = 0;

	end(NULL);
	rowcast_start(&rowcast, LIST("workers = 2", "max_message = 1M"));
	bearer = bearer_of(&rowcast, "u", "rowcast:publish");
	own = mem_strdup("");
	assert_int_equal(sqlite3_open(table.name + strlen("sqlite:"), &reader), SQLITE_OK);
	memset(text, 'x', LINE_BYTES);
	for (int i = 0; i < N; i++) {
		char *topic = mem_printf("heavy-%d", i);

		peers[i] = follow(topic);
		say_text(&peers[i], "{\"msg\":\"a\"}\n{\"msg\":\"");
		say_bytes(&peers[i], text, LINE_BYTES - 1024);
		free(topic);
	}
	/* A buffer is twice as large as what is in it, perhaps: one goes, or two. */
	WAIT_FOR(following_count(rowcast.service.following) < N);
	for (int i = 0; i < N; i++) {
		char *topic = mem_printf("heavy-%d", i);

		if (strcmp(rows(topic), ":a\n" ABORTED) == 0) {
			is_answered(&peers[i], 503, "too many large messages are on their way at once");
			n_refused++;
		} else {
			hang_up(&peers[i]);
			has(topic, ":a\n" ABORTED);
		}
		free(topic);
	}
	assert_in_range(n_refused, 1, 2);
	free(text);
}

/* read_long reads an answer that comes in pieces, and counts its ids. */
static size_t
read_long(struct peer *peer)
{
	const char *reply = expect_reply(peer, 201);
	size_t n = 1;

	expect_text(reply, "{\"ids\":[");
	assert_string_equal(reply + strlen(reply) - 2, "]}");
	for (const char *at = reply; (at = strchr(at, ',')) != NULL; at++)
		n++;
	return n;
}

TEST(a_long_answer_waits_for_who_does_not_read)
{
	enum { N = 100000 };
	struct buf body = BUF_EMPTY;
	struct peer peer = follow("answer"), other;

	for (int i = 0; i < N; i++)
		buf_add_str(&body, "{\"msg\":\"x\"}\n");
	buf_add_str(&body, "{\"msg\":\"x\",\"event\":\"rowcast.end\"}\n");
	say_bytes(&peer, body.bytes, body.len);
	WAIT_FOR(number("SELECT count(*) FROM message WHERE topic = 'answer'") == N + 1);
	/* Nobody else waits, and what of the body still comes is read. */
	other = follow("answer-other");
	say_text(&other, "{\"msg\":\"a\"}\n");
	say_end(&other);
	is_answered(&other, 201, "{\"ids\":[");
	say_bytes(&peer, body.bytes, body.len);
	say_end(&peer);
	assert_int_equal(read_long(&peer), N + 1);
	hang_up(&peer);
	buf_free(&body);
}

/* ---- any cut ---- */

TEST(a_body_gives_the_same_rows_in_any_cut)
{
	static const char body[] = "{\"msg\":\"a\",\"event\":\"e\"}\n\r\n{\"msg\":\"\xc3\xa4\"}\r\n{\"data\":\"c\\n\"}\n";

	dice_begin();
	for (int i = 0; i < 20; i++) {
		char *topic = mem_printf("any-%d", i);
		struct peer peer = follow(topic);

		for (size_t at = 0, n; at < sizeof(body) - 1; at += n) {
			n = 1 + dice_throw(sizeof(body) - 1 - at);
			say_bytes(&peer, body + at, n);
			if (dice_throw(3) == 0)
				look_again(clock_mono_us() + 1000000, "a moment");
		}
		say_end(&peer);
		is_answered(&peer, 201, "{\"ids\":[");
		assert_string_equal(rows(topic), "e:a\n:\xc3\xa4\n:c\n\n");
		free(topic);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define FOLLOWED(test) cmocka_unit_test_setup_teardown(test, begin, end)
		FOLLOWED(a_line_is_committed_while_the_body_goes_on),
		FOLLOWED(events_are_committed_by_their_data_and_name),
		FOLLOWED(the_ids_are_those_of_the_rows),
		FOLLOWED(a_body_that_ends_by_itself_leaves_the_topic_open),
		FOLLOWED(a_small_body_that_comes_whole_is_followed_too),
		FOLLOWED(what_comes_after_the_end_is_thrown_away),
		FOLLOWED(a_connection_is_kept_for_the_next_request),
		FOLLOWED(a_malformed_line_ends_the_topic_as_aborted),
		FOLLOWED(a_message_that_is_too_long_is_refused_as_soon_as_that_is_known),
		FOLLOWED(a_line_without_end_is_not_held_for_ever),
		FOLLOWED(a_line_that_the_table_refuses_is_named),
		FOLLOWED(the_head_alone_decides_who_may_follow_what),
		FOLLOWED(who_may_not_is_answered_before_the_body_comes),
		FOLLOWED(a_body_that_breaks_off_ends_its_topic_as_aborted),
		FOLLOWED(a_body_that_breaks_off_before_its_first_line_ends_its_topic_too),
		FOLLOWED(a_body_that_is_silent_is_not_waited_for),
		FOLLOWED(where_rowcast_ends_its_bodies_have_their_will_before),
		FOLLOWED(what_an_earlier_life_has_left_is_ended_when_the_next_begins),
		FOLLOWED(the_will_of_a_process_that_lives_is_left_alone_until_it_is_gone),
		FOLLOWED(a_store_that_takes_nothing_is_told_and_the_will_comes_when_it_does),
		FOLLOWED(several_may_follow_a_topic_and_who_breaks_off_ends_it_for_all),
		FOLLOWED(where_somebody_else_ends_the_topic_the_next_line_is_told),
		FOLLOWED(beyond_so_many_bodies_one_is_refused_and_nothing_ended),
		FOLLOWED(a_body_has_so_many_messages_at_most),
		FOLLOWED(a_user_s_unfinished_messages_are_bounded),
		FOLLOWED(a_long_answer_waits_for_who_does_not_read),
		FOLLOWED(a_body_gives_the_same_rows_in_any_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
