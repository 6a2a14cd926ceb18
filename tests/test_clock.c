#include "tests/check.h"

#include <time.h>

#include "lib/clock.h"

TEST(the_one_clock_never_goes_back)
{
	mono_us before = clock_mono_us();

	for (int i = 0; i < 100000; i++) {
		mono_us now = clock_mono_us();

		assert_true(now >= before);
		before = now;
	}
}

TEST(the_other_is_the_system_s_in_seconds_and_finer)
{
	time_t before = time(NULL);
	wall_s now_s = clock_wall_s();
	int64_t now_us = clock_wall_us();

	/* time() may be a tick behind. */
	assert_in_range(now_s, before, time(NULL) + 1);
	assert_in_range(now_us / 1000000, now_s, time(NULL) + 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_one_clock_never_goes_back),
	cmocka_unit_test(the_other_is_the_system_s_in_seconds_and_finer),
};

RUN_TESTS(tests)
