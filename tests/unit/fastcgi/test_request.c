/* First what is assumed of libfcgi, of which two members stand under "don't
 * use" in fcgiapp.h; then what is made of it. */

#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/fastcgi/arrival.h"
#include "app/fastcgi/request.h"
#include "lib/mem.h"

#define GET LIST("REQUEST_METHOD", "GET", "QUERY_STRING", "a=b")

/* ---- libfcgi ---- */

static struct peer peer;
static FCGX_Request fcgx;
static int fd;

static void
begin(void)
{
	request_init_library();
	fd = peer_pair(&peer);
}

/* accept_by_hand reads a request from fd as request_read does. */
static int
accept_by_hand(void)
{
	FCGX_InitRequest(&fcgx, -1, 0);
	fcgx.ipcFd = fd;
	fcgx.keepConnection = 1;
	return FCGX_Accept_r(&fcgx);
}

static void
take_out(void)
{
	fcgx.ipcFd = -1;
	FCGX_Free(&fcgx, 0);
}

static void
end(void)
{
	close(fd);
	hang_up(&peer);
}

static void
patience_ms(int ms)
{
	struct timeval silence = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)), 0);
}

/* begin_half begins with a request of whose body only "half" has come. */
static void
begin_half(void)
{
	struct buf bytes = BUF_EMPTY;

	begin();
	add_begin(&bytes, 1, true);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST"));
	add_body(&bytes, 1, "half", 4);
	say(&peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

TEST(libfcgi_reads_from_a_descriptor_put_in_by_hand)
{
	begin();
	say_request(&peer, false, GET, NULL);
	assert_int_equal(accept_by_hand(), 0);
	assert_int_equal(fcgx.ipcFd, fd);
	assert_int_equal(fcgx.requestId, 1);
	assert_string_equal(FCGX_GetParam("REQUEST_METHOD", fcgx.envp), "GET");
	assert_string_equal(FCGX_GetParam("QUERY_STRING", fcgx.envp), "a=b");
	assert_null(FCGX_GetParam("HTTP_COOKIE", fcgx.envp));
	assert_int_equal(FCGX_GetChar(fcgx.in), EOF);
	assert_int_equal(FCGX_GetError(fcgx.in), 0);
	take_out();
	end();
}

TEST(libfcgi_writes_and_closes_nothing_once_the_descriptor_is_out)
{
	begin();
	say_request(&peer, false, GET, "body");
	assert_int_equal(accept_by_hand(), 0);
	take_out();
	expect_nothing(&peer);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	end();
}

TEST(libfcgi_says_whether_begin_asked_to_keep_the_connection)
{
	for (int keep = 0; keep < 2; keep++) {
		begin();
		say_request(&peer, keep, GET, NULL);
		assert_int_equal(accept_by_hand(), 0);
		assert_int_equal(fcgx.keepConnection != 0, keep);
		take_out();
		end();
	}
}

TEST(libfcgi_reads_a_second_request_from_the_same_descriptor)
{
	begin();
	for (int i = 0; i < 3; i++) {
		say_request(&peer, true, GET, "body");
		assert_int_equal(accept_by_hand(), 0);
		assert_string_equal(FCGX_GetParam("REQUEST_METHOD", fcgx.envp), "GET");
		while (FCGX_GetChar(fcgx.in) != EOF)
			;
		assert_int_equal(FCGX_GetError(fcgx.in), 0);
		take_out();
	}
	end();
}

TEST(libfcgi_gives_what_is_in_its_buffer_without_waiting_for_more)
{
	struct buf request = BUF_EMPTY;
	char got[8];

	begin_half();
	assert_int_equal(accept_by_hand(), 0);
	assert_int_equal(FCGX_GetChar(fcgx.in), 'h');
	assert_int_equal(fcgx.in->stop - fcgx.in->rdNext, 3);
	assert_int_equal(FCGX_GetStr(got, 3, fcgx.in), 3);
	assert_memory_equal(got, "alf", 3);
	add_body(&request, 1, "rest", 4);
	add_body_end(&request, 1);
	say(&peer, request.bytes, request.len);
	assert_int_equal(FCGX_GetStr(got, 8, fcgx.in), 4);
	assert_memory_equal(got, "rest", 4);
	assert_int_equal(FCGX_GetChar(fcgx.in), EOF);
	assert_int_equal(FCGX_GetError(fcgx.in), 0);
	buf_free(&request);
	take_out();
	end();
}

TEST(libfcgi_tells_the_end_of_a_body_from_a_hang_up_and_a_time_out)
{
	for (int hangs_up = 0; hangs_up < 2; hangs_up++) {
		begin_half();
		patience_ms(20);
		if (hangs_up)
			shutdown(peer.fd, SHUT_WR);
		assert_int_equal(accept_by_hand(), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(FCGX_GetChar(fcgx.in), "half"[i]);
		assert_int_equal(FCGX_GetChar(fcgx.in), EOF);
		assert_int_not_equal(FCGX_GetError(fcgx.in), 0);
		take_out();
		end();
	}
}

TEST(libfcgi_closes_a_connection_that_begins_with_nothing)
{
	begin();
	shutdown(peer.fd, SHUT_WR);
	assert_true(accept_by_hand() < 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	take_out();
	expect_closed(&peer);
	hang_up(&peer);
}

TEST(libfcgi_shows_a_head_cut_off_by_what_is_missing)
{
	struct buf request = BUF_EMPTY;

	begin();
	patience_ms(20);
	add_begin(&request, 1, false);
	say(&peer, request.bytes, request.len);
	assert_int_equal(accept_by_hand(), 0);
	assert_null(FCGX_GetParam("REQUEST_METHOD", fcgx.envp));
	buf_free(&request);
	take_out();
	end();
}

/* Why lib/fcgi.c refuses what pads BEGIN_REQUEST. */
TEST(libfcgi_takes_what_pads_begin_for_a_header)
{
	begin();
	patience_ms(20);
	say(&peer, "\1\1\0\1\0\10\10\0" "\0\1\0\0\0\0\0\0" "\1\4\0\1\0\0\0\0", 24);
	assert_int_equal(accept_by_hand(), 0);
	assert_null(FCGX_GetParam("REQUEST_METHOD", fcgx.envp));
	take_out();
	end();
}

/* ---- request_read ---- */

static struct request request;

static int
read_request(size_t body_max_bytes)
{
	return request_read(&request, conn_of(fd), body_max_bytes);
}

/* answer ends the request, and looks at the web server's end that it came. */
static void
answer(int status)
{
	reply_error(&request.reply, status, NULL, "so it is");
	request_free(&request);
	expect_text(expect_reply(&peer, status), "so it is");
	hang_up(&peer);
}

TEST(what_the_web_server_says_is_filled_in)
{
	begin();
	say_request(&peer, true, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/app",
	    "PATH_INFO", "/msg", "REQUEST_URI", "/front/msg?x=1?2", "QUERY_STRING", "x=1?2",
	    "CONTENT_TYPE", "text/plain", "HTTP_AUTHORIZATION", "Bearer x", "HTTP_COOKIE", "c=d",
	    "HTTP_ACCEPT", "*/*", "HTTP_LAST_EVENT_ID", "7", "HTTP_ORIGIN", "http://o",
	    "HTTP_HOST", "h", "HTTP_SEC_FETCH_SITE", "none", "ROWCAST_LOCAL", "1"), "the body");
	assert_int_equal(read_request(100), 0);
	assert_string_equal(request.method, "POST");
	assert_string_equal(request.path, "/app/msg");
	assert_string_equal(request.uri, "/front/msg");
	assert_string_equal(request.query, "x=1?2");
	assert_string_equal(request.content_type, "text/plain");
	assert_string_equal(request.authorization, "Bearer x");
	assert_string_equal(request.cookie, "c=d");
	assert_string_equal(request.accept, "*/*");
	assert_string_equal(request.last_event_id, "7");
	assert_string_equal(request.origin, "http://o");
	assert_string_equal(request.host, "h");
	assert_string_equal(request.sec_fetch_site, "none");
	assert_true(request.is_local);
	assert_int_equal(request.body.len, 8);
	assert_memory_equal(request.body.bytes, "the body", 8);
	assert_true(request.reply.keep);
	assert_int_equal(request.reply.request_id, 1);
	request.reply.keep = false;
	answer(400);
}

TEST(what_it_does_not_say_is_empty_or_null)
{
	begin();
	say_request(&peer, false, LIST("REQUEST_METHOD", "GET", "CONTENT_TYPE", "",
	    "HTTP_ROWCAST_LOCAL", "1"), NULL);
	assert_int_equal(read_request(100), 0);
	assert_string_equal(request.path, "");
	assert_string_equal(request.uri, "");
	assert_string_equal(request.query, "");
	assert_null(request.content_type);
	assert_null(request.authorization);
	assert_null(request.cookie);
	assert_null(request.accept);
	assert_null(request.last_event_id);
	assert_null(request.origin);
	assert_null(request.host);
	assert_null(request.sec_fetch_site);
	assert_false(request.is_local);
	assert_int_equal(request.body.len, 0);
	assert_false(request.reply.keep);
	answer(404);
}

TEST(a_request_without_a_method_is_gone)
{
	begin();
	say_request(&peer, true, LIST("QUERY_STRING", "a"), NULL);
	assert_int_equal(read_request(100), REQUEST_GONE);
	expect_closed(&peer);
	hang_up(&peer);
	begin();
	shutdown(peer.fd, SHUT_WR);
	assert_int_equal(read_request(100), REQUEST_GONE);
	expect_closed(&peer);
	hang_up(&peer);
}

TEST(a_request_that_is_freed_unanswered_is_hung_up_on)
{
	begin();
	say_request(&peer, true, GET, NULL);
	assert_int_equal(read_request(100), 0);
	request_free(&request);
	expect_closed(&peer);
	hang_up(&peer);
}

/* read_with_body reads a POST with a body of that size from the socket, as whole
 * as intake leaves it there, and returns the outcome. */
static int
read_with_body(size_t body_bytes, size_t body_max_bytes)
{
	struct buf bytes = BUF_EMPTY;
	char *body = mem_alloc(body_bytes + 1);
	int outcome, flags;

	begin();
	flags = fcntl(fd, F_GETFL);
	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	for (size_t i = 0; i < body_bytes; i++)
		body[i] = (char)('a' + i * 7 / 5 % 26);
	add_begin(&bytes, 1, true);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST"));
	for (size_t at = 0, n; at < body_bytes; at += n) {
		n = 1 + dice_throw(20000);
		if (n > body_bytes - at)
			n = body_bytes - at;
		add_body(&bytes, 1, body + at, n);
	}
	add_body_end(&bytes, 1);
	say(&peer, bytes.bytes, bytes.len);
	outcome = read_request(body_max_bytes);
	if (outcome == 0) {
		assert_int_equal(request.body.len, body_bytes);
		assert_memory_equal(request.body.bytes, body, body_bytes);
	} else {
		assert_true(request.body.capacity <= 2 * (body_max_bytes + 8192));
	}
	/* All of it is read, so the connection may be kept. */
	assert_true(request.reply.keep);
	request.reply.keep = false;  /* there is no intake to give it back to */
	answer(400);
	buf_free(&bytes);
	free(body);
	return outcome;
}

TEST(a_body_up_to_the_bound_is_read_whole)
{
	static const size_t sizes[] = { 0, 1, 8183, 8184, 8185, 8191, 8192, 8193, 16384, 60000 };

	dice_begin();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(read_with_body(sizes[i], sizes[i]), 0);
		assert_int_equal(read_with_body(sizes[i], 400000), 0);
	}
}

TEST(a_body_beyond_the_bound_is_refused_and_takes_no_memory)
{
	static const size_t bounds[] = { 0, 1, 8191, 8192, 8193 };

	dice_begin();
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		assert_int_equal(read_with_body(bounds[i] + 1, bounds[i]), REQUEST_TOO_LARGE);
		assert_int_equal(read_with_body(bounds[i] + 50000, bounds[i]), REQUEST_TOO_LARGE);
	}
}

/* What intake has not seen whole it does not give; and yet nothing is waited for. */
TEST(a_request_that_is_not_whole_is_gone_without_waiting)
{
	static const char part[] = "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0" "\1\4\0\1\377\377";

	for (size_t n = 1; n < sizeof(part); n++) {
		begin();
		assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
		say(&peer, part, n);
		assert_int_equal(read_request(100), REQUEST_GONE);
		expect_closed(&peer);
		hang_up(&peer);
	}
	begin_half();
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read_request(100), REQUEST_GONE);
	expect_closed(&peer);
	hang_up(&peer);
}

/* ---- from an arrival ---- */

static struct holdings holdings;

/* arrived returns a conn of which these bytes have come. */
static struct conn *
arrived(const struct buf *bytes)
{
	struct conn *conn = conn_of(fd);

	conn->arrival = arrival_new(conn, &holdings, 65536);
	for (size_t at = 0; at < bytes->len; )
		at += arrival_take(conn->arrival, (unsigned char *)bytes->bytes + at,
		    bytes->len - at);
	return conn;
}

TEST(an_arrival_is_read_as_if_it_were_in_the_socket)
{
	struct buf bytes = request_of(true, LIST("REQUEST_METHOD", "POST", "SCRIPT_NAME", "/msg",
	    "QUERY_STRING", "a=b", "CONTENT_LENGTH", "8", "HTTP_CONTENT_ENCODING", "gzip"), "the body");
	size_t n;

	holdings_init(&holdings);
	begin();
	n = count_descriptors();
	assert_int_equal(request_read(&request, arrived(&bytes), 100), 0);
	assert_int_equal(count_descriptors(), n);
	assert_string_equal(request.method, "POST");
	assert_string_equal(request.path, "/msg");
	assert_string_equal(request.query, "a=b");
	assert_string_equal(request.content_length, "8");
	assert_string_equal(request.content_encoding, "gzip");
	assert_int_equal(request.body.len, 8);
	assert_memory_equal(request.body.bytes, "the body", 8);
	assert_true(request.reply.keep);
	assert_int_equal(holdings.n_bytes, 0);
	request.reply.keep = false;
	answer(400);
	buf_free(&bytes);
	holdings_free(&holdings);
}

TEST(an_arrival_over_the_bound_is_too_large)
{
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "POST"), "the body");

	holdings_init(&holdings);
	begin();
	assert_int_equal(request_read(&request, arrived(&bytes), 7), REQUEST_TOO_LARGE);
	answer(413);
	buf_free(&bytes);
	holdings_free(&holdings);
}

TEST(of_an_arrival_that_has_not_ended_the_head_is_read_and_it_goes_on)
{
	struct buf bytes = BUF_EMPTY;
	struct conn *conn;

	holdings_init(&holdings);
	begin();
	add_begin(&bytes, 1, true);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", "a"));
	add_body(&bytes, 1, "half", 4);
	conn = arrived(&bytes);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(request_read(&request, conn, 0), 0);
		assert_string_equal(request.query, "a");
		assert_int_equal(request.body.len, 0);
		request.reply.conn = NULL;
		request_free(&request);
	}
	assert_true(conn_is_unfinished(conn));
	assert_true(holdings.n_bytes > 4);
	conn_close(conn);
	assert_int_equal(holdings.n_bytes, 0);
	expect_closed(&peer);
	hang_up(&peer);
	buf_free(&bytes);
	holdings_free(&holdings);
}

TEST(an_arrival_without_a_method_is_gone)
{
	struct buf bytes = request_of(true, LIST("QUERY_STRING", "a"), "x");

	holdings_init(&holdings);
	begin();
	assert_int_equal(request_read(&request, arrived(&bytes), 100), REQUEST_GONE);
	expect_closed(&peer);
	hang_up(&peer);
	buf_free(&bytes);
	holdings_free(&holdings);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(libfcgi_reads_from_a_descriptor_put_in_by_hand),
	cmocka_unit_test(libfcgi_writes_and_closes_nothing_once_the_descriptor_is_out),
	cmocka_unit_test(libfcgi_says_whether_begin_asked_to_keep_the_connection),
	cmocka_unit_test(libfcgi_reads_a_second_request_from_the_same_descriptor),
	cmocka_unit_test(libfcgi_gives_what_is_in_its_buffer_without_waiting_for_more),
	cmocka_unit_test(libfcgi_tells_the_end_of_a_body_from_a_hang_up_and_a_time_out),
	cmocka_unit_test(libfcgi_closes_a_connection_that_begins_with_nothing),
	cmocka_unit_test(libfcgi_shows_a_head_cut_off_by_what_is_missing),
	cmocka_unit_test(libfcgi_takes_what_pads_begin_for_a_header),
	cmocka_unit_test(what_the_web_server_says_is_filled_in),
	cmocka_unit_test(what_it_does_not_say_is_empty_or_null),
	cmocka_unit_test(a_request_without_a_method_is_gone),
	cmocka_unit_test(a_request_that_is_freed_unanswered_is_hung_up_on),
	cmocka_unit_test(a_body_up_to_the_bound_is_read_whole),
	cmocka_unit_test(a_body_beyond_the_bound_is_refused_and_takes_no_memory),
	cmocka_unit_test(a_request_that_is_not_whole_is_gone_without_waiting),
	cmocka_unit_test(an_arrival_is_read_as_if_it_were_in_the_socket),
	cmocka_unit_test(an_arrival_over_the_bound_is_too_large),
	cmocka_unit_test(of_an_arrival_that_has_not_ended_the_head_is_read_and_it_goes_on),
	cmocka_unit_test(an_arrival_without_a_method_is_gone),
};

RUN_TESTS(tests)
