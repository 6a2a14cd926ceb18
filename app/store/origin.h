/* Where messages come from: which of those that appear in the store this process has
 * published itself, and how many came from others. The rows do not say. Every call may be
 * made by any thread, and costs no more than the ids that it is given; none waits for
 * anything but the others. */
#ifndef APP_STORE_ORIGIN_H
#define APP_STORE_ORIGIN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/idruns.h"

/* Who publishes in this process, each one group at a time. */
enum origin_publisher {
	ORIGIN_WRITER,      /* /msg, and rowcast's own */
	ORIGIN_FORWARDER,   /* the outbox, where several machines share a log */
	ORIGIN_PUBLISHERS,
};

struct origin;

struct origin *origin_new(void);
void origin_free(struct origin *origin);

/* origin_begin says that the publisher begins a group, whose messages may be read before
 * it knows their ids. origin_given tells ids that it was given. origin_end: there are no
 * more. origin NULL: nobody wants to know; so with origin_read. */
void origin_begin(struct origin *origin, enum origin_publisher publisher);
void origin_given(struct origin *origin, int64_t low, int64_t high);
void origin_end(struct origin *origin, enum origin_publisher publisher);

/* origin_read says that these ids, above all that it was told before, are in the store. */
void origin_read(struct origin *origin, const struct idruns *ids);

/* origin_n_foreign returns how many of those that were read came from others. One that
 * was read while a group of ours was under way is counted when that has ended. */
uint64_t origin_n_foreign(struct origin *origin);

#endif
