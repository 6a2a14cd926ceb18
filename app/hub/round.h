/* A round: what is new goes to every live stream that it is for, and each of
 * these is written once, however many messages it gets. */
#ifndef APP_HUB_ROUND_H
#define APP_HUB_ROUND_H

#include <stddef.h>
#include <stdint.h>

#include "app/hub/ring.h"
#include "app/hub/roster.h"
#include "app/hub/stream.h"
#include "lib/clock.h"

struct round;

struct round_tally {
	size_t n_written;        /* streams */
	uint64_t n_delivered;    /* messages, once for each stream that was sent them */
};

/* What a round does with a stream that did not take everything: outcome is one
 * of enum stream_outcome. */
typedef void round_trouble(void *context, struct stream *s, int outcome);

struct round *round_new(void);
void round_free(struct round *round);

/* round_run sends live streams what the ring has above *sent, at most
 * STREAM_WRITE_BYTES and STREAM_WRITE_MESSAGES of it, and sets *sent to where
 * it came. A stream that is in trouble is reported with its cursor at the new
 * *sent; `trouble` must not change the roster. */
struct round_tally round_run(struct round *round, const struct roster *roster, const struct ring *ring,
    int64_t *sent, mono_us now, round_trouble *trouble, void *context);

#endif
