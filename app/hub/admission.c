/* Which streams may join, and what the others are told: one that is over a limit
 * is answered and forgotten; one that is admitted gets the head of its response,
 * is watched by epoll, entered in the roster, and stands at its cursor, wherever
 * that is. Runs in the hub's thread. Touches the stream that joins, and the
 * roster; the streams already there only by way of heartbeat_probe. */

#include "app/hub/admission.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "app/hub/heartbeat.h"
#include "app/hub/life.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/sse.h"

/* What a stream over the limits is told to wait: a server that is full empties
 * slowly; a user's dead streams are found within seconds. */
enum {
	FULL_RETRY_MIN_MS = 10000, FULL_RETRY_MAX_MS = 30000,
	USER_RETRY_MIN_MS = 1000, USER_RETRY_MAX_MS = 2000,
};

/* refuse answers a stream over a limit. Browsers give up for good after any
 * status but 200, so to them it is an event. */
static void
refuse(struct hub_state *hub, struct stream *s, int status, const char *reason,
    int64_t retry_min_ms, int64_t retry_max_ms)
{
	int64_t retry_ms = random_between(retry_min_ms, retry_max_ms);

	HUB_COUNT(hub, n_refused, 1);
	if (s->accepts_events) {
		struct buf event = BUF_EMPTY;
		char *data = mem_printf("{\"reason\":\"%s\"}", reason);

		sse_retry(&event, retry_ms);
		sse_event(&event, "rowcast.busy", data, strlen(data));
		reply_event(&s->reply, &event);
		free(data);
		buf_free(&event);
	} else {
		char *header = mem_printf("Retry-After: %lld\r\n", (long long)(retry_ms + 999) / 1000);

		reply_error(&s->reply, status, header, reason);
		free(header);
	}
	stream_free(s);
}

/* admit sends what the worker prepared and enters the stream everywhere. */
static void
admit(struct hub_state *hub, struct stream *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = s };
	struct buf head = s->unsent;

	s->unsent = BUF_EMPTY;
	s->request_id = s->reply.request_id;
	s->fd = conn_detach(s->reply.conn);
	s->reply.conn = NULL;
	if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0) {
		log_warn("hub: a stream cannot be watched");
		stream_free(s);
	} else {
		roster_add(&hub->roster, s);
		HUB_COUNT(hub, n_streams, 1);
		HUB_COUNT(hub, n_joined, 1);
		life_after_write(hub, s, stream_write_buf(s, &head, hub->now));
		if (s->state != STREAM_CLOSED)
			heartbeat_set(hub, s);
	}
	buf_free(&head);
}

void
admission_run(struct hub_state *hub, struct mail *joining)
{
	struct mail *mail, *next;

	for (mail = joining; mail != NULL; mail = next) {
		struct stream *s = CONTAINER_OF(mail, struct stream, mail);
		struct listeners *same_user = roster_user(&hub->roster, s->filter.user);

		next = mail->next;
		if (hub->roster.n >= atomic_load(&hub->limits.max_streams)
		    || (size_t)s->reply.conn->fd >= hub->limits.max_descriptors) {
			refuse(hub, s, 503, "the server has as many streams as it may hold",
			    FULL_RETRY_MIN_MS, FULL_RETRY_MAX_MS);
		} else if (same_user != NULL
		    && same_user->n >= atomic_load(&hub->limits.max_streams_per_user)) {
			/* Perhaps some of them are dead, and nobody has noticed yet. */
			heartbeat_probe(hub, same_user);
			refuse(hub, s, 429, "this user has as many streams as one may hold",
			    USER_RETRY_MIN_MS, USER_RETRY_MAX_MS);
		} else {
			admit(hub, s);
		}
	}
}
