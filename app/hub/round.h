/* A round: what is new goes to every live stream that it is for, and each of
 * these is written once, however many messages it gets. A round to many streams is
 * written in parts, between which the hub does other things. The hub's thread; it is
 * opaque since it keeps arrays of its own from round to round. */
#ifndef APP_HUB_ROUND_H
#define APP_HUB_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/hub/pace.h"
#include "app/hub/ring.h"
#include "app/hub/roster.h"
#include "app/hub/stream.h"
#include "lib/clock.h"
#include "lib/histogram.h"

struct round;

/* What one part has done. */
struct round_tally {
	bool is_over;            /* it was the last one */
	size_t n_written;        /* streams */
	uint64_t n_delivered;    /* messages, once for each stream that was sent them */
	uint64_t n_gaps;         /* and `rowcast.gap` */
	struct pace_sample sample;  /* of those */
};

/* Is called for each stream that a round leaves at another place than the live ones: outcome
 * is one of enum stream_outcome, where the write did not go out whole. Or 0: it did, and the
 * stream has come to its end by that, or is further now than others that the round has still
 * to come to; or nothing was written, since the ring has a message in another form than the
 * stream wants, which has to read the store. Must not change the roster. */
typedef void round_apart(void *context, struct stream *s, int outcome);

struct round *round_new(void);
void round_free(struct round *round);

/* round_begin begins one with what the ring has above `sent`, where all live streams are: at
 * most STREAM_WRITE_BYTES and STREAM_WRITE_MESSAGES of it. Returns the id up to which that
 * goes. Its first part is written before any stream changes. Until the round is over the ring
 * keeps what is above `sent`, and no other stream becomes live. */
int64_t round_begin(struct round *round, const struct roster *roster, const struct ring *ring,
    int64_t sent);

/* round_n_left returns how many streams are still to be written, at most. */
size_t round_n_left(const struct round *round);

/* round_write writes to so many more of them, at most; those that a message names come first,
 * unless they are more. The roster may have changed since the part before. A stream that is
 * reported by `apart` has its cursor where the round ends; where nothing was written at the
 * place before it, and from_store is set. */
struct round_tally round_write(struct round *round, const struct roster *roster, size_t n_max,
    mono_us now, round_apart *apart, void *context);

/* round_count_lag adds, for each delivery that round_write has made and that was not counted
 * yet, how long before `now` its message was found. What belongs to one block is added in
 * one. */
void round_count_lag(struct round *round, struct histogram *lag, mono_us now);

#endif
