/* Intake's own thread: it accepts connections, keeps each until its request is
 * there, and then serves it or hands it to the workers. All of struct intake is
 * this thread's; others reach only `ready` and `holdings`, which lock, `returned`,
 * a mailbox, and `stopping`. It never waits for a peer; ready_put holds it up
 * where the workers are behind.
 *
 * The receiver reads what comes. Whose request is not whole is waiting, at no cost
 * to any worker. A request that is whole is served at the end of the turn, or where
 * many come at once by the workers.
 *
 * Where the end is not there INTAKE_JUDGE_MS after the head, the request is judged
 * by its head: who is refused is answered at once, whose body is welcome may send
 * it, and what is held for each is counted (holdings.h). When it is whole it is
 * served like any other, from memory.
 *
 * An answer may be given before the request's end has come. Then the conn comes
 * back by `returned`, and what still comes is thrown away, up to the end or a
 * bound: a connection closed with bytes unread is reset, and the answer lost.
 *
 * A request has one deadline, whatever comes. */

#include "app/fastcgi/intake.h"

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
#include "app/fastcgi/receiver.h"
#include "app/fastcgi/waiting.h"
#include "lib/fcgi.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	EVENTS_MAX = 64,
	ACCEPTS_MAX = 64,         /* in one turn, so that the others have theirs */
	SWEEP_MS = 500,           /* how often deadlines are checked */
};

struct intake {
	int epoll_fd;
	struct acceptor acceptor;
	struct waiting waiting;     /* for bytes */
	struct holdings holdings;   /* of the arrivals */
	struct receiver receiver;
	struct mailbox returned;    /* conns kept open; also wakes the thread to stop */
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

static void
drop(struct conn *conn)
{
	waiting_stop(conn);
	conn_close(conn);
}

/* ---- handing over ---- */

/* hand_over passes a conn on, to be served: by this thread at the end of the
 * turn, or by a worker. */
static void
hand_over(struct intake *intake, struct conn *conn)
{
	waiting_stop(conn);
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
	waiting_stop(conn);
	intake->service.refuse(intake->service.context, conn, reason);
}

/* ---- what comes of a request ---- */

/* judge asks what to do with a request whose head is there, and does it. */
static void
judge(struct intake *intake, struct conn *conn)
{
	struct arrival *arrival = conn->arrival;
	struct intake_judgement judgement;

	waiting_stop(conn);
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
	waiting_start(&intake->waiting, conn);
}

static void
judge_some(struct intake *intake)
{
	struct conn *conn;

	while ((conn = waiting_due(&intake->waiting)) != NULL)
		judge(intake, conn);
}

/* await_more has a conn wait, within the bounds. */
static void
await_more(struct intake *intake, struct conn *conn)
{
	struct arrival *arrival = conn->arrival;

	if (arrival == NULL) {
		waiting_start(&intake->waiting, conn);
	} else if (arrival->n_discarded > INTAKE_DISCARD_MAX_BYTES) {
		drop(conn);
	} else if (arrival->use == ARRIVAL_GATHERED && arrival->body.len > arrival->body_max_bytes) {
		refuse(intake, conn, REQUEST_TOO_LARGE);
	} else if (waiting_start(&intake->waiting, conn) && arrival->use == ARRIVAL_UNJUDGED
	    && arrival->scan.state == FCGI_SCAN_BODY) {
		if (arrival->body.len > INTAKE_UNJUDGED_MAX_BYTES)
			waiting_judge(conn, 0);
		else if (conn->judge_at == 0)
			waiting_judge(conn, clock_mono_in_ms(INTAKE_JUDGE_MS));
	}
}

/* advance goes on where something may have come. */
static void
advance(struct intake *intake, struct conn *conn)
{
	switch (receiver_receive(&intake->receiver, conn)) {
	case RECEIVER_PART:
		await_more(intake, conn);
		break;
	case RECEIVER_WHOLE:
		hand_over(intake, conn);
		break;
	case RECEIVER_CUT:
		/* It may be worth something even so: whoever follows it says so when it is
		 * judged. Nobody else waits for it again. */
		judge(intake, conn);
		break;
	case RECEIVER_OVER:
		drop(conn);
	}
}

/* come_back goes on with a conn that has been answered. */
static void
come_back(struct intake *intake, struct conn *conn)
{
	if (conn->arrival != NULL) {
		mono_us linger = clock_mono_in_ms(INTAKE_LINGER_MS);

		/* The answer is all there is. nginx stops sending the body when it comes,
		 * and passes on its end only when it sees ours. */
		if (!conn->arrival->scan.keep)
			shutdown(conn->fd, SHUT_WR);
		arrival_let_go(conn->arrival, ARRIVAL_ANSWERED);
		if (conn->deadline < linger)
			conn->deadline = linger;
		await_more(intake, conn);
	} else {
		receiver_expect_next(conn);
		advance(intake, conn);
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
			drop(conn);
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
		drop(conn);
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
		conn->deadline = clock_mono_in_ms(RECEIVER_REQUEST_MS);
		advance(intake, conn);
	}
}

/* ---- the loop ---- */

static void
sweep(struct intake *intake)
{
	mono_us now = clock_mono_us();
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&intake->waiting.conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->deadline <= now)
			be_late(intake, conn);
	}
	acceptor_recover(&intake->acceptor);
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
		int n = epoll_wait(intake->epoll_fd, events, EVENTS_MAX,
		    waiting_ms(&intake->waiting, SWEEP_MS));
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
			next_sweep = clock_mono_in_ms(SWEEP_MS);
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
	waiting_init(&intake->waiting, intake->epoll_fd);
	holdings_init(&intake->holdings);
	receiver_init(&intake->receiver, &intake->holdings);
	TAILQ_INIT(&intake->to_serve);
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
	waiting_free(&intake->waiting);
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
	receiver_free(&intake->receiver);
	free(intake);
}
