/* The heartbeat: what a stream gets after silence, and its end at the token's
 * exp. The hub's thread. */
#ifndef APP_HUB_HEARTBEAT_H
#define APP_HUB_HEARTBEAT_H

#include "app/hub/hub_state.h"
#include "app/hub/roster.h"
#include "app/hub/stream.h"

/* heartbeat_set sets a stream's timer, for whichever of the two comes first. */
void heartbeat_set(struct hub_state *hub, struct stream *s);

/* heartbeat_run sends the heartbeats that are due, and ends the streams whose
 * token has expired. */
void heartbeat_run(struct hub_state *hub);

/* heartbeat_probe sends each of these streams one heartbeat now and makes a
 * second due soon after, which shows who of them is gone. */
void heartbeat_probe(struct hub_state *hub, struct listeners *listeners);

#endif
