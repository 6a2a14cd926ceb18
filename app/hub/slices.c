/* Gathers messages for one write without copying them. Runs in the hub's thread;
 * reads blocks, which stay the ring's, and a stream's filter. */

#include "app/hub/slices.h"

void
slices_clear(struct slices *slices, enum encoding encoding)
{
	slices->encoding = encoding;
	slices->lacks = false;
	slices->n = 0;
	slices->n_bytes = 0;
	slices->n_messages = 0;
	slices->n_gaps = 0;
}

void
slices_add(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	size_t len;
	char *bytes = block_event(block, slices->encoding, entry, &len);
	struct iovec *last = &slices->iov[slices->n];

	if (slices->n > 0 && (char *)last->iov_base + last->iov_len == bytes)
		last->iov_len += len;
	else
		slices->iov[++slices->n] = (struct iovec){ bytes, len };
	if (slices->n_messages + slices->n_gaps == 0)
		slices->found_at = block->found_at;
	slices->n_bytes += len;
	slices->n_messages += !entry->is_gap;
	slices->n_gaps += entry->is_gap;
	slices->last_id = entry->id;
}

int64_t
slices_collect(struct slices *slices, const struct ring *ring, const struct stream *s,
    int64_t after, int64_t upto, size_t *n_looks)
{
	struct ring_place place = ring_find(ring, after);
	wall_s now = clock_wall_s();

	slices_clear(slices, s->encoding);
	while (*n_looks > 0 && !slices_full(slices)) {
		const struct block *block;
		const struct block_entry *entry = ring_next(ring, &place, &block);

		if (entry == NULL || entry->id > upto)
			return upto;
		(*n_looks)--;
		if (!expiry_is_over(entry->expiry, now)
		    && (entry->is_gap
		        || stream_wants(s, block_user(block, entry), block_topic(block, entry)))) {
			if (!block_has(block, s->encoding)) {
				slices->lacks = true;
				return after;
			}
			slices_add(slices, block, entry);
		}
		after = entry->id;
	}
	return after;
}

bool
slices_full(const struct slices *slices)
{
	return slices->n == STREAM_WRITE_MESSAGES || slices->n_bytes >= STREAM_WRITE_BYTES;
}
