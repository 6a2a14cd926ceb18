/* What comes by time alone: a heartbeat after silence, the end at the token's exp.
 * Runs in the hub's thread, touches streams and their timers. A stream has one
 * timer. It is not moved when something is sent, which happens far more often
 * than silence; when it is due, written_at tells how long the silence really was.
 *
 * Heartbeats that are due soon go out with the first that is due: one at a time
 * they would wake the web server for each, which costs three times as much. */

#include "app/hub/heartbeat.h"

#include "app/access/verdict.h"
#include "app/hub/life.h"
#include "lib/mem.h"
#include "lib/sse.h"

enum {
	PROBE_MS = 500,   /* between the two heartbeats that find a dead stream */
	EARLY_PART = 32,  /* of the period: a heartbeat may come so much before its time */
};

/* can_be_sent one: not in the middle of a record. A stream that waits for a page,
 * or for its turn, is as silent as one that nobody writes to. */
static bool
can_be_sent(const struct stream *s)
{
	return s->state != STREAM_BLOCKED && s->state != STREAM_CLOSED;
}

static void
send_heartbeat(struct hub_state *hub, struct stream *s)
{
	struct buf bytes = BUF_EMPTY;

	s->cursor = life_position(hub, s);
	if (s->cursor > s->told)
		stream_add_cursor(s, &bytes, s->cursor);
	if (bytes.len > 0)
		s->told = s->cursor;
	else
		buf_add_str(&bytes, encoding_silence(s->encoding));
	life_after_write(hub, s, stream_write_buf(s, &bytes, hub->now));
	buf_free(&bytes);
}

void
heartbeat_set(struct hub_state *hub, struct stream *s)
{
	mono_us period = atomic_load_explicit(&hub->limits.heartbeat_us, memory_order_relaxed);
	mono_us due = s->probed ? hub->now + PROBE_MS * 1000 : s->written_at + period;

	if (due <= hub->now)
		due = hub->now + period;  /* its socket is full: check again later */
	if (s->expiry.ends) {
		mono_us left = s->expiry.at * 1000000 - clock_wall_us();

		if (left < due - hub->now)
			due = hub->now + left;
	}
	timers_set(&hub->timers, &s->timer, due);
}

void
heartbeat_probe(struct hub_state *hub, struct listeners *listeners)
{
	for (struct member *m = listeners->first; m != NULL; m = m->next) {
		struct stream *s = m->stream;

		if (s->probed || !can_be_sent(s))
			continue;
		s->probed = true;
		send_heartbeat(hub, s);
		if (s->state != STREAM_CLOSED)
			heartbeat_set(hub, s);
	}
}

static void
expire(struct hub_state *hub, struct stream *s)
{
	struct buf event = BUF_EMPTY;

	/* Nothing else may be sent, so a write that is blocked is given up. */
	if (s->state != STREAM_BLOCKED) {
		stream_tell(s, &event, "rowcast.expired", VERDICT_EXPIRED_DATA);
		if (stream_write_buf(s, &event, hub->now) != 0) {
			/* It is closed anyway. */
		}
		buf_free(&event);
	}
	life_close(hub, s, STREAM_END_EXPIRED);
}

void
heartbeat_run(struct hub_state *hub)
{
	mono_us period = atomic_load_explicit(&hub->limits.heartbeat_us, memory_order_relaxed);
	mono_us early = period / EARLY_PART, soon = hub->now;
	struct timer *timer;

	while ((timer = timers_first(&hub->timers)) != NULL && timer->due <= soon) {
		struct stream *s = CONTAINER_OF(timer, struct stream, timer);
		bool silent = can_be_sent(s) && (s->probed || hub->now - s->written_at >= period - early);

		/* Only a heartbeat may come early; the rest waits until it is due. */
		if (timer->due > hub->now && !silent)
			break;
		if (s->expiry.ends && clock_wall_us() >= s->expiry.at * 1000000) {
			expire(hub, s);
			continue;
		}
		if (silent) {
			s->probed = false;
			send_heartbeat(hub, s);
			soon = hub->now + early;
		}
		if (s->state != STREAM_CLOSED)
			heartbeat_set(hub, s);
	}
}
