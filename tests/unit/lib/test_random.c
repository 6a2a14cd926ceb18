#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <errno.h>

#include "lib/random.h"

/* That a fair die misses one of ten sides in 2000 throws has a chance of one
 * in 10^90: these tests do not fail by bad luck. */
static void
gives_all_of(int64_t low, int64_t high)
{
	int seen[10] = { 0 };

	assert_true(high - low < 10);
	for (int i = 0; i < 2000; i++) {
		int64_t n = random_between(low, high);

		assert_in_range(n - low, 0, high - low);
		seen[n - low]++;
	}
	for (int64_t i = 0; i <= high - low; i++)
		assert_true(seen[i] > 0);
}

TEST(both_ends_and_all_between_them_are_given_and_nothing_else)
{
	gives_all_of(0, 9);
	gives_all_of(1, 2);
	gives_all_of(2000, 2006);
}

TEST(a_range_may_lie_below_zero_or_across_it)
{
	gives_all_of(-5, 4);
	gives_all_of(-100, -91);
}

TEST(a_range_of_one_gives_it)
{
	gives_all_of(7, 7);
	assert_int_equal(random_between(0, 0), 0);
	assert_true(random_between(INT64_MAX, INT64_MAX) == INT64_MAX);
	assert_true(random_between(INT64_MIN, INT64_MIN) == INT64_MIN);
}

/* One below is the range of no number, and a division by zero. */
TEST(a_range_that_ends_below_its_beginning_gives_that)
{
	assert_int_equal(random_between(6001, 6000), 6001);
	assert_int_equal(random_between(10000, 6000), 10000);
}

TEST(a_wide_range_is_used_to_its_width)
{
	int64_t least = INT64_MAX, most = 0;

	for (int i = 0; i < 2000; i++) {
		int64_t n = random_between(0, 4000000000);

		assert_true(n >= 0 && n <= 4000000000);
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	assert_true(least < 400000000 && most > 3600000000);
}

static void
draw_in_vain(void)
{
	refuse(SYS_getrandom, ENOSYS);
	random_between(0, 9);
}

/* A number that can be guessed would be worse. */
TEST(without_the_kernel_s_random_numbers_the_process_says_so_and_ends)
{
	ends(draw_in_vain, EXIT_1, "error: random: getrandom: Function not implemented\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(both_ends_and_all_between_them_are_given_and_nothing_else),
	cmocka_unit_test(a_range_may_lie_below_zero_or_across_it),
	cmocka_unit_test(a_range_of_one_gives_it),
	cmocka_unit_test(a_range_that_ends_below_its_beginning_gives_that),
	cmocka_unit_test(a_wide_range_is_used_to_its_width),
	cmocka_unit_test(without_the_kernel_s_random_numbers_the_process_says_so_and_ends),
};

RUN_TESTS(tests)
