/* A block: messages that were read together, each encoded once, and `rowcast.gap` before
 * them where some were gone. Made in the
 * tail's thread, then owned by the hub's; one thread at a time touches it. */
#ifndef APP_HUB_BLOCK_H
#define APP_HUB_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/store/message.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mailbox.h"

#define BLOCK_NO_NAME UINT32_MAX

struct block_entry {
	int64_t id;
	struct expiry expiry;    /* not sent from then on */
	size_t at;               /* its event starts at bytes.bytes + at, in whatever order */
	size_t len;              /* and has so many bytes */
	uint32_t user, topic;    /* offsets in names, or BLOCK_NO_NAME: for all, on any */
};

struct block {
	struct mail mail;
	struct block_entry *entries;  /* owned, n of them, ids ascending */
	size_t n;
	size_t capacity;
	struct buf bytes;        /* the events (HTML 9.2.5) */
	struct buf names;        /* users and topics, each ended by NUL */
	int64_t upto;            /* whoever has this block has seen everything up to here */
};

struct block *block_new(void);
void block_free(struct block *block);  /* NULL is fine */

/* block_add encodes a message at the end; m is only read. */
void block_add(struct block *block, const struct message *m);

/* block_add_gap puts the event that tells of the gap between `after` and what the store
 * holds, for everyone, before the messages, all of which are above it. */
void block_add_gap(struct block *block, int64_t after, const struct store_bounds *bounds);

/* Lent for as long as the block stands; NULL where the entry names none. */
const char *block_user(const struct block *block, const struct block_entry *entry);
const char *block_topic(const struct block *block, const struct block_entry *entry);

/* block_size returns the bytes of memory that the block takes. */
size_t block_size(const struct block *block);

#endif
