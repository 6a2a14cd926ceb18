/* A round: what is new goes to every live stream that it is for, and each of
 * these is written once, however many messages it gets. The hub's thread; it is
 * opaque since it keeps arrays of its own from round to round. */
#ifndef APP_HUB_ROUND_H
#define APP_HUB_ROUND_H

#include <stddef.h>
#include <stdint.h>

#include "app/hub/pace.h"
#include "app/hub/ring.h"
#include "app/hub/roster.h"
#include "app/hub/stream.h"
#include "lib/clock.h"
#include "lib/histogram.h"

struct round;

struct round_tally {
	size_t n_written;        /* streams */
	uint64_t n_delivered;    /* messages, once for each stream that was sent them */
	uint64_t n_gaps;         /* and `rowcast.gap` */
	struct pace_sample sample;  /* of those */
};

/* Is called for each stream whose write did not go out whole: outcome is one of
 * enum stream_outcome. Or 0: it did, and the stream has come to its end by that; or nothing
 * was written, since the ring has a message in another form than the stream wants, which has
 * to read the store. Must not change the roster. */
typedef void round_incomplete(void *context, struct stream *s, int outcome);

struct round *round_new(void);
void round_free(struct round *round);

/* round_run sends live streams what the ring has above *sent, at most
 * STREAM_WRITE_BYTES and STREAM_WRITE_MESSAGES of it, and sets *sent to where
 * it came. A stream that is reported by `incomplete` has its cursor at the new
 * *sent; where nothing was written at the old one, and from_store is set. */
struct round_tally round_run(struct round *round, const struct roster *roster, const struct ring *ring,
    int64_t *sent, mono_us now, round_incomplete *incomplete, void *context);

/* round_count_lag adds, for each delivery that round_run has just made, how long before
 * `now` its message was found. What belongs to one block is added in one. */
void round_count_lag(const struct round *round, struct histogram *lag, mono_us now);

#endif
