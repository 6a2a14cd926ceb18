/* The states of a stream, and how it comes from one to another. A live stream
 * has been sent everything up to hub->sent, and gets what is new by rounds. Any
 * other stands at its own cursor and reads on from there until it is live:
 *
 *                             the socket is full
 *     JOINING ──► BEHIND ◄─────────────────────────► BLOCKED
 *                 │ ▲  │                                ▲
 *          older  │ │  │ at hub->sent                   │ the socket is full
 *        than the ▼ │  ▼                                │
 *     ring:  PAGING ┘  LIVE ────────────────────────────┘
 *
 * (AHEAD is LIVE before the hub knows of the stream's newest message, or has sent it
 * to all: see direct.c; or, where several machines share a log, before this one's
 * copy has come to where another machine has left the stream: see ahead.c. While a round
 * is written in parts, up to hub->sending, LIVE are those that it has still to come to; who
 * was sent its messages is AHEAD until all are, and who comes to hub->sent reads on so far.)
 * Replays, slow readers and streams that join are all handled in this one way.
 *
 * A stream that waits for a page gets heartbeats like one that is live. Where its
 * socket takes no more meanwhile, it is BLOCKED with the page still out: once it
 * can be written it waits on, and a page that comes sooner is of no use.
 *
 * A stream that comes back with a Last-Event-ID reads the store first even where
 * the ring would do, or the hub is yet to hear of the rows (from_store): one that
 * was deleted meanwhile is still in the ring, or on its way there, and must not
 * be replayed. The first page that reaches the store's end ends that. So does one that
 * finds the ring without the form that it wants its messages in (encoding.h): blocks hold
 * those alone that some stream wanted when they were made. And one that came without an
 * id, but asked for older messages: where it begins is looked for first (stream_start).
 *
 * Runs in the hub's thread. Touches the stream, its socket, and the hub's lists,
 * timers and epoll; the roster only in life_free_closed. */

#include "app/hub/life.h"

#include <sys/epoll.h>

#include "lib/log.h"

/* is_behind: has it to be sent what others have been sent? */
static bool
is_behind(enum stream_state state)
{
	return state == STREAM_BEHIND || state == STREAM_PAGING || state == STREAM_BLOCKED;
}

void
life_set_state(struct hub_state *hub, struct stream *s, enum stream_state state)
{
	if (is_behind(state) != is_behind(s->state))
		HUB_COUNT(hub, n_behind, is_behind(state) ? 1 : -1);
	if (s->list != NULL)
		TAILQ_REMOVE(s->list, s, link);
	if (s->list == &hub->unproven)
		HUB_COUNT(hub, n_unproven, -1);
	s->state = state;
	s->list = state == STREAM_BEHIND ? &hub->behind
	    : state == STREAM_AHEAD ? (s->joined_at != 0 ? &hub->unproven : &hub->ahead)
	    : state == STREAM_CLOSED ? &hub->closed : NULL;
	if (s->list != NULL)
		TAILQ_INSERT_TAIL(s->list, s, link);
	if (s->list == &hub->unproven)
		HUB_COUNT(hub, n_unproven, 1);
}

void
life_set_by_cursor(struct hub_state *hub, struct stream *s)
{
	life_set_state(hub, s, s->page != NULL ? STREAM_PAGING
	    : s->from_store || s->cursor < hub->sending ? STREAM_BEHIND
	    : s->cursor > hub->sent ? STREAM_AHEAD : STREAM_LIVE);
}

void
life_close(struct hub_state *hub, struct stream *s, enum stream_end why)
{
	if (s->state == STREAM_CLOSED)
		return;
	HUB_COUNT(hub, n_ends[why], 1);
	life_set_state(hub, s, STREAM_CLOSED);
	/* Intake's epoll watches the descriptor next, where it is kept. */
	if (s->return_to != NULL)
		epoll_ctl(hub->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
	stream_end(s);
	timers_clear(&hub->timers, &s->timer);
}

static void
watch_writable(struct hub_state *hub, struct stream *s, bool wanted)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0),
		.data.ptr = s,
	};

	if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_MOD, s->fd, &event) < 0)
		log_warn("hub: a stream cannot be watched");
}

/* add_list_end ends a list, which has begun or not. */
static void
add_list_end(const struct stream *s, struct buf *out, int64_t position)
{
	buf_add_str(out, s->until->has_listed ? "]" : "\"messages\":[]");
	if (s->until->gap.len > 0) {
		buf_add_str(out, ",\"gap\":");
		buf_add(out, s->until->gap.bytes, s->until->gap.len);
	}
	buf_add_str(out, ",\"cursor\":");
	buf_add_number(out, position);
	buf_add_str(out, "}\n");
}

/* finish writes the last bytes of a stream that has come to its end by itself. */
static void
finish(struct hub_state *hub, struct stream *s)
{
	struct buf last = BUF_EMPTY;

	s->until->is_over = true;
	if (s->encoding == ENCODING_LIST)
		add_list_end(s, &last, s->cursor);
	else
		stream_add_last(s, &last, s->cursor);
	life_after_write(hub, s, last.len > 0 ? stream_write_buf(s, &last, hub->now) : 0);
	buf_free(&last);
}

/* has_come_to_its_end: a cursor above all that was sent here may be none (ahead.c). */
static bool
has_come_to_its_end(const struct stream *s)
{
	return s->joined_at == 0 && stream_has_come_to_its_end(s, s->cursor);
}

void
life_after_write(struct hub_state *hub, struct stream *s, int outcome)
{
	bool is_over = s->until != NULL && s->until->is_over;

	/* What was sent here was given. */
	if (s->cursor <= hub->sending)
		s->joined_at = 0;
	if (outcome == 0 && !is_over && has_come_to_its_end(s)) {
		finish(hub, s);
		return;
	}
	if (outcome == 0 && is_over) {
		life_close(hub, s, STREAM_END_ENDED);
	} else if (outcome == STREAM_GONE) {
		life_close(hub, s, STREAM_END_WRITE);
	} else if (outcome == STREAM_FULL) {
		if (s->state != STREAM_BLOCKED)
			watch_writable(hub, s, true);
		life_set_state(hub, s, STREAM_BLOCKED);
	} else {
		if (s->state == STREAM_BLOCKED)
			watch_writable(hub, s, false);
		life_set_by_cursor(hub, s);
	}
}

int64_t
life_position(const struct hub_state *hub, const struct stream *s)
{
	return s->state == STREAM_LIVE ? hub->sent : s->cursor;
}

void
life_free_closed(struct hub_state *hub)
{
	struct stream *s;

	while ((s = TAILQ_FIRST(&hub->closed)) != NULL) {
		TAILQ_REMOVE(&hub->closed, s, link);
		s->list = NULL;
		roster_remove(&hub->roster, s);
		tally_remove(&hub->users, s->filter.user);
		HUB_COUNT(hub, n_streams, -1);
		if (s->page == NULL)
			stream_free(s);
	}
}
