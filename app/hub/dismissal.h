/* Dismissal: ending all streams of a user, because somebody has said so. An embedded value
 * of the hub. */
#ifndef APP_HUB_DISMISSAL_H
#define APP_HUB_DISMISSAL_H

#include <stdbool.h>
#include <sys/queue.h>

#include "app/hub/hub_state.h"
#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/mailbox.h"

enum {
	/* Streams that are ended in one turn of the loop, while all others wait: so many, and
	 * one more for each DISMISSAL_STREAM_US that all else took since the last turn. So where
	 * turns are long, which is where everybody is written to, the user is gone after a few
	 * of them, and nobody waits more than twice as long as without. */
	DISMISSAL_TURN_STREAMS = 64,  /* picked, not tuned */
	DISMISSAL_STREAM_US = 20,     /* what one costs: three or four system calls */
};

struct order;
TAILQ_HEAD(order_list, order);

struct dismissal {
	struct mailbox ordered;   /* orders that the hub has not seen yet; any thread */

	/* The hub's thread. */
	struct order_list running;  /* one a user */
	struct hash users;        /* the same by name */
	mono_us ran_at;           /* when the last turn's part was done; 0: nothing was left then */
};

void dismissal_init(struct dismissal *dismissal);
void dismissal_free(struct dismissal *dismissal);

/* dismissal_kick orders that the user's streams which are open now be ended: they are told
 * when to come back. dismissal_revoke: those whose token the hub's revocations cover; they
 * are told so. Neither waits. Any thread; what follows is the hub's. */
void dismissal_kick(struct dismissal *dismissal, const char *user);
void dismissal_revoke(struct dismissal *dismissal, const char *user);

/* dismissal_take takes the orders, linked by their mail. Called after all those streams
 * have been admitted that were handed to the hub before the orders were taken. */
void dismissal_take(struct dismissal *dismissal, struct hub_state *hub, struct mail *orders);

/* dismissal_run ends some of the streams that were ordered to end. */
void dismissal_run(struct dismissal *dismissal, struct hub_state *hub);

/* dismissal_is_done: nothing is left for dismissal_run. */
bool dismissal_is_done(const struct dismissal *dismissal);

/* dismissal_send_away ends one stream, which is told when to come back and, as far as its
 * client is not told yet, where it stands. */
void dismissal_send_away(struct hub_state *hub, struct stream *s, enum stream_end why);

#endif
