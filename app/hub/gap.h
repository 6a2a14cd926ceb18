/* The event that says that a replay cannot be exact. */
#ifndef APP_HUB_GAP_H
#define APP_HUB_GAP_H

#include <stdint.h>

#include "app/store/store.h"
#include "lib/buf.h"

/* gap_add adds `rowcast.gap`: why ("expired", "ahead", "invalid"), what the
 * client asked for, as text, and what the store holds. Its id is the cursor that
 * the stream goes on from, so that it is said once. */
void gap_add(struct buf *out, int64_t cursor, const char *reason, const char *requested,
    const struct store_bounds *bounds);

#endif
