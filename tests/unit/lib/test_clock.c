#include "tests/unit/check.h"

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

TEST(a_test_can_bring_the_one_forward_and_not_the_other)
{
	mono_us mono = clock_mono_us();
	int64_t wall = clock_wall_us();

	atomic_fetch_add(&clock_ahead_us, INT64_C(3600) * 1000000);
	assert_in_range(clock_mono_us() - mono, INT64_C(3600) * 1000000, INT64_C(3700) * 1000000);
	assert_true(clock_wall_us() - wall < INT64_C(3600) * 1000000);
}

TEST(a_test_can_stop_the_one_and_let_it_go_on)
{
	wall_s wall = clock_wall_s();
	mono_us mono;

	clock_stop();
	mono = clock_mono_us();
	while (clock_wall_us() < wall * 1000000 + 1)
		;
	assert_int_equal(clock_mono_us(), mono);
	atomic_fetch_add(&clock_ahead_us, 5);
	assert_int_equal(clock_mono_us(), mono + 5);
	assert_int_equal(clock_mono_in_ms(3), mono + 5 + 3000);
	clock_go();
	assert_true(clock_mono_us() >= mono + 5);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_one_clock_never_goes_back),
	cmocka_unit_test(the_other_is_the_system_s_in_seconds_and_finer),
	cmocka_unit_test(a_test_can_bring_the_one_forward_and_not_the_other),
	cmocka_unit_test(a_test_can_stop_the_one_and_let_it_go_on),
};

RUN_TESTS(tests)
