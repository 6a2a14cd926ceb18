/* Random numbers for tests that try many inputs. The seed is printed, as a TAP
 * comment, so that what failed once can be had again: SEED=... make check */
#ifndef TESTS_UNIT_DICE_H
#define TESTS_UNIT_DICE_H

#include "tests/unit/check.h"

#include "lib/clock.h"

static uint64_t dice_state;

/* dice_begin is called first in a test that throws dice. */
static inline void
dice_begin(void)
{
	const char *given = getenv("SEED");

	dice_state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_mono_us();
	printf("# SEED=%llu\n", (unsigned long long)dice_state);
	fflush(stdout);
}

/* dice_throw returns a number from 0 to sides - 1 (splitmix64). */
static inline size_t
dice_throw(size_t sides)
{
	uint64_t z = dice_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (size_t)((z ^ z >> 31) % sides);
}

#endif
