/* An array of blocks, of which the oldest leave at the front. Runs in the hub's
 * thread; owns the blocks that it was given and touches nothing else. */

#include "app/hub/ring.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

void
ring_init(struct ring *ring, int64_t base)
{
	*ring = (struct ring){ .base = base, .top = base };
}

void
ring_free(struct ring *ring)
{
	for (size_t i = ring->first; i < ring->end; i++)
		block_free(ring->blocks[i]);
	free(ring->blocks);
	*ring = (struct ring){ 0 };
}

void
ring_add(struct ring *ring, struct block *block)
{
	if (ring->end == ring->capacity) {
		/* Move down where at least half is free, so that moving is rare. */
		if (ring->first > ring->capacity / 2) {
			memmove(ring->blocks, ring->blocks + ring->first,
			    (ring->end - ring->first) * sizeof(struct block *));
			ring->end -= ring->first;
			ring->first = 0;
		} else {
			ring->capacity = ring->capacity != 0 ? 2 * ring->capacity : 64;
			ring->blocks = mem_realloc(ring->blocks,
			    ring->capacity * sizeof(struct block *));
		}
	}
	ring->blocks[ring->end++] = block;
	ring->n_bytes += block_size(block);
	ring->top = block->upto;
}

void
ring_forget(struct ring *ring, int64_t sent)
{
	while (ring->n_bytes > RING_MAX_BYTES && ring->blocks[ring->first]->upto <= sent) {
		struct block *oldest = ring->blocks[ring->first++];

		ring->n_bytes -= block_size(oldest);
		ring->base = oldest->upto;
		block_free(oldest);
	}
}

bool
ring_holds(const struct ring *ring, int64_t after)
{
	return after >= ring->base;
}

struct ring_place
ring_find(const struct ring *ring, int64_t after)
{
	size_t low = ring->first, high = ring->end, first, last;
	const struct block *block;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ring->blocks[middle]->upto <= after)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == ring->end)
		return (struct ring_place){ low, 0 };
	block = ring->blocks[low];
	for (first = 0, last = block->n; first < last; ) {
		size_t middle = first + (last - first) / 2;

		if (block->entries[middle].id <= after)
			first = middle + 1;
		else
			last = middle;
	}
	return (struct ring_place){ low, first };
}

const struct block_entry *
ring_next(const struct ring *ring, struct ring_place *place, const struct block **block)
{
	for (; place->block < ring->end; place->block++, place->entry = 0) {
		*block = ring->blocks[place->block];
		if (place->entry < (*block)->n)
			return &(*block)->entries[place->entry++];
	}
	return NULL;
}
