/* A histogram of times: how many were up to each of some bounds, as Prometheus counts
 * them. One thread adds, any may read. */
#ifndef LIB_HISTOGRAM_H
#define LIB_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/clock.h"

enum { HISTOGRAM_BOUNDS = 16 };

/* In microseconds, ascending: 1, 2 and 5 of each power of ten from 100 us to 10 s. */
extern const mono_us histogram_bounds[HISTOGRAM_BOUNDS];

/* All zero is empty and ready. */
struct histogram {
	_Atomic uint64_t n[HISTOGRAM_BOUNDS + 1];  /* above the bound before; the last: above all */
	_Atomic uint64_t sum_us;
};

/* What a histogram holds, as it is told. */
struct histogram_counts {
	uint64_t upto[HISTOGRAM_BOUNDS];  /* how many took no longer than that bound */
	uint64_t n;                       /* in all */
	uint64_t sum_us;
};

/* histogram_add counts n times one of that length; one below 0 counts as 0. One thread. */
void histogram_add(struct histogram *histogram, mono_us length, uint64_t n);

/* histogram_read tells what was added; while somebody adds, perhaps not yet all of it.
 * Counts never go back. Any thread. */
void histogram_read(const struct histogram *histogram, struct histogram_counts *counts);

#endif
