/* What the parts of the hub share: hub.c (the loop), life.c (the states of a
 * stream), admission.c (joining), ahead.c, replay.c (reading on) and heartbeat.c (time).
 * All of them run in the hub's thread, and only there may this be touched; but
 * limits are written and counters and users read by any thread. What only one part needs
 * is not here. */
#ifndef APP_HUB_HUB_STATE_H
#define APP_HUB_HUB_STATE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "app/access/revocations.h"
#include "app/hub/gap.h"
#include "app/hub/ring.h"
#include "app/hub/roster.h"
#include "app/hub/stream.h"
#include "lib/clock.h"
#include "lib/histogram.h"
#include "lib/tally.h"
#include "lib/timers.h"

struct hub_state {
	struct {
		_Atomic int64_t heartbeat_us;
		_Atomic size_t max_streams, max_streams_per_user;
		_Atomic int64_t retry_min_ms, retry_max_ms;
		size_t max_descriptors;  /* a stream's descriptor is below; set once, at the start */
	} limits;
	struct {
		_Atomic uint64_t n_streams, n_behind, n_joined, n_read, n_delivered, n_replayed;
		_Atomic uint64_t n_ends[STREAM_ENDS], n_refused[STREAM_REFUSALS], n_gaps[GAPS];
		_Atomic uint64_t n_revoked;  /* newcomers whose token was revoked on the way here */
		_Atomic int64_t sent;    /* a copy of the other, for other threads */
		_Atomic size_t n_watchers;  /* at the end of the last turn */
		_Atomic size_t n_unproven;  /* streams in that list */
		_Atomic size_t n_wanting[ENCODINGS];  /* streams, from hub_want until they are freed */
	} counters;
	struct histogram lag;        /* of what rounds and direct.c send; other threads read it */

	struct tally users;          /* those in the roster; other threads read it */
	int epoll_fd;                /* every open stream is watched here, with itself as data.ptr */
	mono_us now;                 /* read once a turn of the loop */
	struct revocations *revocations;  /* owned; raised and read by any thread */
	uint64_t n_admitted;         /* ever: the number of the stream that was admitted last */
	int64_t sent;                /* live streams have been sent everything up to here, */
	int64_t sending;             /* and the round under way brings them up to here; or as above */
	struct ring ring;
	struct roster roster;        /* all streams from admission on, closed ones to the turn's end */
	struct timers timers;        /* of the streams, see heartbeat.h */
	struct stream_list behind, ahead, closed;  /* each holds the streams in that state */
	struct stream_list unproven;  /* but those ahead whose cursor may be none of the log's */
};

#define HUB_COUNT(hub, what, n) \
	atomic_fetch_add_explicit(&(hub)->counters.what, (n), memory_order_relaxed)

#endif
