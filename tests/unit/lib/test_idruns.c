/* A set of ids as runs: against a set that is kept id by id. */

#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <stdbool.h>

#include "lib/idruns.h"

static struct idruns ids;

TEST(ids_that_follow_one_another_are_one_run)
{
	for (int i = 5; i < 5000; i++)
		idruns_add(&ids, i, i);
	assert_int_equal(ids.n, 1);
	assert_int_equal(idruns_count(&ids, INT64_MAX), 4995);
	assert_int_equal(idruns_count(&ids, 4), 0);
	assert_int_equal(idruns_count(&ids, 5), 1);
	idruns_free(&ids);
}

TEST(a_hole_that_is_filled_joins_the_runs_beside_it)
{
	idruns_add(&ids, 1, 3);
	idruns_add(&ids, 7, 9);
	assert_int_equal(ids.n, 2);
	idruns_add(&ids, 4, 6);
	assert_int_equal(ids.n, 1);
	assert_int_equal(idruns_count(&ids, INT64_MAX), 9);
	idruns_free(&ids);
}

TEST(what_is_removed_may_end_in_a_run)
{
	idruns_add(&ids, 1, 3);
	idruns_add(&ids, 7, 9);
	idruns_remove_upto(&ids, 8);
	assert_int_equal(ids.n, 1);
	assert_int_equal(ids.runs[0].low, 9);
	idruns_remove_upto(&ids, 9);
	assert_int_equal(ids.n, 0);
	idruns_remove_upto(&ids, 9);
	idruns_free(&ids);
}

TEST(beyond_the_bound_the_highest_become_one)
{
	for (int i = 0; i < 10; i++)
		idruns_add(&ids, i * 10, i * 10);
	idruns_bound(&ids, 4);
	assert_int_equal(ids.n, 4);
	assert_int_equal(ids.runs[2].low, 20);
	assert_int_equal(ids.runs[2].high, 20);
	assert_int_equal(ids.runs[3].low, 30);
	assert_int_equal(ids.runs[3].high, 90);
	idruns_free(&ids);
}

enum { N = 60 };

static size_t
count_upto(const bool in[N], int upto)
{
	size_t n = 0;

	for (int i = 0; i <= upto; i++)
		n += in[i];
	return n;
}

TEST(whatever_is_done_they_are_the_ids_that_were_added)
{
	dice_begin();
	for (int round = 0; round < 2000; round++) {
		struct idruns a = { 0 }, b = { 0 };
		bool in_a[N] = { false }, in_b[N] = { false }, common[N];
		int upto = (int)dice_throw(N), gone = (int)dice_throw(N);

		for (int i = 0; i < 8; i++) {
			int low = (int)dice_throw(N), high = low + (int)dice_throw(6);

			if (high >= N)
				high = N - 1;
			idruns_add(i % 2 ? &a : &b, low, high);
			for (int id = low; id <= high; id++)
				(i % 2 ? in_a : in_b)[id] = true;
		}
		if (round % 2) {
			idruns_remove_upto(&a, gone);
			for (int id = 0; id <= gone; id++)
				in_a[id] = false;
		}
		for (size_t i = 1; i < a.n; i++)
			assert_true(a.runs[i - 1].high + 1 < a.runs[i].low);
		for (int i = 0; i < N; i++)
			common[i] = in_a[i] && in_b[i];
		assert_int_equal(idruns_count(&a, upto), count_upto(in_a, upto));
		assert_int_equal(idruns_count(&b, INT64_MAX), count_upto(in_b, N - 1));
		assert_int_equal(idruns_count_common(&a, &b, upto), count_upto(common, upto));
		idruns_free(&a);
		idruns_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_that_follow_one_another_are_one_run),
		cmocka_unit_test(a_hole_that_is_filled_joins_the_runs_beside_it),
		cmocka_unit_test(what_is_removed_may_end_in_a_run),
		cmocka_unit_test(beyond_the_bound_the_highest_become_one),
		cmocka_unit_test(whatever_is_done_they_are_the_ids_that_were_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
