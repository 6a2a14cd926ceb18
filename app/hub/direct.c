/* A message for one user need not wait until the web server has passed on what a
 * round sent to thousands. Runs in the hub's thread: reads the ring and the
 * roster, and writes to the few streams of the users that new messages name.
 *
 * Such a stream is sent everything that it wants from where it stands up to what
 * is newest, in one write and in the order of ids, not that message alone; then
 * its cursor is above hub->sent, it is AHEAD (life.c), and rounds pass it by until
 * they have come to its cursor. So nothing can come twice or be left out.
 *
 * It costs the web server time that the round before was to have. So there is a
 * budget between two rounds, a small part of what that round has cost, for the
 * writes and for looking; and a stream, and so a user, gets a few writes of it.
 * What the budget does not suffice for comes with the round, as if this file
 * were not here. */

#include "app/hub/direct.h"

#include "app/hub/life.h"

/* All but the last counted in looks at an entry of the ring; picked, not tuned. */
enum {
	WRITE_LOOKS = 256,      /* what a write costs */
	STREAM_MAX_LOOKS = 256,  /* for one stream, on the way to the message */
	TURN_LOOKS = 4096,      /* in one turn of the hub's loop */
	ROUND_PART = 16,        /* of the last round's writes: so many may be made */
	MAX_LISTENERS = 32,     /* a message for more streams waits for the round */
	STREAM_WRITES = 4,      /* for one stream between two rounds */
};

void
direct_allow(struct direct *direct, size_t n_written)
{
	direct->n_left = n_written / ROUND_PART * WRITE_LOOKS;
	direct->wait++;
}

bool
direct_may(const struct direct *direct)
{
	return direct->n_left > 0;
}

bool
direct_has_more(const struct direct *direct, const struct hub_state *hub)
{
	return direct->n_left > 0 && direct->looked < hub->ring.top;
}

static void
spend(struct direct *direct, size_t n_looks)
{
	direct->n_left -= n_looks < direct->n_left ? n_looks : direct->n_left;
}

/* bring_up_to_date sends the stream what it wants, up to the newest; where that
 * does not reach as far as this id, nothing. */
static void
bring_up_to_date(struct direct *direct, struct hub_state *hub, struct stream *s, int64_t id)
{
	struct slices *slices = &direct->slices;
	size_t n_looks = STREAM_MAX_LOOKS;
	int64_t upto;

	if (s->direct_wait != direct->wait) {
		s->direct_wait = direct->wait;
		s->n_direct = 0;
	}
	if (s->n_direct == STREAM_WRITES || direct->n_left < WRITE_LOOKS)
		return;
	s->n_direct++;
	upto = slices_collect(slices, &hub->ring, s, life_position(hub, s), hub->ring.top, &n_looks);
	spend(direct, WRITE_LOOKS + STREAM_MAX_LOOKS - n_looks);
	if (upto < id || slices->n == 0)
		return;
	s->cursor = upto;
	slices_told(slices, s);
	HUB_COUNT(hub, n_delivered, slices->n_messages);
	HUB_COUNT(hub, n_gaps[GAP_EXPIRED], slices->n_gaps);
	life_after_write(hub, s,
	    stream_write(s, slices->iov, slices->n, slices->n_bytes, hub->now));
	/* All of them as long on their way as the oldest: they are few. */
	histogram_add(&hub->lag, clock_mono_us() - slices->found_at, slices->n_messages);
}

/* waits_for: does the stream want that, and has it not been sent it? */
static bool
waits_for(const struct hub_state *hub, const struct stream *s, int64_t id, const char *topic)
{
	return (s->state == STREAM_LIVE || s->state == STREAM_AHEAD)
	    && life_position(hub, s) < id && stream_wants_topic(s, topic);
}

void
direct_run(struct direct *direct, struct hub_state *hub)
{
	size_t n_before = direct->n_left;
	struct ring_place place;

	if (direct->looked < hub->sent)
		direct->looked = hub->sent;
	place = ring_find(&hub->ring, direct->looked);
	while (direct->n_left > 0 && n_before - direct->n_left < TURN_LOOKS) {
		const struct block *block;
		const struct block_entry *entry = ring_next(&hub->ring, &place, &block);
		const struct listeners *listeners;
		const char *user;

		if (entry == NULL) {
			direct->looked = hub->ring.top;
			return;
		}
		direct->looked = entry->id;
		spend(direct, 1);
		user = block_user(block, entry);
		listeners = user != NULL ? roster_user(&hub->roster, user) : NULL;
		if (listeners == NULL || listeners->n > MAX_LISTENERS)
			continue;
		for (struct member *m = listeners->first; m != NULL; m = m->next)
			if (waits_for(hub, m->stream, entry->id, block_topic(block, entry)))
				bring_up_to_date(direct, hub, m->stream, entry->id);
	}
}
