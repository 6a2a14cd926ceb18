#include "tests/bench/hist.h"

uint64_t
hist_at(const struct hist *h, double q)
{
	uint64_t below = 0;
	uint64_t wanted = (uint64_t)(q * (double)h->n);

	if (wanted >= h->n)
		return h->max;
	for (unsigned k = 0; k < HIST_SLOTS; k++) {
		below += h->slot[k];
		if (below > wanted) {
			unsigned shift = k >> HIST_STEPS_LOG2;
			uint64_t top;

			/* The two lowest blocks of slots hold single values. */
			shift = shift > 1 ? shift - 1 : 0;
			top = (((uint64_t)k - ((uint64_t)shift << HIST_STEPS_LOG2) + 1) << shift) - 1;
			return top < h->max ? top : h->max;
		}
	}
	return h->max;
}
