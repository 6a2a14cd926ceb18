/* Gaps: what stands between the cursor that a client came back with and what the
 * store holds, and the event that tells it. Plain functions: any thread. */
#ifndef APP_HUB_GAP_H
#define APP_HUB_GAP_H

#include <stdint.h>

#include "app/store/store.h"
#include "lib/buf.h"

enum gap {
	GAP_NONE,
	GAP_EXPIRED,   /* rows above the cursor have been deleted by retention */
	GAP_AHEAD,     /* nobody was ever given the cursor as an id */
	GAP_INVALID,   /* what the client sent is no id at all; gap_find does not return it */
	GAPS,
};

/* gap_find compares a cursor with the store's bounds of the same moment as the
 * rows that are read after it. */
enum gap gap_find(int64_t cursor, const struct store_bounds *bounds);

/* gap_describe adds the data of `rowcast.gap`, as JSON: which gap, what the client asked
 * for (requested; NULL: the cursor, in digits), and what the store holds. Returns the
 * event's id: the cursor that the stream goes on from, so that the client, should it come
 * back, is not told again. */
int64_t gap_describe(struct buf *data, enum gap gap, int64_t cursor, const char *requested,
    const struct store_bounds *bounds);

#endif
