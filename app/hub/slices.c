/* Gathers messages for one write without copying them. Runs in the hub's thread;
 * reads blocks, which stay the ring's. */

#include "app/hub/slices.h"

void
slices_clear(struct slices *slices)
{
	slices->n = 0;
	slices->n_bytes = 0;
	slices->n_messages = 0;
}

void
slices_add(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	char *bytes = block->bytes.bytes + entry->at;
	struct iovec *last = &slices->iov[slices->n];

	if (slices->n > 0 && (char *)last->iov_base + last->iov_len == bytes)
		last->iov_len += entry->len;
	else
		slices->iov[++slices->n] = (struct iovec){ bytes, entry->len };
	slices->n_bytes += entry->len;
	slices->n_messages++;
	slices->last_id = entry->id;
}

bool
slices_full(const struct slices *slices)
{
	return slices->n == STREAM_WRITE_MESSAGES || slices->n_bytes >= STREAM_WRITE_BYTES;
}
