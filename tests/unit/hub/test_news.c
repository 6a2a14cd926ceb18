/* News by hand: when a round may begin, the test says. */

#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/hub/by_hand.h"

#include "app/hub/news.h"

static struct news news;
static struct mailbox wake;
static int64_t next_id;

enum { BROADCAST_STREAMS = 64 };  /* enough for a round after which something may be sent */

static void
begin_news(void)
{
	begin(0);
	mailbox_init(&wake);
	news_init(&news, &wake, 0);
	next_id = 1;
}

static void
end_news(void)
{
	end();
	news_free(&news);
	mailbox_free(&wake);
}

/* hold_rounds: none begins before release_rounds. */
static void
hold_rounds(void)
{
	news.pace.next_part = INT64_MAX;
}

static void
release_rounds(void)
{
	news.pace = (struct pace){ 0 };
}

/* release_part lets one part of a round be written, to PACE_LEAST_PART streams at most. */
static void
release_part(void)
{
	news.pace = (struct pace){ .us_per_write = 1e6 };
}

static void
put_event(const char *user, const char *topic, const char *event, const char *data,
    struct expiry expiry)
{
	struct block *block = block_new();
	struct message m = {
		.id = next_id++, .expiry = expiry, .data_len = strlen(data),
		.user = user != NULL ? mem_strdup(user) : NULL,
		.topic = topic != NULL ? mem_strdup(topic) : NULL,
		.event = event != NULL ? mem_strdup(event) : NULL,
		.data = mem_strdup(data),
	};

	block_add(block, &m);
	news_put(&news, block);
	message_free(&m);
}

static void
put(const char *user, const char *topic, const char *data, struct expiry expiry)
{
	put_event(user, topic, NULL, data, expiry);
}

static void
end_topic(const char *topic)
{
	put_event(NULL, topic, MESSAGE_EVENT_END, "{}", EXPIRY_NEVER);
}

static void
publish(const char *user)
{
	put(user, NULL, "x", EXPIRY_NEVER);
}

static void
turn(void)
{
	news_run(&news, &hub);
	replay_run(&replay, &hub);
	replay_forget(&replay, &hub);
	life_free_closed(&hub);
}

/* begin_with_a_crowd: user 0's stream is the first; a round has just been sent to
 * it and to many others, and the next has to wait. */
static void
begin_with_a_crowd(void)
{
	begin_news();
	for (int i = 0; i < BROADCAST_STREAMS; i++) {
		char *user = mem_printf("%d", i);

		stream_of(user, 0, false);
		free(user);
	}
	publish(NULL);
	turn();
	for (int i = 0; i < BROADCAST_STREAMS; i++)
		expect_written(fds[i], "id: 1\ndata: x\n\n");
	hold_rounds();
}

TEST(a_users_message_does_not_wait_for_the_round)
{
	begin_with_a_crowd();
	publish(NULL);
	turn();
	expect_written(fds[0], NULL);
	publish("0");
	publish(NULL);
	turn();
	/* With what stands before it, and all that is there. */
	expect_written(fds[0], "id: 2\ndata: x\n\nid: 3\ndata: x\n\nid: 4\ndata: x\n\n");
	expect_written(fds[1], NULL);
	assert_int_equal(hub.roster.streams[0]->state, STREAM_AHEAD);
	assert_int_equal(hub.sent, 1);
	publish("0");
	turn();
	expect_written(fds[0], "id: 5\ndata: x\n\n");
	publish(NULL);
	turn();
	expect_written(fds[0], NULL);
	release_rounds();
	turn();
	expect_written(fds[0], "id: 6\ndata: x\n\n");
	expect_written(fds[1], "id: 2\ndata: x\n\nid: 4\ndata: x\n\nid: 6\ndata: x\n\n");
	assert_int_equal(hub.roster.streams[0]->state, STREAM_LIVE);
	assert_int_equal(hub.counters.n_delivered,
	    BROADCAST_STREAMS + 3 + 1 + 1 + 3 * (BROADCAST_STREAMS - 1));
	end_news();
}

TEST(a_stream_whose_socket_takes_no_more_goes_on_from_what_it_was_sent)
{
	struct stream *s;

	begin_with_a_crowd();
	s = hub.roster.streams[0];
	publish(NULL);
	publish("0");
	fill(s);
	turn();
	assert_int_equal(s->state, STREAM_BLOCKED);
	publish("0");
	turn();
	release_rounds();
	turn();
	assert_int_equal(s->state, STREAM_BLOCKED);
	drain(fds[0]);
	life_after_write(&hub, s, stream_flush(s, hub.now));
	expect_written(fds[0], "id: 2\ndata: x\n\nid: 3\ndata: x\n\n");
	turn();
	expect_written(fds[0], "id: 4\ndata: x\n\n");
	end_news();
}

TEST(a_web_server_that_is_gone_when_it_is_written_to_ends_the_stream)
{
	begin_news();
	stream_of("u", 0, false);
	stream_of("u", 0, false);
	close(fds[0]);
	fds[0] = dup(fds[1]);
	publish(NULL);
	turn();
	assert_int_equal(hub.roster.n, 1);
	assert_int_equal(hub.counters.n_ends[STREAM_END_WRITE], 1);
	assert_int_equal(hub.counters.n_behind, 0);
	end_news();
}

TEST(a_stream_that_joined_above_the_news_is_sent_no_more_than_it_wants)
{
	struct stream *s;

	begin_with_a_crowd();
	s = stream_of("new", 3, false);
	assert_int_equal(s->state, STREAM_AHEAD);
	publish("new");
	publish("new");
	publish(NULL);
	put("new", "another topic", "x", EXPIRY_NEVER);
	put("new", NULL, "x", EXPIRY_AT(1));
	turn();
	expect_written(fds[BROADCAST_STREAMS], "id: 4\ndata: x\n\n");
	release_rounds();
	turn();
	expect_written(fds[BROADCAST_STREAMS], NULL);
	assert_int_equal(s->state, STREAM_LIVE);
	end_news();
}

TEST(little_is_sent_directly_between_two_rounds_and_the_rest_comes_with_the_next)
{
	size_t n_sent = 0;

	begin_with_a_crowd();
	for (int i = 0; i < BROADCAST_STREAMS; i++) {
		char *user = mem_printf("%d", i);

		publish(user);
		free(user);
	}
	for (int i = 0; i < 10; i++)
		turn();
	for (size_t i = 0; i < BROADCAST_STREAMS; i++)
		n_sent += hub.roster.streams[i]->state == STREAM_AHEAD;
	assert_in_range(n_sent, 1, BROADCAST_STREAMS / 16);
	assert_false(direct_may(&news.direct) && direct_has_more(&news.direct, &hub));
	release_rounds();
	turn();
	for (int i = 0; i < BROADCAST_STREAMS; i++) {
		char *event = mem_printf("id: %d\ndata: x\n\n", i + 2);

		expect_written(fds[i], event);
		free(event);
	}
	end_news();
}

TEST(a_stream_is_sent_something_directly_a_few_times)
{
	size_t n_turns = 0;

	begin_news();
	for (int i = 0; i < 1000; i++)
		stream_of(i == 0 ? "u" : "v", 0, false);
	publish(NULL);
	turn();
	for (int i = 0; i < 1000; i++)
		drain(fds[i]);
	hold_rounds();
	for (int i = 0; i < 20; i++) {
		char bytes[1000];

		publish("u");
		turn();
		if (recv(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			n_turns++;
		/* v has too many streams for this. */
		publish("v");
		turn();
		expect_written(fds[1], NULL);
	}
	assert_in_range(n_turns, 2, 10);
	assert_true(direct_may(&news.direct));
	end_news();
}

TEST(looking_at_what_names_users_is_bounded_in_each_turn_and_in_all)
{
	enum { ENTRIES = 100000 };
	struct block *block = block_new();
	char user[] = "nobody", data[] = "x";
	size_t n_turns = 0;

	begin_with_a_crowd();
	while (next_id <= ENTRIES)
		block_add(block, &(struct message){ .id = next_id++, .user = user, .data = data, .data_len = 1 });
	news_put(&news, block);
	for (int64_t last = 0; direct_may(&news.direct); n_turns++) {
		assert_int_equal(news_due(&news, &hub, INT64_MAX), hub.now);
		turn();
		assert_true(news.direct.looked > last);
		last = news.direct.looked;
	}
	assert_true(news.direct.looked < 64 * BROADCAST_STREAMS);
	assert_true(news_due(&news, &hub, INT64_MAX) > hub.now);
	end_news();
}

/* ---- a round in parts ---- */

/* begin_a_part: of a message for everyone, which most of the crowd have not been sent yet. */
static void
begin_a_part(void)
{
	begin_with_a_crowd();
	publish(NULL);
	release_part();
	turn();
	hold_rounds();
	assert_int_equal(hub.sent, 1);
	assert_int_equal(hub.sending, 2);
}

/* n_written counts those of the crowd who have been sent that and nothing else. */
static int
n_written(const char *event)
{
	char bytes[1000];
	int n = 0;

	for (int i = 0; i < BROADCAST_STREAMS; i++) {
		ssize_t got = recv(fds[i], bytes, sizeof(bytes) - 1, MSG_DONTWAIT);

		if (got <= 0)
			continue;
		bytes[got] = '\0';
		assert_string_equal(bytes + FCGI_HEADER_BYTES, event);
		n++;
	}
	return n;
}

TEST(between_two_parts_a_users_message_goes_before_the_rest)
{
	begin_a_part();
	assert_int_equal(n_written("id: 2\ndata: x\n\n"), PACE_LEAST_PART);
	direct_allow(&news.direct, BROADCAST_STREAMS * 16);
	/* One who was sent the part has only his own left; who was not is sent both. */
	publish("63");
	publish("0");
	turn();
	expect_written(fds[63], "id: 3\ndata: x\n\n");
	expect_written(fds[0], "id: 2\ndata: x\n\nid: 4\ndata: x\n\n");
	release_part();
	turn();
	assert_int_equal(n_written("id: 2\ndata: x\n\n"), BROADCAST_STREAMS - PACE_LEAST_PART - 1);
	assert_int_equal(hub.sent, 2);
	release_rounds();
	turn();
	assert_int_equal(n_written(NULL), 0);
	assert_int_equal(hub.sent, 4);
	assert_true(TAILQ_EMPTY(&hub.ahead));
	end_news();
}

TEST(who_joins_between_two_parts_gets_what_others_are_sent)
{
	struct stream *at_sent, *above, *below;

	begin_a_part();
	n_written("id: 2\ndata: x\n\n");
	at_sent = stream_of("at sent", 1, false);
	above = stream_of("above", 2, false);
	below = stream_of("below", 0, false);
	turn();
	expect_written(fds[BROADCAST_STREAMS], "id: 2\ndata: x\n\n");
	expect_written(fds[BROADCAST_STREAMS + 1], NULL);
	expect_written(fds[BROADCAST_STREAMS + 2], "id: 1\ndata: x\n\nid: 2\ndata: x\n\n");
	release_part();
	turn();
	assert_int_equal(hub.sent, 2);
	for (int i = 0; i < 3; i++)
		expect_written(fds[BROADCAST_STREAMS + i], NULL);
	assert_int_equal(at_sent->state, STREAM_LIVE);
	assert_int_equal(above->state, STREAM_LIVE);
	assert_int_equal(below->state, STREAM_LIVE);
	end_news();
}

TEST(a_heartbeat_between_two_parts_leaves_nothing_out)
{
	begin_a_part();
	n_written("id: 2\ndata: x\n\n");
	hub.now += HEARTBEAT_US;
	heartbeat_run(&hub);
	assert_int_equal(n_written(":\n"), BROADCAST_STREAMS);
	turn();
	assert_int_equal(n_written("id: 2\ndata: x\n\n"), BROADCAST_STREAMS - PACE_LEAST_PART);
	release_part();
	turn();
	assert_int_equal(n_written(NULL), 0);
	assert_int_equal(hub.sent, 2);
	end_news();
}

TEST(who_has_come_to_its_end_with_a_part_ends_with_it)
{
	struct stream *s;

	begin_with_a_crowd();
	s = stream_of("until", 1, false);
	topic_of(s, "answer");
	stream_until_new(s);
	s->until->by_topics = true;
	end_topic("answer");
	publish(NULL);
	release_part();
	turn();
	assert_true(hub.sending > hub.sent);
	assert_int_equal(hub.counters.n_ends[STREAM_END_ENDED], 1);
	end_news();
}

TEST(when_the_hub_stops_the_round_under_way_comes_to_its_end)
{
	begin_a_part();
	news_run_all(&news, &hub);
	assert_int_equal(n_written("id: 2\ndata: x\n\n"), BROADCAST_STREAMS);
	assert_int_equal(hub.sent, 2);
	assert_int_equal(hub.counters.n_delivered, 2 * BROADCAST_STREAMS);
	end_news();
}

/* What the hub has taken early still counts as waiting. */
static void *
put_much(void *done)
{
	for (int i = 0; i < 3; i++) {
		char *data = mem_alloc(NEWS_INBOX_BYTES + 1);

		memset(data, 'x', NEWS_INBOX_BYTES);
		data[NEWS_INBOX_BYTES] = '\0';
		put("nobody", NULL, data, EXPIRY_NEVER);
		atomic_fetch_add((_Atomic int *)done, 1);
		free(data);
	}
	return NULL;
}

TEST(a_publisher_waits_for_rounds_not_for_what_is_taken_early)
{
	_Atomic int n_put = 0;
	pthread_t publisher;

	begin_with_a_crowd();
	assert_int_equal(pthread_create(&publisher, NULL, put_much, &n_put), 0);
	for (int i = 0; i < 50; i += atomic_load(&n_put) > 0) {
		turn();
		usleep(1000);
	}
	assert_int_equal(n_put, 1);
	while (atomic_load(&n_put) < 3) {
		release_rounds();
		turn();
	}
	pthread_join(publisher, NULL);
	end_news();
}

/* ---- any interleaving ---- */

enum { ANY_STREAMS = 100, ANY_MESSAGES = 3000 };

static const char *const any_users[] = { "a", "b", "c", "d", NULL };
static struct { const char *user; struct buf event; } any[ANY_MESSAGES + 1];
static struct buf came[ANY_STREAMS];

static void
put_any(void)
{
	struct block *block = block_new(), *alone;
	size_t n = dice_throw(6);
	char data[4001];

	while (n-- > 0 && next_id <= ANY_MESSAGES) {
		const char *user = any_users[dice_throw(5)];
		size_t len = dice_throw(12) == 0 ? dice_throw(4000) : dice_throw(20);
		struct message m = { .id = next_id, .data = data, .data_len = len,
			.user = user != NULL ? mem_strdup(user) : NULL };

		memset(data, 'a' + (int)(next_id % 26), len);
		block_add(block, &m);
		alone = block_new();
		block_add(alone, &m);
		any[next_id].user = user;
		any[next_id].event = alone->texts[ENCODING_PLAIN].bytes;
		alone->texts[ENCODING_PLAIN].bytes = BUF_EMPTY;
		block_free(alone);
		free(m.user);
		next_id++;
	}
	block->upto = next_id - 1;
	news_put(&news, block);
}

static void
read_some(int i)
{
	size_t n = 1 + dice_throw(100000);
	char *to = buf_reserve(&came[i], n);
	ssize_t got = recv(fds[i], to, n, MSG_DONTWAIT);

	if (got > 0)
		came[i].len += (size_t)got;
}

static void
flush_blocked(void)
{
	for (size_t i = 0; i < hub.roster.n; i++) {
		struct stream *s = hub.roster.streams[i];
		int outcome;

		if (s->state != STREAM_BLOCKED)
			continue;
		outcome = stream_flush(s, hub.now);
		if (outcome != STREAM_FULL)
			life_after_write(&hub, s, outcome);
	}
}

/* expect_all_came: the content of the records is every message above `after` for
 * that user, once and in order; or, where the stream has left, the first of these. */
static void
expect_all_came(int i, const char *user, int64_t after, bool has_left)
{
	struct buf content = BUF_EMPTY, expected = BUF_EMPTY;

	for (size_t at = 0; at < came[i].len; ) {
		const unsigned char *header = (const unsigned char *)came[i].bytes + at;
		size_t len = (size_t)header[4] << 8 | header[5];

		if (has_left && (header[1] != 6 || at + FCGI_HEADER_BYTES + len + header[6] > came[i].len))
			break;
		assert_int_equal(header[1], 6);
		buf_add(&content, came[i].bytes + at + FCGI_HEADER_BYTES, len);
		at += FCGI_HEADER_BYTES + len + header[6];
		assert_true(at <= came[i].len);
	}
	for (int64_t id = after + 1; id < next_id; id++)
		if (any[id].user == NULL || strcmp(any[id].user, user) == 0)
			buf_add(&expected, any[id].event.bytes, any[id].event.len);
	assert_true(content.len <= expected.len);
	assert_true(has_left || content.len == expected.len);
	if (content.len > 0)
		assert_memory_equal(content.bytes, expected.bytes, content.len);
	buf_free(&content);
	buf_free(&expected);
}

TEST(in_any_order_of_events_each_stream_gets_each_message_once_and_in_order)
{
	uint64_t n_direct = 0, n_blocked = 0, n_parts = 0, n_left = 0;

	dice_begin();
	for (int game = 0; game < 6; game++) {
		const char *users[ANY_STREAMS];
		int64_t after[ANY_STREAMS];
		struct stream *streams[ANY_STREAMS];
		int n = 0;

		begin_news();
		while (next_id <= ANY_MESSAGES || n < ANY_STREAMS) {
			if (n < ANY_STREAMS && (n < 80 || dice_throw(20) == 0)) {
				int small = 1;
				struct stream *s;

				/* At the newest of the table, which may be above the news. */
				users[n] = any_users[dice_throw(4)];
				after[n] = next_id - 1;
				streams[n] = s = stream_of(users[n], after[n], false);
				if (dice_throw(3) == 0)
					assert_int_equal(setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
				n++;
			}
			if (dice_throw(2) == 0)
				put_any();
			if (dice_throw(4) != 0)
				hold_rounds();
			else if (dice_throw(3) != 0)
				release_part();
			else
				release_rounds();
			turn();
			if (dice_throw(60) == 0) {
				int i = (int)dice_throw((uint64_t)n);

				if (streams[i] != NULL)
					life_close(&hub, streams[i], STREAM_END_CLIENT);
				n_left += streams[i] != NULL;
				streams[i] = NULL;
			}
			for (int i = 0; i < n; i++)
				if (dice_throw(4) == 0)
					read_some(i);
			if (dice_throw(2) == 0)
				flush_blocked();
			n_parts += hub.sending > hub.sent;
			n_direct += !TAILQ_EMPTY(&hub.ahead) && hub.sending == hub.sent;
			for (size_t i = 0; i < hub.roster.n; i++)
				n_blocked += hub.roster.streams[i]->state == STREAM_BLOCKED;
		}
		for (int quiet = 0; quiet < 100; quiet++) {
			release_rounds();
			turn();
			flush_blocked();
			for (int i = 0; i < n; i++)
				for (size_t before = came[i].len + 1; before != came[i].len; ) {
					before = came[i].len;
					read_some(i);
				}
			for (size_t i = 0; i < hub.roster.n; i++)
				if (hub.roster.streams[i]->state != STREAM_LIVE || hub.sent != next_id - 1)
					quiet = 0;
		}
		for (int i = 0; i < n; i++) {
			expect_all_came(i, users[i], after[i], streams[i] == NULL);
			buf_free(&came[i]);
		}
		for (int64_t id = 1; id < next_id; id++)
			buf_free(&any[id].event);
		end_news();
	}
	assert_true(n_direct > 0);
	assert_true(n_blocked > 0);
	assert_true(n_parts > 0);
	assert_true(n_left > 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_users_message_does_not_wait_for_the_round),
	cmocka_unit_test(a_stream_whose_socket_takes_no_more_goes_on_from_what_it_was_sent),
	cmocka_unit_test(a_web_server_that_is_gone_when_it_is_written_to_ends_the_stream),
	cmocka_unit_test(a_stream_that_joined_above_the_news_is_sent_no_more_than_it_wants),
	cmocka_unit_test(little_is_sent_directly_between_two_rounds_and_the_rest_comes_with_the_next),
	cmocka_unit_test(a_stream_is_sent_something_directly_a_few_times),
	cmocka_unit_test(looking_at_what_names_users_is_bounded_in_each_turn_and_in_all),
	cmocka_unit_test(between_two_parts_a_users_message_goes_before_the_rest),
	cmocka_unit_test(who_joins_between_two_parts_gets_what_others_are_sent),
	cmocka_unit_test(a_heartbeat_between_two_parts_leaves_nothing_out),
	cmocka_unit_test(who_has_come_to_its_end_with_a_part_ends_with_it),
	cmocka_unit_test(when_the_hub_stops_the_round_under_way_comes_to_its_end),
	cmocka_unit_test(a_publisher_waits_for_rounds_not_for_what_is_taken_early),
	cmocka_unit_test(in_any_order_of_events_each_stream_gets_each_message_once_and_in_order),
};

RUN_TESTS(tests)
