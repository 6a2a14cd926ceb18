/* The inside of the hub, shared by the four files that are the hub: hub.c (the
 * loop, and the outside), admission.c (joining), replay.c (reading on) and
 * heartbeat.c (time). All of it runs in the hub's thread. */
#ifndef APP_HUB_HUB_STATE_H
#define APP_HUB_HUB_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/hub/catchup.h"
#include "app/hub/hub.h"
#include "app/hub/pace.h"
#include "app/hub/ring.h"
#include "app/hub/roster.h"
#include "app/hub/round.h"
#include "app/hub/stream.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/timers.h"

struct hub {
	/* What other threads give or change. */
	struct {
		_Atomic int64_t heartbeat_us;
		_Atomic int64_t retry_min_ms, retry_max_ms;
		_Atomic size_t max_streams, max_streams_per_user;
	} limits;
	struct mailbox joining;      /* streams; also wakes the loop for the inbox and to stop */
	struct mailbox pages;        /* back from catch-up */
	_Atomic bool stopping;
	pthread_mutex_t inbox_lock;  /* guards the inbox */
	pthread_cond_t inbox_taken;
	struct mail *inbox_first, **inbox_last;  /* blocks */
	size_t inbox_bytes;

	/* The thread's own. */
	pthread_t thread;
	int epoll_fd;
	size_t max_descriptors;
	struct catchup *catchup;
	struct roster roster;
	struct ring ring;
	struct round *round;
	int64_t sent;                /* live streams have been sent everything up to here */
	mono_us now;                 /* read once a turn of the loop */
	struct pace pace;
	struct timers timers;
	struct stream_list behind, ahead, closed;
	struct slices slices;        /* read_on's, kept since it is large */

	struct {
		_Atomic uint64_t n_streams, n_joined, n_refused, n_delivered, n_gaps;
		_Atomic int64_t sent;
	} counters;
};

#define HUB_COUNT(hub, what, n) \
	atomic_fetch_add_explicit(&(hub)->counters.what, (n), memory_order_relaxed)

/* hub_set_state moves a stream to a state, and so to the list of that state. */
void hub_set_state(struct hub *hub, struct stream *s, enum stream_state state);

/* hub_after_write goes on after stream_write or stream_flush on a stream whose
 * cursor is set: it settles, waits for its socket, or is closed. */
void hub_after_write(struct hub *hub, struct stream *s, int outcome);

/* hub_close ends a stream; it is freed at the end of the turn. */
void hub_close(struct hub *hub, struct stream *s);

/* hub_position returns the id up to which the stream has everything. */
int64_t hub_position(const struct hub *hub, const struct stream *s);

/* admission.c: admits or refuses the streams that want to join. */
void admission_run(struct hub *hub);

/* replay.c: takes the pages that are back, and gives each stream that is behind
 * one turn of reading on. */
void replay_run(struct hub *hub);

/* heartbeat.c: sends the heartbeats that are due and ends streams whose token
 * has expired. heartbeat_set sets a stream's timer. heartbeat_probe finds out
 * which of these streams are still there. */
void heartbeat_run(struct hub *hub);
void heartbeat_set(struct hub *hub, struct stream *s);
void heartbeat_probe(struct hub *hub, struct listeners *listeners);

#endif
