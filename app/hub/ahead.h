/* Those who stand above what this machine has. Where several share a log, a client may
 * come from a machine that is further: its cursor is right, and it waits for this
 * one's copy. Or the cursor is none of this log's, and it is told the gap. Which of
 * the two, only the log knows. An embedded value of the hub. */
#ifndef APP_HUB_AHEAD_H
#define APP_HUB_AHEAD_H

#include <pthread.h>
#include <stdint.h>

#include "app/hub/hub_state.h"
#include "lib/clock.h"

struct ahead {
	pthread_mutex_t lock;    /* guards the next two */
	int64_t newest;          /* the log had given no id above, at asked_at or later */
	mono_us asked_at;        /* 0: nothing was heard */
	mono_us judged_at;       /* the hub's thread: by what was heard then */
};

void ahead_init(struct ahead *ahead);
void ahead_free(struct ahead *ahead);

/* ahead_hear notes what hub_heard says. Any thread; what follows is the hub's. */
void ahead_hear(struct ahead *ahead, int64_t newest, mono_us asked_at);

/* ahead_run judges those who wait for it, by what was heard since it last did. */
void ahead_run(struct ahead *ahead, struct hub_state *hub);

#endif
