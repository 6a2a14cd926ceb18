/* Who was revoked: what a machine and the log tell each other (upstream.h). Called by the
 * follower's thread, with its handles. */
#ifndef APP_NODE_REVOKED_H
#define APP_NODE_REVOKED_H

#include <stdbool.h>

#include "app/store/store.h"
#include "app/upstream/upstream.h"

/* revoked_tell tells the log of those whom the news revoke, before the copy takes them.
 * revoked_exchange tells it all that the copy knows, and has the copy take what the log
 * knows. false: it is to be tried again before anything else. A log that has no room, or
 * refuses (logged), is no hindrance: streams go on. */
bool revoked_tell(struct upstream *log, const struct upstream_news *news);
bool revoked_exchange(struct upstream *log, struct store *store);

#endif
