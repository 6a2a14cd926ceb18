/* Counters, one for each bound. Only one thread adds, so it reads and writes them without
 * a locked instruction; they are atomic for those who read meanwhile. */

#include "lib/histogram.h"

const mono_us histogram_bounds[HISTOGRAM_BOUNDS] = {
	100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000,
	1000000, 2000000, 5000000, 10000000,
};

static void
raise(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
	    memory_order_relaxed);
}

void
histogram_add(struct histogram *histogram, mono_us length, uint64_t n)
{
	int at = 0;

	if (n == 0)
		return;
	if (length < 0)
		length = 0;
	while (at < HISTOGRAM_BOUNDS && length > histogram_bounds[at])
		at++;
	raise(&histogram->n[at], n);
	raise(&histogram->sum_us, (uint64_t)length * n);
}

void
histogram_read(const struct histogram *histogram, struct histogram_counts *counts)
{
	counts->n = 0;
	for (int i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		counts->n += atomic_load_explicit(&histogram->n[i], memory_order_relaxed);
		if (i < HISTOGRAM_BOUNDS)
			counts->upto[i] = counts->n;
	}
	counts->sum_us = atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
}
