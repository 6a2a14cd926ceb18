/* The pace: how long the hub waits between two rounds, so that the web server can
 * pass on what it was sent. An embedded value of the hub's thread. */
#ifndef APP_HUB_PACE_H
#define APP_HUB_PACE_H

#include <stdbool.h>
#include <stddef.h>

#include "app/hub/roster.h"
#include "lib/clock.h"

struct pace {
	mono_us next_round;   /* not before then */
	double us_per_write;  /* what a write costs the web server, as measured */
	size_t n_written;     /* streams written by the last round */
	bool postponed;       /* the coming round has been put off before */
};

#define PACE_INITIAL ((struct pace){ .us_per_write = 20 })

/* pace_allows: may a round begin now? Where the web server has not yet taken
 * what the last round sent, the round is put off a little, and next_round says
 * until when. */
bool pace_allows(struct pace *pace, const struct roster *roster, mono_us now);

/* pace_record records how many streams the round that has just run has written. */
void pace_record(struct pace *pace, size_t n_written, mono_us now);

#endif
