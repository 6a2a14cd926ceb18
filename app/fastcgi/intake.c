/* Intake's own thread: it accepts connections, keeps each until its request is
 * there, and then serves it or hands it to the workers. All of struct intake is
 * this thread's; others reach only `ready`, which locks, `returned`, a mailbox,
 * and `stopping`. It never waits for a peer; ready_put holds it up where the
 * workers are behind.
 *
 * MSG_PEEK shows whether the request is there to its last byte (lib/fcgi.h);
 * nothing is taken from the socket, libfcgi reads it later. A whole one can be
 * served without waiting for a peer: here, at the end of the turn, or where many
 * come at once by the workers. One that is not whole waits here in epoll,
 * edge-triggered, since unread bytes stay in the socket.
 *
 * A body may be larger than a socket holds unread, or come in so many small
 * records that their bookkeeping fills it: then no more comes until somebody
 * reads. Such a body, large or slow, is read by a worker after all; ready.c sees
 * to it that they hold up half of the workers at most. */

#include "app/fastcgi/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/fastcgi/ready.h"
#include "lib/fcgi.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	EVENTS_MAX = 64,
	ACCEPTS_MAX = 64,         /* in one turn, so that the others have theirs */
	SWEEP_MS = 500,           /* how often deadlines are checked */
	BODY_WAIT_MS = 2000,      /* the longest silence inside a body that a worker reads */
	/* A body is left to a worker from so many bytes on, which any socket holds,
	 * or after so long a wait for its end. */
	BODY_LARGE_BYTES = 16 << 10,
	BODY_SLOW_MS = 1000,
	REFUSAL_LOG_MS = 1000,    /* how often it is logged that connections are refused */
	/* An answer must fit in the socket's buffer: nobody waits to send one. */
	SEND_BUFFER_BYTES = 256 << 10,
};

struct intake {
	int listen_fd;
	int epoll_fd;
	int spare_fd;               /* given up to accept, and refuse, when descriptors ran out */
	mono_us refusal_logged_at;
	struct conn_list waiting;   /* for bytes; the oldest first */
	size_t n_waiting;
	struct mailbox returned;    /* conns kept open; also wakes the thread to stop */
	unsigned char *peeked, *scratch;  /* INTAKE_HEAD_MAX_BYTES each */
	struct ready ready;         /* for the workers */
	struct conn_list to_serve;  /* whole requests of this turn, which `serve` is given */
	intake_serve *serve;        /* or NULL */
	void *context;
	_Atomic bool stopping;
	pthread_t thread;
};

static struct conn *
conn_of(struct mail *mail)
{
	return CONTAINER_OF(mail, struct conn, mail);
}

/* ---- what waits for bytes ---- */

static void
unlink_waiting(struct intake *intake, struct conn *conn)
{
	TAILQ_REMOVE(&intake->waiting, conn, link);
	intake->n_waiting--;
}

static void
drop_waiting(struct intake *intake, struct conn *conn)
{
	unlink_waiting(intake, conn);
	conn_close(conn);
}

static void
link_waiting(struct intake *intake, struct conn *conn)
{
	if (intake->n_waiting == INTAKE_WAITING_MAX) {
		log_debug("intake: %d connections wait, the oldest is closed", INTAKE_WAITING_MAX);
		drop_waiting(intake, TAILQ_FIRST(&intake->waiting));
	}
	TAILQ_INSERT_TAIL(&intake->waiting, conn, link);
	intake->n_waiting++;
}

/* ---- handing over ---- */

/* hand_over passes a conn on, out of the waiting ones, to be served: by this
 * thread at the end of the turn, or by a worker. */
static void
hand_over(struct intake *intake, struct conn *conn, bool whole)
{
	if (whole && intake->serve != NULL) {
		TAILQ_INSERT_TAIL(&intake->to_serve, conn, link);
		return;
	}
	if (!whole) {
		struct timeval silence = { .tv_sec = BODY_WAIT_MS / 1000 };

		setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	}
	ready_put(&intake->ready, conn, whole);
}

static void
serve_some(struct intake *intake)
{
	mono_us until = clock_mono_us() + INTAKE_SERVES_US;
	struct conn *conn;

	while ((conn = TAILQ_FIRST(&intake->to_serve)) != NULL) {
		TAILQ_REMOVE(&intake->to_serve, conn, link);
		if (clock_mono_us() < until)
			intake->serve(intake->context, conn);
		else
			ready_put(&intake->ready, conn, true);
	}
}

/* ---- what comes next for a conn ---- */

enum step {
	STEP_SERVE,       /* the request is there to its last byte */
	STEP_READ_BODY,   /* all but the body is, which a worker is to read */
	STEP_AWAIT_BODY,  /* all but the body is, which may still come by itself */
	STEP_AWAIT_HEAD,  /* not even the parameters are there */
	STEP_CLOSE,
};

/* peek decides by the bytes that have come, and notes where more than the
 * request has. */
static enum step
peek(struct intake *intake, struct conn *conn)
{
	ssize_t n = recv(conn->fd, intake->peeked, INTAKE_HEAD_MAX_BYTES, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? STEP_AWAIT_HEAD : STEP_CLOSE;
	if (n == 0)
		return STEP_CLOSE;
	switch (fcgi_scan(intake->peeked, (size_t)n, intake->scratch)) {
	case FCGI_SCAN_MORE:
		conn->followed = true;
		return STEP_SERVE;
	case FCGI_SCAN_WHOLE:
		return STEP_SERVE;
	case FCGI_SCAN_BODY:
		return n >= BODY_LARGE_BYTES ? STEP_READ_BODY : STEP_AWAIT_BODY;
	case FCGI_SCAN_PARTIAL:
		if (n < INTAKE_HEAD_MAX_BYTES)
			return STEP_AWAIT_HEAD;
		log_debug("intake: a request head over %d bytes is refused", INTAKE_HEAD_MAX_BYTES);
		return STEP_CLOSE;
	default:
		log_debug("intake: a connection that does not begin with a FastCGI responder"
		    " request is closed");
		return STEP_CLOSE;
	}
}

static bool
awaits_bytes(enum step step)
{
	return step == STEP_AWAIT_BODY || step == STEP_AWAIT_HEAD;
}

/* Why a step is due. */
enum cause { CAUSE_BYTES, CAUSE_DEADLINE, CAUSE_HANG_UP };

/* decide takes the cause into account: after a hang-up no more bytes come, and
 * after the deadline none are waited for here; but what is late may be a large or
 * slow body, so that is left to a worker. */
static enum step
decide(struct intake *intake, struct conn *conn, enum cause cause)
{
	enum step step = peek(intake, conn);

	if (cause == CAUSE_BYTES || !awaits_bytes(step))
		return step;
	return cause == CAUSE_DEADLINE && step == STEP_AWAIT_BODY ? STEP_READ_BODY : STEP_CLOSE;
}

/* start_waiting has epoll watch a conn, and returns false where it cannot. Bytes
 * that came before make an event at once. */
static bool
start_waiting(struct intake *intake, struct conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = conn };

	conn->waiting = true;
	link_waiting(intake, conn);
	if (epoll_ctl(intake->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0)
		return true;
	log_warn("intake: a connection cannot be watched");
	return false;
}

static void
stop_waiting(struct intake *intake, struct conn *conn)
{
	unlink_waiting(intake, conn);
	epoll_ctl(intake->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	conn->waiting = false;
}

/* advance hands a conn over, closes it, or has it wait. */
static void
advance(struct intake *intake, struct conn *conn, enum cause cause)
{
	enum step step = decide(intake, conn, cause);

	if (step == STEP_AWAIT_BODY) {
		mono_us slow = clock_mono_us() + BODY_SLOW_MS * 1000;

		/* At the deadline a worker reads the body, so that comes sooner. */
		if (conn->deadline > slow)
			conn->deadline = slow;
	}
	if (awaits_bytes(step)) {
		if (conn->waiting || start_waiting(intake, conn))
			return;
		step = STEP_CLOSE;
	}
	if (conn->waiting)
		stop_waiting(intake, conn);
	if (step == STEP_CLOSE)
		conn_close(conn);
	else
		hand_over(intake, conn, step == STEP_SERVE);
}

/* await_request begins with a conn that was accepted, or was kept. */
static void
await_request(struct intake *intake, struct conn *conn, int timeout_ms)
{
	conn->deadline = clock_mono_us() + (mono_us)timeout_ms * 1000;
	advance(intake, conn, CAUSE_BYTES);
}

static void
sweep(struct intake *intake)
{
	mono_us now = clock_mono_us();
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&intake->waiting); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		if (conn->deadline <= now)
			advance(intake, conn, CAUSE_DEADLINE);
	}
}

/* ---- accepting ---- */

/* refuse_one makes room when descriptors have run out: without it the peer
 * would stay in the backlog, and accept would fail again at once, for ever. */
static void
refuse_one(struct intake *intake)
{
	int fd;

	close(intake->spare_fd);
	fd = accept4(intake->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && clock_mono_us() - intake->refusal_logged_at >= REFUSAL_LOG_MS * 1000) {
		intake->refusal_logged_at = clock_mono_us();
		log_warnx("intake: no descriptors left, connections are refused"
		    " (raise the limit on open files, or lower max_streams)");
	}
	intake->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
accept_some(struct intake *intake)
{
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage address;
		socklen_t len = sizeof(address);
		int fd = accept4(intake->listen_fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				refuse_one(intake);
			else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				log_warn("intake: accept");
			return;
		}
		if (address.ss_family != AF_UNIX) {
			int bytes = SEND_BUFFER_BYTES;

			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		}
		await_request(intake, conn_open(fd, &intake->returned), INTAKE_REQUEST_MS);
	}
}

static void
add_to_epoll(struct intake *intake, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(intake->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		fatal("intake: epoll_ctl");
}

static void *
intake_run(void *arg)
{
	struct intake *intake = arg;
	mono_us next_sweep = 0;

	add_to_epoll(intake, intake->listen_fd, &intake->listen_fd);
	add_to_epoll(intake, intake->returned.wake_fd, &intake->returned);
	while (!atomic_load(&intake->stopping)) {
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(intake->epoll_fd, events, EVENTS_MAX, SWEEP_MS);
		bool some_to_accept = false;

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &intake->listen_fd)
				some_to_accept = true;
			else if (events[i].data.ptr != &intake->returned)
				advance(intake, events[i].data.ptr, events[i].events
				    & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
				    ? CAUSE_HANG_UP : CAUSE_BYTES);
		}
		/* These two may close waiting conns, so they come when no event is
		 * left that could point to one. */
		for (struct mail *mail = mailbox_take(&intake->returned), *next; mail != NULL; mail = next) {
			next = mail->next;
			await_request(intake, conn_of(mail), INTAKE_IDLE_MS);
		}
		if (some_to_accept)
			accept_some(intake);
		serve_some(intake);
		if (clock_mono_us() >= next_sweep) {
			sweep(intake);
			next_sweep = clock_mono_us() + SWEEP_MS * 1000;
		}
	}
	return NULL;
}

struct intake *
intake_start(int listen_fd, size_t n_workers, intake_serve *serve, void *context)
{
	struct intake *intake = mem_zalloc(sizeof(*intake));

	intake->listen_fd = listen_fd;
	intake->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	intake->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (intake->epoll_fd < 0 || intake->spare_fd < 0)
		fatal("intake: no descriptors");
	mailbox_init(&intake->returned);
	intake->peeked = mem_alloc(INTAKE_HEAD_MAX_BYTES);
	intake->scratch = mem_alloc(INTAKE_HEAD_MAX_BYTES);
	TAILQ_INIT(&intake->waiting);
	ready_init(&intake->ready, n_workers);
	TAILQ_INIT(&intake->to_serve);
	intake->serve = serve;
	intake->context = context;
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
	close(intake->listen_fd);
	intake->listen_fd = -1;
	while (!TAILQ_EMPTY(&intake->waiting))
		drop_waiting(intake, TAILQ_FIRST(&intake->waiting));
}

void
intake_free(struct intake *intake)
{
	for (struct mail *mail = mailbox_take(&intake->returned), *next; mail != NULL; mail = next) {
		next = mail->next;
		conn_close(conn_of(mail));
	}
	ready_free(&intake->ready);
	mailbox_free(&intake->returned);
	close(intake->epoll_fd);
	close(intake->spare_fd);
	free(intake->peeked);
	free(intake->scratch);
	free(intake);
}
