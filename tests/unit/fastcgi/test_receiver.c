#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <sys/socket.h>

#include "app/fastcgi/arrival.h"
#include "app/fastcgi/receiver.h"

static struct receiver receiver;
static struct holdings holdings;
static struct peer peer;
static struct conn *conn;
static struct buf request;   /* whole, with a body; it asks to be kept */

static int
begin(void **state __attribute__((unused)))
{
	clock_stop();
	holdings_init(&holdings);
	receiver_init(&receiver, &holdings);
	conn = conn_open(peer_pair(&peer), NULL);
	conn->deadline = clock_mono_in_ms(RECEIVER_REQUEST_MS);
	request = request_of(true, LIST("REQUEST_METHOD", "POST"), "a body");
	return 0;
}

static int
end(void **state __attribute__((unused)))
{
	conn_close(conn);
	hang_up(&peer);
	buf_free(&request);
	receiver_free(&receiver);
	assert_int_equal(holdings.n_bytes, 0);
	holdings_free(&holdings);
	clock_go();
	return 0;
}

static void
receives(enum receiver_outcome outcome)
{
	assert_int_equal(receiver_receive(&receiver, conn), outcome);
}

static void
say_abort(void)
{
	struct buf record = BUF_EMPTY;

	add_record(&record, RECORD_ABORT, 1, NULL, 0);
	say(&peer, record.bytes, record.len);
	buf_free(&record);
}

/* expect_aborted reads the end of a response, and no more. */
static void
expect_aborted(void)
{
	unsigned char end_of[3 * 8];

	assert_int_equal(recv(peer.fd, end_of, sizeof(end_of), MSG_DONTWAIT), sizeof(end_of));
	assert_int_equal(end_of[1], RECORD_STDOUT);
	assert_int_equal(end_of[9], RECORD_END);
	expect_nothing(&peer);
}

static size_t
n_unread(void)
{
	char bytes[1024];
	ssize_t n = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

TEST(where_nothing_has_come_nothing_has_begun)
{
	receives(RECEIVER_PART);
	assert_null(conn->arrival);
}

TEST(a_request_that_is_whole_is_left_in_the_socket)
{
	say(&peer, request.bytes, request.len);
	receives(RECEIVER_WHOLE);
	assert_null(conn->arrival);
	assert_false(conn->followed);
	assert_int_equal(n_unread(), request.len);
}

TEST(what_follows_a_whole_request_is_noticed)
{
	say(&peer, request.bytes, request.len);
	say(&peer, request.bytes, 1);
	receives(RECEIVER_WHOLE);
	assert_true(conn->followed);
}

TEST(a_request_that_is_cut_anywhere_is_taken_in_and_whole_at_its_last_byte)
{
	for (size_t cut = 1; cut < request.len; cut++) {
		say(&peer, request.bytes, cut);
		receives(RECEIVER_PART);
		assert_int_equal(n_unread(), 0);
		receives(RECEIVER_PART);  /* nothing more */
		say(&peer, request.bytes + cut, request.len - cut);
		receives(RECEIVER_WHOLE);
		assert_int_equal(conn->arrival->body.len, strlen("a body"));
		receiver_expect_next(conn);
		assert_null(conn->arrival);
	}
}

TEST(a_body_that_breaks_off_is_cut_until_it_was_judged)
{
	say(&peer, request.bytes, request.len - 1);
	receives(RECEIVER_PART);
	shutdown(peer.fd, SHUT_WR);
	receives(RECEIVER_CUT);
	conn->arrival->use = ARRIVAL_GATHERED;
	receives(RECEIVER_OVER);
}

TEST(a_head_that_breaks_off_is_over)
{
	say(&peer, request.bytes, 20);
	receives(RECEIVER_PART);
	shutdown(peer.fd, SHUT_WR);
	receives(RECEIVER_OVER);
}

TEST(nonsense_is_over)
{
	say(&peer, "GET / HTTP/1.1\r\n\r\n", 18);
	receives(RECEIVER_OVER);
}

TEST(an_aborted_request_is_ended_and_the_next_one_received)
{
	say(&peer, request.bytes, 16);
	say_abort();
	receives(RECEIVER_PART);
	expect_aborted();
	assert_null(conn->arrival);
	assert_true(conn->kept);
	say_abort();  /* that crossed an answer */
	say(&peer, request.bytes, request.len);
	receives(RECEIVER_WHOLE);
	assert_int_equal(n_unread(), request.len);
}

TEST(a_kept_connection_has_a_request_s_time_from_its_first_byte)
{
	mono_us first = conn->deadline;

	atomic_fetch_add(&clock_ahead_us, 1000);
	say(&peer, request.bytes, 20);
	receives(RECEIVER_PART);
	assert_int_equal(conn->deadline, first);  /* a new one from its accept on */
	receiver_expect_next(conn);
	assert_int_equal(conn->deadline, clock_mono_in_ms(RECEIVER_IDLE_MS));
	receives(RECEIVER_PART);
	assert_int_equal(conn->deadline, clock_mono_in_ms(RECEIVER_IDLE_MS));
	say(&peer, request.bytes, 20);
	receives(RECEIVER_PART);
	assert_int_equal(conn->deadline, clock_mono_in_ms(RECEIVER_REQUEST_MS));
}

#define RECEIVER_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	RECEIVER_TEST(where_nothing_has_come_nothing_has_begun),
	RECEIVER_TEST(a_request_that_is_whole_is_left_in_the_socket),
	RECEIVER_TEST(what_follows_a_whole_request_is_noticed),
	RECEIVER_TEST(a_request_that_is_cut_anywhere_is_taken_in_and_whole_at_its_last_byte),
	RECEIVER_TEST(a_body_that_breaks_off_is_cut_until_it_was_judged),
	RECEIVER_TEST(a_head_that_breaks_off_is_over),
	RECEIVER_TEST(nonsense_is_over),
	RECEIVER_TEST(an_aborted_request_is_ended_and_the_next_one_received),
	RECEIVER_TEST(a_kept_connection_has_a_request_s_time_from_its_first_byte),
};

RUN_TESTS(tests)
