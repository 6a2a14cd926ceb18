/* Random numbers, from the kernel. No state: any thread. */

#include "lib/random.h"

#include <sys/random.h>

#include "lib/log.h"

int64_t
random_between(int64_t low, int64_t high)
{
	uint64_t bits;

	if (low >= high)
		return low;
	if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		fatal("random: getrandom");
	return low + (int64_t)(bits % (uint64_t)(high - low + 1));
}
