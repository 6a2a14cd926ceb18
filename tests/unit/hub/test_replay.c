/* Replay, heartbeats and the states of streams in one thread, the test's, with
 * catch-up before a store with a gate: so a test says what happens while a page
 * is out. */

#include "tests/unit/check.h"
#include "tests/unit/hub/by_hand.h"

#include <poll.h>

static void
turn(void)
{
	replay_run(&replay, &hub);
	heartbeat_run(&hub);
	replay_forget(&replay, &hub);
	life_free_closed(&hub);
}

/* page_comes lets the reading at the gate through, waits until it is back, and
 * has it taken; in the turn after that the next one is asked for. */
static void
page_comes(void)
{
	struct pollfd p = { .fd = replay.pages.wake_fd, .events = POLLIN };

	gate_let_in(1);
	assert_int_equal(poll(&p, 1, GATE_PATIENCE_S * 1000), 1);
	turn();
	turn();
}

static const char rows[] = "id: 2\ndata: x\n\nid: 3\ndata: x\n\n";

TEST(a_stream_that_waits_for_its_page_gets_heartbeats)
{
	struct stream *s;

	begin(3);
	s = stream_of("u", 1, true);
	turn();
	gate_expect();
	hub.now += HEARTBEAT_US / 2;
	turn();
	expect_written(fds[0], NULL);
	for (int i = 0; i < 3; i++) {
		hub.now += HEARTBEAT_US;
		turn();
		expect_written(fds[0], ":\n");
		assert_int_equal(s->state, STREAM_PAGING);
	}
	page_comes();
	expect_written(fds[0], rows);
	assert_int_equal(gate.n_readings, 1);
	end();
}

TEST(a_long_search_for_rows_tells_how_far_it_has_come)
{
	struct stream *s;

	begin(10);
	gate.n_scanned = 4;
	s = stream_of("-", 1, true);  /* nothing is for this one */
	turn();
	gate_expect();
	page_comes();
	gate_expect();
	expect_written(fds[0], NULL);
	hub.now += HEARTBEAT_US;
	turn();
	expect_written(fds[0], "id: 5\n\n");
	assert_int_equal(s->state, STREAM_PAGING);
	page_comes();
	gate_expect();
	page_comes();
	assert_int_equal(gate.afters[2], 9);
	assert_int_equal(s->state, STREAM_AHEAD);
	assert_int_equal(s->cursor, 10);
	end();
}

TEST(a_page_that_comes_while_the_socket_is_full_is_asked_for_again)
{
	struct stream *s;

	begin(3);
	s = stream_of("u", 1, true);
	turn();
	gate_expect();
	fill(s);
	hub.now += HEARTBEAT_US;
	turn();
	assert_int_equal(s->state, STREAM_BLOCKED);
	page_comes();
	assert_int_equal(s->state, STREAM_BLOCKED);
	assert_int_equal(s->cursor, 1);
	drain(fds[0]);
	life_after_write(&hub, s, stream_flush(s, hub.now));
	assert_int_equal(s->state, STREAM_BEHIND);
	expect_written(fds[0], ":\n");
	turn();
	gate_expect();
	assert_int_equal(gate.afters[1], 1);
	page_comes();
	expect_written(fds[0], rows);
	end();
}

TEST(a_page_that_comes_after_the_socket_was_full_is_sent)
{
	struct stream *s;

	begin(3);
	s = stream_of("u", 1, true);
	turn();
	gate_expect();
	fill(s);
	hub.now += HEARTBEAT_US;
	turn();
	assert_int_equal(s->state, STREAM_BLOCKED);
	drain(fds[0]);
	life_after_write(&hub, s, stream_flush(s, hub.now));
	assert_int_equal(s->state, STREAM_PAGING);
	expect_written(fds[0], ":\n");
	page_comes();
	expect_written(fds[0], rows);
	assert_int_equal(gate.n_readings, 1);
	end();
}

TEST(for_streams_that_have_gone_nothing_is_read)
{
	enum { GONE = 50 };
	struct stream *gone[GONE];
	size_t at;

	begin(3);
	stream_of("a", 1, true);
	turn();
	gate_expect();
	for (int i = 0; i < GONE; i++)
		gone[i] = stream_of("a", 1, true);
	stream_of("b", 1, true);
	at = n_fds - 1;
	turn();
	for (int i = 0; i < GONE; i++)
		life_close(&hub, gone[i], STREAM_END_CLIENT);
	turn();
	assert_int_equal(hub.roster.n, 2);
	page_comes();
	gate_expect();
	page_comes();
	expect_written(fds[at], rows);
	assert_true(gate_is_quiet());
	assert_int_equal(gate.n_readings, 2);
	assert_memory_equal(gate.users, "ab", 2);
	end();
}

TEST(a_stream_that_goes_while_its_page_is_read_is_freed_when_that_is_back)
{
	struct stream *s;

	begin(3);
	s = stream_of("a", 1, true);
	turn();
	gate_expect();
	life_close(&hub, s, STREAM_END_CLIENT);
	turn();
	assert_int_equal(hub.roster.n, 0);
	page_comes();
	end();
}

/* What is for others, as much as there may be, is passed over in steps. */
TEST(no_turn_looks_at_more_of_the_ring_than_its_share)
{
	enum { ENTRIES = 40000, STREAMS = 20 };
	struct block *block = block_new();
	char data[] = "x", other[] = "v", user[] = "u";
	int64_t last = 0;
	int n_turns = 0;

	begin(0);
	for (int64_t id = 1; id <= ENTRIES; id++)
		block_add(block, &(struct message){ .id = id, .data = data, .data_len = 1,
		    .user = id == ENTRIES ? user : other });
	ring_add(&hub.ring, block);
	hub.sent = hub.sending = ENTRIES;
	for (int i = 0; i < STREAMS; i++)
		stream_of("u", 0, false);
	while (!TAILQ_EMPTY(&hub.behind)) {
		int64_t sum = 0;

		turn();
		n_turns++;
		for (size_t i = 0; i < hub.roster.n; i++)
			sum += life_position(&hub, hub.roster.streams[i]);
		assert_true(sum - last <= 3 * 8192);
		last = sum;
	}
	assert_true(n_turns >= STREAMS * ENTRIES / (3 * 8192));
	for (int i = 0; i < STREAMS; i++) {
		assert_int_equal(hub.roster.streams[i]->state, STREAM_LIVE);
		expect_written(fds[i], "id: 40000\ndata: x\n\n");
	}
	end();
}

TEST(many_streams_that_are_behind_take_turns)
{
	enum { STREAMS = 1000 };
	struct block *block = block_new();
	char data[] = "x";
	int n_turns = 0;

	begin(0);
	block_add(block, &(struct message){ .id = 1, .data = data, .data_len = 1 });
	ring_add(&hub.ring, block);
	hub.sent = hub.sending = 1;
	for (int i = 0; i < STREAMS; i++)
		stream_of("u", 0, false);
	for (; !TAILQ_EMPTY(&hub.behind); n_turns++)
		turn();
	assert_in_range(n_turns, 4, STREAMS / 64);
	for (int i = 0; i < STREAMS; i++)
		expect_written(fds[i], "id: 1\ndata: x\n\n");
	end();
}

/* ---- the form ---- */

static void
ring_adds(int64_t id, unsigned encodings)
{
	struct block *block = block_new();
	char data[] = "x";

	block->encodings = encodings;
	block_add(block, &(struct message){ .id = id, .data = data, .data_len = 1 });
	ring_add(&hub.ring, block);
	hub.sent = hub.sending = id;
}

TEST(what_the_ring_has_in_another_form_comes_from_the_store)
{
	struct stream *s;

	begin(3);
	ring_adds(1, 3);
	ring_adds(2, ENCODING_BIT(ENCODING_PLAIN));
	ring_adds(3, 3);
	s = stream_of("u", 0, false);
	s->encoding = ENCODING_JSON;
	turn();
	expect_written(fds[0], "id: 1\ndata: {\"id\":1,\"data\":\"x\",\"created_at\":0}\n\n");
	assert_int_equal(s->cursor, 1);
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "id: 2\ndata: {\"id\":2,\"data\":\"x\",\"created_at\":0}\n\n"
	    "id: 3\ndata: {\"id\":3,\"data\":\"x\",\"created_at\":0}\n\n");
	assert_int_equal(s->state, STREAM_LIVE);
	assert_int_equal(gate.n_readings, 1);
	assert_int_equal(gate.afters[0], 1);
	end();
}

/* ---- where one begins ---- */

/* newcomer is a stream that came with since= or last=. */
static struct stream *
newcomer(const char *user, enum stream_cursor form)
{
	struct stream *s = stream_of(user, 3, true);

	s->cursor_form = form;
	s->told = INT64_MAX;
	s->start = mem_zalloc(sizeof(*s->start));
	s->start->retry_ms = 2500;
	return s;
}

TEST(the_first_block_comes_with_the_first_message_and_stands_before_it)
{
	struct stream *s;

	begin(5);
	gate.n_steps = 1;
	gate.found = 2;
	s = newcomer("u", STREAM_CURSOR_ID);
	turn();
	gate_expect();
	assert_int_equal(gate.afters[0], -1);
	page_comes();
	gate_expect();
	expect_written(fds[0], NULL);
	page_comes();
	assert_int_equal(gate.afters[1], 2);
	expect_written(fds[0], "retry: 2500\nid: 2\n\nid: 3\ndata: x\n\nid: 4\ndata: x\n\nid: 5\ndata: x\n\n");
	assert_null(s->start);
	assert_int_equal(s->told, 5);
	assert_int_equal(s->cursor, 5);
	end();
}

TEST(where_there_is_no_message_it_stands_at_the_newest)
{
	struct stream *s;

	begin(5);
	gate.n_steps = 1;
	gate.found = 2;
	s = newcomer("-", STREAM_CURSOR_EVENT);
	turn();
	gate_expect();
	page_comes();
	gate_expect();
	page_comes();
	expect_written(fds[0], "retry: 2500\nid: 5\nevent: rowcast.cursor\n"
	    "data: {\"id\":5,\"user\":\"-\",\"heartbeat\":15}\n\n");
	assert_int_equal(s->told, 5);
	end();
}

/* No cursor is told before, as there is none: what is looked for would be lost. */
TEST(a_search_in_steps_is_waited_for_with_heartbeats_that_tell_no_cursor)
{
	struct stream *s;

	begin(10);
	gate.n_steps = 3;
	gate.found = 0;
	gate.n_scanned = 4;
	s = newcomer("-", STREAM_CURSOR_ID);
	turn();
	for (int i = 0; i < 5; i++) {
		gate_expect();
		hub.now += HEARTBEAT_US;
		turn();
		expect_written(fds[0], ":\n");
		assert_int_equal(s->state, STREAM_PAGING);
		page_comes();
		expect_written(fds[0], NULL);
	}
	gate_expect();
	page_comes();
	assert_int_equal(gate.afters[2], -1);
	assert_int_equal(gate.afters[3], 0);
	assert_int_equal(gate.afters[5], 8);
	expect_written(fds[0], "retry: 2500\nid: 10\n\n");
	end();
}

TEST(what_is_found_is_not_looked_for_again_where_the_socket_was_full)
{
	struct stream *s;

	begin(3);
	gate.n_steps = 1;
	gate.found = 1;
	s = newcomer("u", STREAM_CURSOR_ID);
	turn();
	gate_expect();
	fill(s);
	hub.now += HEARTBEAT_US;
	turn();
	assert_int_equal(s->state, STREAM_BLOCKED);
	page_comes();
	drain(fds[0]);
	life_after_write(&hub, s, stream_flush(s, hub.now));
	turn();
	gate_expect();
	assert_int_equal(gate.afters[1], 1);
	expect_written(fds[0], ":\n");
	page_comes();
	expect_written(fds[0], "retry: 2500\nid: 1\n\nid: 2\ndata: x\n\nid: 3\ndata: x\n\n");
	end();
}

TEST(what_retention_has_deleted_meanwhile_is_no_gap_for_who_was_told_nothing)
{
	begin(5);
	gate.n_steps = 1;
	gate.found = 0;
	gate.n_trimmed = 3;
	newcomer("u", STREAM_CURSOR_ID);
	newcomer("u", STREAM_CURSOR_OFF);
	turn();
	for (int i = 0; i < 4; i++) {
		gate_expect();
		page_comes();
	}
	expect_written(fds[0], "retry: 2500\nid: 3\n\nid: 4\ndata: x\n\nid: 5\ndata: x\n\n");
	expect_written(fds[1], "id: 4\ndata: x\n\nid: 5\ndata: x\n\n");
	end();
}

TEST(a_newcomer_that_goes_while_it_is_searched_for_is_freed_when_that_is_back)
{
	struct stream *s;

	begin(3);
	gate.n_steps = 5;
	s = newcomer("u", STREAM_CURSOR_ID);
	turn();
	gate_expect();
	life_close(&hub, s, STREAM_END_CLIENT);
	turn();
	page_comes();
	assert_int_equal(gate.n_readings, 1);
	end();
}

/* ---- polls ---- */

#define JSON_ROW(id) "{\"id\":" #id ",\"data\":\"x\",\"created_at\":0}"

/* polls is a stream that has come to be asked a page for. */
static struct stream *
polls(enum encoding encoding, int64_t cursor, int64_t upto)
{
	struct stream *s = stream_of("u", cursor, true);

	poll_upto(s, encoding, upto);
	turn();
	gate_expect();
	return s;
}

TEST(a_poll_is_what_is_there_in_each_form_and_the_end)
{
	static const struct { enum encoding encoding; const char *content, *last; } forms[] = {
		{ ENCODING_PLAIN, rows, NULL },
		{ ENCODING_LINES, JSON_ROW(2) "\n" JSON_ROW(3) "\n",
		    "{\"event\":\"rowcast.cursor\",\"id\":3,\"data\":{\"id\":3}}\n" },
		{ ENCODING_LIST, "\"messages\":[\n" JSON_ROW(2) ",\n" JSON_ROW(3), "],\"cursor\":3}\n" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		begin(5);
		polls(forms[i].encoding, 1, 3);  /* 4 and 5 came later */
		page_comes();
		expect_written(fds[0], forms[i].content);
		if (forms[i].last != NULL)
			expect_written(fds[0], forms[i].last);
		assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
		assert_int_equal(hub.roster.n, 0);
		end();
	}
}

TEST(a_list_of_several_pages_is_one_with_heartbeats_that_say_nothing)
{
	struct stream *s;

	begin(10);
	gate.n_scanned = 4;
	polls(ENCODING_LIST, 3, 10);
	hub.now += HEARTBEAT_US;
	turn();
	expect_written(fds[0], "\n");
	page_comes();
	expect_written(fds[0], "\"messages\":[\n" JSON_ROW(4) ",\n" JSON_ROW(5) ",\n" JSON_ROW(6) ",\n" JSON_ROW(7));
	gate_expect();
	hub.now += HEARTBEAT_US;
	turn();
	expect_written(fds[0], "\n");
	page_comes();
	expect_written(fds[0], ",\n" JSON_ROW(8) ",\n" JSON_ROW(9) ",\n" JSON_ROW(10));
	expect_written(fds[0], "],\"cursor\":10}\n");
	end();
	begin(5);
	s = stream_of("-", 1, true);  /* nothing is for this one */
	poll_upto(s, ENCODING_LIST, 5);
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "\"messages\":[],\"cursor\":5}\n");
	end();
}

TEST(a_poll_tells_the_first_gap)
{
	begin(5);
	gate.n_trimmed = 3;
	polls(ENCODING_LIST, 1, 5);
	page_comes();
	expect_written(fds[0], "\"messages\":[\n" JSON_ROW(4) ",\n" JSON_ROW(5));
	expect_written(fds[0], "],\"gap\":{\"reason\":\"expired\",\"requested\":\"1\",\"oldest\":4,\"newest\":5},\"cursor\":5}\n");
	assert_int_equal(hub.counters.n_gaps[GAP_EXPIRED], 1);
	end();
	/* One that is a row of a copy. */
	begin(5);
	gate.gap_at = 4;
	polls(ENCODING_LIST, 2, 5);
	page_comes();
	expect_written(fds[0], "\"messages\":[\n" JSON_ROW(3) ",\n" JSON_ROW(5));
	expect_written(fds[0], "],\"gap\":{\"reason\":\"expired\"},\"cursor\":5}\n");
	assert_int_equal(hub.counters.n_gaps[GAP_EXPIRED], 1);
	end();
	begin(5);
	gate.gap_at = 4;
	polls(ENCODING_LINES, 2, 5);
	page_comes();
	expect_written(fds[0], JSON_ROW(3) "\n{\"event\":\"rowcast.gap\",\"id\":4,\"data\":{\"reason\":\"expired\"}}\n" JSON_ROW(5) "\n");
	end();
}

TEST(a_poll_above_the_newest_is_told_so_and_where_that_is)
{
	begin(3);
	polls(ENCODING_LIST, 9, 3);
	page_comes();
	expect_written(fds[0], "\"messages\":[],\"gap\":{\"reason\":\"ahead\",\"requested\":\"9\",\"oldest\":1,\"newest\":3},\"cursor\":3}\n");
	end();
}

/* The log has given 9, and this machine does not have it yet: it is for the next poll. */
TEST(a_poll_of_a_copy_ends_where_that_does)
{
	begin(3);
	gate.is_copy = true;
	polls(ENCODING_LIST, 1, 9);
	page_comes();
	expect_written(fds[0], "\"messages\":[\n" JSON_ROW(2) ",\n" JSON_ROW(3));
	expect_written(fds[0], "],\"cursor\":3}\n");
	end();
}

/* What the newest are is known when it is looked for; by then more may have come. */
TEST(the_newest_of_a_poll_are_those_of_when_they_were_looked_for)
{
	struct stream *s;

	begin(9);
	gate.n_steps = 1;
	gate.found = 7;
	gate.found_newest = 8;
	s = newcomer("u", STREAM_CURSOR_ID);
	poll_upto(s, ENCODING_LIST, 5);
	turn();
	gate_expect();
	page_comes();
	gate_expect();
	page_comes();
	expect_written(fds[0], "\"messages\":[\n" JSON_ROW(8));
	expect_written(fds[0], "],\"cursor\":8}\n");
	end();
}

TEST(a_poll_that_cannot_be_read_is_cut_off)
{
	begin(3);
	gate.fails = true;
	polls(ENCODING_LIST, 1, 3);
	page_comes();
	assert_int_equal(hub.counters.n_ends[STREAM_END_STORE], 1);
	end();
}

/* ---- until=end ---- */

/* until_end is a stream of these topics that ends with them. */
static struct stream *
until_end(int64_t cursor, bool resumes, const char *const topics[])
{
	struct stream *s = stream_of("u", cursor, resumes);

	for (; *topics != NULL; topics++)
		topic_of(s, *topics);
	stream_until_new(s);
	s->until->by_topics = true;
	return s;
}

TEST(a_replay_that_comes_to_the_end_of_its_topic_ends)
{
	begin(3);
	gate.end_at = 3;
	until_end(1, true, LIST("t"));
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "id: 2\ndata: x\n\nid: 3\nevent: rowcast.end\ndata: x\n\n");
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
	assert_int_equal(hub.roster.n, 0);
	end();
}

TEST(it_goes_on_until_each_topic_has_ended)
{
	struct stream *s;

	begin(3);
	gate.end_at = 3;
	s = until_end(1, true, LIST("s", "t"));
	turn();
	gate_expect();
	page_comes();
	assert_int_equal(s->until->ends[0], 0);
	assert_int_equal(s->until->ends[1], 3);
	expect_written(fds[0], "id: 2\ndata: x\n\nid: 3\nevent: rowcast.end\ndata: x\n\n");
	assert_int_equal(s->state, STREAM_AHEAD);
	end();
}

/* The end was erased, trimmed or passed over with a gap: its id is known all the same. */
TEST(an_end_that_is_no_longer_there_counts_where_it_was)
{
	struct stream *s;

	begin(9);
	gate.n_trimmed = 8;
	s = until_end(1, true, LIST("t"));
	s->until->ends[0] = 5;
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "id: 8\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"1\",\"oldest\":9,\"newest\":9}\n\nid: 9\ndata: x\n\n");
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
	end();
}

TEST(who_reads_the_end_from_the_ring_ends_and_is_told_how_far_it_came)
{
	struct block *block = block_new();
	char data[] = "x", event[] = "rowcast.end", topic[] = "t", user[] = "v";

	begin(0);
	block_add(block, &(struct message){ .id = 1, .data = data, .data_len = 1, .topic = topic });
	block_add(block, &(struct message){ .id = 2, .data = data, .data_len = 1, .topic = topic, .event = event });
	block_add(block, &(struct message){ .id = 3, .data = data, .data_len = 1, .user = user });
	ring_add(&hub.ring, block);
	hub.sent = hub.sending = 3;
	until_end(0, false, LIST("t"));
	turn();
	expect_written(fds[0], "id: 1\ndata: x\n\nid: 2\nevent: rowcast.end\ndata: x\n\n");
	expect_written(fds[0], "id: 3\n\n");
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
	end();
}

TEST(one_whose_socket_is_full_at_its_end_is_written_to_its_last_byte)
{
	struct stream *s;

	begin(3);
	s = polls(ENCODING_LIST, 3, 3);
	fill(s);
	page_comes();
	assert_int_equal(s->state, STREAM_BLOCKED);
	drain(fds[0]);
	life_after_write(&hub, s, stream_flush(s, hub.now));
	expect_written(fds[0], "\"messages\":[],\"cursor\":3}\n");
	expect_over(s, fds[0]);
	end();
}

/* ---- without the inbox, in the ring ---- */

TEST(without_the_inbox_the_ring_gives_topics_and_gaps)
{
	struct block *block = block_new();
	char data[] = "x", gap[] = MESSAGE_EVENT_GAP, topic[] = "t", user[] = "u", lost[] = "{}";
	struct stream *s;

	begin(0);
	block_add(block, &(struct message){ .id = 1, .data = data, .data_len = 1 });
	block_add(block, &(struct message){ .id = 2, .data = data, .data_len = 1, .user = user });
	block_add(block, &(struct message){ .id = 3, .data = data, .data_len = 1, .user = user, .topic = topic });
	block_add(block, &(struct message){ .id = 4, .data = lost, .data_len = 2, .event = gap });
	ring_add(&hub.ring, block);
	hub.sent = hub.sending = 4;
	s = stream_of("u", 0, false);
	topic_of(s, "t");
	s->filter.topics_only = true;
	turn();
	expect_written(fds[0], "id: 3\ndata: x\n\nid: 4\nevent: rowcast.gap\ndata: {}\n\n");
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_poll_is_what_is_there_in_each_form_and_the_end),
	cmocka_unit_test(a_list_of_several_pages_is_one_with_heartbeats_that_say_nothing),
	cmocka_unit_test(a_poll_tells_the_first_gap),
	cmocka_unit_test(a_poll_above_the_newest_is_told_so_and_where_that_is),
	cmocka_unit_test(a_poll_of_a_copy_ends_where_that_does),
	cmocka_unit_test(the_newest_of_a_poll_are_those_of_when_they_were_looked_for),
	cmocka_unit_test(a_poll_that_cannot_be_read_is_cut_off),
	cmocka_unit_test(a_replay_that_comes_to_the_end_of_its_topic_ends),
	cmocka_unit_test(it_goes_on_until_each_topic_has_ended),
	cmocka_unit_test(an_end_that_is_no_longer_there_counts_where_it_was),
	cmocka_unit_test(who_reads_the_end_from_the_ring_ends_and_is_told_how_far_it_came),
	cmocka_unit_test(one_whose_socket_is_full_at_its_end_is_written_to_its_last_byte),
	cmocka_unit_test(without_the_inbox_the_ring_gives_topics_and_gaps),
	cmocka_unit_test(what_the_ring_has_in_another_form_comes_from_the_store),
	cmocka_unit_test(the_first_block_comes_with_the_first_message_and_stands_before_it),
	cmocka_unit_test(where_there_is_no_message_it_stands_at_the_newest),
	cmocka_unit_test(a_search_in_steps_is_waited_for_with_heartbeats_that_tell_no_cursor),
	cmocka_unit_test(what_is_found_is_not_looked_for_again_where_the_socket_was_full),
	cmocka_unit_test(what_retention_has_deleted_meanwhile_is_no_gap_for_who_was_told_nothing),
	cmocka_unit_test(a_newcomer_that_goes_while_it_is_searched_for_is_freed_when_that_is_back),
	cmocka_unit_test(a_stream_that_waits_for_its_page_gets_heartbeats),
	cmocka_unit_test(a_long_search_for_rows_tells_how_far_it_has_come),
	cmocka_unit_test(a_page_that_comes_while_the_socket_is_full_is_asked_for_again),
	cmocka_unit_test(a_page_that_comes_after_the_socket_was_full_is_sent),
	cmocka_unit_test(for_streams_that_have_gone_nothing_is_read),
	cmocka_unit_test(a_stream_that_goes_while_its_page_is_read_is_freed_when_that_is_back),
	cmocka_unit_test(no_turn_looks_at_more_of_the_ring_than_its_share),
	cmocka_unit_test(many_streams_that_are_behind_take_turns),
};

RUN_TESTS(tests)
