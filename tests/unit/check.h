/* What every cmocka program needs, in the order cmocka needs it. */
#ifndef TESTS_UNIT_CHECK_H
#define TESTS_UNIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"

/* A test's name is a sentence: TEST(a_buf_grows_as_bytes_are_added). */
#define TEST(name) static void name(void **state __attribute__((unused)))

/* LIST is an array of strings that ends in NULL. */
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* clock_stop: from now on time passes by clock_ahead_us alone, until clock_go. A wait for
 * a moment, other than for an event, ends only if that is moved there. */
static inline void
clock_stop(void)
{
	atomic_store(&clock_stopped_us, clock_mono_us() - atomic_load(&clock_ahead_us));
}

static inline void
clock_go(void)
{
	atomic_store(&clock_stopped_us, 0);
}

#define RUN_TESTS(tests) \
	int main(void) { return cmocka_run_group_tests(tests, NULL, NULL); }

#endif
