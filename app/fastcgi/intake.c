/* Intake's own thread: it accepts connections, keeps each until its request is
 * there, and then serves it or hands it to the workers. All of struct intake is
 * this thread's; others reach only `ready` and `holdings`, which lock, `returned`,
 * a mailbox, and `stopping`. It never waits for a peer; ready_put holds it up
 * where the workers are behind.
 *
 * At first it only looks: MSG_PEEK shows whether the request is there to its last
 * byte (lib/fcgi.h). Nothing is taken from the socket then, and libfcgi reads it
 * from there without waiting: here, at the end of the turn, or where many come at
 * once by the workers.
 *
 * One that is not whole at the first look is an arrival: its bytes are read as
 * they come, once each, and no worker ever waits for them. Where the end is not
 * there INTAKE_JUDGE_MS after the head, the request is judged by its head: who is
 * refused is answered at once, whose body is welcome may send it, and what is
 * held for each is counted (holdings.h). When it is whole it is served like any
 * other, from memory.
 *
 * An answer may be given before the request's end has come. Then the conn comes
 * back by `returned`, and what still comes is thrown away, up to the end or a
 * bound: a connection closed with bytes unread is reset, and the answer lost.
 *
 * A request has one deadline, whatever comes. Descriptors are non-blocking: even
 * where libfcgi read the bytes in another way than lib/fcgi.c, it would find
 * nothing, and not wait. */

#include "app/fastcgi/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/fastcgi/acceptor.h"
#include "app/fastcgi/arrival.h"
#include "app/fastcgi/holdings.h"
#include "app/fastcgi/ready.h"
#include "lib/fcgi.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	EVENTS_MAX = 64,
	ACCEPTS_MAX = 64,         /* in one turn, so that the others have theirs */
	SWEEP_MS = 500,           /* how often deadlines are checked */
	READ_BYTES = INTAKE_HEAD_MAX_BYTES,   /* from one connection in one turn */
};

struct intake {
	int epoll_fd;
	struct acceptor acceptor;
	struct conn_list waiting;   /* for bytes; the oldest first */
	size_t n_waiting;
	struct conn_list to_judge;  /* of those, the ones with judge_at, in its order */
	struct mailbox returned;    /* conns kept open; also wakes the thread to stop */
	unsigned char *bytes;       /* READ_BYTES to read into */
	struct holdings holdings;   /* of the arrivals */
	struct ready ready;         /* for the workers */
	struct conn_list to_serve;  /* requests of this turn, which `serve` is given */
	struct intake_service service;
	_Atomic bool stopping;
	pthread_t thread;
};

static struct conn *
conn_of(struct mail *mail)
{
	return CONTAINER_OF(mail, struct conn, mail);
}

static mono_us
in_ms(int ms)
{
	return clock_mono_us() + (mono_us)ms * 1000;
}

/* ---- what waits for bytes ---- */

/* judge_never takes back what judge_later has said. */
static void
judge_never(struct intake *intake, struct conn *conn)
{
	if (conn->judge_at != 0)
		TAILQ_REMOVE(&intake->to_judge, conn, judge_link);
	conn->judge_at = 0;
}

static void
stop_waiting(struct intake *intake, struct conn *conn)
{
	if (!conn->waiting)
		return;
	TAILQ_REMOVE(&intake->waiting, conn, link);
	intake->n_waiting--;
	judge_never(intake, conn);
	epoll_ctl(intake->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	conn->waiting = false;
}

static void
drop(struct intake *intake, struct conn *conn)
{
	stop_waiting(intake, conn);
	conn_close(conn);
}

/* start_waiting has epoll watch a conn. False: that cannot be, it is closed. */
static bool
start_waiting(struct intake *intake, struct conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };

	if (conn->waiting)
		return true;
	if (epoll_ctl(intake->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) < 0) {
		log_warn("intake: a connection cannot be watched");
		conn_close(conn);
		return false;
	}
	if (intake->n_waiting == INTAKE_WAITING_MAX) {
		log_debug("intake: %d connections wait, the oldest is closed", INTAKE_WAITING_MAX);
		drop(intake, TAILQ_FIRST(&intake->waiting));
	}
	conn->waiting = true;
	TAILQ_INSERT_TAIL(&intake->waiting, conn, link);
	intake->n_waiting++;
	return true;
}

/* judge_later has the request judged then; now, where at is 0. */
static void
judge_later(struct intake *intake, struct conn *conn, mono_us at)
{
	judge_never(intake, conn);
	conn->judge_at = at != 0 ? at : 1;
	if (at != 0)
		TAILQ_INSERT_TAIL(&intake->to_judge, conn, judge_link);
	else
		TAILQ_INSERT_HEAD(&intake->to_judge, conn, judge_link);
}

/* ---- handing over ---- */

/* hand_over passes a conn on, to be served: by this thread at the end of the
 * turn, or by a worker. */
static void
hand_over(struct intake *intake, struct conn *conn)
{
	stop_waiting(intake, conn);
	if (conn->arrival != NULL)
		holding_stays(&conn->arrival->holding);
	if (intake->service.serve != NULL)
		TAILQ_INSERT_TAIL(&intake->to_serve, conn, link);
	else
		ready_put(&intake->ready, conn);
}

static void
serve_some(struct intake *intake)
{
	mono_us until = clock_mono_us() + INTAKE_SERVES_US;
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&intake->to_serve)) != NULL) {
		TAILQ_REMOVE(&intake->to_serve, conn, link);
		if (clock_mono_us() < until)
			intake->service.serve(intake->service.context, conn);
		else
			ready_put(&intake->ready, conn);
	}
}

static void
refuse(struct intake *intake, struct conn *conn, enum request_outcome reason)
{
	stop_waiting(intake, conn);
	intake->service.refuse(intake->service.context, conn, reason);
}

/* judge asks what to do with a request whose head is there, and does it. */
static void
judge(struct intake *intake, struct conn *conn)
{
	struct arrival *arrival = conn->arrival;
	struct intake_judgement judgement;

	stop_waiting(intake, conn);
	judgement = intake->service.judge(intake->service.context, conn);
	switch (judgement.verdict) {
	case INTAKE_ANSWERED:
		return;
	case INTAKE_SERVE:
		hand_over(intake, conn);
		return;
	case INTAKE_PASS:
		arrival_let_go(arrival, ARRIVAL_PASSED);
		break;
	case INTAKE_GATHER:
		arrival->use = ARRIVAL_GATHERED;
		arrival->body_max_bytes = judgement.body_max_bytes;
		holding_judged(&arrival->holding, judgement.user);
		free(judgement.user);
		if (arrival->body.len > arrival->body_max_bytes) {
			refuse(intake, conn, REQUEST_TOO_LARGE);
			return;
		}
	}
	start_waiting(intake, conn);
}

static void
judge_some(struct intake *intake)
{
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&intake->to_judge)) != NULL && conn->judge_at <= clock_mono_us())
		judge(intake, conn);
}

/* ---- arrivals ---- */

/* forget_request: the connection is as new, but that it is kept. */
static void
forget_request(struct intake *intake, struct conn *conn)
{
	judge_never(intake, conn);
	arrival_free(conn->arrival);
	conn->arrival = NULL;
	conn->kept = true;
	conn->deadline = in_ms(INTAKE_IDLE_MS);
}

static void
begin_arrival(struct intake *intake, struct conn *conn)
{
	conn->arrival = arrival_new(conn, &intake->holdings, INTAKE_HEAD_MAX_BYTES);
	/* A new connection has had its deadline from accept on. */
	if (conn->kept)
		conn->deadline = in_ms(INTAKE_REQUEST_MS);
	conn->kept = false;
}

/* end_aborted answers ABORT_REQUEST, and returns whether the conn may be kept. */
static bool
end_aborted(struct conn *conn)
{
	const struct arrival *arrival = conn->arrival;
	unsigned char end[FCGI_END_BYTES];

	if (!arrival->scan.begun)
		return false;
	if (arrival->use == ARRIVAL_ANSWERED)
		return arrival->scan.keep;
	fcgi_end(end, arrival->scan.request_id);
	return send(conn->fd, end, sizeof(end), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(end)
	    && arrival->scan.keep;
}

enum taken {
	TAKEN_ON,       /* and there is more to come */
	TAKEN_WHOLE,    /* the request is to be served */
	TAKEN_CLOSE,
};

/* take_in takes the bytes in, with the requests after the first one, if that was
 * aborted or had its answer. */
static enum taken
take_in(struct intake *intake, struct conn *conn, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		struct arrival *arrival;
		size_t taken;

		if (conn->arrival == NULL)
			begin_arrival(intake, conn);
		arrival = conn->arrival;
		taken = arrival_take(arrival, bytes, n);
		bytes += taken;
		n -= taken;
		switch (arrival->scan.state) {
		case FCGI_SCAN_PARTIAL:
		case FCGI_SCAN_BODY:
			break;
		case FCGI_SCAN_ABORTED:
			if (!end_aborted(conn))
				return TAKEN_CLOSE;
			forget_request(intake, conn);
			break;
		case FCGI_SCAN_WHOLE:
			if (arrival->use != ARRIVAL_ANSWERED) {
				conn->followed = n > 0;
				return TAKEN_WHOLE;
			}
			if (!arrival->scan.keep)
				return TAKEN_CLOSE;
			forget_request(intake, conn);
			break;
		case FCGI_SCAN_BAD:
			log_debug("intake: a connection that does not bring a FastCGI responder"
			    " request is closed");
			return TAKEN_CLOSE;
		}
	}
	return TAKEN_ON;
}

/* await_more has a conn wait, within the bounds. */
static void
await_more(struct intake *intake, struct conn *conn)
{
	struct arrival *arrival = conn->arrival;

	if (arrival == NULL) {
		start_waiting(intake, conn);
	} else if (arrival->n_discarded > INTAKE_DISCARD_MAX_BYTES) {
		drop(intake, conn);
	} else if (arrival->use == ARRIVAL_GATHERED && arrival->body.len > arrival->body_max_bytes) {
		refuse(intake, conn, REQUEST_TOO_LARGE);
	} else if (start_waiting(intake, conn) && arrival->use == ARRIVAL_UNJUDGED
	    && arrival->scan.state == FCGI_SCAN_BODY) {
		if (arrival->body.len > INTAKE_UNJUDGED_MAX_BYTES)
			judge_later(intake, conn, 0);
		else if (conn->judge_at == 0)
			judge_later(intake, conn, in_ms(INTAKE_JUDGE_MS));
	}
}

/* receive reads what has come of an arrival, or begins one. */
static void
receive(struct intake *intake, struct conn *conn)
{
	ssize_t n = recv(conn->fd, intake->bytes, READ_BYTES, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		await_more(intake, conn);
		return;
	}
	/* What has come of a body may be worth something even so: whoever follows it says so
	 * when it is judged. Nobody else waits for it again. */
	if (n <= 0 && conn->arrival != NULL && conn->arrival->use == ARRIVAL_UNJUDGED
	    && conn->arrival->scan.state == FCGI_SCAN_BODY) {
		judge(intake, conn);
		return;
	}
	switch (n > 0 ? take_in(intake, conn, intake->bytes, (size_t)n) : TAKEN_CLOSE) {
	case TAKEN_ON:
		await_more(intake, conn);
		break;
	case TAKEN_WHOLE:
		hand_over(intake, conn);
		break;
	case TAKEN_CLOSE:
		drop(intake, conn);
	}
}

/* ---- the first look ---- */

/* look leaves a request that is whole in the socket. What ABORT_REQUEST stands
 * before it on a kept connection is for a request that has ended, by a peer that
 * did not know yet; it is taken out, since libfcgi would misunderstand it. */
static void
look(struct intake *intake, struct conn *conn)
{
	ssize_t n = recv(conn->fd, intake->bytes, READ_BYTES, MSG_PEEK | MSG_DONTWAIT);
	size_t n_aborts = 0, at = 0;
	struct fcgi_scan scan;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		await_more(intake, conn);
		return;
	}
	if (n <= 0) {
		drop(intake, conn);
		return;
	}
	fcgi_scan_init(&scan, INTAKE_HEAD_MAX_BYTES);
	while (at < (size_t)n && (scan.state == FCGI_SCAN_PARTIAL || scan.state == FCGI_SCAN_BODY)) {
		at += fcgi_scan(&scan, intake->bytes + at, (size_t)n - at, NULL);
		if (scan.state == FCGI_SCAN_ABORTED && !scan.begun && conn->kept) {
			n_aborts = at;
			fcgi_scan_init(&scan, INTAKE_HEAD_MAX_BYTES);
		}
	}
	if (n_aborts > 0 && recv(conn->fd, intake->bytes, n_aborts, MSG_DONTWAIT)
	    != (ssize_t)n_aborts) {
		drop(intake, conn);
	} else if (scan.state == FCGI_SCAN_WHOLE) {
		conn->followed = at < (size_t)n;
		hand_over(intake, conn);
	} else if (at == n_aborts) {
		await_more(intake, conn);  /* nothing has begun */
	} else {
		receive(intake, conn);
	}
}

/* advance goes on where something has come. */
static void
advance(struct intake *intake, struct conn *conn)
{
	if (conn->arrival == NULL)
		look(intake, conn);
	else
		receive(intake, conn);
}

/* come_back goes on with a conn that has been answered. */
static void
come_back(struct intake *intake, struct conn *conn)
{
	if (conn->arrival != NULL) {
		mono_us linger = in_ms(INTAKE_LINGER_MS);

		/* The answer is all there is. nginx stops sending the body when it comes,
		 * and passes on its end only when it sees ours. */
		if (!conn->arrival->scan.keep)
			shutdown(conn->fd, SHUT_WR);
		arrival_let_go(conn->arrival, ARRIVAL_ANSWERED);
		if (conn->deadline < linger)
			conn->deadline = linger;
		await_more(intake, conn);
	} else {
		forget_request(intake, conn);
		look(intake, conn);
	}
}

/* hold_to_bounds ends as many arrivals as are above the bounds. */
static void
hold_to_bounds(struct intake *intake)
{
	struct holding *holding;

	while ((holding = holdings_excess(&intake->holdings)) != NULL) {
		struct arrival *arrival = CONTAINER_OF(holding, struct arrival, holding);
		struct conn *conn = arrival->conn;

		log_debug("intake: unfinished requests hold too much, one is ended");
		if (holding->account != NULL) {
			arrival_let_go(arrival, ARRIVAL_PASSED);
			holding_stays(holding);
			refuse(intake, conn, REQUEST_CROWDED);
		} else {
			drop(intake, conn);
		}
	}
}

static void
be_late(struct intake *intake, struct conn *conn)
{
	const struct arrival *arrival = conn->arrival;

	if (arrival != NULL && arrival->use != ARRIVAL_ANSWERED
	    && arrival->scan.state == FCGI_SCAN_BODY)
		refuse(intake, conn, REQUEST_TOO_SLOW);
	else
		drop(intake, conn);
}

/* ---- accepting ---- */

static void
accept_some(struct intake *intake)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd = acceptor_accept(&intake->acceptor);
		struct conn *conn;

		if (fd < 0)
			return;
		conn = conn_open(fd, &intake->returned);
		conn->deadline = in_ms(INTAKE_REQUEST_MS);
		look(intake, conn);
	}
}

/* ---- the loop ---- */

static void
sweep(struct intake *intake)
{
	mono_us now = clock_mono_us();
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&intake->waiting); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->deadline <= now)
			be_late(intake, conn);
	}
	acceptor_recover(&intake->acceptor);
}

/* wait_ms returns how long the loop may sleep. */
static int
wait_ms(const struct intake *intake)
{
	const struct conn *conn = TAILQ_FIRST(&intake->to_judge);
	mono_us left;

	if (conn == NULL)
		return SWEEP_MS;
	left = conn->judge_at - clock_mono_us();
	return left > 0 ? (int)(left / 1000) + 1 : 0;
}

static void *
intake_run(void *arg)
{
	struct intake *intake = arg;
	struct epoll_event returned = { .events = EPOLLIN, .data.ptr = &intake->returned };
	mono_us next_sweep = 0;

	acceptor_watch(&intake->acceptor, intake->epoll_fd);
	if (epoll_ctl(intake->epoll_fd, EPOLL_CTL_ADD, intake->returned.wake_fd, &returned) < 0)
		fatal("intake: epoll_ctl");
	while (!atomic_load(&intake->stopping)) {
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(intake->epoll_fd, events, EVENTS_MAX, wait_ms(intake));
		bool some_to_accept = false;

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &intake->acceptor)
				some_to_accept = true;
			else if (events[i].data.ptr != &intake->returned)
				advance(intake, events[i].data.ptr);
		}
		/* What follows may close any waiting conn, so it comes when no event is
		 * left that could point to one. */
		for (struct mail *mail = mailbox_take(&intake->returned), *next; mail != NULL; mail = next) {
			next = mail->next;
			come_back(intake, conn_of(mail));
		}
		if (some_to_accept)
			accept_some(intake);
		judge_some(intake);
		hold_to_bounds(intake);
		serve_some(intake);
		if (clock_mono_us() >= next_sweep) {
			sweep(intake);
			next_sweep = clock_mono_us() + SWEEP_MS * 1000;
		}
	}
	return NULL;
}

struct intake *
intake_start(int listen_fd, const struct intake_service *service)
{
	struct intake *intake = mem_zalloc(sizeof(*intake));

	intake->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (intake->epoll_fd < 0 || acceptor_init(&intake->acceptor, listen_fd) < 0)
		fatal("intake: no descriptors");
	mailbox_init(&intake->returned);
	intake->bytes = mem_alloc(READ_BYTES);
	TAILQ_INIT(&intake->waiting);
	TAILQ_INIT(&intake->to_judge);
	TAILQ_INIT(&intake->to_serve);
	holdings_init(&intake->holdings);
	ready_init(&intake->ready);
	intake->service = *service;
	thread_start(&intake->thread, "intake", intake_run, intake);
	return intake;
}

struct conn *
intake_next(struct intake *intake)
{
	return ready_take(&intake->ready);
}

void
intake_stop(struct intake *intake)
{
	atomic_store(&intake->stopping, true);
	mailbox_wake(&intake->returned);
	pthread_join(intake->thread, NULL);
	ready_close(&intake->ready);  /* what was whole by now will still be answered */
	acceptor_stop(&intake->acceptor);
	while (!TAILQ_EMPTY(&intake->waiting))
		drop(intake, TAILQ_FIRST(&intake->waiting));
}

void
intake_free(struct intake *intake)
{
	for (struct mail *mail = mailbox_take(&intake->returned), *next; mail != NULL; mail = next) {
		next = mail->next;
		conn_close(conn_of(mail));
	}
	ready_free(&intake->ready);
	holdings_free(&intake->holdings);
	mailbox_free(&intake->returned);
	close(intake->epoll_fd);
	acceptor_free(&intake->acceptor);
	free(intake->bytes);
	free(intake);
}
