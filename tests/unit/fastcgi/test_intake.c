/* Intake runs in its thread, on a real socket. The test is the workers: it calls
 * intake_next itself, so that it knows what they are given and when. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/harness.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/fastcgi/intake.h"
#include "app/fastcgi/request.h"
#include "lib/mem.h"

static struct conf conf;
static struct listener listener;
static struct intake *intake;
static size_t n_descriptors;

/* ---- verbs ---- */

static void
begin_serving(size_t n_workers, intake_serve *serve)
{
	n_descriptors = count_descriptors();
	conf_of(&conf, NULL);
	assert_int_equal(listener_open(&listener, &conf), 0);
	request_init_library();
	intake = intake_start(listener.fd, n_workers, serve, NULL);
}

/* begin begins without serving in intake's thread. */
static void
begin(size_t n_workers)
{
	begin_serving(n_workers, NULL);
}

static void
stop(void)
{
	intake_stop(intake);
	listener_close(&listener);
	conf_free(&conf);
}

/* end also looks whether all descriptors are back; the peers have hung up. */
static void
end(void)
{
	stop();
	intake_free(intake);
	assert_int_equal(count_descriptors(), n_descriptors);
}

static void
knock(struct peer *peer)
{
	peer_connect(peer, listener.path);
}

/* get says a whole request, with a name to know it by. */
static void
get(struct peer *peer, bool keep, const char *name)
{
	say_request(peer, keep, LIST("REQUEST_METHOD", "GET", "QUERY_STRING", name), NULL);
}

/* say_unfinished says a POST whose body is more than intake looks at, but for
 * its end. */
static void
say_unfinished(struct peer *peer, const char *name)
{
	struct buf bytes = BUF_EMPTY;
	char *body = mem_zalloc(INTAKE_HEAD_MAX_BYTES);

	add_begin(&bytes, 1, false);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", name));
	add_body(&bytes, 1, body, INTAKE_HEAD_MAX_BYTES);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
	free(body);
}

static void
say_body_end(struct peer *peer)
{
	struct buf bytes = BUF_EMPTY;

	add_body_end(&bytes, 1);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

/* looked_at returns when intake has looked at all that was said, connected and
 * hung up before. Twice, since the first may come into a turn that had begun. */
static void
looked_at(void)
{
	for (int i = 0; i < 2; i++) {
		struct peer peer;

		knock(&peer);
		say(&peer, "nonsense", 8);
		expect_closed(&peer);
		hang_up(&peer);
	}
}

/* descriptors_become waits until intake has let go of all others. A turn takes
 * so many events and no more, so how many turns that takes is its own affair. */
static void
descriptors_become(size_t n)
{
	int n_looks = 0;

	do
		looked_at();
	while (count_descriptors() != n && ++n_looks < 1000);
	assert_int_equal(count_descriptors(), n);
}

/* serve_conn is what a worker does: the request has that name, and is answered
 * with it. */
static void
serve_conn(struct conn *conn, const char *name)
{
	struct request request;

	assert_non_null(conn);
	assert_int_equal(request_read(&request, conn, 1 << 20), 0);
	assert_string_equal(request.query, name);
	reply_send(&request.reply, 200, NULL, "text/plain", name, strlen(name));
	request_free(&request);
}

/* serve expects that a whole request is next. */
static void
serve(const char *name)
{
	struct conn *conn = intake_next(intake);

	assert_non_null(conn);
	assert_null(conn->counted_in);
	serve_conn(conn, name);
}

static void
expect_answer(struct peer *peer, const char *name)
{
	expect_text(expect_reply(peer, 200), name);
}

/* visit is a whole exchange, by a peer of its own. */
static void
visit(const char *name)
{
	struct peer peer;

	knock(&peer);
	get(&peer, false, name);
	serve(name);
	expect_answer(&peer, name);
	hang_up(&peer);
}

/* ---- requests ---- */

TEST(a_whole_request_is_given_at_once)
{
	struct peer peer;

	begin(1);
	visit("one");
	knock(&peer);
	say_request(&peer, false, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", "two"), "a body");
	serve("two");
	expect_answer(&peer, "two");
	hang_up(&peer);
	end();
}

TEST(a_request_cut_anywhere_is_given_when_the_rest_comes)
{
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", "name",
	    "CONTENT_TYPE", "text/plain"), "a body");

	begin(1);
	for (size_t cut = 0; cut <= bytes.len; cut++) {
		struct peer peer;

		knock(&peer);
		say(&peer, bytes.bytes, cut);
		looked_at();
		say(&peer, bytes.bytes + cut, bytes.len - cut);
		serve("name");
		expect_answer(&peer, "name");
		hang_up(&peer);
	}
	buf_free(&bytes);
	end();
}

TEST(a_request_that_comes_byte_by_byte_is_given_at_its_last)
{
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "GET", "QUERY_STRING", "slow"),
	    NULL);
	struct peer slow;

	begin(1);
	knock(&slow);
	for (size_t i = 0; i < bytes.len - 1; i++) {
		say(&slow, bytes.bytes + i, 1);
		visit("quick");
	}
	say(&slow, bytes.bytes + bytes.len - 1, 1);
	serve("slow");
	expect_answer(&slow, "slow");
	hang_up(&slow);
	buf_free(&bytes);
	end();
}

TEST(a_head_as_large_as_may_be_is_read_whole)
{
	char *value = mem_alloc(60001);
	struct peer peer;

	memset(value, 'v', 60000);
	value[60000] = '\0';
	begin(1);
	knock(&peer);
	say_request(&peer, false, LIST("REQUEST_METHOD", "GET", "HTTP_COOKIE", value,
	    "QUERY_STRING", "large"), NULL);
	serve("large");
	expect_answer(&peer, "large");
	hang_up(&peer);
	free(value);
	end();
}

/* ---- what intake serves itself ---- */

static struct conn *here;       /* what take_long was given last */
static sem_t given, go_on;

/* take_long serves for all of the time that intake has for it. */
static void
take_long(void *context __attribute__((unused)), struct conn *conn)
{
	here = conn;
	sem_post(&given);
	sem_wait(&go_on);
	atomic_fetch_add(&clock_ahead_us, INTAKE_SERVES_US);
}

TEST(what_comes_singly_is_served_by_intake_and_what_is_left_of_a_crowd_by_workers)
{
	struct peer first, second, third;
	struct conn *conn;

	sem_init(&given, 0, 0);
	sem_init(&go_on, 0, 0);
	begin_serving(1, take_long);
	knock(&first);
	get(&first, false, "first");
	sem_wait(&given);
	conn = here;
	/* These two come in one turn, since intake is busy. */
	knock(&second);
	get(&second, false, "second");
	knock(&third);
	get(&third, false, "third");
	sem_post(&go_on);
	serve_conn(conn, "first");
	sem_wait(&given);
	conn = here;
	sem_post(&go_on);
	serve_conn(conn, "second");
	serve("third");
	expect_answer(&first, "first");
	expect_answer(&second, "second");
	expect_answer(&third, "third");
	hang_up(&first);
	hang_up(&second);
	hang_up(&third);
	end();
	sem_destroy(&given);
	sem_destroy(&go_on);
}

/* ---- what is no request ---- */

TEST(silent_connections_cost_no_worker)
{
	enum { SILENT = 100 };
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "GET"), NULL);
	struct peer silent[SILENT];

	begin(1);
	for (size_t i = 0; i < SILENT; i++) {
		knock(&silent[i]);
		say(&silent[i], bytes.bytes, i % bytes.len);
	}
	for (int i = 0; i < 3; i++)
		visit("whole");
	for (size_t i = 0; i < SILENT; i++)
		hang_up(&silent[i]);
	buf_free(&bytes);
	end();
}

TEST(a_peer_that_leaves_without_a_word_is_forgotten)
{
	struct peer peer;
	size_t n;

	begin(1);
	looked_at();
	n = count_descriptors();
	for (int i = 0; i < 20; i++) {
		knock(&peer);
		hang_up(&peer);
	}
	descriptors_become(n);
	end();
}

TEST(a_peer_that_leaves_in_the_middle_of_a_request_is_forgotten_at_once)
{
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "POST"), "a body");
	size_t n;

	begin(1);
	looked_at();
	n = count_descriptors();
	for (size_t cut = 1; cut < bytes.len; cut++) {
		struct peer peer;

		knock(&peer);
		say(&peer, bytes.bytes, cut);
		looked_at();
		hang_up(&peer);
	}
	descriptors_become(n);
	buf_free(&bytes);
	end();
}

/* nonsense says bytes, and has to be hung up on. */
static void
nonsense(const char *bytes, size_t n)
{
	struct peer peer;

	knock(&peer);
	say(&peer, bytes, n);
	expect_closed(&peer);
	hang_up(&peer);
}

TEST(nonsense_is_hung_up_on)
{
#define NONSENSE(text) nonsense(text, sizeof(text) - 1)
#define BEGIN_OK "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
	begin(1);
	NONSENSE("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	NONSENSE("\2\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0");        /* version 2 */
	NONSENSE("\1\1\0\0\0\10\0\0" "\0\1\0\0\0\0\0\0");        /* id 0 */
	NONSENSE("\1\1\0\1\0\10\0\0" "\0\2\0\0\0\0\0\0");        /* an authorizer */
	NONSENSE("\1\1\0\1\0\11\0\0" "\0\1\0\0\0\0\0\0\0");      /* BEGIN of 9 bytes */
	NONSENSE("\1\4\0\1\0\0\0\0");                            /* PARAMS first */
	NONSENSE("\1\11\0\0\0\0\0\0");                           /* GET_VALUES */
	NONSENSE(BEGIN_OK "\1\4\0\2\0\0\0\0");                   /* of another request */
	NONSENSE(BEGIN_OK "\1\2\0\1\0\0\0\0");                   /* ABORT */
	NONSENSE(BEGIN_OK "\1\5\0\1\0\0\0\0");                   /* STDIN before PARAMS */
	NONSENSE(BEGIN_OK "\1\4\0\1\0\3\0\0" "\5\5a" "\1\4\0\1\0\0\0\0");
	NONSENSE(BEGIN_OK "\1\4\0\1\0\4\0\0" "\377\377\377\377" "\1\4\0\1\0\0\0\0");
	NONSENSE(BEGIN_OK "\1\4\0\1\0\0\0\0" "\1\4\0\1\0\0\0\0"); /* PARAMS after their end */
	end();
}

/* say_some says bytes until they are out, or the other end has closed, and
 * returns how many went. */
static size_t
say_some(struct peer *peer, const struct buf *bytes)
{
	size_t at = 0;
	ssize_t sent;

	while (at < bytes->len && (sent = send(peer->fd, bytes->bytes + at, bytes->len - at,
	    MSG_NOSIGNAL)) > 0)
		at += (size_t)sent;
	return at;
}

static long
resident_kib(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

TEST(a_head_of_ten_megabytes_is_hung_up_on_and_takes_no_memory)
{
	struct buf bytes = BUF_EMPTY;
	char *params = mem_zalloc(10 << 20);
	struct peer peer;
	long before;

	begin(1);
	add_begin(&bytes, 1, false);
	add_record(&bytes, RECORD_PARAMS, 1, params, 10 << 20);
	looked_at();
	before = resident_kib();
	for (int i = 0; i < 5; i++) {
		knock(&peer);
		/* What went is what the socket holds. */
		assert_true(say_some(&peer, &bytes) < 2 << 20);
		expect_closed(&peer);
		hang_up(&peer);
	}
	assert_true(resident_kib() - before < 2 << 10);
	buf_free(&bytes);
	free(params);
	end();
}

/* ---- bodies ---- */

TEST(at_most_half_of_the_workers_read_unfinished_bodies)
{
	struct peer slow[3];
	struct conn *first, *second, *third;

	begin(4);
	/* One is given before the next comes: else what is said while intake accepts
	 * is found in any order. */
	knock(&slow[0]);
	say_unfinished(&slow[0], "slow");
	first = intake_next(intake);
	knock(&slow[1]);
	say_unfinished(&slow[1], "slow");
	second = intake_next(intake);
	knock(&slow[2]);
	say_unfinished(&slow[2], "slow");
	assert_non_null(first);
	assert_non_null(second);
	assert_non_null(first->counted_in);
	assert_non_null(second->counted_in);
	/* The third has to wait, though it came before. */
	looked_at();
	for (int i = 0; i < 3; i++)
		visit("quick");
	say_body_end(&slow[0]);
	serve_conn(first, "slow");
	expect_answer(&slow[0], "slow");
	third = intake_next(intake);
	assert_non_null(third);
	assert_non_null(third->counted_in);
	say_body_end(&slow[1]);
	say_body_end(&slow[2]);
	serve_conn(second, "slow");
	serve_conn(third, "slow");
	expect_answer(&slow[1], "slow");
	expect_answer(&slow[2], "slow");
	for (int i = 0; i < 3; i++)
		hang_up(&slow[i]);
	end();
}

TEST(one_worker_reads_unfinished_bodies_too_and_whole_requests_first)
{
	struct peer slow, quick;
	struct conn *conn;

	begin(1);
	knock(&slow);
	say_unfinished(&slow, "slow");
	knock(&quick);
	get(&quick, false, "quick");
	looked_at();
	serve("quick");
	conn = intake_next(intake);
	assert_non_null(conn->counted_in);
	say_body_end(&slow);
	serve_conn(conn, "slow");
	expect_answer(&quick, "quick");
	expect_answer(&slow, "slow");
	hang_up(&slow);
	hang_up(&quick);
	end();
}

TEST(a_body_that_is_given_up_makes_room_for_the_next)
{
	struct peer slow[2];
	struct request request;

	begin(1);
	for (int i = 0; i < 2; i++) {
		knock(&slow[i]);
		say_unfinished(&slow[i], "slow");
	}
	looked_at();
	for (int i = 0; i < 2; i++) {
		shutdown(slow[i].fd, SHUT_WR);
		assert_int_equal(request_read(&request, intake_next(intake), 1 << 20),
		    REQUEST_TOO_SLOW);
		request_free(&request);
		hang_up(&slow[i]);
	}
	end();
}

TEST(a_small_body_that_stays_away_is_left_to_a_worker)
{
	struct buf bytes = BUF_EMPTY;
	struct peer peer;
	struct conn *conn;

	begin(1);
	add_begin(&bytes, 1, false);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", "slow"));
	add_body(&bytes, 1, "half", 4);
	knock(&peer);
	say(&peer, bytes.bytes, bytes.len);
	conn = intake_next(intake);
	assert_non_null(conn->counted_in);
	say_body_end(&peer);
	serve_conn(conn, "slow");
	expect_answer(&peer, "slow");
	hang_up(&peer);
	buf_free(&bytes);
	end();
}

/* ---- connections that are kept ---- */

TEST(a_connection_that_is_kept_serves_one_request_after_the_other)
{
	struct peer peer;

	begin(1);
	knock(&peer);
	for (int i = 0; i < 20; i++) {
		char name[] = { 'n', (char)('a' + i), '\0' };

		get(&peer, true, name);
		serve(name);
		expect_answer(&peer, name);
	}
	get(&peer, false, "last");
	serve("last");
	expect_answer(&peer, "last");
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

/* What follows a request would be read with it, and lost. */
TEST(a_connection_on_which_two_requests_come_at_once_is_not_kept)
{
	struct buf one = request_of(true, LIST("REQUEST_METHOD", "GET", "QUERY_STRING", "one"), NULL);

	begin(1);
	for (size_t more = 1; more <= one.len; more++) {
		struct buf both = BUF_EMPTY;
		struct peer peer;

		buf_add(&both, one.bytes, one.len);
		buf_add(&both, one.bytes, more);
		knock(&peer);
		say(&peer, both.bytes, both.len);
		serve("one");
		expect_answer(&peer, "one");
		expect_closed(&peer);
		hang_up(&peer);
		buf_free(&both);
	}
	buf_free(&one);
	end();
}

TEST(a_kept_connection_that_is_closed_meanwhile_is_forgotten)
{
	struct peer peer;
	size_t n;

	begin(1);
	looked_at();
	n = count_descriptors();
	for (int i = 0; i < 10; i++) {
		knock(&peer);
		get(&peer, true, "one");
		serve("one");
		expect_answer(&peer, "one");
		hang_up(&peer);
	}
	descriptors_become(n);
	end();
}

/* ---- time ---- */

/* later lets that much time pass, and returns when intake has looked whose time
 * is up. */
static void
later(int64_t ms)
{
	atomic_fetch_add(&clock_ahead_us, ms * 1000);
	looked_at();
}

TEST(a_kept_connection_that_says_nothing_more_is_closed_when_its_time_is_up)
{
	struct peer peer;

	begin(1);
	knock(&peer);
	for (int i = 0; i < 2; i++) {
		get(&peer, true, "one");
		serve("one");
		expect_answer(&peer, "one");
		/* Up to half of its time nothing happens, and then it begins anew. */
		looked_at();
		later(INTAKE_IDLE_MS / 2);
		expect_nothing(&peer);
	}
	later(INTAKE_IDLE_MS / 2 + 1);
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

TEST(a_request_that_is_not_whole_is_dropped_when_its_time_is_up)
{
	struct buf request = request_of(false, LIST("REQUEST_METHOD", "GET"), NULL);
	struct peer none, some, most;

	begin(1);
	knock(&none);
	knock(&some);
	knock(&most);
	say(&some, request.bytes, 1);
	say(&most, request.bytes, 20);  /* into its parameters */
	looked_at();
	later(INTAKE_REQUEST_MS / 2);
	expect_nothing(&none);
	expect_nothing(&some);
	expect_nothing(&most);
	/* Another byte does not buy more time. */
	say(&some, request.bytes + 1, 1);
	later(INTAKE_REQUEST_MS / 2 + 1);
	expect_closed(&none);
	expect_closed(&some);
	expect_closed(&most);
	hang_up(&none);
	hang_up(&some);
	hang_up(&most);
	buf_free(&request);
	end();
}

/* ---- bounds ---- */

TEST(where_too_many_wait_the_oldest_is_dropped)
{
	struct rlimit files;
	struct peer *peers;
	size_t n = INTAKE_WAITING_MAX + 2;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 2 * n + 100)
		skip();
	peers = mem_zalloc(n * sizeof(*peers));
	begin(1);
	for (size_t i = 0; i < n; i++)
		knock(&peers[i]);
	expect_closed(&peers[0]);
	expect_closed(&peers[1]);
	expect_nothing(&peers[2]);
	get(&peers[2], false, "third");
	serve("third");
	expect_answer(&peers[2], "third");
	get(&peers[n - 1], false, "last");
	serve("last");
	expect_answer(&peers[n - 1], "last");
	visit("new");
	for (size_t i = 0; i < n; i++)
		hang_up(&peers[i]);
	free(peers);
	end();
}

TEST(without_descriptors_a_peer_is_refused_and_intake_goes_on)
{
	enum { FILLERS_MAX = 200 };
	int fillers[FILLERS_MAX];
	struct rlimit files, few;
	struct peer peer;
	size_t n = 0;

	begin(1);
	looked_at();
	capture_begin();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	few = files;
	few.rlim_cur = (rlim_t)count_descriptors() + FILLERS_MAX / 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	while (n < FILLERS_MAX && (fillers[n] = dup(STDIN_FILENO)) >= 0)
		n++;
	for (int i = 0; i < 3; i++) {
		close(fillers[n - 1]);  /* for our own end */
		knock(&peer);
		expect_closed(&peer);
		hang_up(&peer);
		fillers[n - 1] = dup(STDIN_FILENO);
		assert_true(fillers[n - 1] >= 0);
	}
	while (n > 0)
		close(fillers[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	visit("again");
	assert_says(capture_end(), "intake: no descriptors left, connections are refused");
	end();
}

/* ---- the end ---- */

TEST(a_stop_drains_what_was_whole_and_hangs_up_on_the_rest)
{
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "GET"), NULL);
	struct peer whole[3], part, silent;

	begin(2);
	for (int i = 0; i < 3; i++) {
		knock(&whole[i]);
		get(&whole[i], true, "whole");
	}
	knock(&part);
	say(&part, bytes.bytes, bytes.len / 2);  /* of its body a worker would wait for the rest */
	knock(&silent);
	looked_at();
	stop();
	expect_closed(&part);
	expect_closed(&silent);
	for (int i = 0; i < 3; i++) {
		serve("whole");
		expect_answer(&whole[i], "whole");
	}
	assert_null(intake_next(intake));
	assert_null(intake_next(intake));
	intake_free(intake);
	for (int i = 0; i < 3; i++) {
		expect_closed(&whole[i]);
		hang_up(&whole[i]);
	}
	hang_up(&part);
	hang_up(&silent);
	buf_free(&bytes);
	assert_int_equal(count_descriptors(), n_descriptors);
}

static void *
next(void *arg __attribute__((unused)))
{
	return intake_next(intake);
}

TEST(a_stop_wakes_all_workers)
{
	pthread_t workers[8];
	void *conn;

	begin(8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&workers[i], NULL, next, NULL), 0);
	stop();
	for (int i = 0; i < 8; i++) {
		pthread_join(workers[i], &conn);
		assert_null(conn);
	}
	intake_free(intake);
}

TEST(what_nobody_took_is_closed_in_the_end)
{
	struct peer whole, slow;

	begin(1);
	knock(&whole);
	get(&whole, false, "whole");
	knock(&slow);
	say_unfinished(&slow, "slow");
	looked_at();
	stop();
	intake_free(intake);
	expect_closed(&whole);
	expect_closed(&slow);
	hang_up(&whole);
	hang_up(&slow);
	assert_int_equal(count_descriptors(), n_descriptors);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_whole_request_is_given_at_once),
	cmocka_unit_test(a_request_cut_anywhere_is_given_when_the_rest_comes),
	cmocka_unit_test(a_request_that_comes_byte_by_byte_is_given_at_its_last),
	cmocka_unit_test(a_head_as_large_as_may_be_is_read_whole),
	cmocka_unit_test(what_comes_singly_is_served_by_intake_and_what_is_left_of_a_crowd_by_workers),
	cmocka_unit_test(silent_connections_cost_no_worker),
	cmocka_unit_test(a_peer_that_leaves_without_a_word_is_forgotten),
	cmocka_unit_test(a_peer_that_leaves_in_the_middle_of_a_request_is_forgotten_at_once),
	cmocka_unit_test(nonsense_is_hung_up_on),
	cmocka_unit_test(a_head_of_ten_megabytes_is_hung_up_on_and_takes_no_memory),
	cmocka_unit_test(at_most_half_of_the_workers_read_unfinished_bodies),
	cmocka_unit_test(one_worker_reads_unfinished_bodies_too_and_whole_requests_first),
	cmocka_unit_test(a_body_that_is_given_up_makes_room_for_the_next),
	cmocka_unit_test(a_small_body_that_stays_away_is_left_to_a_worker),
	cmocka_unit_test(a_connection_that_is_kept_serves_one_request_after_the_other),
	cmocka_unit_test(a_connection_on_which_two_requests_come_at_once_is_not_kept),
	cmocka_unit_test(a_kept_connection_that_is_closed_meanwhile_is_forgotten),
	cmocka_unit_test(a_kept_connection_that_says_nothing_more_is_closed_when_its_time_is_up),
	cmocka_unit_test(a_request_that_is_not_whole_is_dropped_when_its_time_is_up),
	cmocka_unit_test(where_too_many_wait_the_oldest_is_dropped),
	cmocka_unit_test(without_descriptors_a_peer_is_refused_and_intake_goes_on),
	cmocka_unit_test(a_stop_drains_what_was_whole_and_hangs_up_on_the_rest),
	cmocka_unit_test(a_stop_wakes_all_workers),
	cmocka_unit_test(what_nobody_took_is_closed_in_the_end),
};

RUN_TESTS(tests)
