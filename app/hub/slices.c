/* Gathers messages for one write without copying them. Runs in the hub's thread;
 * reads blocks, which stay the ring's, and a stream's filter. */

#include "app/hub/slices.h"

#include <string.h>

#include "app/hub/join.h"

void
slices_clear(struct slices *slices, enum encoding encoding, const char *join)
{
	slices->encoding = encoding;
	slices->join = join;
	slices->join_entry = NULL;
	slices->n_runs = 0;
	slices->lacks = false;
	slices->n = 0;
	slices->n_bytes = 0;
	slices->n_messages = 0;
	slices->n_gaps = 0;
	slices->n_ends = 0;
}

static void
add_slice(struct slices *slices, char *bytes, size_t len)
{
	slices->iov[++slices->n] = (struct iovec){ bytes, len };
}

/* ---- joining ---- */

static bool
is_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
may_be_joined(const struct slices *slices, const struct block *block,
    const struct block_entry *entry)
{
	return entry->topic != BLOCK_NO_NAME && join_takes(slices->join, block_event(block, entry));
}

/* follows: is it of the same run as the one that was added last? */
static bool
follows(const struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	const struct block *before = slices->join_block;
	const struct block_entry *last = slices->join_entry;

	return last != NULL && (slices->join_head != 0 || slices->n_runs < SLICES_RUNS_MAX)
	    && is_same(block_topic(before, last), block_topic(block, entry))
	    && is_same(block_user(before, last), block_user(block, entry))
	    && is_same(block_event(before, last), block_event(block, entry));
}

/* open_run cuts the one that was alone so far in three. Its head and its tail are in the
 * way of what follows. */
static void
open_run(struct slices *slices)
{
	struct encoding_parts parts;
	size_t len;
	char *bytes = block_bytes(slices->join_block, slices->encoding, slices->join_entry, &len, &parts);

	slices->n_runs++;
	slices->join_head = slices->n--;
	add_slice(slices, bytes, parts.head);
	add_slice(slices, bytes + parts.head, len - parts.head - parts.tail);
	add_slice(slices, bytes + len - parts.tail, parts.tail);
}

static void
add_to_run(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	struct encoding_parts parts;
	size_t len;
	char *bytes = block_bytes(block, slices->encoding, entry, &len, &parts);

	if (slices->join_head == 0)
		open_run(slices);
	slices->n_bytes -= slices->iov[slices->join_head].iov_len + slices->iov[slices->n].iov_len;
	slices->n_bytes += len;
	slices->iov[slices->join_head] = (struct iovec){ bytes, parts.head };
	slices->iov[slices->n] = (struct iovec){ bytes + parts.head, len - parts.head - parts.tail };
	add_slice(slices, bytes + len - parts.tail, parts.tail);
}

/* add_joinable begins a run, or goes on with one. */
static void
add_joinable(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	size_t len;
	char *bytes;

	if (follows(slices, block, entry)) {
		add_to_run(slices, block, entry);
	} else {
		bytes = block_bytes(block, slices->encoding, entry, &len, NULL);
		add_slice(slices, bytes, len);
		slices->n_bytes += len;
		slices->join_head = 0;
	}
	slices->join_block = block;
	slices->join_entry = entry;
}

/* ---- messages ---- */

/* add_whole: `alone` keeps it off the bytes before it, to which others may be joined. */
static inline void
add_whole(struct slices *slices, const struct block *block, const struct block_entry *entry,
    bool alone)
{
	size_t len;
	char *bytes = block_bytes(block, slices->encoding, entry, &len, NULL);
	struct iovec *last = &slices->iov[slices->n];

	if (slices->n > 0 && !alone && (char *)last->iov_base + last->iov_len == bytes)
		last->iov_len += len;
	else
		add_slice(slices, bytes, len);
	slices->n_bytes += len;
}

static inline void
count(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	if (slices->n_messages + slices->n_gaps == 0)
		slices->found_at = block->found_at;
	slices->n_messages += !entry->is_gap;
	slices->n_gaps += entry->is_gap;
	slices->last_id = entry->id;
}

/* add_special is for what few streams ask for, and few messages are; apart, so that the others
 * do not pay for its calls. */
static void __attribute__((noinline))
add_special(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	if (slices->join != NULL && may_be_joined(slices, block, entry)) {
		add_joinable(slices, block, entry);
	} else {
		add_whole(slices, block, entry, slices->join_entry != NULL);
		slices->join_entry = NULL;
	}
	count(slices, block, entry);
	if (entry->is_end && slices->n_ends < STREAM_MAX_TOPICS) {
		slices->ends[slices->n_ends].topic = block_topic(block, entry);
		slices->ends[slices->n_ends++].id = entry->id;
	}
}

void
slices_add(struct slices *slices, const struct block *block, const struct block_entry *entry)
{
	if (slices->join != NULL || entry->is_end) {
		add_special(slices, block, entry);
		return;
	}
	add_whole(slices, block, entry, false);
	count(slices, block, entry);
}

int64_t
slices_collect(struct slices *slices, const struct ring *ring, const struct stream *s,
    int64_t after, int64_t upto, size_t *n_looks)
{
	struct ring_place place = ring_find(ring, after);
	wall_s now = clock_wall_s();

	slices_clear(slices, s->encoding, s->join);
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
	return slices->n >= STREAM_WRITE_MESSAGES || slices->n_bytes >= STREAM_WRITE_BYTES;
}
