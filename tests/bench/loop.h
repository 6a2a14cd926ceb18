/* The event loop of a thread of the load client: epoll, level-triggered. What a thread watches
 * is its own, and only that thread calls any of these for it. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdint.h>

/* What epoll watches; stands first in the struct of whoever owns the
 * descriptor, so that ready() finds its owner by a cast. */
struct watch {
	int fd; /* -1: closed, what is still queued for it is dropped */
	void (*ready)(struct watch *w, uint32_t events);
};

/* loop_open makes the epoll descriptor; it ends the program where it cannot. */
void loop_open(void);

/* loop_end closes it again. */
void loop_end(void);

/* loop_watch starts or, with again, changes what w->fd is watched for. */
void loop_watch(struct watch *w, uint32_t events);
void loop_watch_again(struct watch *w, uint32_t events);

/* loop_close closes w->fd, if it is open, and sets it to -1. */
void loop_close(struct watch *w);

/* loop_turn waits up to timeout_ms for events and calls ready() for each. */
void loop_turn(int timeout_ms);

#endif
