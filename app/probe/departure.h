/* Whether it is noticed that a stream's client has gone, as /presence tells it. */
#ifndef APP_PROBE_DEPARTURE_H
#define APP_PROBE_DEPARTURE_H

#include <stdbool.h>

#include "app/probe/chain.h"

struct departure {
	bool is_watched;      /* somebody has gone, and was seen before */
	bool is_noticed;
	mono_us gone_at, noticed_at;
	mono_us asked_at;     /* private */
	int before;           /* private: streams without the one */
};

/* departure_begin opens a stream of the user's beside those that are open, sees it in
 * /presence, and hangs up. Ten seconds at most. */
void departure_begin(struct departure *departure, struct chain *chain);

/* departure_step asks again, once a second; it waits for the answer. */
void departure_step(struct departure *departure, struct chain *chain);

/* departure_report: n_beats heartbeats have come on another stream since. */
void departure_report(const struct departure *departure, struct chain *chain, size_t n_beats);

#endif
