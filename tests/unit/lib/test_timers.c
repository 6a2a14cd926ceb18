#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "lib/timers.h"

enum { N_TIMERS = 200 };

TEST(no_timer_is_due_first_where_none_is_set)
{
	struct timers timers = { 0 };
	struct timer t = { 0 };

	assert_null(timers_first(&timers));
	timers_clear(&timers, &t);
	assert_null(timers_first(&timers));
	timers_free(&timers);
}

TEST(the_first_is_the_one_due_first_and_stays_set)
{
	struct timers timers = { 0 };
	struct timer a = { 0 }, b = { 0 }, c = { 0 };

	timers_set(&timers, &a, 30);
	timers_set(&timers, &b, 10);
	timers_set(&timers, &c, 20);
	assert_ptr_equal(timers_first(&timers), &b);
	assert_ptr_equal(timers_first(&timers), &b);
	timers_clear(&timers, &b);
	assert_ptr_equal(timers_first(&timers), &c);
	timers_clear(&timers, &c);
	assert_ptr_equal(timers_first(&timers), &a);
	timers_clear(&timers, &a);
	assert_null(timers_first(&timers));
	timers_free(&timers);
}

TEST(a_timer_set_again_moves_either_way_and_stands_once)
{
	struct timers timers = { 0 };
	struct timer a = { 0 }, b = { 0 };

	timers_set(&timers, &a, 10);
	timers_set(&timers, &b, 20);
	timers_set(&timers, &a, 30);
	assert_ptr_equal(timers_first(&timers), &b);
	timers_set(&timers, &a, 5);
	assert_ptr_equal(timers_first(&timers), &a);
	assert_int_equal(timers.n, 2);
	timers_free(&timers);
}

TEST(a_timer_that_is_not_set_is_cleared_without_harm)
{
	struct timers timers = { 0 };
	struct timer a = { 0 }, b = { 0 };

	timers_set(&timers, &a, 10);
	timers_clear(&timers, &b);
	timers_clear(&timers, &a);
	timers_clear(&timers, &a);
	assert_int_equal(timers.n, 0);
	timers_set(&timers, &a, 10);
	assert_ptr_equal(timers_first(&timers), &a);
	timers_free(&timers);
}

TEST(times_may_lie_below_zero_and_at_the_ends)
{
	struct timers timers = { 0 };
	struct timer a = { 0 }, b = { 0 }, c = { 0 };

	timers_set(&timers, &a, INT64_MAX);
	timers_set(&timers, &b, -1);
	timers_set(&timers, &c, INT64_MIN);
	assert_ptr_equal(timers_first(&timers), &c);
	timers_clear(&timers, &c);
	assert_ptr_equal(timers_first(&timers), &b);
	timers_clear(&timers, &b);
	assert_ptr_equal(timers_first(&timers), &a);
	timers_free(&timers);
}

/* due_first finds by looking at all of them. */
static mono_us
due_first(const struct timer *all)
{
	mono_us first = INT64_MAX;

	for (size_t i = 0; i < N_TIMERS; i++)
		if (all[i].place != 0 && all[i].due < first)
			first = all[i].due;
	return first;
}

TEST(any_order_of_setting_and_clearing_keeps_the_first_first)
{
	struct timers timers = { 0 };
	struct timer all[N_TIMERS] = { 0 };
	mono_us last = INT64_MIN;

	dice_begin();
	for (int round = 0; round < 20000; round++) {
		struct timer *t = &all[dice_throw(N_TIMERS)];

		if (dice_throw(3) > 0)
			timers_set(&timers, t, (mono_us)dice_throw(1000));
		else
			timers_clear(&timers, t);
		if (timers.n > 0)
			assert_int_equal(timers_first(&timers)->due, due_first(all));
		else
			assert_null(timers_first(&timers));
	}
	while (timers.n > 0) {
		struct timer *t = timers_first(&timers);

		assert_true(t->due >= last);
		last = t->due;
		timers_clear(&timers, t);
		assert_int_equal(t->place, 0);
	}
	for (size_t i = 0; i < N_TIMERS; i++)
		assert_int_equal(all[i].place, 0);
	timers_free(&timers);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(no_timer_is_due_first_where_none_is_set),
	cmocka_unit_test(the_first_is_the_one_due_first_and_stays_set),
	cmocka_unit_test(a_timer_set_again_moves_either_way_and_stands_once),
	cmocka_unit_test(a_timer_that_is_not_set_is_cleared_without_harm),
	cmocka_unit_test(times_may_lie_below_zero_and_at_the_ends),
	cmocka_unit_test(any_order_of_setting_and_clearing_keeps_the_first_first),
};

RUN_TESTS(tests)
