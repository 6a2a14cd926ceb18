/* How retention's slices grow and shrink, by a clock that only the tests put forward. */

#include "tests/unit/check.h"

#include "app/store/slice.h"

/* run does a slice that takes ms and finds n rows, or all that it asked for where n < 0;
 * returns what it asked for. */
static int
run(struct slice *slice, int n, int ms)
{
	int rows = slice_rows(slice);
	mono_us began = clock_mono_us();

	clock_ahead_us += ms * 1000;
	slice_done(slice, n < 0 ? rows : n, began);
	return rows;
}

TEST(a_slice_grows_while_it_is_fast_and_shrinks_when_it_is_slow)
{
	struct slice slice;
	int rows = 0, before = 0;

	slice_init(&slice);
	for (int i = 0; i < 100; i++) {
		before = rows;
		rows = run(&slice, -1, 0);
		assert_true(rows >= before);
	}
	assert_true(rows >= 1000);
	run(&slice, -1, 1000);
	assert_true(slice_rows(&slice) < rows);
	for (int i = 0; i < 100; i++)
		rows = run(&slice, -1, 1000);
	assert_true(rows > 0 && rows < 100);
}

TEST(as_much_is_deleted_as_comes_in)
{
	struct slice slice;
	int rows;

	slice_init(&slice);
	rows = run(&slice, -1, 1);
	slice.n_came = 5000;
	assert_true(run(&slice, -1, 1000) >= 5000);
	/* That one was slow says nothing of the others. */
	assert_true(slice_rows(&slice) >= rows);
}

TEST(while_there_is_more_the_next_is_due_soon)
{
	struct slice slice;
	mono_us soon;

	slice_init(&slice);
	run(&slice, -1, 1);
	soon = slice.next - clock_mono_us();
	run(&slice, 0, 1);
	assert_true(soon > 0 && slice.next - clock_mono_us() > 10 * soon);
}

static int
setup(void **state __attribute__((unused)))
{
	clock_stop();
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_slice_grows_while_it_is_fast_and_shrinks_when_it_is_slow),
	cmocka_unit_test(as_much_is_deleted_as_comes_in),
	cmocka_unit_test(while_there_is_more_the_next_is_due_soon),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, NULL);
}
