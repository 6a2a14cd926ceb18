/* The hub runs in its thread, over a real store. Where a test needs to say when
 * the hub hears of a row, it plays the tail itself (news); where it needs to
 * force races, the real tail runs and a thread publishes. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/admission.h"
#include "app/hub/block.h"
#include "app/hub/hub.h"
#include "app/hub/news.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/sse.h"

static struct conf conf;
static struct table table;
static struct hub *hub;
static int64_t published;  /* the hub has heard of everything up to here */

/* ---- verbs ---- */

static void
begin_with(const char *const lines[])
{
	conf_of(&conf, lines);
	table_open(&table);
	hub = hub_start(&conf, table.name, 0);
	assert_non_null(hub);
	published = 0;
}

static void
begin(void)
{
	begin_with(NULL);
}

static void
end(void)
{
	hub_stop(hub);
	table_close(&table);
	conf_free(&conf);
}

/* What a client asks of /events, as the worker makes it out. */
struct wish {
	const char *user;
	const char *const *topics;
	int64_t cursor;
	bool resumes;
	const char *invalid_id;
	enum stream_cursor cursor_form;
	bool no_browser;      /* the request does not accept text/event-stream */
	struct expiry expiry;
	int send_buffer;      /* 0: the system's own */
};

/* ask gives the hub a stream; the answer is not looked at. */
static void
ask(struct peer *peer, const struct wish *wish)
{
	struct filter filter = { .user = mem_strdup(wish->user) };
	struct stream *s;
	int fd = peer_pair(peer);

	if (wish->send_buffer != 0)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wish->send_buffer,
		    sizeof(int)), 0);
	filter.topics = mem_alloc(STREAM_MAX_TOPICS * sizeof(char *));
	while (wish->topics != NULL && wish->topics[filter.n_topics] != NULL) {
		filter.topics[filter.n_topics] = mem_strdup(wish->topics[filter.n_topics]);
		filter.n_topics++;
	}
	s = stream_new(filter);
	s->cursor = s->told = wish->cursor;
	if (wish->invalid_id != NULL)
		s->invalid_id = mem_strdup(wish->invalid_id);
	s->cursor_form = wish->cursor_form;
	s->accepts_events = !wish->no_browser;
	s->expiry = wish->expiry;
	s->reply = (struct reply){ .conn = conn_of(fd), .request_id = 1 };
	reply_stream_head(&s->reply, &s->unsent, "text/event-stream", NULL);
	if (wish->cursor_form != STREAM_CURSOR_OFF) {
		sse_retry(&s->unsent, 2000);
		stream_add_cursor(s, &s->unsent, wish->cursor);
	}
	hub_join(hub, s, wish->resumes);
}

#define ASK(peer, ...) ask((peer), &(struct wish){ __VA_ARGS__ })

/* JOIN waits until the hub has admitted the stream. */
static void
join(struct peer *peer, const struct wish *wish)
{
	ask(peer, wish);
	expect_head(peer);
	if (wish->cursor_form == STREAM_CURSOR_EVENT)
		expect_text(next_block(peer), "event: rowcast.cursor");
	else if (wish->cursor_form == STREAM_CURSOR_ID)
		expect_start(peer, wish->cursor);
}

#define JOIN(peer, ...) join((peer), &(struct wish){ __VA_ARGS__ })

static bool
add_row(void *block, const struct message *m)
{
	block_add(block, m);
	return true;
}

/* read_news reads what was committed since the last time into one block. */
static struct block *
read_news(void)
{
	struct block *block = block_new();
	struct store_bounds bounds;

	assert_int_equal(store_read(table.store, published, NULL, add_row, block, &bounds, &published), 0);
	block->upto = published;
	return block;
}

/* news tells the hub of it. */
static void
news(void)
{
	hub_publish(hub, read_news());
}

static int64_t
publish(const char *user, const char *topic, const char *data)
{
	int64_t id = commit(&table, user, topic, data);

	news();
	return id;
}

static struct hub_counters
counters(void)
{
	struct hub_counters now;

	hub_count(hub, &now);
	return now;
}

static uint64_t
n_gaps(void)
{
	struct hub_counters now = counters();

	return now.n_gaps[GAP_EXPIRED] + now.n_gaps[GAP_AHEAD] + now.n_gaps[GAP_INVALID];
}

static uint64_t
n_refused(void)
{
	struct hub_counters now = counters();
	uint64_t n = 0;

	for (size_t i = 0; i < STREAM_REFUSALS; i++)
		n += now.n_refused[i];
	return n;
}

/* only_ended: that is how often streams have ended for this reason, and for none other. */
static bool
only_ended(enum stream_end why, uint64_t n)
{
	struct hub_counters now = counters();

	for (size_t i = 0; i < STREAM_ENDS; i++)
		if (now.n_ends[i] != (i == (size_t)why ? n : 0))
			return false;
	return true;
}

/* two_turns returns when the hub has ended the turn in which it noticed all
 * that happened before: a stream joins after that, and another in a later turn. */
static void
two_turns(void)
{
	static const char *const nobodies[] = { "nobody", "nobody else" };

	for (int i = 0; i < 2; i++) {
		struct peer peer;

		JOIN(&peer, .user = nobodies[i], .cursor = published);
		hang_up(&peer);
	}
}

/* all_gone waits until the hub has seen that everybody has hung up, which takes
 * a turn or two, and has let go of their descriptors. */
static void
all_gone(size_t n_descriptors)
{
	WAIT_FOR(counters().n_streams == 0 && count_descriptors() == n_descriptors);
}

static char *
long_text(size_t n, char c)
{
	char *text = mem_alloc(n + 1);

	memset(text, c, n);
	text[n] = '\0';
	return text;
}

/* ---- live ---- */

TEST(a_live_stream_gets_at_once_what_is_for_it)
{
	struct peer u, v, t;

	begin();
	JOIN(&u, .user = "u");
	JOIN(&v, .user = "v");
	JOIN(&t, .user = "u", .topics = LIST("t"));
	publish("u", NULL, "one");
	expect_message(&u, 1, "one");
	expect_message(&t, 1, "one");
	publish(NULL, "t", "two");
	expect_message(&t, 2, "two");
	publish("v", "t", "three");
	publish(NULL, NULL, "four");
	expect_message(&u, 4, "four");
	expect_message(&v, 4, "four");
	expect_message(&t, 4, "four");
	two_turns();
	assert_int_equal(counters().sent, 4);
	assert_int_equal(counters().n_delivered, 6);
	end();
	hang_up(&u);
	hang_up(&v);
	hang_up(&t);
}

TEST(a_stream_that_does_not_resume_gets_nothing_from_before_its_cursor)
{
	struct peer peer;

	begin();
	publish(NULL, NULL, "one");
	publish(NULL, NULL, "two");
	JOIN(&peer, .user = "u", .cursor = 2);
	publish(NULL, NULL, "three");
	expect_message(&peer, 3, "three");
	end();
	hang_up(&peer);
}

TEST(an_ahead_stream_waits_until_the_hub_has_come_to_its_cursor)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 3; i++)
		commit(&table, NULL, NULL, "before it joined");
	JOIN(&peer, .user = "u", .cursor = 3);
	commit(&table, NULL, NULL, "after");
	news();
	expect_message(&peer, 4, "after");
	end();
	hang_up(&peer);
}

TEST(an_ahead_stream_that_the_hub_comes_to_in_steps_misses_nothing)
{
	struct peer peer, other;
	struct block *block;

	begin();
	for (int i = 0; i < 4; i++)
		commit(&table, NULL, NULL, "x");
	JOIN(&peer, .user = "u", .cursor = 2);
	JOIN(&other, .user = "v");
	block = block_new();
	block->upto = 1;
	hub_publish(hub, block);
	two_turns();
	block = block_new();
	block->upto = 2;
	hub_publish(hub, block);
	published = 2;
	news();
	expect_message(&peer, 3, "x");
	expect_message(&peer, 4, "x");
	end();
	hang_up(&peer);
	hang_up(&other);
}

/* ---- reading on ---- */

TEST(a_stream_that_resumes_gets_what_it_missed_and_goes_on_live)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 3; i++)
		publish(NULL, NULL, "x");
	publish("v", NULL, "not for it");
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	expect_message(&peer, 2, "x");
	expect_message(&peer, 3, "x");
	publish("u", NULL, "live");
	expect_message(&peer, 5, "live");
	end();
	hang_up(&peer);
}

TEST(a_replay_of_many_pages_comes_whole_also_to_a_socket_that_takes_little)
{
	char *text = long_text(1000, 'x');
	struct peer fast, slow;

	begin();
	for (int i = 0; i < 300; i++)
		commit(&table, i % 3 == 0 ? "v" : NULL, NULL, text);
	news();
	JOIN(&fast, .user = "u", .resumes = true);
	JOIN(&slow, .user = "u", .resumes = true, .send_buffer = 1);
	for (int i = 0; i < 300; i++) {
		if (i % 3 == 0)
			continue;
		expect_message(&fast, i + 1, text);
		expect_message(&slow, i + 1, text);
	}
	publish("u", NULL, "live");
	expect_message(&fast, 301, "live");
	expect_message(&slow, 301, "live");
	assert_int_equal(n_gaps(), 0);
	free(text);
	end();
	hang_up(&fast);
	hang_up(&slow);
}

TEST(deleted_rows_are_not_replayed_though_the_ring_still_has_them)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 5; i++)
		publish(NULL, NULL, "x");
	table_run(&table, "DELETE FROM message WHERE id IN (2, 4, 5)");
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	expect_message(&peer, 3, "x");
	publish(NULL, NULL, "y");
	expect_message(&peer, 6, "y");
	end();
	hang_up(&peer);
}

TEST(deleted_rows_are_not_replayed_though_the_hub_is_yet_to_hear_of_them)
{
	struct peer peer, live;
	struct block *block;

	begin();
	JOIN(&live, .user = "u");
	publish(NULL, NULL, "x");
	expect_message(&live, 1, "x");
	for (int i = 0; i < 3; i++)
		commit(&table, NULL, NULL, "x");
	block = read_news();
	table_run(&table, "DELETE FROM message WHERE id IN (2, 4)");
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	hub_publish(hub, block);
	expect_message(&peer, 3, "x");
	publish(NULL, NULL, "y");
	expect_message(&peer, 5, "y");
	end();
	hang_up(&peer);
	hang_up(&live);
}

TEST(expired_messages_are_neither_replayed_nor_sent_from_the_ring)
{
	struct peer peer, slow;
	char *text = long_text(100000, 'x');

	begin();
	JOIN(&slow, .user = "u", .send_buffer = 1);
	publish("u", NULL, text);  /* blocks the stream, so it reads on from the ring */
	table_run(&table, "INSERT INTO message(data, expires_at) VALUES('old', 1)");
	publish(NULL, NULL, "x");
	JOIN(&peer, .user = "v", .cursor = 1, .resumes = true);
	expect_message(&peer, 3, "x");
	expect_message(&slow, 1, text);
	expect_message(&slow, 3, "x");
	free(text);
	end();
	hang_up(&peer);
	hang_up(&slow);
}

TEST(a_stalled_reader_holds_one_write_and_reads_on_from_the_table_and_the_ring)
{
	enum { MESSAGES = 12, BYTES = 1000000 };  /* more than RING_MAX_BYTES together */
	struct peer well, stalled;

	begin();
	JOIN(&well, .user = "w");
	JOIN(&stalled, .user = "s", .send_buffer = 1);
	for (int i = 0; i < MESSAGES; i++) {
		char *text = long_text(BYTES, (char)('a' + i));

		expect_message(&well, publish(NULL, NULL, text), text);
		free(text);
	}
	two_turns();
	assert_int_equal(counters().n_delivered, MESSAGES + 1);
	/* This one is older than the ring: that it does not come shows that the
	 * stream is read to from the table. */
	table_run(&table, "DELETE FROM message WHERE id = 2");
	for (int i = 0; i < MESSAGES; i++) {
		char *text = long_text(BYTES, (char)('a' + i));

		if (i + 1 != 2)
			expect_message(&stalled, i + 1, text);
		free(text);
	}
	publish("s", NULL, "live");
	expect_message(&stalled, MESSAGES + 1, "live");
	end();
	hang_up(&well);
	hang_up(&stalled);
}

TEST(a_stalled_reader_of_small_messages_holds_at_most_a_page)
{
	char *text = long_text(1000, 'x');
	struct peer peer;
	uint64_t n_delivered;

	begin();
	for (int i = 0; i < 1000; i++)
		commit(&table, NULL, NULL, text);
	news();
	JOIN(&peer, .user = "u", .resumes = true, .send_buffer = 1);
	two_turns();
	n_delivered = counters().n_delivered;
	assert_true(n_delivered <= STREAM_WRITE_BYTES / 1000 + 1);
	for (int i = 0; i < 1000; i++)
		expect_message(&peer, i + 1, text);
	free(text);
	end();
	hang_up(&peer);
}

TEST(a_gap_is_told_once_and_only_where_retention_has_deleted)
{
	struct peer beyond, at, above, all;

	begin();
	for (int i = 0; i < 10; i++)
		publish(NULL, NULL, "x");
	assert_int_equal(store_trim(table.store, 0, 4, 100), 6);  /* 7 is the oldest */
	JOIN(&beyond, .user = "u", .cursor = 5, .resumes = true);
	expect_event(&beyond, "id: 6\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"5\",\"oldest\":7,\"newest\":10}");
	for (int i = 7; i <= 10; i++)
		expect_message(&beyond, i, "x");
	assert_int_equal(counters().n_gaps[GAP_EXPIRED], 1);
	assert_int_equal(n_gaps(), 1);
	JOIN(&at, .user = "u", .cursor = 6, .resumes = true);
	expect_message(&at, 7, "x");
	JOIN(&above, .user = "u", .cursor = 7, .resumes = true);
	expect_message(&above, 8, "x");
	/* 0 is a cursor like any other. */
	JOIN(&all, .user = "u", .cursor = 0, .resumes = true);
	expect_event(&all, "id: 6\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"0\",\"oldest\":7,\"newest\":10}");
	expect_message(&all, 7, "x");
	assert_int_equal(counters().n_gaps[GAP_EXPIRED], 2);
	assert_int_equal(n_gaps(), 2);
	end();
	hang_up(&beyond);
	hang_up(&at);
	hang_up(&above);
	hang_up(&all);
}

TEST(rows_that_were_erased_or_have_expired_are_no_gap)
{
	struct peer peer, all;

	begin();
	table_run(&table, "INSERT INTO message(data, expires_at) VALUES('x', 1), ('x', 1)");
	assert_int_equal(store_trim(table.store, 0, 0, 100), 2);
	for (int i = 3; i <= 6; i++)
		publish(NULL, NULL, "x");
	table_run(&table, "DELETE FROM message WHERE id < 6");
	JOIN(&all, .user = "u", .cursor = 0, .resumes = true);
	expect_message(&all, 6, "x");
	table_run(&table, "DELETE FROM message");
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	publish(NULL, NULL, "y");
	expect_message(&all, 7, "y");
	expect_message(&peer, 7, "y");
	assert_int_equal(n_gaps(), 0);
	end();
	hang_up(&peer);
	hang_up(&all);
}

TEST(a_table_that_retention_has_emptied_is_a_gap_up_to_the_newest)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 3; i++)
		publish(NULL, NULL, "x");
	table_run(&table, "UPDATE message SET created_at = 1");
	assert_int_equal(store_trim(table.store, 1000, 0, 100), 3);
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	expect_event(&peer, "id: 3\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"1\",\"oldest\":4,\"newest\":3}");
	publish(NULL, NULL, "y");
	expect_message(&peer, 4, "y");
	end();
	hang_up(&peer);
}

TEST(a_cursor_that_was_never_given_is_told_and_goes_on_from_the_newest)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 3; i++)
		publish(NULL, NULL, "x");
	JOIN(&peer, .user = "u", .cursor = 9, .resumes = true);
	expect_event(&peer, "id: 3\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"ahead\",\"requested\":\"9\",\"oldest\":1,\"newest\":3}");
	publish(NULL, NULL, "y");
	expect_message(&peer, 4, "y");
	assert_int_equal(counters().n_gaps[GAP_AHEAD], 1);
	assert_int_equal(n_gaps(), 1);
	end();
	hang_up(&peer);
}

/* Another rowcast on the same file sent it, and our tail is yet to read it. */
TEST(a_cursor_that_only_the_store_knows_is_no_gap)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 3; i++)
		commit(&table, NULL, NULL, "x");
	JOIN(&peer, .user = "u", .cursor = 2, .resumes = true);
	expect_message(&peer, 3, "x");
	news();
	publish(NULL, NULL, "y");
	expect_message(&peer, 4, "y");
	assert_int_equal(n_gaps(), 0);
	end();
	hang_up(&peer);
}

TEST(an_invalid_id_is_told_once_and_before_what_was_committed_since)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 3; i++)
		publish(NULL, NULL, "x");
	JOIN(&peer, .user = "u", .cursor = 2, .resumes = true, .invalid_id = "abc");
	expect_event(&peer, "id: 2\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"invalid\",\"requested\":\"abc\",\"oldest\":1,\"newest\":3}");
	expect_message(&peer, 3, "x");
	publish(NULL, NULL, "y");
	expect_message(&peer, 4, "y");
	assert_int_equal(counters().n_gaps[GAP_INVALID], 1);
	assert_int_equal(n_gaps(), 1);
	end();
	hang_up(&peer);
}

/* A stream that went on past rows it could not be sent would have lost them. */
TEST(a_replay_that_cannot_be_read_ends_the_stream_and_the_next_one_is_whole)
{
	struct peer peer, live;

	begin();
	for (int i = 0; i < 3; i++)
		commit(&table, NULL, NULL, "x");
	news();
	JOIN(&live, .user = "u", .cursor = 3);
	capture_begin();
	table_run(&table, "ALTER TABLE message RENAME COLUMN event TO renamed");
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	expect_end(&peer);
	hang_up(&peer);
	assert_true(only_ended(STREAM_END_STORE, 1));
	assert_says(capture_end(), "no such column: event");
	table_run(&table, "ALTER TABLE message RENAME COLUMN renamed TO event");
	JOIN(&peer, .user = "u", .cursor = 1, .resumes = true);
	expect_message(&peer, 2, "x");
	expect_message(&peer, 3, "x");
	publish(NULL, NULL, "y");
	expect_message(&peer, 4, "y");
	expect_message(&live, 4, "y");
	/* Two were replayed, and two came live. */
	assert_int_equal(counters().n_replayed, 2);
	WAIT_FOR(counters().n_delivered == 4 && counters().n_behind == 0);
	end();
	hang_up(&peer);
	hang_up(&live);
}

/* ---- comings and goings ---- */

TEST(streams_that_close_while_their_pages_are_out_are_forgotten)
{
	enum { GONE = 40 };
	char *text = long_text(1000, 'x');
	struct peer gone[GONE], peer;
	size_t n_descriptors;

	begin_with(LIST("max_streams_per_user = 100"));
	n_descriptors = count_descriptors();
	for (int i = 0; i < 100; i++)
		commit(&table, NULL, NULL, text);
	news();
	for (int round = 0; round < 3; round++) {
		/* Catch-up reads one page after the other, so most are out. */
		for (int i = 0; i < GONE; i++)
			ASK(&gone[i], .user = "u", .resumes = true);
		JOIN(&peer, .user = "u", .resumes = true);
		for (int i = 0; i < GONE; i++)
			hang_up(&gone[i]);
		for (int i = 0; i < 100; i++)
			expect_message(&peer, i + 1, text);
		hang_up(&peer);
	}
	all_gone(n_descriptors);
	free(text);
	end();
}

TEST(the_hub_stops_while_pages_are_out)
{
	enum { STREAMS = 40 };
	char *text = long_text(1000, 'x');
	struct peer peers[STREAMS];
	size_t n_descriptors = count_descriptors();

	begin_with(LIST("max_streams_per_user = 100"));
	for (int i = 0; i < 100; i++)
		commit(&table, NULL, NULL, text);
	news();
	for (int i = 0; i < STREAMS; i++)
		ASK(&peers[i], .user = "u", .resumes = true);
	end();
	for (int i = 0; i < STREAMS; i++) {
		expect_head(&peers[i]);
		while (next_block(&peers[i]) != NULL)
			;
		assert_true(peers[i].ended);
		hang_up(&peers[i]);
	}
	free(text);
	assert_int_equal(count_descriptors(), n_descriptors);
}

TEST(the_place_of_a_stream_that_was_hung_up_on_is_free_for_the_next)
{
	begin_with(LIST("max_streams_per_user = 1"));
	for (int i = 0; i < 100; i++) {
		struct peer peer, other;

		JOIN(&peer, .user = "u");
		hang_up(&peer);
		/* Whatever joins after this one joins in a later turn, which begins
		 * with a look at who has gone. */
		JOIN(&other, .user = "v");
		JOIN(&peer, .user = "u");
		hang_up(&peer);
		hang_up(&other);
		two_turns();
	}
	assert_int_equal(n_refused(), 0);
	WAIT_FOR(only_ended(STREAM_END_CLIENT, counters().n_joined));
	end();
}

TEST(a_stream_that_says_anything_more_is_ended)
{
	struct peer peer;
	struct buf abort_request = BUF_EMPTY;

	begin();
	JOIN(&peer, .user = "u");
	add_record(&abort_request, RECORD_ABORT, 1, NULL, 0);
	say(&peer, abort_request.bytes, abort_request.len);
	expect_end(&peer);
	buf_free(&abort_request);
	end();
	hang_up(&peer);
}

/* ---- limits ---- */

static const char user_full[] = "this user has as many streams as one may hold";
static const char server_full[] = "the server has as many streams as it may hold";
static const char stopping[] = "the server is stopping";

/* expect_busy: an event stream that only says so; retry from the range, and the
 * cursor that the stream would have started from (-1: none). */
static void
expect_busy(struct peer *peer, const char *reason, int min_ms, int max_ms, int64_t cursor)
{
	char *id = cursor >= 0 ? mem_printf("id: %lld\n", (long long)cursor) : mem_strdup("");
	char *rest = mem_printf("%sevent: rowcast.busy\ndata: {\"reason\":\"%s\"}", id, reason);
	const char *came;
	int retry_ms = -1, at = 0;

	expect_head(peer);
	came = next_block(peer);
	assert_non_null(came);
	assert_int_equal(sscanf(came, "retry: %d\n%n", &retry_ms, &at), 1);
	assert_in_range(retry_ms, min_ms, max_ms);
	assert_string_equal(came + at, rest);
	expect_end(peer);
	free(rest);
	free(id);
}

TEST(a_user_at_the_limit_is_busy_and_the_open_streams_are_probed_twice)
{
	struct peer first, other, browser, program;

	begin_with(LIST("max_streams_per_user = 1"));
	JOIN(&first, .user = "u");
	JOIN(&other, .user = "v");
	ASK(&browser, .user = "u");
	expect_busy(&browser, user_full, 1000, 2000, 0);
	expect_event(&first, ":");
	expect_event(&first, ":");
	ASK(&program, .user = "u", .no_browser = true);
	expect_text(expect_reply(&program, 429), "Retry-After: ");
	expect_event(&first, ":");
	expect_nothing(&other);
	assert_int_equal(counters().n_refused[STREAM_REFUSED_MAX_STREAMS_PER_USER], 2);
	assert_int_equal(n_refused(), 2);
	end();
	hang_up(&first);
	hang_up(&other);
	hang_up(&browser);
	hang_up(&program);
}

/* Before its second is over, or this would be a refusal. */
TEST(a_newcomer_is_admitted_the_moment_a_stream_of_its_user_is_gone)
{
	struct peer first, second, third, newcomer;

	begin_with(LIST("max_streams_per_user = 3"));
	JOIN(&first, .user = "u");
	JOIN(&second, .user = "u");
	JOIN(&third, .user = "u");
	ASK(&newcomer, .user = "u", .cursor = 7);
	expect_event(&second, ":");
	expect_nothing(&newcomer);
	hang_up(&second);
	expect_head(&newcomer);
	expect_start(&newcomer, 7);
	assert_int_equal(n_refused(), 0);
	end();
	hang_up(&first);
	hang_up(&third);
	hang_up(&newcomer);
}

TEST(newcomers_are_admitted_first_come_first_served)
{
	enum { OPEN = 4, WAITING = 4 };
	struct peer open[OPEN], waiting[WAITING], other;

	begin_with(LIST("max_streams_per_user = 4"));
	for (int i = 0; i < OPEN; i++)
		JOIN(&open[i], .user = "u");
	for (int i = 0; i < WAITING; i++)
		ASK(&waiting[i], .user = "u", .cursor = i);
	JOIN(&other, .user = "v");
	for (int i = 0; i < WAITING; i++) {
		for (int later = i; later < WAITING; later++)
			expect_nothing(&waiting[later]);
		hang_up(&open[i]);
		expect_head(&waiting[i]);
		expect_start(&waiting[i], i);
	}
	assert_int_equal(n_refused(), 0);
	end();
	for (int i = 0; i < WAITING; i++)
		hang_up(&waiting[i]);
	hang_up(&other);
}

TEST(as_many_of_a_user_may_wait_as_be_open_and_others_are_refused_at_once)
{
	struct peer open, waiting, refused, other;

	begin_with(LIST("max_streams_per_user = 1"));
	JOIN(&open, .user = "u");
	ASK(&waiting, .user = "u");
	ASK(&refused, .user = "u", .no_browser = true);
	expect_reply(&refused, 429);
	expect_nothing(&waiting);
	JOIN(&other, .user = "v");
	hang_up(&open);
	expect_head(&waiting);
	assert_int_equal(counters().n_refused[STREAM_REFUSED_MAX_STREAMS_PER_USER], 1);
	assert_int_equal(n_refused(), 1);
	end();
	hang_up(&waiting);
	hang_up(&refused);
	hang_up(&other);
}

TEST(a_newcomer_that_leaves_keeps_nobody_from_waiting)
{
	enum { GONE = 20 };
	struct peer open, gone, waiting;

	begin_with(LIST("max_streams_per_user = 1"));
	JOIN(&open, .user = "u");
	for (int i = 0; i < GONE; i++) {
		ASK(&gone, .user = "u");
		two_turns();
		hang_up(&gone);
		two_turns();
	}
	ASK(&waiting, .user = "u");
	two_turns();
	hang_up(&open);
	expect_head(&waiting);
	assert_int_equal(n_refused(), 0);
	end();
	hang_up(&waiting);
}

TEST(of_all_users_together_a_number_may_wait_and_others_are_refused_at_once)
{
	enum { N = ADMISSION_MAX_WAITING };
	static struct peer open[N + 1], waiting[N];
	struct rlimit before, files;
	struct peer refused;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	files = before;
	files.rlim_cur = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	begin_with(LIST("max_streams_per_user = 1"));
	for (int i = 0; i <= N; i++) {
		char *user = mem_printf("user %d", i);

		JOIN(&open[i], .user = user);
		free(user);
	}
	for (int i = 0; i <= N; i++) {
		char *user = mem_printf("user %d", i);

		ASK(i < N ? &waiting[i] : &refused, .user = user, .no_browser = true);
		free(user);
	}
	expect_reply(&refused, 429);
	/* They had come before, and wait on where the machine is not very busy. */
	for (int i = 0; i < N; i++)
		expect_reply(&waiting[i], 429);
	assert_int_equal(counters().n_refused[STREAM_REFUSED_MAX_STREAMS_PER_USER], N + 1);
	assert_int_equal(n_refused(), N + 1);
	end();
	for (int i = 0; i < N; i++) {
		hang_up(&open[i]);
		hang_up(&waiting[i]);
	}
	hang_up(&open[N]);
	hang_up(&refused);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(a_stop_answers_those_who_wait)
{
	struct peer first, second, browser, program;

	begin_with(LIST("max_streams_per_user = 2"));
	JOIN(&first, .user = "u");
	JOIN(&second, .user = "u");
	ASK(&browser, .user = "u", .cursor = 5);
	ASK(&program, .user = "u", .no_browser = true);
	end();
	expect_busy(&browser, stopping, 1000, 2000, 5);
	expect_text(expect_reply(&program, 503), "Retry-After: ");
	hang_up(&first);
	hang_up(&second);
	hang_up(&browser);
	hang_up(&program);
}

TEST(who_is_busy_is_told_the_id_to_come_back_with_but_not_for_an_invalid_one)
{
	struct peer first, behind, invalid, again;

	begin_with(LIST("max_streams = 1"));
	publish(NULL, NULL, "x");
	publish(NULL, NULL, "x");
	JOIN(&first, .user = "u", .cursor = 2);
	ASK(&behind, .user = "v", .cursor = 1, .resumes = true);
	expect_busy(&behind, server_full, 10000, 30000, 1);
	ASK(&invalid, .user = "v", .cursor = 2, .resumes = true, .invalid_id = "abc");
	expect_busy(&invalid, server_full, 10000, 30000, -1);
	hang_up(&first);
	WAIT_FOR(counters().n_streams == 0);
	publish(NULL, NULL, "meanwhile");
	JOIN(&again, .user = "v", .cursor = 1, .resumes = true);
	expect_message(&again, 2, "x");
	expect_message(&again, 3, "meanwhile");
	end();
	hang_up(&behind);
	hang_up(&invalid);
	hang_up(&again);
}

TEST(those_who_wait_are_admitted_by_limits_that_are_raised)
{
	struct peer first, waiting, next;

	begin_with(LIST("max_streams_per_user = 1"));
	JOIN(&first, .user = "u");
	ASK(&waiting, .user = "u");
	two_turns();
	conf.max_streams_per_user = 3;
	hub_reload(hub, &conf);
	JOIN(&next, .user = "u");
	expect_head(&waiting);
	assert_int_equal(n_refused(), 0);
	end();
	hang_up(&first);
	hang_up(&waiting);
	hang_up(&next);
}

TEST(beyond_max_streams_everybody_is_busy_for_longer)
{
	struct peer first, browser, program;
	const char *reply;
	int seconds = 0;

	begin_with(LIST("max_streams = 1"));
	JOIN(&first, .user = "u");
	ASK(&browser, .user = "v");
	expect_busy(&browser, server_full, 10000, 30000, 0);
	ASK(&program, .user = "v", .no_browser = true);
	reply = expect_reply(&program, 503);
	assert_int_equal(sscanf(strstr(reply, "Retry-After: "), "Retry-After: %d", &seconds), 1);
	assert_in_range(seconds, 10, 30);
	expect_text(reply, "{\"error\":\"the server has as many streams as it may hold\"}");
	assert_int_equal(counters().n_refused[STREAM_REFUSED_MAX_STREAMS], 2);
	assert_int_equal(n_refused(), 2);
	end();
	hang_up(&first);
	hang_up(&browser);
	hang_up(&program);
}

TEST(where_descriptors_run_out_first_that_is_the_reason)
{
	enum { N = 40 };
	static struct peer peers[N];
	struct rlimit before, files;
	size_t n = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	files = before;
	files.rlim_cur = 2 * count_descriptors() + 40;  /* of which half are kept free */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	begin_with(LIST("max_streams_per_user = 1000"));
	while (n < N && n_refused() == 0) {
		ASK(&peers[n], .user = "u");
		expect_head(&peers[n]);
		next_block(&peers[n++]);
	}
	assert_in_range(n, 2, N - 1);
	assert_int_equal(counters().n_refused[STREAM_REFUSED_DESCRIPTORS], 1);
	assert_int_equal(n_refused(), 1);
	end();
	while (n > 0)
		hang_up(&peers[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(reloaded_limits_count_from_the_next_stream_on)
{
	struct peer first, second, third;

	begin_with(LIST("max_streams_per_user = 1"));
	JOIN(&first, .user = "u");
	ASK(&second, .user = "u", .no_browser = true);
	expect_reply(&second, 429);
	hang_up(&second);
	conf.max_streams_per_user = 2;
	hub_reload(hub, &conf);
	JOIN(&second, .user = "u");
	conf.max_streams_per_user = 1;
	hub_reload(hub, &conf);
	ASK(&third, .user = "u", .no_browser = true);
	expect_reply(&third, 429);
	publish("u", NULL, "both are still there");
	expect_event(&first, ":");
	expect_event(&second, ":");
	/* On a busy machine the probe's second heartbeat may come first. */
	for (const char *block; strcmp(block = next_block(&second), "id: 1\ndata: both are still there") != 0; )
		assert_string_equal(block, ":");
	end();
	hang_up(&first);
	hang_up(&second);
	hang_up(&third);
}

/* ---- time ---- */

TEST(a_heartbeat_tells_the_cursor_where_it_has_moved)
{
	struct peer peer, off;

	begin_with(LIST("heartbeat = 100ms"));
	JOIN(&peer, .user = "u");
	JOIN(&off, .user = "u", .cursor_form = STREAM_CURSOR_OFF);
	expect_event(&peer, ":");
	expect_event(&off, ":");
	publish("v", NULL, "not for them");
	/* One may have been on its way. */
	while (strcmp(next_block(&peer), "id: 1") != 0)
		;
	expect_event(&peer, ":");
	publish("u", NULL, "x");
	while (strcmp(next_block(&peer), "id: 2\ndata: x") != 0)
		;
	expect_event(&peer, ":");
	for (const char *block; strcmp(block = next_block(&off), "id: 2\ndata: x") != 0; )
		assert_string_equal(block, ":");
	expect_event(&off, ":");
	end();
	hang_up(&peer);
	hang_up(&off);
}

TEST(with_cursor_event_a_cursor_that_has_moved_is_an_event)
{
	struct peer peer;

	begin_with(LIST("heartbeat = 100ms"));
	JOIN(&peer, .user = "u", .cursor_form = STREAM_CURSOR_EVENT);
	expect_event(&peer, ":");
	publish("v", NULL, "not for them");
	while (strcmp(next_block(&peer), "id: 1\nevent: rowcast.cursor\ndata: {\"id\":1}") != 0)
		;
	expect_event(&peer, ":");  /* told once */
	publish("u", NULL, "x");
	while (strcmp(next_block(&peer), "id: 2\ndata: x") != 0)
		;
	expect_event(&peer, ":");
	end();
	hang_up(&peer);
}

TEST(a_heartbeat_comes_after_silence_only)
{
	struct peer peer;
	mono_us last;

	begin_with(LIST("heartbeat = 300ms"));
	last = clock_mono_us();  /* before it is sent anything: we may be late to read it */
	JOIN(&peer, .user = "u");
	expect_event(&peer, ":");
	assert_true(clock_mono_us() - last > 200000);
	end();
	hang_up(&peer);
}

/* A second of 32 is what a heartbeat may come early. */
TEST(heartbeats_that_are_due_soon_go_out_with_the_first)
{
	struct peer first, soon, late, waker;

	begin_with(LIST("heartbeat = 32s"));
	clock_stop();
	JOIN(&first, .user = "u");
	atomic_fetch_add(&clock_ahead_us, 900000);
	JOIN(&soon, .user = "u");
	atomic_fetch_add(&clock_ahead_us, 3100000);
	JOIN(&late, .user = "u");
	atomic_fetch_add(&clock_ahead_us, 28000000);
	JOIN(&waker, .user = "u");
	expect_event(&first, ":");
	expect_event(&soon, ":");
	/* What is published sooner may go out in the waker's turn, before heartbeats. */
	publish("u", NULL, "x");
	expect_event(&late, "id: 1\ndata: x");
	clock_go();
	end();
	hang_up(&first);
	hang_up(&soon);
	hang_up(&late);
	hang_up(&waker);
}

TEST(a_stream_ends_when_its_token_does)
{
	wall_s expires_at = clock_wall_s() + 2;
	struct peer peer, blocked, other;
	char *text = long_text(300000, 'x');
	int64_t late_us;

	begin_with(LIST("heartbeat = 600s"));
	JOIN(&peer, .user = "u", .expiry = EXPIRY_AT(expires_at));
	JOIN(&blocked, .user = "v", .expiry = EXPIRY_AT(expires_at), .send_buffer = 1);
	JOIN(&other, .user = "u");
	publish("v", NULL, text);
	expect_event(&peer, "event: rowcast.expired\ndata: {\"reason\":\"the token has expired\"}");
	late_us = clock_wall_us() - expires_at * 1000000;
	assert_in_range(late_us, 0, 300000000);  /* not with the next heartbeat, after ten minutes */
	expect_end(&peer);
	/* Its write is given up in the middle of a record. */
	while (recv(blocked.fd, text, 300000, 0) > 0)
		;
	publish("u", NULL, "y");
	expect_message(&other, 2, "y");
	assert_true(only_ended(STREAM_END_EXPIRED, 2));
	assert_int_equal(counters().n_behind, 0);
	free(text);
	end();
	hang_up(&peer);
	hang_up(&blocked);
	hang_up(&other);
}

/* ---- the end ---- */

TEST(a_drain_sends_what_is_published_tells_a_retry_and_ends)
{
	struct peer live, moved, off, event, blocked;
	char *text = long_text(300000, 'x');
	int retry_ms = -1, at = 0;
	const char *block;

	begin_with(LIST("retry = 5s..7s"));
	JOIN(&live, .user = "u");
	JOIN(&moved, .user = "v");
	JOIN(&off, .user = "u", .cursor_form = STREAM_CURSOR_OFF);
	JOIN(&event, .user = "v", .cursor_form = STREAM_CURSOR_EVENT);
	JOIN(&blocked, .user = "b", .send_buffer = 1);
	publish("b", NULL, text);
	publish("u", NULL, "last");
	end();
	expect_message(&live, 2, "last");
	block = next_block(&live);
	assert_non_null(block);
	assert_int_equal(sscanf(block, "retry: %d%n", &retry_ms, &at), 1);
	assert_in_range(retry_ms, 5000, 7000);
	assert_string_equal(block + at, "");
	expect_end(&live);

	block = next_block(&moved);
	assert_non_null(block);
	assert_int_equal(sscanf(block, "retry: %d%n", &retry_ms, &at), 1);
	assert_string_equal(block + at, "\nid: 2");
	expect_end(&moved);

	block = next_block(&event);
	assert_non_null(block);
	assert_int_equal(sscanf(block, "retry: %d%n", &retry_ms, &at), 1);
	assert_string_equal(block + at, "\nid: 2\nevent: rowcast.cursor\ndata: {\"id\":2}");
	expect_end(&event);

	expect_message(&off, 2, "last");
	expect_end(&off);

	while (recv(blocked.fd, text, 300000, 0) > 0)
		;
	free(text);
	hang_up(&live);
	hang_up(&moved);
	hang_up(&off);
	hang_up(&event);
	hang_up(&blocked);
}

TEST(a_publisher_that_has_to_wait_for_the_hub_goes_on)
{
	char *text = long_text(NEWS_INBOX_BYTES, 'x'), name[] = "v";
	struct peer peer;

	begin_with(LIST("retry = 2s"));
	JOIN(&peer, .user = "u");
	/* Each by itself is more than may wait. */
	for (int64_t id = 1; id <= 6; id++) {
		struct message m = { .id = id, .user = name, .data = text, .data_len = NEWS_INBOX_BYTES };
		struct block *block = block_new();

		block_add(block, &m);
		hub_publish(hub, block);
	}
	two_turns();
	end();
	expect_event(&peer, "retry: 2000\nid: 6");
	free(text);
	hang_up(&peer);
}

/* ---- races ---- */

enum { RACE_STREAMS = 60, RACE_MAX = 20000 };

static const char *const race_users[] = { "a", "b", "c", NULL, NULL };
static const char *const race_topics[] = { "x", "y", NULL, NULL };
static const char *const race_wishes[][3] = { { NULL }, { "x" }, { "y", "x" } };

/* What is published, thrown before, and in groups of how many. */
static struct { const char *user, *topic; size_t n_group; } race_rows[RACE_MAX + 1];
static _Atomic bool race_over;

static void *
race_publish(void *tail)
{
	size_t id = 1, n;

	for (; !atomic_load(&race_over) && id + 8 < RACE_MAX; id += n) {
		struct message m[4];
		struct append append = { .messages = m, .publisher = "test" }, *appends = &append;
		char data[] = "x";

		append.n = n = race_rows[id].n_group;
		for (size_t i = 0; i < n; i++) {
			const char *user = race_rows[id + i].user, *topic = race_rows[id + i].topic;

			m[i] = (struct message){
				.user = user != NULL ? mem_strdup(user) : NULL,
				.topic = topic != NULL ? mem_strdup(topic) : NULL,
				.data = data, .data_len = 1,
			};
		}
		if (store_append(table.store, &appends, 1) != 0 || m[0].id != (int64_t)id)
			abort();
		for (size_t i = 0; i < n; i++) {
			free(m[i].user);
			free(m[i].topic);
		}
		tail_committed(tail, m[n - 1].id);
	}
	return NULL;
}

static bool
race_wants(const struct wish *wish, int64_t id)
{
	bool wants = race_rows[id].topic == NULL;

	for (size_t i = 0; !wants && wish->topics[i] != NULL; i++)
		wants = strcmp(wish->topics[i], race_rows[id].topic) == 0;
	return wants && (race_rows[id].user == NULL || strcmp(race_rows[id].user, wish->user) == 0);
}

TEST(streams_that_join_while_messages_flow_get_each_once_and_in_order)
{
	dice_begin();
	for (int game = 0; game < 3; game++) {
		struct peer peers[RACE_STREAMS], brief;
		struct wish wishes[RACE_STREAMS];
		struct store_bounds bounds;
		struct store *reader;
		struct tail *tail;
		pthread_t publisher;
		int64_t last;

		for (size_t id = 0; id <= RACE_MAX; id++) {
			race_rows[id].user = race_users[dice_throw(5)];
			race_rows[id].topic = race_topics[dice_throw(4)];
			race_rows[id].n_group = 1 + dice_throw(4);
		}
		begin_with(LIST("max_streams_per_user = 100"));
		atomic_store(&race_over, false);
		tail = tail_start(table.name, 0, hub, NULL, NULL);
		assert_non_null(tail);
		reader = store_open(table.name, STORE_READER);
		assert_non_null(reader);
		assert_int_equal(pthread_create(&publisher, NULL, race_publish, tail), 0);
		for (int i = 0; i < RACE_STREAMS; i++) {
			struct wish *wish = &wishes[i];

			*wish = (struct wish){
				.user = race_users[dice_throw(3)],
				.topics = race_wishes[dice_throw(3)],
				.resumes = dice_throw(2) == 0,
				.send_buffer = dice_throw(3) == 0,
			};
			/* As /events finds it: the newest in the table, which the hub may
			 * or may not have heard of yet. */
			assert_int_equal(store_bounds(reader, &bounds), 0);
			wish->cursor = bounds.newest;
			if (wish->resumes && dice_throw(4) != 0)
				wish->cursor = (int64_t)dice_throw((size_t)bounds.newest + 1);
			join(&peers[i], wish);
			if (dice_throw(3) == 0) {
				ask(&brief, wish);
				hang_up(&brief);
			}
		}
		atomic_store(&race_over, true);
		pthread_join(publisher, NULL);
		last = commit(&table, NULL, NULL, "last");
		tail_committed(tail, last);
		for (int i = 0; i < RACE_STREAMS; i++) {
			for (int64_t id = wishes[i].cursor + 1; id < last; id++)
				if (race_wants(&wishes[i], id))
					expect_message(&peers[i], id, "x");
			expect_message(&peers[i], last, "last");
			hang_up(&peers[i]);
		}
		assert_int_equal(n_gaps(), 0);
		store_close(reader);
		tail_stop(tail);
		end();
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_live_stream_gets_at_once_what_is_for_it),
	cmocka_unit_test(a_stream_that_does_not_resume_gets_nothing_from_before_its_cursor),
	cmocka_unit_test(an_ahead_stream_waits_until_the_hub_has_come_to_its_cursor),
	cmocka_unit_test(an_ahead_stream_that_the_hub_comes_to_in_steps_misses_nothing),
	cmocka_unit_test(a_stream_that_resumes_gets_what_it_missed_and_goes_on_live),
	cmocka_unit_test(a_replay_of_many_pages_comes_whole_also_to_a_socket_that_takes_little),
	cmocka_unit_test(deleted_rows_are_not_replayed_though_the_ring_still_has_them),
	cmocka_unit_test(deleted_rows_are_not_replayed_though_the_hub_is_yet_to_hear_of_them),
	cmocka_unit_test(expired_messages_are_neither_replayed_nor_sent_from_the_ring),
	cmocka_unit_test(a_stalled_reader_holds_one_write_and_reads_on_from_the_table_and_the_ring),
	cmocka_unit_test(a_stalled_reader_of_small_messages_holds_at_most_a_page),
	cmocka_unit_test(a_gap_is_told_once_and_only_where_retention_has_deleted),
	cmocka_unit_test(rows_that_were_erased_or_have_expired_are_no_gap),
	cmocka_unit_test(a_table_that_retention_has_emptied_is_a_gap_up_to_the_newest),
	cmocka_unit_test(a_cursor_that_was_never_given_is_told_and_goes_on_from_the_newest),
	cmocka_unit_test(a_cursor_that_only_the_store_knows_is_no_gap),
	cmocka_unit_test(an_invalid_id_is_told_once_and_before_what_was_committed_since),
	cmocka_unit_test(a_replay_that_cannot_be_read_ends_the_stream_and_the_next_one_is_whole),
	cmocka_unit_test(streams_that_close_while_their_pages_are_out_are_forgotten),
	cmocka_unit_test(the_hub_stops_while_pages_are_out),
	cmocka_unit_test(the_place_of_a_stream_that_was_hung_up_on_is_free_for_the_next),
	cmocka_unit_test(a_stream_that_says_anything_more_is_ended),
	cmocka_unit_test(a_user_at_the_limit_is_busy_and_the_open_streams_are_probed_twice),
	cmocka_unit_test(a_newcomer_is_admitted_the_moment_a_stream_of_its_user_is_gone),
	cmocka_unit_test(newcomers_are_admitted_first_come_first_served),
	cmocka_unit_test(as_many_of_a_user_may_wait_as_be_open_and_others_are_refused_at_once),
	cmocka_unit_test(a_newcomer_that_leaves_keeps_nobody_from_waiting),
	cmocka_unit_test(of_all_users_together_a_number_may_wait_and_others_are_refused_at_once),
	cmocka_unit_test(a_stop_answers_those_who_wait),
	cmocka_unit_test(who_is_busy_is_told_the_id_to_come_back_with_but_not_for_an_invalid_one),
	cmocka_unit_test(those_who_wait_are_admitted_by_limits_that_are_raised),
	cmocka_unit_test(beyond_max_streams_everybody_is_busy_for_longer),
	cmocka_unit_test(where_descriptors_run_out_first_that_is_the_reason),
	cmocka_unit_test(reloaded_limits_count_from_the_next_stream_on),
	cmocka_unit_test(a_heartbeat_tells_the_cursor_where_it_has_moved),
	cmocka_unit_test(with_cursor_event_a_cursor_that_has_moved_is_an_event),
	cmocka_unit_test(a_heartbeat_comes_after_silence_only),
	cmocka_unit_test(heartbeats_that_are_due_soon_go_out_with_the_first),
	cmocka_unit_test(a_stream_ends_when_its_token_does),
	cmocka_unit_test(a_drain_sends_what_is_published_tells_a_retry_and_ends),
	cmocka_unit_test(a_publisher_that_has_to_wait_for_the_hub_goes_on),
	cmocka_unit_test(streams_that_join_while_messages_flow_get_each_once_and_in_order),
};

RUN_TESTS(tests)
