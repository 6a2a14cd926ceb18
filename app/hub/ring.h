/* The ring of recent messages: the newest blocks, in order, up to a bound. A
 * stream that fell a little behind reads on here instead of in the store.
 * An embedded value of the hub's thread. */
#ifndef APP_HUB_RING_H
#define APP_HUB_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/hub/block.h"

enum { RING_MAX_BYTES = 8 << 20 };  /* some seconds of full load; picked, not tuned */

struct ring {
	struct block **blocks;  /* owned: blocks[first .. end) */
	size_t first, end, capacity;
	size_t n_bytes;         /* of the blocks */
	int64_t base;           /* the ring holds all messages with base < id <= top */
	int64_t top;
};

/* A place in the ring: the entry with this index of this block, which may be
 * just behind a block's last. Good until ring_add or ring_forget. */
struct ring_place {
	size_t block;
	size_t entry;
};

/* ring_init begins an empty ring above the given id. */
void ring_init(struct ring *ring, int64_t base);
void ring_free(struct ring *ring);

/* ring_add takes a block that follows on what is there. */
void ring_add(struct ring *ring, struct block *block);

/* ring_forget drops blocks from the oldest on until the ring is within
 * RING_MAX_BYTES, but none that reaches above `sent`. */
void ring_forget(struct ring *ring, int64_t sent);

/* ring_holds: is everything above `after` here? */
bool ring_holds(const struct ring *ring, int64_t after);

/* ring_find returns the place of the first message above `after`, which the
 * ring holds. */
struct ring_place ring_find(const struct ring *ring, int64_t after);

/* ring_next returns the entry at the place and moves the place on, or NULL at
 * the end; *block is the block that it lies in. */
const struct block_entry *ring_next(const struct ring *ring, struct ring_place *place,
    const struct block **block);

#endif
