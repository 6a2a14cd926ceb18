/* Reading a body that is followed: the connection's records, and what is in them. */

#include "app/publish/body.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "app/fastcgi/arrival.h"
#include "lib/log.h"

enum { SLICE_BYTES = 4 << 10 };  /* parsed before it is looked whether the batch is full */

void
body_run(struct body *body)
{
	if (body->is_running)
		return;
	body->is_running = true;
	TAILQ_INSERT_TAIL(&body->following->running, body, run_link);
}

/* ---- waiting for the peer ---- */

void
body_watch(struct body *body, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = body };
	int epoll_fd = body->following->epoll_fd, fd = body->reply.conn->fd;

	if (body->watched == events)
		return;
	/* What nobody waits for may not be in it: that the peer is gone it tells in any case. */
	if (events == 0) {
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	} else if (epoll_ctl(epoll_fd, body->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
	    &event) < 0) {
		log_warn("following: a connection cannot be watched");
		body->end = BODY_CUT;
		body_run(body);
		return;
	}
	body->watched = events;
}

void
body_be_due(struct body *body, int ms)
{
	timers_set(&body->following->timers, &body->timer, clock_mono_in_ms(ms));
}

/* ---- what is read ---- */

void
body_count_read(struct body *body, size_t before)
{
	body->following->n_read_bytes += body->followed.batch.n_bytes - before;
}

bool
body_has_room(const struct body *body)
{
	const struct batch *batch = &body->followed.batch;

	if (followed_is_over(&body->followed))
		return false;
	return batch->n == 0 || (batch->n < FOLLOWING_BATCH_MESSAGES
	    && batch->n_bytes < FOLLOWING_BATCH_BYTES
	    && body->following->n_read_bytes < FOLLOWING_READ_BYTES);
}

bool
body_has_content(const struct body *body)
{
	return body->content_at < body->content.len;
}

void
body_parse(struct body *body)
{
	size_t before = body->followed.batch.n_bytes;

	for (size_t n, done = 0; body_has_content(body) && body_has_room(body)
	    && done < FOLLOWING_TURN_BYTES; done += n) {
		n = body->content.len - body->content_at;
		if (n > SLICE_BYTES)
			n = SLICE_BYTES;
		followed_read(&body->followed, body->content.bytes + body->content_at, n);
		body->content_at += n;
	}
	if (followed_is_over(&body->followed) || !body_has_content(body)) {
		buf_free(&body->content);
		body->content_at = 0;
	}
	if (!body->is_read && !body_has_content(body) && body->end == BODY_WHOLE)
		followed_end(&body->followed);
	if (followed_is_over(&body->followed) || (!body_has_content(body) && body->end != BODY_COMES))
		body->is_read = true;
	body_count_read(body, before);
}

/* take_in takes bytes of the connection in: the content of STDIN is the body. */
static void
take_in(struct body *body, const unsigned char *bytes, size_t n, struct buf *content)
{
	struct conn *conn = body->reply.conn;

	while (n > 0 && body->end == BODY_COMES) {
		size_t taken = fcgi_scan(&conn->arrival->scan, bytes, n, content);

		bytes += taken;
		n -= taken;
		switch (conn->arrival->scan.state) {
		case FCGI_SCAN_PARTIAL:
		case FCGI_SCAN_BODY:
			break;
		case FCGI_SCAN_WHOLE:
			body->end = BODY_WHOLE;
			break;
		case FCGI_SCAN_ABORTED:
		case FCGI_SCAN_BAD:
			body->end = BODY_CUT;
		}
	}
	if (body->end == BODY_COMES)
		return;
	if (body->end == BODY_WHOLE) {
		arrival_free(conn->arrival);
		conn->arrival = NULL;
	}
	/* A request behind it is lost: the connection's end tells its peer. */
	if (n > 0) {
		conn->followed = true;
		body->reply.keep = false;
	}
}

void
body_receive(struct body *body, struct buf *content)
{
	ssize_t n = recv(body->reply.conn->fd, body->following->bytes, FOLLOWING_TURN_BYTES,
	    MSG_DONTWAIT);

	if (n > 0)
		take_in(body, body->following->bytes, (size_t)n, content);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		body->end = BODY_CUT;
}

void
body_hold(struct body *body)
{
	size_t n = followed_holds(&body->followed);

	if (body->holding.holdings != NULL && body->holding.n_bytes != n)
		holding_set(&body->holding, n);
}

/* ---- its end ---- */

void
body_drop_unstored(struct body *body)
{
	size_t before = body->followed.batch.n_bytes;

	batch_free(&body->flying);
	batch_free(&body->followed.batch);
	body_count_read(body, before);
	body->from = 0;
}

void
body_free(struct body *body)
{
	struct following *following = body->following;

	timers_clear(&following->timers, &body->timer);
	if (body->is_running)
		TAILQ_REMOVE(&following->running, body, run_link);
	if (body->is_in_line)
		TAILQ_REMOVE(&following->in_line, body, line_link);
	TAILQ_REMOVE(&following->bodies, body, link);
	body_drop_unstored(body);
	holding_end(&body->holding);
	buf_free(&body->content);
	followed_free(&body->followed);
	idlist_free(&body->ids);
	idanswer_free(&body->answer);
	free(body->user);
	free(body);
	atomic_fetch_sub(&following->n_bodies, 1);
}
