/* Receiving. At first it only looks: MSG_PEEK shows whether the request is there to its
 * last byte (lib/fcgi.h). Nothing is taken from the socket then, and libfcgi reads it from
 * there without waiting.
 *
 * One that is not whole at the first look is an arrival: its bytes are read as they come,
 * once each, and nobody ever waits for them.
 *
 * Descriptors are non-blocking: even where libfcgi read the bytes in another way than
 * lib/fcgi.c, it would find nothing, and not wait. */

#include "app/fastcgi/receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "app/fastcgi/arrival.h"
#include "app/fastcgi/waiting.h"
#include "lib/fcgi.h"
#include "lib/log.h"
#include "lib/mem.h"

/* From one connection in one turn. */
enum { READ_BYTES = RECEIVER_HEAD_MAX_BYTES };

void
receiver_init(struct receiver *receiver, struct holdings *holdings)
{
	receiver->bytes = mem_alloc(READ_BYTES);
	receiver->holdings = holdings;
}

void
receiver_free(struct receiver *receiver)
{
	free(receiver->bytes);
}

void
receiver_expect_next(struct conn *conn)
{
	waiting_judge_never(conn);
	arrival_free(conn->arrival);
	conn->arrival = NULL;
	conn->kept = true;
	conn->deadline = clock_mono_in_ms(RECEIVER_IDLE_MS);
}

/* ---- arrivals ---- */

static void
begin_arrival(struct receiver *receiver, struct conn *conn)
{
	conn->arrival = arrival_new(conn, receiver->holdings, RECEIVER_HEAD_MAX_BYTES);
	/* A new connection has had its deadline from accept on. */
	if (conn->kept)
		conn->deadline = clock_mono_in_ms(RECEIVER_REQUEST_MS);
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

/* take_in takes n bytes in, with the requests after the first one, if that was
 * aborted or had its answer. */
static enum receiver_outcome
take_in(struct receiver *receiver, struct conn *conn, size_t n)
{
	const unsigned char *bytes = receiver->bytes;

	while (n > 0) {
		struct arrival *arrival;
		size_t taken;

		if (conn->arrival == NULL)
			begin_arrival(receiver, conn);
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
				return RECEIVER_OVER;
			receiver_expect_next(conn);
			break;
		case FCGI_SCAN_WHOLE:
			if (arrival->use != ARRIVAL_ANSWERED) {
				conn->followed = n > 0;
				return RECEIVER_WHOLE;
			}
			if (!arrival->scan.keep)
				return RECEIVER_OVER;
			receiver_expect_next(conn);
			break;
		case FCGI_SCAN_BAD:
			log_debug("intake: a connection that does not bring a FastCGI responder"
			    " request is closed");
			return RECEIVER_OVER;
		}
	}
	return RECEIVER_PART;
}

/* take reads what has come of an arrival, or begins one. */
static enum receiver_outcome
take(struct receiver *receiver, struct conn *conn)
{
	ssize_t n = recv(conn->fd, receiver->bytes, READ_BYTES, MSG_DONTWAIT);

	if (n > 0)
		return take_in(receiver, conn, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return RECEIVER_PART;
	if (conn->arrival != NULL && conn->arrival->use == ARRIVAL_UNJUDGED
	    && conn->arrival->scan.state == FCGI_SCAN_BODY)
		return RECEIVER_CUT;
	return RECEIVER_OVER;
}

/* ---- the first look ---- */

/* look leaves a request that is whole in the socket. What ABORT_REQUEST stands
 * before it on a kept connection is for a request that has ended, by a peer that
 * did not know yet; it is taken out, since libfcgi would misunderstand it. */
static enum receiver_outcome
look(struct receiver *receiver, struct conn *conn)
{
	unsigned char *bytes = receiver->bytes;
	ssize_t n = recv(conn->fd, bytes, READ_BYTES, MSG_PEEK | MSG_DONTWAIT);
	size_t n_aborts = 0, at = 0;
	struct fcgi_scan scan;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return RECEIVER_PART;
	if (n <= 0)
		return RECEIVER_OVER;
	fcgi_scan_init(&scan, RECEIVER_HEAD_MAX_BYTES);
	while (at < (size_t)n && (scan.state == FCGI_SCAN_PARTIAL || scan.state == FCGI_SCAN_BODY)) {
		at += fcgi_scan(&scan, bytes + at, (size_t)n - at, NULL);
		if (scan.state == FCGI_SCAN_ABORTED && !scan.begun && conn->kept) {
			n_aborts = at;
			fcgi_scan_init(&scan, RECEIVER_HEAD_MAX_BYTES);
		}
	}
	if (n_aborts > 0 && recv(conn->fd, bytes, n_aborts, MSG_DONTWAIT) != (ssize_t)n_aborts)
		return RECEIVER_OVER;
	if (scan.state == FCGI_SCAN_WHOLE) {
		conn->followed = at < (size_t)n;
		return RECEIVER_WHOLE;
	}
	if (at == n_aborts)
		return RECEIVER_PART;  /* nothing has begun */
	return take(receiver, conn);
}

enum receiver_outcome
receiver_receive(struct receiver *receiver, struct conn *conn)
{
	return conn->arrival == NULL ? look(receiver, conn) : take(receiver, conn);
}
