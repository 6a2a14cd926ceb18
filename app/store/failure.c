/* Counting failures. What is counted belongs to whoever commits. */

#include "app/store/failure.h"

#include <stdatomic.h>
#include <stddef.h>

#include "app/store/store.h"

enum failure
failure_of(int outcome)
{
	switch (outcome) {
	case STORE_BUSY:
		return FAILURE_BUSY;
	case STORE_FULL:
		return FAILURE_FULL;
	case STORE_REPLACED:
		return FAILURE_REPLACED;
	default:
		return FAILURE_ERROR;
	}
}

void
failures_add(struct failures *failures, enum failure failure)
{
	atomic_fetch_add_explicit(&failures->n[failure], 1, memory_order_relaxed);
}

void
failures_read(const struct failures *failures, uint64_t n[FAILURES])
{
	for (size_t i = 0; i < FAILURES; i++)
		n[i] += atomic_load_explicit(&failures->n[i], memory_order_relaxed);
}
