/* Each stream is one end of a SOCK_SEQPACKET pair, which keeps writes apart: one
 * packet read is one write made. */

#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/round.h"
#include "lib/fcgi.h"
#include "lib/mem.h"

enum { STREAMS_MAX = 40, PACKET_MAX = 256 << 10 };

struct side {
	struct stream *s;
	int fd;          /* the web server's end */
	int64_t compared;  /* what it wants up to this id has been compared */
};

static struct roster roster;
static struct ring ring;
static struct round *a_round;
static struct side sides[STREAMS_MAX];
static size_t n_sides;
static int64_t sent, next_id;
static struct { const struct stream *s; int outcome; int64_t cursor; } incomplete[STREAMS_MAX];
static size_t n_incomplete;

/* All messages ever added, for comparing. */
static struct buf encoded[4096][ENCODINGS];
static struct message added[4096];
static size_t n_added;

static void
begin(void)
{
	roster = (struct roster){ 0 };
	sent = 0;
	next_id = 1;
	n_sides = n_added = n_incomplete = 0;
	ring_init(&ring, 0);
	a_round = round_new();
}

static void
end(void)
{
	for (size_t i = 0; i < n_sides; i++) {
		roster_remove(&roster, sides[i].s);
		stream_free(sides[i].s);
		close(sides[i].fd);
	}
	for (size_t i = 0; i < n_added; i++) {
		message_free(&added[i]);
		for (size_t e = 0; e < ENCODINGS; e++)
			buf_free(&encoded[i][e]);
	}
	roster_free(&roster);
	ring_free(&ring);
	round_free(a_round);
}

static struct side *
listening(const char *user, const char *const topics[])
{
	struct filter filter = { .user = mem_strdup(user) };
	struct side *side = &sides[n_sides++];
	int pair[2];

	filter.topics = mem_alloc(8 * sizeof(char *));
	for (; topics[filter.n_topics] != NULL; filter.n_topics++)
		filter.topics[filter.n_topics] = mem_strdup(topics[filter.n_topics]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	side->compared = 0;
	side->s = stream_new(filter);
	side->s->fd = pair[0];
	side->s->request_id = 1;
	side->s->state = STREAM_LIVE;
	side->fd = pair[1];
	roster_add(&roster, side->s);
	return side;
}

/* add adds a message to a block, and encodes it by itself for comparing. An
 * EXPIRY_AT(1) is long past. */
static void
add(struct block *block, const char *user, const char *topic, size_t data_len, struct expiry expiry)
{
	struct message *m = &added[n_added];
	struct block *alone = block_new();

	assert_true(n_added < 4096);
	*m = (struct message){ .id = next_id++, .data_len = data_len, .expiry = expiry };
	m->user = user != NULL ? mem_strdup(user) : NULL;
	m->topic = topic != NULL ? mem_strdup(topic) : NULL;
	m->data = mem_alloc(data_len + 1);
	memset(m->data, 'a' + (int)(m->id % 26), data_len);
	m->data[data_len] = '\0';
	block_add(block, m);
	alone->encodings = ENCODING_BIT(ENCODINGS) - 1;
	block_add(alone, m);
	for (size_t e = 0; e < ENCODINGS; e++) {
		encoded[n_added][e] = alone->texts[e].bytes;
		alone->texts[e].bytes = BUF_EMPTY;
	}
	n_added++;
	block_free(alone);
}

/* news adds one message in a block of its own. */
static void
news(const char *user, const char *topic)
{
	struct block *block = block_new();

	add(block, user, topic, 10, EXPIRY_NEVER);
	ring_add(&ring, block);
}

static void
record_incomplete(void *context, struct stream *s, int outcome)
{
	assert_ptr_equal(context, &ring);
	incomplete[n_incomplete].s = s;
	incomplete[n_incomplete].outcome = outcome;
	incomplete[n_incomplete++].cursor = s->cursor;
	s->state = STREAM_BLOCKED;
}

static struct round_tally
run(void)
{
	int64_t upto = round_begin(a_round, &roster, &ring, sent);
	struct round_tally tally = round_write(a_round, &roster, STREAMS_MAX, 5, record_incomplete, &ring);

	assert_true(tally.is_over);
	sent = upto;
	return tally;
}

/* run_in_parts is the same in parts of n_max streams, all of which take what they are sent. */
static struct round_tally
run_in_parts(size_t n_max)
{
	int64_t upto = round_begin(a_round, &roster, &ring, sent);
	size_t n_left = round_n_left(a_round);
	struct round_tally tally = { 0 };

	while (!tally.is_over) {
		struct round_tally part = round_write(a_round, &roster, n_max, 5, record_incomplete, &ring);

		assert_true(part.n_written <= n_max);
		tally.n_written += part.n_written;
		tally.n_delivered += part.n_delivered;
		tally.is_over = part.is_over;
	}
	assert_true(tally.n_written <= n_left);
	assert_int_equal(n_incomplete, n_left > n_max ? tally.n_written : 0);
	while (n_incomplete > 0) {
		n_incomplete--;
		assert_int_equal(incomplete[n_incomplete].outcome, 0);
		assert_int_equal(incomplete[n_incomplete].cursor, upto);
	}
	for (size_t i = 0; i < n_sides; i++)
		sides[i].s->state = STREAM_LIVE;
	sent = upto;
	return tally;
}

/* expect_written: since the last time the stream was written once, all messages
 * above side->compared and up to `sent` that it wants, in order; or, where there
 * is none, not at all. Returns how many. */
static size_t
expect_written(struct side *side)
{
	static char packet[PACKET_MAX];
	struct buf expected = BUF_EMPTY;
	size_t n = 0;

	for (size_t i = 0; i < n_added; i++) {
		const struct message *m = &added[i];

		if (m->id <= side->compared || m->id > sent || m->expiry.at == 1
		    || (m->user != NULL && strcmp(m->user, side->s->filter.user) != 0)
		    || !stream_wants_topic(side->s, m->topic))
			continue;
		buf_add(&expected, encoded[i][side->s->encoding].bytes, encoded[i][side->s->encoding].len);
		assert_true(side->s->told >= m->id);
		n++;
	}
	side->compared = sent;
	if (n > 0) {
		ssize_t got = recv(side->fd, packet, sizeof(packet), MSG_DONTWAIT);

		assert_int_equal(got, FCGI_HEADER_BYTES + expected.len);
		assert_memory_equal(packet + FCGI_HEADER_BYTES, expected.bytes, expected.len);
	}
	assert_int_equal(recv(side->fd, packet, sizeof(packet), MSG_DONTWAIT), -1);
	buf_free(&expected);
	return n;
}

TEST(a_message_goes_to_those_it_is_for)
{
	struct side *u, *ut, *v, *vt;
	struct round_tally tally;

	begin();
	u = listening("u", LIST(NULL));
	ut = listening("u", LIST("t"));
	v = listening("v", LIST(NULL));
	vt = listening("v", LIST("t", "x"));

	news("u", NULL);
	tally = run();
	assert_int_equal(tally.n_written, 2);
	assert_int_equal(tally.n_delivered, 2);
	assert_int_equal(expect_written(u), 1);
	assert_int_equal(expect_written(ut), 1);
	assert_int_equal(expect_written(v), 0);
	assert_int_equal(expect_written(vt), 0);

	news(NULL, "t");
	run();
	assert_int_equal(expect_written(u), 0);
	assert_int_equal(expect_written(ut), 1);
	assert_int_equal(expect_written(v), 0);
	assert_int_equal(expect_written(vt), 1);

	news("v", "t");
	run();
	assert_int_equal(expect_written(ut), 0);
	assert_int_equal(expect_written(v), 0);
	assert_int_equal(expect_written(vt), 1);

	news(NULL, NULL);
	tally = run();
	assert_int_equal(tally.n_written, 4);
	for (size_t i = 0; i < n_sides; i++)
		assert_int_equal(expect_written(&sides[i]), 1);

	news("nobody", NULL);
	news(NULL, "nothing");
	tally = run();
	assert_int_equal(tally.n_written, 0);
	assert_int_equal(tally.n_delivered, 0);
	assert_int_equal(sent, 6);
	end();
}

TEST(messages_of_all_kinds_are_merged_in_the_order_of_ids_and_written_once)
{
	struct side *side;

	begin();
	side = listening("u", LIST("t"));
	for (int i = 0; i < 5; i++) {
		news("u", NULL);
		news(NULL, NULL);
		news(NULL, NULL);
		news("v", NULL);
		news(NULL, "t");
		news("u", "t");
	}
	run();
	assert_int_equal(sent, 30);
	assert_int_equal(expect_written(side), 25);
	end();
}

/* lag_of returns what round_count_lag adds at that moment for the round just run. */
static struct histogram_counts
lag_of(mono_us now)
{
	struct histogram lag = { 0 };
	struct histogram_counts counts;

	round_count_lag(a_round, &lag, now);
	histogram_read(&lag, &counts);
	return counts;
}

/* news_at is news in a block that was found then, with one more for everyone. */
static void
news_at(mono_us found_at, const char *user)
{
	struct block *block = block_new();

	add(block, user, NULL, 10, EXPIRY_NEVER);
	add(block, NULL, NULL, 10, EXPIRY_NEVER);
	block->found_at = found_at;
	ring_add(&ring, block);
}

TEST(each_delivery_counts_with_the_time_since_its_block_was_found)
{
	struct histogram_counts lag;

	begin();
	listening("u", LIST(NULL));
	listening("u", LIST(NULL));
	listening("v", LIST(NULL));
	news_at(1000, "u");       /* 2 and 3 deliveries, 10 ms ago */
	news_at(10500, "v");      /* 1 and 3, 0.5 ms ago */
	news_at(10900, "nobody");  /* 3, 0.1 ms ago */
	assert_int_equal(run().n_delivered, 12);
	lag = lag_of(11000);
	assert_int_equal(lag.n, 12);
	assert_int_equal(lag.upto[0], 3);
	assert_int_equal(lag.upto[1], 3);
	assert_int_equal(lag.upto[2], 7);
	assert_int_equal(lag.upto[5], 7);
	assert_int_equal(lag.upto[6], 12);
	assert_int_equal(lag.sum_us, 3 * 100 + 4 * 500 + 5 * 10000);
	end();
}

TEST(what_nobody_was_sent_has_no_lag)
{
	begin();
	listening("u", LIST(NULL));
	news("nobody", NULL);
	run();
	assert_int_equal(lag_of(1000).n, 0);
	run();   /* of nothing at all */
	assert_int_equal(lag_of(1000).n, 0);
	end();
}

TEST(what_has_expired_is_not_sent)
{
	struct block *block;
	struct side *side;

	begin();
	side = listening("u", LIST(NULL));
	block = block_new();
	add(block, NULL, NULL, 10, EXPIRY_AT(1));
	add(block, "u", NULL, 10, EXPIRY_AT(1));
	add(block, NULL, NULL, 10, EXPIRY_NEVER);
	add(block, NULL, NULL, 10, EXPIRY_AT(INT64_C(1) << 40));
	ring_add(&ring, block);
	run();
	assert_int_equal(sent, 4);
	assert_int_equal(expect_written(side), 2);
	end();
}

TEST(only_live_streams_are_written)
{
	struct side *live, *behind;

	begin();
	live = listening("u", LIST(NULL));
	behind = listening("u", LIST(NULL));
	behind->s->state = STREAM_BEHIND;
	news("u", NULL);
	news(NULL, NULL);
	run();
	assert_int_equal(expect_written(live), 2);
	assert_int_equal(behind->s->told, 0);
	behind->compared = sent;
	assert_int_equal(expect_written(behind), 0);
	end();
}

TEST(a_round_ends_at_a_bound_and_the_next_goes_on_there)
{
	struct block *block;
	struct side *side;
	size_t n = 0, n_rounds = 0;

	begin();
	side = listening("u", LIST("t"));
	block = block_new();
	for (int i = 0; i < 2 * STREAM_WRITE_MESSAGES + 1; i++)
		add(block, i % 2 == 0 ? "u" : NULL, NULL, 10, EXPIRY_NEVER);
	ring_add(&ring, block);
	for (; sent < next_id - 1; n_rounds++) {
		run();
		n += expect_written(side);
	}
	assert_int_equal(n, 2 * STREAM_WRITE_MESSAGES + 1);
	assert_int_equal(n_rounds, 3);

	block = block_new();
	for (int i = 0; i < 7; i++)
		add(block, NULL, i % 2 == 0 ? "t" : NULL, STREAM_WRITE_BYTES / 4, EXPIRY_NEVER);
	ring_add(&ring, block);
	run();
	assert_int_equal(expect_written(side), 4);
	run();
	assert_int_equal(expect_written(side), 3);
	end();
}

TEST(a_block_without_messages_moves_the_round_on)
{
	struct block *block;
	struct side *side;

	begin();
	side = listening("u", LIST(NULL));
	block = block_new();
	block->upto = 9;
	ring_add(&ring, block);
	assert_int_equal(run().n_written, 0);
	assert_int_equal(sent, 9);
	next_id = 10;
	news(NULL, NULL);
	run();
	assert_int_equal(expect_written(side), 1);
	end();
}

TEST(a_stream_that_does_not_take_all_is_reported_with_its_cursor_at_the_end_of_the_round)
{
	struct side *full, *gone, *well;
	char filler[1000] = { 0 };

	begin();
	full = listening("u", LIST(NULL));
	gone = listening("v", LIST(NULL));
	well = listening("w", LIST(NULL));
	while (send(full->s->fd, filler, sizeof(filler), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(shutdown(gone->fd, SHUT_RDWR), 0);
	full->s->cursor = gone->s->cursor = well->s->cursor = -1;
	news("u", NULL);
	news(NULL, NULL);
	news("u", NULL);
	news("nobody", NULL);
	run();
	assert_int_equal(n_incomplete, 2);
	for (size_t i = 0; i < n_incomplete; i++) {
		assert_int_equal(incomplete[i].outcome,
		    incomplete[i].s == full->s ? STREAM_FULL : STREAM_GONE);
		assert_int_equal(incomplete[i].cursor, 4);
	}
	assert_int_equal(full->s->unsent.len,
	    FCGI_HEADER_BYTES + encoded[0][0].len + encoded[1][0].len + encoded[2][0].len);
	assert_int_equal(full->s->told, 3);
	assert_int_equal(well->s->cursor, -1);
	assert_int_equal(expect_written(well), 1);
	end();
}

/* Nothing is left out in silence, and who wants nothing of it is not troubled. */
TEST(who_wants_another_form_than_there_is_reads_the_store)
{
	struct side *plain, *json, *other, *full;
	struct round_tally tally;
	struct block *block;

	begin();
	plain = listening("u", LIST(NULL));
	json = listening("u", LIST(NULL));
	other = listening("v", LIST(NULL));
	full = listening("u", LIST(NULL));
	json->s->encoding = other->s->encoding = full->s->encoding = ENCODING_JSON;
	full->s->state = STREAM_BLOCKED;
	block = block_new();
	block->encodings = 3;
	add(block, NULL, NULL, 10, EXPIRY_NEVER);
	ring_add(&ring, block);
	run();
	assert_int_equal(expect_written(json) + expect_written(other) + expect_written(plain), 3);
	/* One for u alone; then one for all. */
	news("u", NULL);
	tally = run();
	assert_int_equal(tally.n_written, 1);
	assert_int_equal(expect_written(plain), 1);
	assert_int_equal(n_incomplete, 1);
	assert_ptr_equal(incomplete[0].s, json->s);
	assert_int_equal(incomplete[0].outcome, 0);
	assert_int_equal(incomplete[0].cursor, 1);
	assert_true(json->s->from_store);
	assert_int_equal(json->s->told, 1);
	assert_false(other->s->from_store);
	assert_int_equal(expect_written(other), 0);
	news(NULL, NULL);
	tally = run();
	assert_int_equal(tally.n_written, 1);
	assert_int_equal(n_incomplete, 2);
	assert_ptr_equal(incomplete[1].s, other->s);
	assert_int_equal(incomplete[1].cursor, 2);
	assert_true(other->s->from_store);
	assert_int_equal(expect_written(plain), 1);
	/* What one can have, the next round brings again. */
	other->s->state = STREAM_LIVE;
	block = block_new();
	block->encodings = 2;
	add(block, NULL, NULL, 10, EXPIRY_NEVER);
	ring_add(&ring, block);
	tally = run();
	assert_int_equal(tally.n_written, 1);
	assert_ptr_equal(incomplete[2].s, plain->s);
	other->compared = 3;
	assert_int_equal(expect_written(other), 1);
	end();
}

TEST(any_roster_and_any_messages_are_delivered_as_one_by_one)
{
	static const char *const users[] = { "a", "b", "c", "d", NULL, NULL };
	static const char *const topics[] = { "w", "x", "y", "z", NULL, NULL, NULL };

	dice_begin();
	for (int game = 0; game < 12; game++) {
		begin();
		for (int i = 0; i < STREAMS_MAX; i++) {
			const char *mine[4] = { NULL };
			size_t first = dice_throw(4), n = dice_throw(4);

			for (size_t t = 0; t < n; t++)
				mine[t] = topics[(first + t) % 4];
			listening(users[dice_throw(4)], mine)->s->encoding = (enum encoding)dice_throw(ENCODINGS);
		}
		for (int step = 0; step < 25; step++) {
			size_t n_blocks = 1 + dice_throw(3);
			struct round_tally tally;
			size_t n_written = 0, n_delivered = 0;

			while (n_blocks-- > 0) {
				struct block *block = block_new();
				size_t n = dice_throw(8);

				block->encodings = ENCODING_BIT(ENCODINGS) - 1;
				while (n-- > 0)
					add(block, users[dice_throw(6)], topics[dice_throw(7)],
					    dice_throw(300), dice_throw(10) == 0 ? EXPIRY_AT(1) : EXPIRY_NEVER);
				next_id += (int64_t)dice_throw(2);
				block->upto = next_id - 1;
				ring_add(&ring, block);
			}
			tally = run_in_parts(1 + dice_throw(STREAMS_MAX));
			for (size_t i = 0; i < n_sides; i++) {
				size_t n = expect_written(&sides[i]);

				n_written += n > 0;
				n_delivered += n;
			}
			assert_int_equal(tally.n_written, n_written);
			assert_int_equal(tally.n_delivered, n_delivered);
		}
		assert_int_equal(n_incomplete, 0);
		end();
	}
}

TEST(in_parts_those_that_a_message_names_come_first_and_who_leaves_hides_nobody)
{
	struct round_tally part;
	int64_t upto;

	begin();
	for (int i = 0; i < 10; i++)
		listening(i < 3 ? "named" : "u", LIST(NULL));
	news(NULL, NULL);
	news("named", NULL);
	upto = round_begin(a_round, &roster, &ring, sent);
	part = round_write(a_round, &roster, 5, 5, record_incomplete, &ring);
	assert_false(part.is_over);
	assert_int_equal(part.n_written, 5);
	sent = upto;
	for (int i = 0; i < 3; i++)
		assert_int_equal(expect_written(&sides[i]), 2);
	for (int i = 8; i < 10; i++)
		assert_int_equal(expect_written(&sides[i]), 1);
	/* One of whom the round has come to, whose place the last takes, and one it has not. */
	roster_remove(&roster, sides[8].s);
	roster_remove(&roster, sides[4].s);
	part = round_write(a_round, &roster, 5, 5, record_incomplete, &ring);
	assert_true(part.is_over);
	assert_int_equal(part.n_written, 4);
	roster_add(&roster, sides[4].s);
	roster_add(&roster, sides[8].s);
	for (int i = 3; i < 8; i++)
		if (i != 4)
			assert_int_equal(expect_written(&sides[i]), 1);
	end();
}

/* ---- what a stream may ask for ---- */

/* row adds one row, of a copy perhaps. */
static void
row(const char *user, const char *topic, const char *event, const char *data)
{
	struct block *block = block_new();
	struct message m = { .id = next_id++, .data_len = strlen(data) };

	m.user = user != NULL ? mem_strdup(user) : NULL;
	m.topic = topic != NULL ? mem_strdup(topic) : NULL;
	m.event = event != NULL ? mem_strdup(event) : NULL;
	m.data = mem_strdup(data);
	block_add(block, &m);
	ring_add(&ring, block);
	message_free(&m);
}

/* is_sent: one write with these events; NULL: none. */
static void
is_sent(const struct side *side, const char *events)
{
	char packet[4096];
	ssize_t n = recv(side->fd, packet, sizeof(packet) - 1, MSG_DONTWAIT);

	if (events == NULL) {
		assert_int_equal(n, -1);
		return;
	}
	assert_true(n > FCGI_HEADER_BYTES);
	packet[n] = '\0';
	assert_string_equal(packet + FCGI_HEADER_BYTES, events);
}

TEST(without_the_inbox_a_stream_gets_its_topics_and_what_tells_of_a_gap)
{
	struct side *off, *idle, *on;
	struct round_tally tally;
	struct histogram_counts lag;

	begin();
	off = listening("u", LIST("t"));
	idle = listening("u", LIST("t2"));
	on = listening("u", LIST("t"));
	off->s->filter.topics_only = idle->s->filter.topics_only = true;
	row(NULL, NULL, NULL, "all");
	row("u", NULL, NULL, "mine");
	row("u", "t", NULL, "topic");
	tally = run();
	is_sent(off, "id: 3\ndata: topic\n\n");
	is_sent(idle, NULL);
	is_sent(on, "id: 1\ndata: all\n\nid: 2\ndata: mine\n\nid: 3\ndata: topic\n\n");
	assert_int_equal(tally.n_delivered, 4);
	lag = lag_of(1000);
	assert_int_equal(lag.n, 4);
	row(NULL, NULL, NULL, "all");
	row(NULL, NULL, "rowcast.gap", "{}");
	row(NULL, "t", NULL, "topic");
	tally = run();
	is_sent(off, "id: 5\nevent: rowcast.gap\ndata: {}\n\nid: 6\ndata: topic\n\n");
	is_sent(idle, "id: 5\nevent: rowcast.gap\ndata: {}\n\n");
	is_sent(on, "id: 4\ndata: all\n\nid: 5\nevent: rowcast.gap\ndata: {}\n\nid: 6\ndata: topic\n\n");
	assert_int_equal(tally.n_delivered, 3);
	assert_int_equal(tally.n_gaps, 3);
	end();
}

TEST(a_stream_whose_topics_have_all_ended_is_told_of_with_its_cursor)
{
	struct side *until, *stays, *both;

	begin();
	until = listening("u", LIST("t"));
	both = listening("u", LIST("t", "s"));
	stays = listening("u", LIST("t"));
	stream_until_new(until->s);
	stream_until_new(both->s);
	until->s->until->by_topics = both->s->until->by_topics = true;
	row(NULL, "t", NULL, "a");
	run();
	assert_int_equal(n_incomplete, 0);
	row(NULL, "t", "rowcast.end", "{}");
	row("v", NULL, NULL, "of another");
	run();
	assert_int_equal(n_incomplete, 1);
	assert_ptr_equal(incomplete[0].s, until->s);
	assert_int_equal(incomplete[0].outcome, 0);
	assert_int_equal(incomplete[0].cursor, 3);
	row(NULL, "s", "rowcast.end", "{}");
	run();
	assert_int_equal(n_incomplete, 2);
	assert_ptr_equal(incomplete[1].s, both->s);
	for (int i = 0; i < 2; i++)
		is_sent(stays, i == 0 ? "id: 1\ndata: a\n\n" : "id: 2\nevent: rowcast.end\ndata: {}\n\n");
	is_sent(stays, NULL);
	end();
}

TEST(what_is_joined_for_one_stream_is_whole_for_another)
{
	struct side *joins, *plain;

	begin();
	joins = listening("u", LIST("t"));
	joins->s->join = mem_strdup("delta");
	plain = listening("u", LIST("t"));
	row(NULL, "t", "delta", "a");
	row(NULL, "t", "delta", "b");
	row("u", "t", "delta", "c");
	run();
	is_sent(joins, "id: 2\nevent: delta\ndata: ab\n\nid: 3\nevent: delta\ndata: c\n\n");
	is_sent(plain, "id: 1\nevent: delta\ndata: a\n\nid: 2\nevent: delta\ndata: b\n\nid: 3\nevent: delta\ndata: c\n\n");
	assert_int_equal(joins->s->told, 3);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(without_the_inbox_a_stream_gets_its_topics_and_what_tells_of_a_gap),
	cmocka_unit_test(a_stream_whose_topics_have_all_ended_is_told_of_with_its_cursor),
	cmocka_unit_test(what_is_joined_for_one_stream_is_whole_for_another),
	cmocka_unit_test(a_message_goes_to_those_it_is_for),
	cmocka_unit_test(messages_of_all_kinds_are_merged_in_the_order_of_ids_and_written_once),
	cmocka_unit_test(each_delivery_counts_with_the_time_since_its_block_was_found),
	cmocka_unit_test(what_nobody_was_sent_has_no_lag),
	cmocka_unit_test(what_has_expired_is_not_sent),
	cmocka_unit_test(only_live_streams_are_written),
	cmocka_unit_test(a_round_ends_at_a_bound_and_the_next_goes_on_there),
	cmocka_unit_test(a_block_without_messages_moves_the_round_on),
	cmocka_unit_test(a_stream_that_does_not_take_all_is_reported_with_its_cursor_at_the_end_of_the_round),
	cmocka_unit_test(who_wants_another_form_than_there_is_reads_the_store),
	cmocka_unit_test(any_roster_and_any_messages_are_delivered_as_one_by_one),
	cmocka_unit_test(in_parts_those_that_a_message_names_come_first_and_who_leaves_hides_nobody),
};

RUN_TESTS(tests)
