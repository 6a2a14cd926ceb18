/* Counts of values, from which quantiles are read: 64 steps to each doubling,
 * so what is read is at most 1.6% above what was put in; the maximum is exact. */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum { HIST_STEPS_LOG2 = 6, HIST_SLOTS = (64 - HIST_STEPS_LOG2 + 1) << HIST_STEPS_LOG2 };

struct hist {
	uint64_t n;                /* values counted */
	uint64_t max;              /* the largest */
	uint64_t slot[HIST_SLOTS]; /* values in each step */
};

static inline void
hist_add(struct hist *h, uint64_t value)
{
	unsigned shift = 0;

	if (value >> (HIST_STEPS_LOG2 + 1) != 0)
		shift = 63 - HIST_STEPS_LOG2 - (unsigned)__builtin_clzll(value);
	h->slot[(shift << HIST_STEPS_LOG2) + (value >> shift)]++;
	h->n++;
	if (value > h->max)
		h->max = value;
}

/* hist_at returns the value that the share q (0 to 1) of all values does not
 * exceed; 0 where nothing was counted. */
uint64_t hist_at(const struct hist *h, double q);

#endif
