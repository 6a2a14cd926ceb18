/* Intake runs in its thread, on a real socket. The test is the workers: it calls
 * intake_next itself, so that it knows what they are given and when. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/fastcgi/holdings.h"
#include "app/fastcgi/intake.h"
#include "app/fastcgi/receiver.h"
#include "app/fastcgi/request.h"
#include "app/fastcgi/waiting.h"
#include "lib/mem.h"

static struct conf conf;
static struct listener listener;
static struct intake *intake;
static size_t n_descriptors;

/* ---- verbs ---- */

/* ---- who serves ---- */

/* What the judge says, and what it was asked; intake's thread writes, the test
 * reads what it was told of by a semaphore. */
static enum intake_verdict verdict;
static const char *judged_user;
static size_t body_max;
static _Atomic int n_judged, n_refused;

/* say_no answers with the status, by the head alone. */
static void
say_no(struct request *request, int status)
{
	reply_error(&request->reply, status, NULL, request->query);
}

static struct intake_judgement
judge_head(void *context __attribute__((unused)), struct conn *conn)
{
	struct intake_judgement judgement = { .verdict = INTAKE_ANSWERED };
	struct request request;

	if (request_read(&request, conn, 0) != 0)
		return judgement;
	atomic_fetch_add(&n_judged, 1);
	judgement.verdict = verdict;
	if (verdict == INTAKE_ANSWERED) {
		say_no(&request, 401);
	} else {
		if (verdict == INTAKE_GATHER) {
			/* The name before the dash is the user's. */
			judgement.user = judged_user != NULL ? mem_strdup(judged_user)
			    : mem_strndup(request.query, strcspn(request.query, "-"));
			judgement.body_max_bytes = body_max;
		}
		request.reply.conn = NULL;
	}
	request_free(&request);
	return judgement;
}

static void
refuse_head(void *context __attribute__((unused)), struct conn *conn, enum request_outcome reason)
{
	struct request request;

	atomic_fetch_add(&n_refused, 1);
	if (request_read(&request, conn, 0) == REQUEST_GONE)
		return;
	say_no(&request, reason == REQUEST_TOO_SLOW ? 408 : reason == REQUEST_TOO_LARGE ? 413 : 503);
	request_free(&request);
}

static void
begin_serving(void (*serve)(void *context, struct conn *conn))
{
	const struct intake_service service = {
		.serve = serve, .judge = judge_head, .refuse = refuse_head,
	};

	verdict = INTAKE_GATHER;
	judged_user = NULL;
	body_max = 1 << 20;
	atomic_store(&n_judged, 0);
	atomic_store(&n_refused, 0);
	n_descriptors = count_descriptors();
	conf_of(&conf, NULL);
	assert_int_equal(listener_open(&listener, &conf), 0);
	request_init_library();
	intake = intake_start(listener.fd, &service);
}

/* begin begins without serving in intake's thread. */
static void
begin(void)
{
	begin_serving(NULL);
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

/* say_post says the head of a POST, and body_bytes of its body, without its end. */
static void
say_post(struct peer *peer, bool keep, const char *name, size_t body_bytes)
{
	struct buf bytes = BUF_EMPTY;
	char *body = mem_zalloc(body_bytes + 1);

	add_begin(&bytes, 1, keep);
	add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", name));
	add_body(&bytes, 1, body, body_bytes);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
	free(body);
}

static void
say_body(struct peer *peer, size_t n)
{
	struct buf bytes = BUF_EMPTY;
	char *body = mem_zalloc(n);

	add_body(&bytes, 1, body, n);
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

	begin();
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

	begin();
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

	begin();
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
	begin();
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
	begin_serving(take_long);
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

	begin();
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

	begin();
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

	begin();
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
	begin();
	NONSENSE("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	NONSENSE("\2\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0");        /* version 2 */
	NONSENSE("\1\1\0\0\0\10\0\0" "\0\1\0\0\0\0\0\0");        /* id 0 */
	NONSENSE("\1\1\0\1\0\10\0\0" "\0\2\0\0\0\0\0\0");        /* an authorizer */
	NONSENSE("\1\1\0\1\0\11\0\0" "\0\1\0\0\0\0\0\0\0");      /* BEGIN of 9 bytes */
	NONSENSE("\1\4\0\1\0\0\0\0");                            /* PARAMS first */
	NONSENSE("\1\11\0\0\0\0\0\0");                           /* GET_VALUES */
	NONSENSE(BEGIN_OK "\1\4\0\2\0\0\0\0");                   /* of another request */
	NONSENSE(BEGIN_OK "\1\2\0\2\0\0\0\0");                   /* ABORT of another */
	NONSENSE("\1\2\0\1\0\0\0\0");                            /* ABORT of nothing */
	NONSENSE(BEGIN_OK "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0");  /* BEGIN again */
	/* BEGIN with padding that says PARAMS of 65535 bytes: libfcgi would wait for them. */
	NONSENSE("\1\1\0\1\0\10\10\0" "\0\1\0\0\0\0\0\0" "\1\4\0\1\377\377\0\0"
	    "\1\4\0\1\0\0\0\0" "\1\5\0\1\0\0\0\0");
	NONSENSE(BEGIN_OK "\1\11\0\0\0\0\0\0");                   /* GET_VALUES */
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

	begin();
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

/* later lets that much time pass, and returns when intake has looked whose time
 * is up. */
static void
later(int64_t ms)
{
	atomic_fetch_add(&clock_ahead_us, ms * 1000);
	looked_at();
}

/* expect_error reads an answer of the judge's. */
static void
expect_error(struct peer *peer, int status, const char *name)
{
	expect_text(expect_reply(peer, status), name);
}

static void
say_abort(struct peer *peer)
{
	struct buf bytes = BUF_EMPTY;

	add_record(&bytes, RECORD_ABORT, 1, NULL, 0);
	say(peer, bytes.bytes, bytes.len);
	buf_free(&bytes);
}

/* expect_aborted: nothing but END_REQUEST (and the empty STDOUT before it). */
static void
expect_aborted(struct peer *peer)
{
	size_t len;

	assert_int_equal(take_record(peer, &len), RECORD_STDOUT);
	assert_int_equal(len, 0);
	assert_int_equal(take_record(peer, &len), RECORD_END);
	peer->ended = false;
}

TEST(slow_bodies_cost_no_worker)
{
	enum { SLOW = 100 };
	struct peer slow[SLOW];

	begin();
	for (size_t i = 0; i < SLOW; i++) {
		knock(&slow[i]);
		say_post(&slow[i], false, "slow", i * 100);
	}
	WAIT_FOR(atomic_load(&n_judged) == SLOW);
	for (int i = 0; i < 3; i++)
		visit("quick");
	for (size_t i = 0; i < SLOW; i++) {
		say_body_end(&slow[i]);
		serve("slow");
		expect_answer(&slow[i], "slow");
		hang_up(&slow[i]);
	}
	end();
}

/* serve_body expects a request with that body. */
static void
serve_body(const char *name, const void *body, size_t len)
{
	struct request request;

	assert_int_equal(request_read(&request, intake_next(intake), 1 << 20), 0);
	assert_string_equal(request.query, name);
	assert_int_equal(request.body.len, len);
	assert_memory_equal(request.body.bytes, body, len);
	reply_send(&request.reply, 200, NULL, "text/plain", name, strlen(name));
	request_free(&request);
}

TEST(a_body_is_gathered_from_records_of_all_sizes)
{
	size_t n = 900000;
	char *body = mem_alloc(n);

	dice_begin();
	for (size_t i = 0; i < n; i++)
		body[i] = (char)('a' + i * 7 / 5 % 26);
	begin();
	for (size_t largest = 1; largest <= 65535; largest = largest * 8 < 65535 ? largest * 8
	    : largest < 65535 ? 65535 : 65536) {
		size_t len = largest == 1 ? 20000 : n;
		struct buf bytes = BUF_EMPTY;
		struct peer peer;

		add_begin(&bytes, 1, true);
		add_params(&bytes, 1, LIST("REQUEST_METHOD", "POST", "QUERY_STRING", "name"));
		for (size_t at = 0, cut; at < len; at += cut) {
			cut = 1 + dice_throw(largest);
			if (cut > len - at)
				cut = len - at;
			add_body(&bytes, 1, body + at, cut);
		}
		add_body_end(&bytes, 1);
		knock(&peer);
		say(&peer, bytes.bytes, bytes.len);
		serve_body("name", body, len);
		expect_answer(&peer, "name");
		/* It is kept, and whole requests are served from the socket again. */
		get(&peer, false, "next");
		serve("next");
		expect_answer(&peer, "next");
		expect_closed(&peer);
		hang_up(&peer);
		buf_free(&bytes);
	}
	free(body);
	end();
}

TEST(who_is_refused_is_answered_before_the_body_and_what_comes_is_thrown_away)
{
	for (int keep = 0; keep < 2; keep++) {
		struct peer peer;

		begin();
		verdict = INTAKE_ANSWERED;
		knock(&peer);
		say_post(&peer, keep, "no", 4);
		expect_error(&peer, 401, "no");
		/* nginx passes the answer on when it sees its end, not at END_REQUEST. */
		if (!keep)
			expect_closed(&peer);
		for (int i = 0; i < 20; i++)
			say_body(&peer, 100000);
		if (keep)
			expect_nothing(&peer);
		say_body_end(&peer);
		if (keep) {
			get(&peer, false, "next");
			serve("next");
			expect_answer(&peer, "next");
			expect_closed(&peer);
		}
		hang_up(&peer);
		assert_int_equal(atomic_load(&n_judged), 1);
		end();
	}
}

TEST(a_body_that_goes_on_after_its_answer_is_cut_off_at_a_bound)
{
	struct buf bytes = BUF_EMPTY;
	char *body = mem_zalloc(60000);
	struct peer peer;
	size_t sent = 0;

	begin();
	verdict = INTAKE_ANSWERED;
	add_body(&bytes, 1, body, 60000);
	knock(&peer);
	say_post(&peer, true, "no", 4);
	expect_error(&peer, 401, "no");
	while (sent < 4 * INTAKE_DISCARD_MAX_BYTES
	    && send(peer.fd, bytes.bytes, bytes.len, MSG_NOSIGNAL) == (ssize_t)bytes.len)
		sent += bytes.len;
	assert_true(sent >= INTAKE_DISCARD_MAX_BYTES);
	assert_true(sent < 2 * INTAKE_DISCARD_MAX_BYTES);
	hang_up(&peer);
	buf_free(&bytes);
	free(body);
	end();
}

TEST(a_body_that_goes_on_after_its_answer_is_cut_off_in_time)
{
	struct peer peer;

	begin();
	verdict = INTAKE_ANSWERED;
	knock(&peer);
	say_post(&peer, true, "no", 4);
	expect_error(&peer, 401, "no");
	later(RECEIVER_REQUEST_MS / 2);
	say_body(&peer, 1);
	looked_at();
	expect_nothing(&peer);
	later(RECEIVER_REQUEST_MS / 2 + 1);
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

TEST(a_request_that_needs_no_body_is_served_without_it)
{
	struct peer peer;

	begin();
	verdict = INTAKE_SERVE;
	knock(&peer);
	say_post(&peer, true, "now", 4);
	serve("now");
	expect_answer(&peer, "now");
	say_body(&peer, 100);
	say_body_end(&peer);
	get(&peer, false, "next");
	serve("next");
	expect_answer(&peer, "next");
	hang_up(&peer);
	end();
}

TEST(a_body_that_is_passed_over_is_waited_for_and_not_held)
{
	struct peer peer;

	begin();
	verdict = INTAKE_PASS;
	knock(&peer);
	say_post(&peer, false, "pass", 4);
	WAIT_FOR(atomic_load(&n_judged) == 1);
	for (int i = 0; i < 10; i++)
		say_body(&peer, 100000);
	say_body_end(&peer);
	serve_body("pass", "", 0);
	expect_answer(&peer, "pass");
	hang_up(&peer);
	end();
}

TEST(a_body_over_its_bound_is_refused_and_the_answer_can_be_read)
{
	for (int at_once = 0; at_once < 2; at_once++) {
		struct peer peer;

		begin();
		body_max = 100000;
		knock(&peer);
		say_post(&peer, true, "large", at_once ? 100001 : 99999);
		if (!at_once) {
			WAIT_FOR(atomic_load(&n_judged) == 1);
			say_body(&peer, 1);
			looked_at();
			expect_nothing(&peer);
			say_body(&peer, 1);
		}
		expect_error(&peer, 413, "large");
		say_body(&peer, 500000);
		say_body_end(&peer);
		get(&peer, false, "next");
		serve("next");
		expect_answer(&peer, "next");
		hang_up(&peer);
		end();
	}
}

TEST(a_body_has_the_requests_one_deadline_whatever_comes)
{
	struct peer peer;

	begin();
	knock(&peer);
	say_post(&peer, true, "slow", 4);
	WAIT_FOR(atomic_load(&n_judged) == 1);
	for (int i = 0; i < 9; i++) {
		later(RECEIVER_REQUEST_MS / 10);
		say_body(&peer, 1);
	}
	looked_at();
	expect_nothing(&peer);
	later(RECEIVER_REQUEST_MS / 10 + 1);
	expect_error(&peer, 408, "slow");
	/* The answer has time to be read, and then it is over. */
	looked_at();
	expect_nothing(&peer);
	later(INTAKE_LINGER_MS + 1);
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

TEST(records_of_others_and_management_records_end_a_body_at_once)
{
	static const struct { const char *bytes; size_t n; } others[] = {
		{ "\1\5\0\2\0\1\0\0x", 9 }, { "\1\5\0\2\0\0\0\0", 8 },
		{ "\1\11\0\0\0\0\0\0", 8 }, { "\1\5\0\0\0\0\0\0", 8 },
		{ "\1\1\0\2\0\10\0\0\0\1\0\0\0\0\0\0", 16 },
		{ "\1\4\0\1\0\0\0\0", 8 }, { "\1\5\0\1\0\0\1\0", 8 },
	};

	begin();
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct peer peer;

		knock(&peer);
		say_post(&peer, true, "slow", 4);
		say(&peer, others[i].bytes, others[i].n);
		expect_closed(&peer);
		hang_up(&peer);
	}
	end();
}

/* ---- bounds of what is held ---- */

TEST(a_user_with_too_many_large_bodies_is_told_so_and_others_go_on)
{
	enum { PART = 1 << 20, MOST = HOLDINGS_USER_MAX_BYTES / PART + 1 };
	struct peer peers[MOST], other;
	int n = 0;

	begin();
	clock_stop();  /* no body is late */
	body_max = 2 * PART;
	/* A part of each body: what holds it doubles, so at most so many fit. */
	while (n < MOST && atomic_load(&n_refused) == 0) {
		knock(&peers[n]);
		say_post(&peers[n], false, "alice-x", PART);
		n++;
		looked_at();
		later(INTAKE_JUDGE_MS);
		WAIT_FOR(atomic_load(&n_judged) == n);
		looked_at();
		looked_at();
	}
	assert_true(n > 4);
	/* The newest was refused, and the others are as they were. */
	expect_error(&peers[n - 1], 503, "alice-x");
	knock(&other);
	say_post(&other, false, "bob-x", PART);
	looked_at();
	later(INTAKE_JUDGE_MS);
	WAIT_FOR(atomic_load(&n_judged) == n + 1);
	say_body_end(&other);
	serve("bob-x");
	expect_answer(&other, "bob-x");
	for (int i = 0; i < n - 1; i++) {
		say_body_end(&peers[i]);
		serve("alice-x");
		expect_answer(&peers[i], "alice-x");
	}
	assert_int_equal(atomic_load(&n_refused), 1);
	for (int i = 0; i < n; i++)
		hang_up(&peers[i]);
	hang_up(&other);
	clock_go();
	end();
}

/* ---- ABORT_REQUEST ---- */

TEST(an_abort_of_a_request_that_waits_ends_it_and_keeps_the_connection)
{
	for (int keep = 0; keep < 2; keep++) {
		struct peer peer;

		begin();
		knock(&peer);
		say_post(&peer, keep, "aborted", 4);
		looked_at();
		say_abort(&peer);
		expect_aborted(&peer);
		if (keep) {
			get(&peer, false, "next");
			serve("next");
			expect_answer(&peer, "next");
		}
		expect_closed(&peer);
		hang_up(&peer);
		end();
	}
}

TEST(a_request_that_was_aborted_is_not_judged_any_more)
{
	struct peer peer;

	begin();
	clock_stop();
	knock(&peer);
	say_post(&peer, true, "aborted", 4);
	looked_at();
	say_abort(&peer);
	expect_aborted(&peer);
	later(INTAKE_JUDGE_MS);
	assert_int_equal(atomic_load(&n_judged), 0);
	get(&peer, false, "next");
	serve("next");
	expect_answer(&peer, "next");
	expect_closed(&peer);
	hang_up(&peer);
	clock_go();
	end();
}

TEST(an_abort_at_any_byte_of_a_request_ends_it)
{
	struct buf request = request_of(true, LIST("REQUEST_METHOD", "POST"), "a body");

	begin();
	/* Between records. */
	static const size_t after_records[] = { 16, 16 + 8 + 2 + 14 + 4, 16 + 8 + 2 + 14 + 4 + 8,
	    16 + 8 + 2 + 14 + 4 + 8 + 14 };
	for (size_t i = 0; i < 4; i++) {
		struct peer peer;

		knock(&peer);
		say(&peer, request.bytes, after_records[i]);
		say_abort(&peer);
		expect_aborted(&peer);
		get(&peer, false, "next");
		serve("next");
		expect_answer(&peer, "next");
		hang_up(&peer);
	}
	buf_free(&request);
	end();
}

TEST(an_abort_that_crosses_the_answer_is_passed_over)
{
	struct peer peer;

	begin();
	knock(&peer);
	for (int i = 0; i < 3; i++) {
		get(&peer, true, "one");
		serve("one");
		say_abort(&peer);
		expect_answer(&peer, "one");
		if (i == 1)
			looked_at();
	}
	get(&peer, false, "last");
	serve("last");
	expect_answer(&peer, "last");
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

/* ---- connections that are kept ---- */

TEST(a_connection_that_is_kept_serves_one_request_after_the_other)
{
	struct peer peer;

	begin();
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

	begin();
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

	begin();
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

TEST(a_kept_connection_that_says_nothing_more_is_closed_when_its_time_is_up)
{
	struct peer peer;

	begin();
	knock(&peer);
	for (int i = 0; i < 2; i++) {
		get(&peer, true, "one");
		serve("one");
		expect_answer(&peer, "one");
		/* Up to half of its time nothing happens, and then it begins anew. */
		looked_at();
		later(RECEIVER_IDLE_MS / 2);
		expect_nothing(&peer);
	}
	later(RECEIVER_IDLE_MS / 2 + 1);
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

TEST(a_request_that_is_not_whole_is_dropped_when_its_time_is_up)
{
	struct buf request = request_of(false, LIST("REQUEST_METHOD", "GET"), NULL);
	struct peer none, some, most;

	begin();
	knock(&none);
	knock(&some);
	knock(&most);
	say(&some, request.bytes, 1);
	say(&most, request.bytes, 20);  /* into its parameters */
	looked_at();
	later(RECEIVER_REQUEST_MS / 2);
	expect_nothing(&none);
	expect_nothing(&some);
	expect_nothing(&most);
	/* Another byte does not buy more time. */
	say(&some, request.bytes + 1, 1);
	later(RECEIVER_REQUEST_MS / 2 + 1);
	expect_closed(&none);
	expect_closed(&some);
	expect_closed(&most);
	hang_up(&none);
	hang_up(&some);
	hang_up(&most);
	buf_free(&request);
	end();
}

TEST(a_kept_connection_has_a_requests_time_from_its_first_byte)
{
	struct peer peer;

	begin();
	knock(&peer);
	get(&peer, true, "one");
	serve("one");
	expect_answer(&peer, "one");
	looked_at();
	/* Halves, since the machine's own time goes on, too. */
	later(RECEIVER_IDLE_MS / 2);
	say(&peer, "\1", 1);
	looked_at();
	later(RECEIVER_REQUEST_MS / 2);
	expect_nothing(&peer);
	later(RECEIVER_REQUEST_MS / 2 + 1);
	expect_closed(&peer);
	hang_up(&peer);
	end();
}

/* ---- bounds ---- */

TEST(where_too_many_wait_the_oldest_is_dropped)
{
	struct rlimit files;
	struct peer *peers;
	size_t n = WAITING_MAX + 2;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 2 * n + 100)
		skip();
	peers = mem_zalloc(n * sizeof(*peers));
	begin();
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

	begin();
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

static clock_t
busy(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec
	    + usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
}

TEST(where_not_even_one_descriptor_is_left_intake_waits_and_recovers)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct rlimit files, none;
	struct peer peer;
	struct pollfd p;
	clock_t before;

	begin();
	looked_at();
	capture_begin();
	peer = (struct peer){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	memcpy(address.sun_path, listener.path, strlen(listener.path));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = files;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	before = busy();
	assert_int_equal(connect(peer.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	p = (struct pollfd){ .fd = peer.fd, .events = POLLIN };
	poll(&p, 1, 1200);
	assert_true(busy() - before < 400000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	get(&peer, false, "late");
	serve("late");
	expect_answer(&peer, "late");
	hang_up(&peer);
	visit("again");
	assert_says(capture_end(), "intake: no descriptors left, connections are refused");
	end();
}

/* ---- the end ---- */

TEST(a_stop_drains_what_was_whole_and_hangs_up_on_the_rest)
{
	struct buf bytes = request_of(false, LIST("REQUEST_METHOD", "GET"), NULL);
	struct peer whole[3], part, silent;

	begin();
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

	begin();
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

	begin();
	knock(&whole);
	get(&whole, false, "whole");
	knock(&slow);
	say_post(&slow, false, "slow", 60000);
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
	cmocka_unit_test(slow_bodies_cost_no_worker),
	cmocka_unit_test(a_body_is_gathered_from_records_of_all_sizes),
	cmocka_unit_test(who_is_refused_is_answered_before_the_body_and_what_comes_is_thrown_away),
	cmocka_unit_test(a_body_that_goes_on_after_its_answer_is_cut_off_at_a_bound),
	cmocka_unit_test(a_body_that_goes_on_after_its_answer_is_cut_off_in_time),
	cmocka_unit_test(a_request_that_needs_no_body_is_served_without_it),
	cmocka_unit_test(a_body_that_is_passed_over_is_waited_for_and_not_held),
	cmocka_unit_test(a_body_over_its_bound_is_refused_and_the_answer_can_be_read),
	cmocka_unit_test(a_body_has_the_requests_one_deadline_whatever_comes),
	cmocka_unit_test(records_of_others_and_management_records_end_a_body_at_once),
	cmocka_unit_test(a_user_with_too_many_large_bodies_is_told_so_and_others_go_on),
	cmocka_unit_test(an_abort_of_a_request_that_waits_ends_it_and_keeps_the_connection),
	cmocka_unit_test(a_request_that_was_aborted_is_not_judged_any_more),
	cmocka_unit_test(an_abort_at_any_byte_of_a_request_ends_it),
	cmocka_unit_test(an_abort_that_crosses_the_answer_is_passed_over),
	cmocka_unit_test(a_kept_connection_has_a_requests_time_from_its_first_byte),
	cmocka_unit_test(where_not_even_one_descriptor_is_left_intake_waits_and_recovers),
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
