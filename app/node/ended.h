/* Which topics have ended: what a machine and the log tell each other (upstream.h). Called
 * by the follower's thread, with its handles. */
#ifndef APP_NODE_ENDED_H
#define APP_NODE_ENDED_H

#include <stdbool.h>

#include "app/store/store.h"
#include "app/upstream/upstream.h"

/* ended_tell tells the log of the ends among the news, before the copy takes them.
 * ended_exchange tells it of all that the copy knows, and has the copy take what the log
 * knows. false: it is to be tried again before anything else. A log that has no room, or
 * refuses (logged), is no hindrance: streams go on. */
bool ended_tell(struct upstream *log, const struct upstream_news *news);
bool ended_exchange(struct upstream *log, struct store *store);

#endif
