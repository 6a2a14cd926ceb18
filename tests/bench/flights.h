/* The messages that are on their way: who still has to get each of them.
 *
 * A message is finished when it was acknowledged and every stream it was for
 * has received it. Numbers start at 1 and go up; the oldest unfinished and the
 * newest one are never more than the capacity apart, so the table is a ring and
 * each stream remembers what it saw in as many bits. */
#ifndef BENCH_FLIGHTS_H
#define BENCH_FLIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

enum { FLIGHT_TO_ALL = -1 };

struct flight {
	uint32_t number;
	uint32_t pending; /* streams that have not got it yet */
	int32_t target;   /* the only stream it is for, or FLIGHT_TO_ALL */
	bool acked;
	mono_us sent;
};

struct flights {
	struct flight *ring;  /* owned */
	uint32_t capacity;    /* of ring; a power of two */
	uint32_t next;        /* number of the next message */
	uint32_t oldest;      /* every number below is finished */
	uint32_t unfinished;
	uint64_t expected;    /* deliveries due for all messages so far */
	uint64_t misdelivered;/* received by a stream they were not for */
};

/* flights_init makes room for at least capacity numbers at a time. */
void flights_init(struct flights *f, uint32_t capacity);
void flights_free(struct flights *f);

/* flights_have_room: n more messages would still fit into the ring. */
bool flights_have_room(const struct flights *f, uint32_t n);

/* flights_add notes a message for `target` that `receivers` streams will get,
 * and returns its number. The caller has seen that there is room. */
uint32_t flights_add(struct flights *f, int32_t target, uint32_t receivers, mono_us now);

/* flights_ack: the server has taken (or, not ok, refused) the message; a
 * refused one is expected nowhere any more. */
void flights_ack(struct flights *f, uint32_t number, bool ok);

/* flights_deliver: a stream got the message, for the first time. */
void flights_deliver(struct flights *f, uint32_t number, int32_t stream);

/* flights_give_up finishes whatever was sent before `before`, so that a server
 * that loses messages cannot hold the others up; they stay expected. */
void flights_give_up(struct flights *f, mono_us before);

#endif
