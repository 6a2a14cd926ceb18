/* Streams that stand above what this machine has: they wait for its copy of the log,
 * or are told that their cursor is none of the log's. In one thread, the test's. */

#include "tests/unit/check.h"
#include "tests/unit/hub/by_hand.h"

#include <poll.h>

#include "app/hub/ahead.h"
#include "app/hub/news.h"

static struct ahead ahead;
static struct news news;
static struct mailbox wake;

static void
begin_copy(int64_t n_rows)
{
	begin(n_rows);
	gate.is_copy = true;
	hub.sent = hub.sending = n_rows;
	ring_free(&hub.ring);
	ring_init(&hub.ring, n_rows);
	mailbox_init(&wake);
	news_init(&news, &wake, n_rows);
	ahead_init(&ahead);
}

static void
end_copy(void)
{
	end();
	ahead_free(&ahead);
	news_free(&news);
	mailbox_free(&wake);
}

static void
turn(void)
{
	news_run_all(&news, &hub);
	ahead_run(&ahead, &hub);
	replay_run(&replay, &hub);
	heartbeat_run(&hub);
	replay_forget(&replay, &hub);
	life_free_closed(&hub);
}

static void
page_comes(void)
{
	struct pollfd p = { .fd = replay.pages.wake_fd, .events = POLLIN };

	gate_let_in(1);
	assert_int_equal(poll(&p, 1, GATE_PATIENCE_S * 1000), 1);
	turn();
	turn();
}

/* comes_back is a stream with that cursor that joined at that time, after its page. */
static struct stream *
comes_back(int64_t cursor, mono_us joined_at)
{
	struct stream *s = stream_of("u", cursor, true);

	s->joined_at = joined_at;
	turn();
	gate_expect();
	page_comes();
	return s;
}

/* message comes to this machine, with those before it. */
static void
message(int64_t id)
{
	struct block *block = block_new();
	char data[] = "x";

	block_add(block, &(struct message){ .id = id, .data = data, .data_len = 1 });
	news_put(&news, block);
	turn();
}

TEST(a_cursor_that_another_machine_gave_waits_for_the_copy_with_heartbeats)
{
	struct stream *s;

	begin_copy(3);
	s = comes_back(7, 100);
	assert_int_equal(s->state, STREAM_AHEAD);
	for (int i = 0; i < 3; i++) {
		hub.now += HEARTBEAT_US;
		turn();
		expect_written(fds[0], ":\n");
	}
	message(6);
	message(7);
	assert_int_equal(s->state, STREAM_LIVE);
	expect_written(fds[0], NULL);
	message(9);
	expect_written(fds[0], "id: 9\ndata: x\n\n");
	end_copy();
}

/* It came back below, and has become live since: what it is sent before the others no log
 * need have been asked about. */
TEST(who_was_live_and_is_sent_something_before_the_others_is_not_judged)
{
	struct block *block = block_new();
	char data[] = "x", user[] = "u";
	struct stream *s;

	begin_copy(3);
	s = comes_back(3, 100);
	assert_int_equal(s->state, STREAM_LIVE);
	ahead_hear(&ahead, 3, 200);
	block_add(block, &(struct message){ .id = 4, .user = user, .data = data, .data_len = 1 });
	news_put(&news, block);
	direct_allow(&news.direct, 1000);
	news.pace.next_part = INT64_MAX;
	news_run(&news, &hub);
	ahead_run(&ahead, &hub);
	assert_int_equal(s->state, STREAM_AHEAD);
	expect_written(fds[0], "id: 4\ndata: x\n\n");
	turn();
	assert_int_equal(s->state, STREAM_LIVE);
	expect_written(fds[0], NULL);
	end_copy();
}

TEST(a_cursor_that_a_block_passes_reads_on_from_there)
{
	struct block *block = block_new();
	char data[] = "x";

	begin_copy(3);
	comes_back(7, 100);
	for (int64_t id = 6; id <= 8; id++)
		block_add(block, &(struct message){ .id = id, .data = data, .data_len = 1 });
	news_put(&news, block);
	turn();
	expect_written(fds[0], "id: 8\ndata: x\n\n");
	end_copy();
}

TEST(a_cursor_that_the_log_never_gave_is_told_so_and_goes_on_from_its_newest)
{
	struct stream *s;

	begin_copy(3);
	s = comes_back(7, 100);
	ahead_hear(&ahead, 5, 200);
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "id: 5\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"ahead\",\"requested\":\"7\",\"oldest\":1,\"newest\":5}\n\n");
	assert_int_equal(hub.counters.n_gaps[GAP_AHEAD], 1);
	assert_int_equal(s->state, STREAM_AHEAD);
	message(4);
	message(5);
	expect_written(fds[0], NULL);
	message(6);
	expect_written(fds[0], "id: 6\ndata: x\n\n");
	message(8);
	expect_written(fds[0], "id: 8\ndata: x\n\n");
	end_copy();
}

TEST(what_has_come_above_the_logs_newest_meanwhile_follows_the_gap)
{
	begin_copy(3);
	comes_back(7, 100);
	ahead_hear(&ahead, 5, 200);
	turn();
	gate_expect();
	gate.n_rows = 8;
	page_comes();
	expect_written(fds[0], "id: 5\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"ahead\",\"requested\":\"7\",\"oldest\":1,\"newest\":5}\n\n"
	    "id: 6\ndata: x\n\nid: 7\ndata: x\n\nid: 8\ndata: x\n\n");
	end_copy();
}

TEST(what_the_log_said_before_a_stream_came_does_not_judge_it)
{
	struct stream *s;

	begin_copy(3);
	s = comes_back(7, 100);
	ahead_hear(&ahead, 5, 100);
	turn();
	ahead_hear(&ahead, 5, 90);
	turn();
	assert_int_equal(s->state, STREAM_AHEAD);
	assert_true(gate_is_quiet());
	ahead_hear(&ahead, 7, 101);
	turn();
	/* What was found right stays so. */
	ahead_hear(&ahead, 6, 102);
	turn();
	assert_true(gate_is_quiet());
	assert_int_equal(s->state, STREAM_AHEAD);
	message(7);
	assert_int_equal(s->state, STREAM_LIVE);
	expect_written(fds[0], NULL);
	end_copy();
}

TEST(only_who_waits_to_be_judged_is_counted)
{
	struct stream *s;

	begin_copy(3);
	stream_of("u", 9, false);  /* it was sent more, or began at an id of ours */
	assert_int_equal(hub.counters.n_unproven, 0);
	s = comes_back(7, 100);
	assert_int_equal(hub.counters.n_unproven, 1);
	ahead_hear(&ahead, 7, 200);
	turn();
	assert_int_equal(hub.counters.n_unproven, 0);
	comes_back(8, 300);
	assert_int_equal(hub.counters.n_unproven, 1);
	life_close(&hub, hub.roster.streams[2], STREAM_END_CLIENT);
	assert_int_equal(hub.counters.n_unproven, 0);
	turn();
	assert_int_equal(s->state, STREAM_AHEAD);
	end_copy();
}

TEST(one_whose_socket_is_full_is_judged_once_it_drains)
{
	struct stream *s;

	begin_copy(3);
	s = comes_back(7, 100);
	fill(s);
	hub.now += HEARTBEAT_US;
	turn();
	assert_int_equal(s->state, STREAM_BLOCKED);
	assert_int_equal(hub.counters.n_unproven, 0);
	ahead_hear(&ahead, 5, 200);
	turn();
	drain(fds[0]);
	life_after_write(&hub, s, stream_flush(s, hub.now));
	expect_written(fds[0], ":\n");
	ahead_hear(&ahead, 5, 300);
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "id: 5\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"ahead\",\"requested\":\"7\",\"oldest\":1,\"newest\":5}\n\n");
	end_copy();
}

/* One machine's own table: as it always was. */
TEST(a_table_of_its_own_says_at_once_that_it_never_gave_a_cursor)
{
	struct stream *s;

	begin_copy(3);
	gate.is_copy = false;
	s = comes_back(7, 100);
	expect_written(fds[0], "id: 3\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"ahead\",\"requested\":\"7\",\"oldest\":1,\"newest\":3}\n\n");
	assert_int_equal(s->state, STREAM_LIVE);
	message(4);
	expect_written(fds[0], "id: 4\ndata: x\n\n");
	end_copy();
}

/* comes_to_poll is comes_back, for a list; newest is what the log was last heard of. */
static struct stream *
comes_to_poll(int64_t cursor, int64_t newest)
{
	struct stream *s = stream_of("u", cursor, true);

	s->joined_at = 100;
	poll_upto(s, ENCODING_LIST, newest);
	turn();
	gate_expect();
	page_comes();
	return s;
}

TEST(a_poll_with_a_cursor_that_another_machine_gave_ends_when_that_is_known)
{
	struct stream *s;

	begin_copy(3);
	s = comes_to_poll(7, 5);
	assert_int_equal(s->state, STREAM_AHEAD);
	expect_written(fds[0], NULL);
	ahead_hear(&ahead, 8, 200);
	turn();
	expect_written(fds[0], "\"messages\":[],\"cursor\":7}\n");
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
	/* Or when the copy has come there. */
	comes_to_poll(7, 5);
	message(9);
	expect_written(fds[1], "\"messages\":[],\"cursor\":7}\n");
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 2);
	end_copy();
}

TEST(a_poll_with_a_cursor_that_the_log_never_gave_is_told_so)
{
	begin_copy(3);
	comes_to_poll(7, 5);
	ahead_hear(&ahead, 5, 200);
	turn();
	gate_expect();
	page_comes();
	expect_written(fds[0], "\"messages\":[],\"gap\":{\"reason\":\"ahead\",\"requested\":\"7\",\"oldest\":1,\"newest\":5},"
	    "\"cursor\":5}\n");
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
	end_copy();
}

/* What is above its cursor is not its, whatever comes while it waits. */
TEST(a_poll_that_waits_to_be_judged_is_no_stream)
{
	begin_copy(3);
	comes_to_poll(7, 5);
	message(4);
	message(6);
	hub.now += HEARTBEAT_US;
	turn();
	expect_written(fds[0], "\n");
	message(7);
	expect_written(fds[0], "\"messages\":[],\"cursor\":7}\n");
	end_copy();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_poll_with_a_cursor_that_another_machine_gave_ends_when_that_is_known),
	cmocka_unit_test(a_poll_with_a_cursor_that_the_log_never_gave_is_told_so),
	cmocka_unit_test(a_poll_that_waits_to_be_judged_is_no_stream),
	cmocka_unit_test(a_cursor_that_another_machine_gave_waits_for_the_copy_with_heartbeats),
	cmocka_unit_test(who_was_live_and_is_sent_something_before_the_others_is_not_judged),
	cmocka_unit_test(a_cursor_that_a_block_passes_reads_on_from_there),
	cmocka_unit_test(a_cursor_that_the_log_never_gave_is_told_so_and_goes_on_from_its_newest),
	cmocka_unit_test(what_has_come_above_the_logs_newest_meanwhile_follows_the_gap),
	cmocka_unit_test(what_the_log_said_before_a_stream_came_does_not_judge_it),
	cmocka_unit_test(only_who_waits_to_be_judged_is_counted),
	cmocka_unit_test(one_whose_socket_is_full_is_judged_once_it_drains),
	cmocka_unit_test(a_table_of_its_own_says_at_once_that_it_never_gave_a_cursor),
};

RUN_TESTS(tests)
