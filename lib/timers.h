/* Timers: a heap of deadlines, embedded in what they belong to. */
#ifndef LIB_TIMERS_H
#define LIB_TIMERS_H

#include <stddef.h>

#include "lib/clock.h"

struct timer {
	mono_us due;
	size_t place;    /* 1 + index in the heap; 0: not set */
};

/* All zero is empty. */
struct timers {
	struct timer **heap;  /* owned; heap[0] is due first */
	size_t n;
	size_t capacity;
};

/* timers_set makes t due at that time, whether it was set before or not.
 * timers_clear unsets it; harmless where it is not set. */
void timers_set(struct timers *timers, struct timer *t, mono_us due);
void timers_clear(struct timers *timers, struct timer *t);

/* timers_first returns the timer that is due first, still set, or NULL. */
struct timer *timers_first(const struct timers *timers);

/* timers_free releases the heap; the timers are the caller's. */
void timers_free(struct timers *timers);

#endif
