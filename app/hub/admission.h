/* Admission: which streams may join, which wait for a place, and what the others
 * are told. An embedded value of the hub; the hub's thread. */
#ifndef APP_HUB_ADMISSION_H
#define APP_HUB_ADMISSION_H

#include <stddef.h>
#include <sys/queue.h>

#include "app/hub/hub_state.h"
#include "lib/hash.h"
#include "lib/mailbox.h"
#include "lib/timers.h"

enum {
	ADMISSION_WAIT_MS = 1000,   /* at most, for a place to become free */
	ADMISSION_MAX_WAITING = 256,  /* newcomers of all users; picked, not tuned */
};

/* The newcomers of one user who wait for a place. */
struct newcomers;
TAILQ_HEAD(newcomers_list, newcomers);

struct admission {
	struct hash users;              /* name to struct newcomers; none is empty */
	struct newcomers_list called;   /* of users for whom a place may be free */
	struct timers deadlines;        /* of all newcomers, by their stream's timer */
	size_t n_waiting;
};

void admission_init(struct admission *admission);

/* admission_run takes the streams that want to join, linked by their mail, in
 * order, and those that waited, where a place is free or their time is over.
 * Those within the limits enter the roster and are sent what their `unsent`
 * holds; where only a stream that is perhaps gone stands in the way, they wait;
 * the others are answered and freed. */
void admission_run(struct admission *admission, struct hub_state *hub, struct mail *joining);

/* admission_call has those looked at who wait for the place of a stream that was
 * closed in this turn; it is called before these are freed. */
void admission_call(struct admission *admission, struct hub_state *hub);

/* admission_hung_up frees a stream that waited, whose client has gone. */
void admission_hung_up(struct admission *admission, struct hub_state *hub, struct stream *s);

/* admission_due returns when admission_run is to be called at the latest, or
 * `latest` where nobody's time is over before. */
mono_us admission_due(const struct admission *admission, const struct hub_state *hub, mono_us latest);

/* admission_stop answers those who wait, and ends. */
void admission_stop(struct admission *admission, struct hub_state *hub);

#endif
