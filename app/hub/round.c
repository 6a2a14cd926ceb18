/* Sends what is new to live streams. Runs in the hub's thread: reads the ring and
 * the roster, writes to sockets, and sets of a stream what the round decides
 * (round, picks, told; and the cursor of one that it leaves apart from the live ones).
 *
 * Messages for everyone are the same bytes for every stream, so they are
 * gathered once. A message for somebody is picked for just those streams that
 * the roster names; only a stream with picks is gathered for by itself, its
 * picks and the messages for everyone merged in the order of ids. So a round
 * costs a write a stream that gets something, plus a pick a message for
 * somebody, whatever the number of other streams.
 *
 * Where a round is written in parts, it walks the roster from its end down. Who leaves
 * meanwhile has his place taken by the last, on which the round was before, or is to be
 * later; so nobody is passed by, and whom it meets twice is no longer live. */

#include "app/hub/round.h"

#include <limits.h>
#include <stdlib.h>

#include "app/hub/slices.h"
#include "lib/mem.h"

#define NO_PICK UINT32_MAX

struct item {
	const struct block *block;
	const struct block_entry *entry;
	uint32_t n_picked;        /* streams that were sent it for it was picked for them, and not
	                           * counted yet */
};

struct pick {
	uint32_t item;
	uint32_t next;   /* index of the stream's next pick, or NO_PICK */
};

struct round {
	uint64_t number;
	int64_t before, upto;     /* of this one: the ids in between */
	bool has_begun;           /* a part was written, and so it was decided: */
	bool in_parts;            /* it has more than that one; */
	bool are_picked_sent;     /* those that something was picked for came first */
	size_t place;             /* the roster's streams below are still to be looked at */
	struct item items[STREAM_WRITE_MESSAGES];
	uint32_t n_items;
	uint32_t common[STREAM_WRITE_MESSAGES];  /* the items for everyone */
	uint32_t n_common;
	bool has_gap;             /* one of those tells of a gap */
	struct slices for_all[ENCODINGS], for_one;
	unsigned encodings;       /* those that all of the items have */
	size_t n_sent_common;     /* streams that were sent the common ones, likewise */
	struct pick *picks;       /* owned */
	uint32_t n_picks, max_picks;
	struct stream **picked;   /* owned: the streams with picks */
	size_t n_picked, max_picked;
};

struct round *
round_new(void)
{
	return mem_zalloc(sizeof(struct round));
}

void
round_free(struct round *round)
{
	free(round->picks);
	free(round->picked);
	free(round);
}

static void
pick(struct round *round, struct stream *s, uint32_t item)
{
	uint32_t new = round->n_picks++;

	if (new == round->max_picks) {
		round->max_picks = new != 0 ? 2 * new : 1024;
		round->picks = mem_realloc(round->picks, round->max_picks * sizeof(*round->picks));
	}
	round->picks[new] = (struct pick){ item, NO_PICK };
	if (s->round == round->number) {
		round->picks[s->last_pick].next = new;
		s->last_pick = new;
		return;
	}
	s->round = round->number;
	s->first_pick = s->last_pick = new;
	if (round->n_picked == round->max_picked) {
		round->max_picked = round->max_picked != 0 ? 2 * round->max_picked : 256;
		round->picked = mem_realloc(round->picked,
		    round->max_picked * sizeof(struct stream *));
	}
	round->picked[round->n_picked++] = s;
}

/* pick_for_listeners picks an item that names a user, a topic, or both. */
static void
pick_for_listeners(struct round *round, const struct roster *roster, uint32_t item,
    const char *user, const char *topic)
{
	const struct listeners *listeners = user != NULL
	    ? roster_user(roster, user) : roster_topic(roster, topic);

	if (listeners == NULL)
		return;
	for (struct member *m = listeners->first; m != NULL; m = m->next)
		if (m->stream->state == STREAM_LIVE
		    && (user == NULL || stream_wants_topic(m->stream, topic)))
			pick(round, m->stream, item);
}

static void
add_for_all(struct round *round, const struct block *block, const struct block_entry *entry)
{
	for (size_t i = 0; i < ENCODINGS; i++)
		if (block_has(block, (enum encoding)i))
			slices_add(&round->for_all[i], block, entry);
}

/* collect takes what is new from the ring, up to what fits in one write, and
 * returns the id up to which it came. */
static int64_t
collect(struct round *round, const struct roster *roster, const struct ring *ring, int64_t sent)
{
	struct ring_place place = ring_find(ring, sent);
	const struct block *block = NULL;
	const struct block_entry *entry;
	size_t n_bytes = 0;
	wall_s now = clock_wall_s();

	while (round->n_items < STREAM_WRITE_MESSAGES && n_bytes < STREAM_WRITE_BYTES) {
		const char *user, *topic;

		entry = ring_next(ring, &place, &block);
		if (entry == NULL)
			return ring->top;
		sent = entry->id;
		if (expiry_is_over(entry->expiry, now))
			continue;
		n_bytes += entry->len;
		round->items[round->n_items] = (struct item){ block, entry, 0 };
		user = block_user(block, entry);
		topic = block_topic(block, entry);
		round->encodings &= block->encodings;
		if (user == NULL && topic == NULL) {
			round->common[round->n_common++] = round->n_items;
			round->has_gap |= entry->is_gap;
			add_for_all(round, block, entry);
		} else {
			pick_for_listeners(round, roster, round->n_items, user, topic);
		}
		round->n_items++;
	}
	return sent;
}

/* gather merges a stream's picks with what is for everyone. */
static void
gather(struct round *round, const struct stream *s)
{
	uint32_t next = s->first_pick, common = 0;

	slices_clear(&round->for_one, s->encoding, s->join);
	while (next != NO_PICK || common < round->n_common) {
		uint32_t item;

		if (next == NO_PICK
		    || (common < round->n_common && round->common[common] < round->picks[next].item)) {
			item = round->common[common++];
			if (s->filter.topics_only && !round->items[item].entry->is_gap)
				continue;
		} else {
			item = round->picks[next].item;
			round->items[item].n_picked++;
			next = round->picks[next].next;
		}
		slices_add(&round->for_one, round->items[item].block, round->items[item].entry);
	}
}

/* gather_gaps is for a stream that nothing was picked for, and that has left out what is for
 * everyone. */
static void
gather_gaps(struct round *round, const struct stream *s)
{
	slices_clear(&round->for_one, s->encoding, NULL);
	for (uint32_t i = 0; i < round->n_common; i++) {
		const struct item *item = &round->items[round->common[i]];

		if (item->entry->is_gap)
			slices_add(&round->for_one, item->block, item->entry);
	}
}

int64_t
round_begin(struct round *round, const struct roster *roster, const struct ring *ring, int64_t sent)
{
	round->number++;
	round->n_items = round->n_common = round->n_picks = 0;
	round->has_gap = false;
	round->n_sent_common = 0;
	round->n_picked = 0;
	round->encodings = UINT_MAX;
	for (size_t i = 0; i < ENCODINGS; i++)
		slices_clear(&round->for_all[i], (enum encoding)i, NULL);
	round->before = sent;
	round->upto = collect(round, roster, ring, sent);
	round->has_begun = round->in_parts = round->are_picked_sent = false;
	round->place = roster->n;
	return round->upto;
}

size_t
round_n_left(const struct round *round)
{
	return round->n_common > 0 || round->n_picked > round->place ? round->place : round->n_picked;
}

/* One part of a round on its way. */
struct part {
	struct round *round;
	mono_us now;
	round_apart *apart;
	void *context;
	struct round_tally tally;
};

/* lacks: is there a message in the round that is not in the form that the stream wants?
 * Then the stream is left where it was, to read on from the store. */
static bool
lacks(struct part *part, struct stream *s)
{
	if (part->round->encodings & ENCODING_BIT(s->encoding))
		return false;
	s->cursor = part->round->before;
	s->from_store = true;
	part->apart(part->context, s, 0);
	return true;
}

static void
send_slices(struct part *part, struct stream *s, struct slices *slices)
{
	const struct round *round = part->round;
	int outcome;

	slices_told(slices, s);
	pace_sample_offer(&part->tally.sample, s->fd);
	outcome = stream_write(s, slices->iov, slices->n, slices->n_bytes, part->now);
	part->tally.n_written++;
	part->tally.n_delivered += slices->n_messages;
	part->tally.n_gaps += slices->n_gaps;
	if (outcome != 0 || round->in_parts
	    || (s->until != NULL && stream_has_come_to_its_end(s, round->upto))) {
		s->cursor = round->upto;
		part->apart(part->context, s, outcome);
	}
}

/* write_picked is for a stream that something was picked for. */
static void
write_picked(struct part *part, struct stream *s)
{
	struct round *round = part->round;

	if (lacks(part, s))
		return;
	gather(round, s);
	round->n_sent_common += !s->filter.topics_only;
	send_slices(part, s, &round->for_one);
}

/* write_common is for any other. */
static void
write_common(struct part *part, struct stream *s)
{
	struct round *round = part->round;

	if (round->n_common == 0 || (s->filter.topics_only && !round->has_gap) || lacks(part, s))
		return;
	if (s->filter.topics_only) {
		gather_gaps(round, s);
		send_slices(part, s, &round->for_one);
	} else {
		round->n_sent_common++;
		send_slices(part, s, &round->for_all[s->encoding]);
	}
}

/* write_first is for the first part alone: later those that were picked may be gone. */
static void
write_first(struct part *part, size_t n_max)
{
	struct round *round = part->round;

	round->has_begun = true;
	round->in_parts = round_n_left(round) > n_max;
	if (round->n_picked > n_max)
		return;
	for (size_t i = 0; i < round->n_picked; i++)
		write_picked(part, round->picked[i]);
	round->are_picked_sent = true;
	if (round->n_common == 0)
		round->place = 0;
}

struct round_tally
round_write(struct round *round, const struct roster *roster, size_t n_max, mono_us now,
    round_apart *apart, void *context)
{
	struct part part = { round, now, apart, context, { 0 } };

	if (!round->has_begun)
		write_first(&part, n_max);
	if (round->place > roster->n)
		round->place = roster->n;
	while (round->place > 0 && (!round->in_parts || part.tally.n_written < n_max)) {
		struct stream *s = roster->streams[--round->place];

		if (s->state != STREAM_LIVE)
			continue;
		if (s->round != round->number)
			write_common(&part, s);
		else if (!round->are_picked_sent)
			write_picked(&part, s);
	}
	part.tally.is_over = round->place == 0;
	return part.tally;
}

void
round_count_lag(struct round *round, struct histogram *lag, mono_us now)
{
	const struct block *block = NULL;
	uint64_t n = 0;

	for (uint32_t i = 0; i < round->n_items; i++) {
		struct item *item = &round->items[i];

		if (item->entry->is_gap)
			continue;
		if (item->block != block && block != NULL) {
			histogram_add(lag, now - block->found_at, n);
			n = 0;
		}
		block = item->block;
		n += item->entry->user == BLOCK_NO_NAME && item->entry->topic == BLOCK_NO_NAME
		    ? round->n_sent_common : item->n_picked;
		item->n_picked = 0;
	}
	if (block != NULL)
		histogram_add(lag, now - block->found_at, n);
	round->n_sent_common = 0;
}
