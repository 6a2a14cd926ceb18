/* Slices: where in memory the messages of one write lie, one after the other, as
 * sendmsg() takes them; those that follow one another in memory, too, are one
 * slice. Messages that are joined are the head of the last, the data of each, and the tail
 * of the last. An embedded value of the hub's thread. */
#ifndef APP_HUB_SLICES_H
#define APP_HUB_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "app/hub/block.h"
#include "app/hub/ring.h"
#include "app/hub/stream.h"
#include "lib/clock.h"

enum {
	/* Runs of joined messages in one write; what would be another stays as it is. Picked,
	 * not tuned: all slices together have to stay below IOV_MAX. */
	SLICES_RUNS_MAX = 128,
};

struct slices {
	/* iov[0] is the header's; a run of joined messages has two more than it has messages. */
	struct iovec iov[1 + STREAM_WRITE_MESSAGES + 2 * SLICES_RUNS_MAX];
	size_t n;             /* from iov[1] on */
	size_t n_bytes;
	size_t n_messages;
	size_t n_gaps;        /* `rowcast.gap`, which is none */
	int64_t last_id;      /* of the message added last; set once there is one */
	mono_us found_at;     /* of the block of the first, the oldest; likewise */
	/* Of those that end their topic; a stream's topics end once each. */
	struct { const char *topic; int64_t id; } ends[STREAM_MAX_TOPICS];
	size_t n_ends;
	enum encoding encoding;
	bool lacks;           /* out of slices_collect */

	const char *join;     /* lent: the event whose messages are joined; NULL: none are */
	const struct block *join_block;         /* of the last one that others may be joined to; */
	const struct block_entry *join_entry;   /* NULL: there is none */
	size_t join_head;     /* its place in iov; 0: it is alone so far, and the last slice */
	size_t n_runs;
};

/* slices_clear begins anew, for messages in that form, those with the event `join` (lent;
 * NULL: none) joined; needed before the first slices_add, too. */
void slices_clear(struct slices *slices, enum encoding encoding, const char *join);

/* slices_add adds an entry's event, which is lent: the block, which has it in that form,
 * stays where it is until the write is done. Not to be called once slices_full. */
void slices_add(struct slices *slices, const struct block *block, const struct block_entry *entry);

/* slices_collect begins anew, with what the ring has for the stream above `after`,
 * which it holds, and up to `upto`: as much as fits in one write, and looks at
 * *n_looks entries at most, which it counts down. Returns the id up to which it
 * came. slices->lacks: that is where the next message is not in the form that the
 * stream wants, so it has to be read from the store. */
int64_t slices_collect(struct slices *slices, const struct ring *ring, const struct stream *s,
    int64_t after, int64_t upto, size_t *n_looks);

/* slices_told notes on the stream, to which they are being written, what it has been told:
 * its last id, and which of its topics have ended. */
static inline void
slices_told(const struct slices *slices, struct stream *s)
{
	s->told = slices->last_id;
	for (size_t i = 0; i < slices->n_ends && s->until != NULL; i++)
		stream_topic_ended(s, slices->ends[i].topic, slices->ends[i].id);
}

/* slices_full: has the write reached its bound in bytes or in slices? */
bool slices_full(const struct slices *slices);

#endif
