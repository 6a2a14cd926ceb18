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
	/* Streams that are ended in one turn of the loop: each costs three or four system
	 * calls, some 20 microseconds, and all others wait. Picked, not tuned. */
	DISMISSAL_TURN_STREAMS = 64,
};

struct order;
TAILQ_HEAD(order_list, order);

struct dismissal {
	struct mailbox ordered;   /* orders that the hub has not seen yet; any thread */

	/* The hub's thread. */
	struct order_list running;  /* one a user */
	struct hash users;        /* the same by name */
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
void dismissal_send_away(struct hub_state *hub, struct stream *s);

#endif
