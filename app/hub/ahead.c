/* Judges cursors by the log. Runs in the hub's thread, but for ahead_hear.
 *
 * The log's ids rise, so one that it had given before a moment is not above what it
 * calls its newest after that moment. A stream's client had its cursor before the
 * stream joined. So what the log said when it was asked later than that decides: a
 * cursor above it was never given, any other was, and is not looked at again. */

#include "app/hub/ahead.h"

#include "app/hub/life.h"

void
ahead_init(struct ahead *ahead)
{
	*ahead = (struct ahead){ 0 };
	pthread_mutex_init(&ahead->lock, NULL);
}

void
ahead_free(struct ahead *ahead)
{
	pthread_mutex_destroy(&ahead->lock);
}

void
ahead_hear(struct ahead *ahead, int64_t newest, mono_us asked_at)
{
	pthread_mutex_lock(&ahead->lock);
	if (asked_at > ahead->asked_at) {
		ahead->newest = newest;
		ahead->asked_at = asked_at;
	}
	pthread_mutex_unlock(&ahead->lock);
}

static void
judge(struct hub_state *hub, struct stream *s, int64_t newest)
{
	s->joined_at = 0;
	if (s->cursor > newest) {
		/* The store knows what is the oldest, so catch-up brings the gap. */
		s->is_refuted = true;
		s->goes_on_from = newest;
		s->from_store = true;
	}
	life_after_write(hub, s, 0);  /* it may have come to its end by that */
}

void
ahead_run(struct ahead *ahead, struct hub_state *hub)
{
	struct stream *s, *next;
	int64_t newest;
	mono_us asked_at;

	if (TAILQ_EMPTY(&hub->unproven))
		return;
	pthread_mutex_lock(&ahead->lock);
	newest = ahead->newest;
	asked_at = ahead->asked_at;
	pthread_mutex_unlock(&ahead->lock);
	if (asked_at == ahead->judged_at)
		return;
	ahead->judged_at = asked_at;
	for (s = TAILQ_FIRST(&hub->unproven); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->joined_at < asked_at)
			judge(hub, s, newest);
	}
}
