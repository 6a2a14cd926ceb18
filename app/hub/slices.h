/* Slices: where in memory the messages of one write lie, one after the other, as
 * sendmsg() takes them; those that follow one another in memory, too, are one
 * slice. An embedded value of the hub's thread. */
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

struct slices {
	struct iovec iov[1 + STREAM_WRITE_MESSAGES];  /* iov[0] is the header's */
	size_t n;             /* from iov[1] on */
	size_t n_bytes;
	size_t n_messages;
	size_t n_gaps;        /* `rowcast.gap`, which is none */
	int64_t last_id;      /* of the message added last; set once there is one */
	mono_us found_at;     /* of the block of the first, the oldest; likewise */
	enum encoding encoding;
	bool lacks;           /* out of slices_collect */
};

/* slices_clear begins anew, for messages in that form; needed before the first
 * slices_add, too. */
void slices_clear(struct slices *slices, enum encoding encoding);

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

/* slices_full: has the write reached its bound in bytes or in slices? */
bool slices_full(const struct slices *slices);

#endif
