/* Ending a user's streams: the real hub in its thread, with the tail over a real store
 * where rows say it; and by hand, where what one turn does is looked at. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/dismissal.h"
#include "app/hub/hub.h"
#include "app/hub/life.h"
#include "app/hub/tail.h"
#include "lib/mem.h"
#include "lib/sse.h"
#include "lib/thread.h"

#define REVOKED "event: rowcast.revoked\ndata: {\"reason\":\"the token was revoked\"}"

static struct conf conf;
static struct table table;
static struct hub *hub;
static struct tail *tail;

/* ---- verbs ---- */

static void
begin_with(const char *const lines[])
{
	conf_of(&conf, lines);
	table_open(&table);
	hub = hub_start(&conf, table.name, 0);
	assert_non_null(hub);
	tail = tail_start(table.name, 0, hub, NULL, NULL);
	assert_non_null(tail);
}

static void
begin(void)
{
	begin_with(LIST("max_streams_per_user = 1000", "retry = 70ms..70ms"));
}

static void
end(void)
{
	tail_stop(tail);
	hub_stop(hub);
	table_close(&table);
	conf_free(&conf);
}

struct wish {
	const char *user;
	wall_s issued_at;
	int64_t cursor;
	enum stream_cursor cursor_form;
	int send_buffer;
};

/* stream_to gives the stream that a request's thread would hand over. */
static struct stream *
stream_to(int fd, const struct wish *wish)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup(wish->user) });

	s->cursor = s->told = wish->cursor;
	s->issued_at = wish->issued_at;
	s->cursor_form = wish->cursor_form;
	s->accepts_events = true;
	s->reply = (struct reply){ .conn = conn_of(fd), .request_id = 1 };
	reply_stream_head(&s->reply, &s->unsent, "text/event-stream", NULL);
	return s;
}

static void
ask(struct peer *peer, const struct wish *wish)
{
	int fd = peer_pair(peer);

	if (wish->send_buffer != 0)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wish->send_buffer,
		    sizeof(int)), 0);
	hub_join(hub, stream_to(fd, wish), false);
}

static void
join(struct peer *peer, const struct wish *wish)
{
	ask(peer, wish);
	expect_head(peer);
}

#define ASK(peer, ...) ask((peer), &(struct wish){ __VA_ARGS__ })
#define JOIN(peer, ...) join((peer), &(struct wish){ __VA_ARGS__ })

static void
expect_gone(struct peer *peer, const char *last_block)
{
	if (last_block != NULL)
		expect_event(peer, last_block);
	expect_end(peer);
	hang_up(peer);
}

static void
expect_401(struct peer *peer)
{
	expect_text(expect_reply(peer, 401), "{\"error\":\"token was revoked\"}");
	expect_closed(peer);
	hang_up(peer);
}

static uint64_t
n_ended(enum stream_end why)
{
	struct hub_counters now;

	hub_count(hub, &now);
	return now.n_ends[why];
}

/* is_live: it is there, and gets what is sent to all. */
static void
is_live(struct peer *peer)
{
	int64_t id = commit(&table, NULL, NULL, "are you there?");

	tail_committed(tail, id);
	expect_message(peer, id, "are you there?");
}

/* orders commits a row as anybody may. */
static void
orders(const char *event, const char *user, wall_s at)
{
	char *sql = mem_printf("INSERT INTO message(topic, event, user, data, created_at)"
	    " VALUES('rowcast.control', '%s', %s%s%s, '', %lld)", event, user ? "'" : "",
	    user ? user : "NULL", user ? "'" : "", (long long)at);

	table_run(&table, sql);
	free(sql);
}

/* ---- kick ---- */

TEST(who_is_kicked_is_told_when_to_come_back_and_nobody_else_is_disturbed)
{
	struct peer one, two, other;

	begin();
	JOIN(&one, .user = "u");
	JOIN(&two, .user = "u", .issued_at = INT64_MAX);
	JOIN(&other, .user = "v");
	hub_kick(hub, "u");
	expect_gone(&one, "retry: 70");
	expect_gone(&two, "retry: 70");
	is_live(&other);
	assert_int_equal(n_ended(STREAM_END_KICKED), 2);
	assert_int_equal(n_ended(STREAM_END_REVOKED), 0);
	JOIN(&one, .user = "u", .cursor = 1);
	is_live(&one);
	end();
	hang_up(&one);
	hang_up(&other);
}

TEST(who_is_kicked_goes_on_from_where_it_stood)
{
	struct peer peer, other;
	int64_t id;

	begin();
	JOIN(&peer, .user = "u");
	JOIN(&other, .user = "v");
	id = commit(&table, "v", NULL, "for another");
	tail_committed(tail, id);
	expect_message(&other, id, "for another");
	hub_kick(hub, "u");
	expect_gone(&peer, "retry: 70\nid: 1");
	end();
	hang_up(&other);
}

TEST(a_kick_is_for_streams_that_were_handed_over_before_it)
{
	enum { N = 50 };
	struct peer before[N], after;

	begin();
	for (int i = 0; i < N; i++)
		ASK(&before[i], .user = "u");
	hub_kick(hub, "u");
	for (int i = 0; i < N; i++) {
		expect_head(&before[i]);
		expect_gone(&before[i], "retry: 70");
	}
	JOIN(&after, .user = "u");
	is_live(&after);
	end();
	hang_up(&after);
}

TEST(a_client_without_blocks_that_have_no_data_is_kicked_without_a_word)
{
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u", .cursor_form = STREAM_CURSOR_OFF);
	hub_kick(hub, "u");
	expect_gone(&peer, NULL);
	end();
}

TEST(a_stream_whose_socket_is_full_is_kicked_all_the_same)
{
	char *text = mem_printf("%0*d", 60000, 0);
	struct hub_counters now;
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u", .send_buffer = 1);
	for (int i = 0; i < 5; i++)
		tail_committed(tail, commit(&table, NULL, NULL, text));
	WAIT_FOR((hub_count(hub, &now), now.sent == 5));
	hub_kick(hub, "u");
	WAIT_FOR((hub_count(hub, &now), now.n_streams == 0));
	free(text);
	end();
	hang_up(&peer);
}

TEST(nobody_is_kicked_where_nobody_is)
{
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u");
	for (int i = 0; i < 100; i++)
		hub_kick(hub, "nobody");
	is_live(&peer);
	end();
	hang_up(&peer);
}

/* ---- revoke ---- */

TEST(streams_end_whose_token_was_issued_up_to_that_second_or_at_no_known_time)
{
	struct peer before, then, after, none, other;

	begin();
	JOIN(&before, .user = "u", .issued_at = 999);
	JOIN(&then, .user = "u", .issued_at = 1000);
	JOIN(&after, .user = "u", .issued_at = 1001);
	JOIN(&none, .user = "u", .issued_at = REVOCATIONS_NOT_ISSUED);
	JOIN(&other, .user = "v", .issued_at = 1);
	hub_revoke(hub, "u", 1000);
	expect_gone(&before, REVOKED);
	expect_gone(&then, REVOKED);
	expect_gone(&none, REVOKED);
	is_live(&after);
	assert_int_equal(n_ended(STREAM_END_REVOKED), 3);
	assert_int_equal(n_ended(STREAM_END_KICKED), 0);
	end();
	expect_message(&other, 1, "are you there?");
	hang_up(&other);
	hang_up(&after);
}

TEST(a_client_without_blocks_that_have_no_data_is_told_that_it_is_revoked)
{
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u", .cursor_form = STREAM_CURSOR_OFF);
	hub_revoke(hub, "u", 1000);
	expect_gone(&peer, REVOKED);
	end();
}

TEST(a_stream_that_is_on_its_way_while_its_token_is_revoked_is_not_let_in)
{
	struct peer peer, good;

	begin();
	hub_revoke(hub, "u", 1000);
	ASK(&peer, .user = "u", .issued_at = 1000);
	expect_401(&peer);
	JOIN(&good, .user = "u", .issued_at = 1001);
	is_live(&good);
	end();
	hang_up(&good);
}

TEST(a_newcomer_who_waits_for_a_place_while_its_token_is_revoked_is_not_let_in)
{
	struct peer one, newcomer, other;

	begin_with(LIST("max_streams_per_user = 1"));
	JOIN(&one, .user = "u", .issued_at = 2000);
	clock_stop();  /* it waits for a second only */
	ASK(&newcomer, .user = "u", .issued_at = 1000);
	JOIN(&other, .user = "v");  /* by then it waits */
	hub_revoke(hub, "u", 1000);
	hang_up(&one);
	expect_401(&newcomer);
	clock_go();
	is_live(&other);
	end();
	hang_up(&other);
}

TEST(what_is_known_already_is_not_done_again)
{
	struct peer peer;

	begin();
	hub_revoke(hub, "u", 1000);
	JOIN(&peer, .user = "u", .issued_at = 1001);
	hub_revoke(hub, "u", 1000);
	hub_revoke(hub, "u", 999);
	is_live(&peer);
	hub_revoke(hub, "u", 1001);
	expect_gone(&peer, REVOKED);
	end();
}

/* Streams are handed over by one thread while another revokes: whichever comes first,
 * none with such a token is open afterwards. */

enum { RACERS = 40 };

static struct peer racers[RACERS];
static char racer[16];  /* another user in each round */
static _Atomic int n_raced;

static void *
race(void *fds)
{
	for (int i = 0; i < RACERS; i++) {
		hub_join(hub, stream_to(((int *)fds)[i], &(struct wish){ .user = racer, .issued_at = 1000 }),
		    false);
		atomic_fetch_add(&n_raced, 1);
	}
	return NULL;
}

TEST(no_stream_slips_through_while_its_user_is_revoked)
{
	begin();
	for (unsigned round = 0; round < 200; round++) {
		struct hub_counters now;
		int fds[RACERS], when = (int)(round % RACERS);
		pthread_t thread;

		snprintf(racer, sizeof(racer), "u%u", round);
		atomic_store(&n_raced, 0);
		for (int i = 0; i < RACERS; i++)
			fds[i] = peer_pair(&racers[i]);
		thread_start(&thread, "racer", race, fds);
		while (atomic_load(&n_raced) < when)
			;
		hub_revoke(hub, racer, 1000);
		pthread_join(thread, NULL);
		for (int i = 0; i < RACERS; i++) {
			size_t len;

			while (take_record(&racers[i], &len) != 0)
				;
			buf_add_char(&racers[i].content, '\0');
			if (strstr(racers[i].content.bytes, "rowcast.revoked") == NULL)
				expect_text(racers[i].content.bytes, "Status: 401");
			hang_up(&racers[i]);
		}
		WAIT_FOR((hub_count(hub, &now), now.n_streams == 0));
	}
	end();
}

/* ---- rows ---- */

TEST(rows_say_it_whoever_commits_them)
{
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u", .issued_at = 1000, .cursor_form = STREAM_CURSOR_OFF);
	orders("kick", "u", 1000);
	expect_gone(&peer, NULL);
	JOIN(&peer, .user = "u", .issued_at = 1000, .cursor = 1);
	orders("revoke", "u", 1000);
	expect_gone(&peer, REVOKED);
	ASK(&peer, .user = "u", .issued_at = 1000, .cursor = 2);
	expect_401(&peer);
	JOIN(&peer, .user = "u", .issued_at = 1001, .cursor = 2);
	is_live(&peer);
	end();
	hang_up(&peer);
}

TEST(a_row_that_is_gone_or_over_before_it_is_read_revokes_all_the_same)
{
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u");
	table_run(&table, "BEGIN; INSERT INTO message(topic, event, user, data, expires_at)"
	    " VALUES('rowcast.control', 'revoke', 'u', '', 1); DELETE FROM message; COMMIT");
	expect_gone(&peer, REVOKED);
	end();
}

TEST(a_row_that_names_nobody_or_says_something_else_is_passed_over_and_logged)
{
	const char *said;
	struct peer peer;

	begin();
	JOIN(&peer, .user = "u");
	capture_begin();
	orders("kick", NULL, 1000);
	orders("revoke", NULL, 1000);
	orders("kill", "u", 1000);
	table_run(&table, "INSERT INTO message(topic, user, data)"
	    " VALUES('rowcast.control', 'u', 'a secret')");
	is_live(&peer);
	said = capture_end();
	assert_says(said, "message 1 on rowcast.control is passed over: it names no user\n");
	assert_says(said, "message 2 on rowcast.control is passed over: it names no user\n");
	assert_says(said, "message 3 on rowcast.control is passed over: its event is neither kick nor"
	    " revoke\n");
	assert_says(said, "message 4 on rowcast.control is passed over");
	assert_null(strstr(said, "secret"));
	end();
	hang_up(&peer);
}

TEST(what_one_asks_for_is_known_before_the_tail_has_read_it)
{
	enum { N = 200 };
	struct revocations *revocations;
	char user[16];

	begin();
	revocations = hub_revocations(hub);
	for (int i = 0; i < N; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		assert_false(revocations_cover(revocations, user, 1000));
		orders("revoke", user, 1000);
		tail_look(tail);
		assert_true(revocations_cover(revocations, user, 1000));
		assert_false(revocations_cover(revocations, user, 1001));
	}
	end();
}

TEST(at_the_start_the_revoked_are_known_and_nobody_is_kicked_again)
{
	struct peer peer;

	conf_of(&conf, LIST("retry = 70ms..70ms"));
	table_open(&table);
	orders("kick", "v", 1000);
	orders("revoke", "u", 1000);
	table_run(&table, "DELETE FROM message WHERE event = 'revoke'");
	hub = hub_start(&conf, table.name, 2);
	tail = tail_start(table.name, 2, hub, NULL, NULL);
	ASK(&peer, .user = "u", .issued_at = 1000, .cursor = 2);
	expect_401(&peer);
	JOIN(&peer, .user = "v", .issued_at = 1000, .cursor = 2);
	is_live(&peer);
	end();
	hang_up(&peer);
}

/* ---- by hand: one turn ---- */

static struct hub_state parts;
static struct dismissal dismissal;
static int far_ends[1000];
static size_t n_far_ends;

static void
begin_by_hand(void)
{
	parts = (struct hub_state){ .now = 1000000 };
	TAILQ_INIT(&parts.behind);
	TAILQ_INIT(&parts.ahead);
	TAILQ_INIT(&parts.closed);
	TAILQ_INIT(&parts.unproven);
	parts.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	parts.revocations = revocations_new();
	dismissal_init(&dismissal);
	n_far_ends = 0;
}

static void
add_streams(const char *user, size_t n)
{
	while (n-- > 0) {
		struct stream *s = stream_new((struct filter){ .user = mem_strdup(user) });
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		s->fd = pair[0];
		far_ends[n_far_ends++] = pair[1];
		s->issued_at = 1000;
		s->number = ++parts.n_admitted;
		roster_add(&parts.roster, s);
		tally_add(&parts.users, user);
		life_set_state(&parts, s, STREAM_LIVE);
	}
}

/* turn returns how many streams it has ended. */
static size_t
turn(void)
{
	size_t n = parts.roster.n;

	dismissal_take(&dismissal, &parts, mailbox_take(&dismissal.ordered));
	dismissal_run(&dismissal, &parts);
	life_free_closed(&parts);
	return n - parts.roster.n;
}

static void
end_by_hand(void)
{
	for (size_t i = 0; i < parts.roster.n; i++)
		life_close(&parts, parts.roster.streams[i], STREAM_END_CLIENT);
	life_free_closed(&parts);
	dismissal_free(&dismissal);
	revocations_free(parts.revocations);
	roster_free(&parts.roster);
	timers_free(&parts.timers);
	close(parts.epoll_fd);
	while (n_far_ends > 0)
		close(far_ends[--n_far_ends]);
}

TEST(a_turn_ends_a_slice_and_the_next_goes_on)
{
	begin_by_hand();
	add_streams("u", 2 * DISMISSAL_TURN_STREAMS + 3);
	add_streams("v", 5);
	dismissal_kick(&dismissal, "u");
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	assert_false(dismissal_is_done(&dismissal));
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	assert_int_equal(turn(), 3);
	assert_true(dismissal_is_done(&dismissal));
	assert_int_equal(parts.roster.n, 5);
	end_by_hand();
}

TEST(a_turn_ends_more_where_all_else_takes_long)
{
	begin_by_hand();
	add_streams("u", 3 * DISMISSAL_TURN_STREAMS + 100);
	dismissal_kick(&dismissal, "u");
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	parts.now = dismissal.ran_at + 100 * DISMISSAL_STREAM_US;
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS + 100);
	parts.now = dismissal.ran_at;
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	assert_true(dismissal_is_done(&dismissal));
	/* What was before nobody was ordered to go does not count. */
	add_streams("u", 2 * DISMISSAL_TURN_STREAMS);
	dismissal_kick(&dismissal, "u");
	parts.now = clock_mono_us() + 1000000;
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	end_by_hand();
}

TEST(a_stream_that_is_sent_away_is_counted_as_who_sends_it_away_says)
{
	begin_by_hand();
	add_streams("u", 4);
	for (size_t i = 0; i < 3; i++)
		dismissal_send_away(&parts, parts.roster.streams[i], STREAM_END_DRAIN);
	/* Once, however often it is done. */
	dismissal_send_away(&parts, parts.roster.streams[0], STREAM_END_DRAIN);
	assert_int_equal(parts.counters.n_ends[STREAM_END_DRAIN], 3);
	assert_int_equal(parts.counters.n_ends[STREAM_END_KICKED], 0);
	end_by_hand();
}

TEST(who_comes_back_while_the_others_are_being_ended_stays)
{
	begin_by_hand();
	add_streams("u", DISMISSAL_TURN_STREAMS + 10);
	dismissal_kick(&dismissal, "u");
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	add_streams("u", DISMISSAL_TURN_STREAMS);
	assert_int_equal(turn(), 10);
	assert_true(dismissal_is_done(&dismissal));
	assert_int_equal(parts.roster.n, DISMISSAL_TURN_STREAMS);
	end_by_hand();
}

TEST(orders_for_one_user_are_joined)
{
	begin_by_hand();
	add_streams("u", DISMISSAL_TURN_STREAMS + 10);
	dismissal_kick(&dismissal, "u");
	assert_int_equal(turn(), DISMISSAL_TURN_STREAMS);
	add_streams("u", 7);
	revocations_raise(parts.revocations, "u", 1000);
	dismissal_revoke(&dismissal, "u");
	dismissal_kick(&dismissal, "u");
	assert_int_equal(turn(), 17);
	assert_true(dismissal_is_done(&dismissal));
	end_by_hand();
}

TEST(the_orders_of_several_users_share_a_turn)
{
	begin_by_hand();
	add_streams("u", 3);
	add_streams("v", 4);
	dismissal_kick(&dismissal, "u");
	dismissal_kick(&dismissal, "nobody");
	dismissal_kick(&dismissal, "v");
	assert_int_equal(turn(), 7);
	assert_true(dismissal_is_done(&dismissal));
	end_by_hand();
}

TEST(orders_that_nobody_has_taken_are_freed)
{
	begin_by_hand();
	add_streams("u", DISMISSAL_TURN_STREAMS + 1);
	dismissal_kick(&dismissal, "u");
	turn();
	dismissal_kick(&dismissal, "u");
	dismissal_revoke(&dismissal, "v");
	end_by_hand();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_is_kicked_is_told_when_to_come_back_and_nobody_else_is_disturbed),
	cmocka_unit_test(who_is_kicked_goes_on_from_where_it_stood),
	cmocka_unit_test(a_kick_is_for_streams_that_were_handed_over_before_it),
	cmocka_unit_test(a_client_without_blocks_that_have_no_data_is_kicked_without_a_word),
	cmocka_unit_test(a_stream_whose_socket_is_full_is_kicked_all_the_same),
	cmocka_unit_test(nobody_is_kicked_where_nobody_is),
	cmocka_unit_test(streams_end_whose_token_was_issued_up_to_that_second_or_at_no_known_time),
	cmocka_unit_test(a_client_without_blocks_that_have_no_data_is_told_that_it_is_revoked),
	cmocka_unit_test(a_stream_that_is_on_its_way_while_its_token_is_revoked_is_not_let_in),
	cmocka_unit_test(a_newcomer_who_waits_for_a_place_while_its_token_is_revoked_is_not_let_in),
	cmocka_unit_test(what_is_known_already_is_not_done_again),
	cmocka_unit_test(no_stream_slips_through_while_its_user_is_revoked),
	cmocka_unit_test(rows_say_it_whoever_commits_them),
	cmocka_unit_test(a_row_that_is_gone_or_over_before_it_is_read_revokes_all_the_same),
	cmocka_unit_test(a_row_that_names_nobody_or_says_something_else_is_passed_over_and_logged),
	cmocka_unit_test(what_one_asks_for_is_known_before_the_tail_has_read_it),
	cmocka_unit_test(at_the_start_the_revoked_are_known_and_nobody_is_kicked_again),
	cmocka_unit_test(a_turn_ends_a_slice_and_the_next_goes_on),
	cmocka_unit_test(a_turn_ends_more_where_all_else_takes_long),
	cmocka_unit_test(a_stream_that_is_sent_away_is_counted_as_who_sends_it_away_says),
	cmocka_unit_test(who_comes_back_while_the_others_are_being_ended_stays),
	cmocka_unit_test(orders_for_one_user_are_joined),
	cmocka_unit_test(the_orders_of_several_users_share_a_turn),
	cmocka_unit_test(orders_that_nobody_has_taken_are_freed),
};

RUN_TESTS(tests)
