/* What a histogram counts, bound by bound. */

#include "tests/unit/check.h"

#include <string.h>

#include "lib/histogram.h"

TEST(one_that_is_as_long_as_a_bound_is_up_to_it)
{
	struct histogram histogram = { 0 };
	struct histogram_counts counts;

	histogram_add(&histogram, 100, 1);
	histogram_add(&histogram, 101, 1);
	histogram_read(&histogram, &counts);
	assert_int_equal(counts.upto[0], 1);
	assert_int_equal(counts.upto[1], 2);
	assert_int_equal(counts.upto[HISTOGRAM_BOUNDS - 1], 2);
	assert_int_equal(counts.n, 2);
	assert_int_equal(counts.sum_us, 201);
}

TEST(the_bounds_ascend_and_each_has_its_own_counter)
{
	struct histogram histogram = { 0 };
	struct histogram_counts counts;

	for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
		assert_true(i == 0 || histogram_bounds[i] > histogram_bounds[i - 1]);
		histogram_add(&histogram, histogram_bounds[i], (uint64_t)i + 1);
	}
	histogram_read(&histogram, &counts);
	for (uint64_t i = 0; i < HISTOGRAM_BOUNDS; i++)
		assert_int_equal(counts.upto[i], (i + 1) * (i + 2) / 2);
}

TEST(what_is_above_all_bounds_is_in_all_and_in_the_sum_alone)
{
	struct histogram histogram = { 0 };
	struct histogram_counts counts;

	histogram_add(&histogram, histogram_bounds[HISTOGRAM_BOUNDS - 1] + 1, 3);
	histogram_read(&histogram, &counts);
	assert_int_equal(counts.upto[HISTOGRAM_BOUNDS - 1], 0);
	assert_int_equal(counts.n, 3);
	assert_int_equal(counts.sum_us, 3 * (histogram_bounds[HISTOGRAM_BOUNDS - 1] + 1));
}

TEST(none_and_less_than_nothing)
{
	struct histogram histogram = { 0 };
	struct histogram_counts counts;

	histogram_add(&histogram, 5, 0);
	histogram_read(&histogram, &counts);
	assert_int_equal(counts.n, 0);
	histogram_add(&histogram, -7, 2);
	histogram_read(&histogram, &counts);
	assert_int_equal(counts.upto[0], 2);
	assert_int_equal(counts.sum_us, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_that_is_as_long_as_a_bound_is_up_to_it),
	cmocka_unit_test(the_bounds_ascend_and_each_has_its_own_counter),
	cmocka_unit_test(what_is_above_all_bounds_is_in_all_and_in_the_sum_alone),
	cmocka_unit_test(none_and_less_than_nothing),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
