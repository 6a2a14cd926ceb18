/* A block: messages that were read together, each encoded once in each form that some
 * stream wants, and `rowcast.gap` before them where some were gone. Made in the
 * tail's thread, then owned by the hub's; one thread at a time touches it. */
#ifndef APP_HUB_BLOCK_H
#define APP_HUB_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/hub/encoding.h"
#include "app/store/message.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mailbox.h"

#define BLOCK_NO_NAME UINT32_MAX

struct block_entry {
	int64_t id;
	struct expiry expiry;    /* not sent from then on */
	uint32_t user, topic;    /* offsets in names, or BLOCK_NO_NAME: for all, on any */
	uint32_t event;          /* likewise: the default */
	uint32_t len;            /* of its bytes; of the longest, where it has several */
	bool is_gap;             /* no message: `rowcast.gap`, for whoever is there */
	bool is_end;             /* ends its topic */
};

/* Where an entry's event lies. */
struct block_span {
	uint32_t at, len;        /* from bytes.bytes + at on, in whatever order */
	uint32_t head, tail;     /* of those (encoding.h) */
};

/* The events in one form (HTML 9.2.5). */
struct block_text {
	struct buf bytes;
	struct block_span *spans;  /* owned: one for each entry */
};

struct block {
	struct mail mail;
	struct block_entry *entries;  /* owned, n of them, ids ascending */
	size_t n;
	size_t n_gaps;           /* of those that are no messages */
	size_t n_for_many;       /* of those that name no user */
	size_t capacity;
	unsigned encodings;      /* a bit for each that it has; set before anything is added */
	struct block_text texts[ENCODINGS];  /* empty where it has not */
	struct buf names;        /* users and topics, each ended by NUL */
	int64_t upto;            /* whoever has this block has seen everything up to here */
	mono_us found_at;        /* when its messages were committed by us, or else found */
};

/* block_new returns one that has ENCODING_PLAIN alone. */
struct block *block_new(void);
void block_free(struct block *block);  /* NULL is fine */

/* block_add encodes a message at the end, in each of block->encodings; m is only read. */
void block_add(struct block *block, const struct message *m);

/* block_add_gap puts the event that tells of the gap between `after` and what the store
 * holds, for everyone, before the messages, all of which are above it. */
void block_add_gap(struct block *block, int64_t after, const struct store_bounds *bounds);

/* block_has: is it encoded so? A stream that wants it otherwise has to be sent what the
 * store says. */
static inline bool
block_has(const struct block *block, enum encoding encoding)
{
	return (block->encodings & ENCODING_BIT(encoding)) != 0;
}

/* block_bytes lends the bytes of an entry, *len of them, in an encoding that the block
 * has; *parts, where not NULL, says where its data lie. */
static inline char *
block_bytes(const struct block *block, enum encoding encoding, const struct block_entry *entry,
    size_t *len, struct encoding_parts *parts)
{
	const struct block_text *text = &block->texts[encoding];
	const struct block_span *span = &text->spans[entry - block->entries];

	*len = span->len;
	if (parts != NULL)
		*parts = (struct encoding_parts){ span->head, span->tail };
	return text->bytes.bytes + span->at;
}

/* Lent for as long as the block stands; NULL where the entry names none. */
const char *block_user(const struct block *block, const struct block_entry *entry);
const char *block_topic(const struct block *block, const struct block_entry *entry);
const char *block_event(const struct block *block, const struct block_entry *entry);

/* block_n_bytes returns how long its events are, in all encodings together. */
size_t block_n_bytes(const struct block *block);

/* block_size returns the bytes of memory that the block takes. */
size_t block_size(const struct block *block);

#endif
