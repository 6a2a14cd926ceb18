/* Reading the system's two clocks. Any thread. */

#include "lib/clock.h"

#include <time.h>

_Atomic mono_us clock_ahead_us, clock_stopped_us;

static int64_t
read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

mono_us
clock_mono_us(void)
{
	mono_us stopped = atomic_load_explicit(&clock_stopped_us, memory_order_relaxed);

	return (stopped != 0 ? stopped : read_us(CLOCK_MONOTONIC))
	    + atomic_load_explicit(&clock_ahead_us, memory_order_relaxed);
}

int64_t
clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

wall_s
clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}
