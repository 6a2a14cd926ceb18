#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "lib/idlist.h"

static void
gives(const int64_t ids[], size_t n)
{
	struct idlist list = { 0 };
	struct idlist_reader reader = { 0 };
	int64_t id;

	for (size_t i = 0; i < n; i++)
		idlist_add(&list, ids[i]);
	assert_int_equal(list.n, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(idlist_next(&list, &reader, &id));
		assert_true(id == ids[i]);
	}
	assert_false(idlist_next(&list, &reader, &id));
	idlist_free(&list);
	assert_int_equal(list.n, 0);
}

TEST(it_gives_what_it_was_given_in_that_order)
{
	gives(NULL, 0);
	gives((const int64_t[]){ 1 }, 1);
	gives((const int64_t[]){ 7, 8, 9, 3, 9, 9, 1000000, 1 }, 8);
	gives((const int64_t[]){ INT64_MAX, 0, INT64_MIN, INT64_MAX, -1, 1 }, 6);
}

TEST(any_ids_come_again)
{
	int64_t ids[200];

	dice_begin();
	for (int i = 0; i < 1000; i++) {
		size_t n = dice_throw(200);

		for (size_t k = 0; k < n; k++)
			ids[k] = (int64_t)dice_throw((size_t)1 << dice_throw(63));
		gives(ids, n);
	}
}

TEST(ids_of_a_table_take_a_byte_and_those_of_a_log_a_few)
{
	struct idlist list = { 0 };

	for (int64_t id = 9000000; id < 9001000; id++)
		idlist_add(&list, id);
	assert_true(list.bytes.len < 1010);
	for (int64_t id = 9001000; id < 9001000 + 1000 * 4096; id += 4096)
		idlist_add(&list, id);
	assert_true(list.bytes.len < 3010);
	idlist_free(&list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_what_it_was_given_in_that_order),
		cmocka_unit_test(any_ids_come_again),
		cmocka_unit_test(ids_of_a_table_take_a_byte_and_those_of_a_log_a_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
