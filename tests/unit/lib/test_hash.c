#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/fault.h"

#include <errno.h>
#include <stdbool.h>

#include "lib/hash.h"

enum { N_KEYS = 500 };

static char keys[N_KEYS][16];

static void
make_keys(void)
{
	for (int i = 0; i < N_KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
}

/* The seed is drawn at the first use, so this one is the first. */
static void
use_without_a_seed(void)
{
	struct hash h = HASH_EMPTY;
	int a;

	refuse(SYS_getrandom, ENOSYS);
	hash_put(&h, "alpha", &a);
	if (hash_get(&h, "alpha") != &a || hash_get(&h, "beta") != NULL)
		abort();
	hash_free(&h);
}

TEST(a_table_works_without_the_kernel_s_random_numbers)
{
	ends(use_without_a_seed, 0, "");
}

TEST(an_empty_table_holds_nothing_and_gives_up_nothing)
{
	struct hash h = HASH_EMPTY;

	assert_null(hash_get(&h, "a"));
	hash_remove(&h, "a");
	assert_int_equal(h.n_used, 0);
	hash_free(&h);
}

TEST(what_was_put_is_found_by_any_string_that_is_equal)
{
	struct hash h = HASH_EMPTY;
	char same[] = "alpha";
	int a, b, c;

	hash_put(&h, "alpha", &a);
	hash_put(&h, "beta", &b);
	hash_put(&h, "", &c);
	assert_ptr_equal(hash_get(&h, same), &a);
	assert_ptr_equal(hash_get(&h, "beta"), &b);
	assert_ptr_equal(hash_get(&h, ""), &c);
	assert_null(hash_get(&h, "alph"));
	assert_null(hash_get(&h, "alphab"));
	hash_free(&h);
}

TEST(a_freed_table_is_empty_and_ready)
{
	struct hash h = HASH_EMPTY;
	int a;

	hash_put(&h, "a", &a);
	hash_free(&h);
	assert_null(hash_get(&h, "a"));
	hash_put(&h, "a", &a);
	assert_ptr_equal(hash_get(&h, "a"), &a);
	hash_free(&h);
}

TEST(a_removed_key_is_gone_and_may_come_again)
{
	struct hash h = HASH_EMPTY;
	int a, b;

	hash_put(&h, "a", &a);
	hash_remove(&h, "b");
	assert_int_equal(h.n_used, 1);
	hash_remove(&h, "a");
	assert_null(hash_get(&h, "a"));
	assert_int_equal(h.n_used, 0);
	hash_put(&h, "a", &b);
	assert_ptr_equal(hash_get(&h, "a"), &b);
	hash_free(&h);
}

TEST(bytes_above_127_are_told_apart)
{
	struct hash h = HASH_EMPTY;
	int a, b;

	hash_put(&h, "\xc3\xa4", &a);
	hash_put(&h, "\xc3\xb6", &b);
	assert_ptr_equal(hash_get(&h, "\xc3\xa4"), &a);
	assert_ptr_equal(hash_get(&h, "\xc3\xb6"), &b);
	hash_free(&h);
}

TEST(a_code_is_the_same_for_equal_strings_and_spreads_over_the_low_bits)
{
	size_t n_used = 0;
	unsigned char used[64] = { 0 };
	char copy[] = "key-7";

	make_keys();
	assert_true(hash_code("key-7") == hash_code(copy));
	for (int i = 0; i < N_KEYS; i++)
		used[hash_code(keys[i]) % 64] = 1;
	for (size_t i = 0; i < 64; i++)
		n_used += used[i];
	assert_true(n_used > 48);
}

/* try_keys puts and removes n keys from the first on at random and compares the
 * table with a plain array, so that a run of probing that a removal broke is
 * found. */
static void
try_keys(char (*first)[16], size_t n, int n_rounds)
{
	struct hash h = HASH_EMPTY;
	bool there[N_KEYS] = { false };
	size_t n_there = 0;

	for (int round = 0; round < n_rounds; round++) {
		/* By turns mostly filling and mostly emptying. */
		bool filling = round / 500 % 2 == 0;
		size_t i = dice_throw(n);

		if (!there[i] && dice_throw(4) < (filling ? 3 : 1)) {
			hash_put(&h, first[i], first[i]);
			there[i] = true;
			n_there++;
		} else if (there[i] && dice_throw(4) < (filling ? 1 : 3)) {
			hash_remove(&h, first[i]);
			there[i] = false;
			n_there--;
		}
		assert_int_equal(h.n_used, n_there);
		if (round % (int)n != 0)
			continue;
		for (i = 0; i < n; i++)
			assert_ptr_equal(hash_get(&h, first[i]), there[i] ? first[i] : NULL);
	}
	hash_free(&h);
}

/* In a small table the runs often go round its end; where, is another matter
 * in each process, hence many small ones. */
TEST(any_order_of_puts_and_removals_leaves_what_should_be_there)
{
	dice_begin();
	make_keys();
	for (size_t i = 0; i + 8 <= N_KEYS; i += 8)
		try_keys(keys + i, 8, 1000);
	try_keys(keys, N_KEYS, 40000);
}

TEST(a_table_used_for_ever_does_not_grow_or_decay)
{
	struct hash h = HASH_EMPTY;
	size_t n_slots;

	make_keys();
	for (int i = 0; i < 8; i++)
		hash_put(&h, keys[i], keys[i]);
	n_slots = h.n_slots;
	for (int round = 0; round < 20000; round++) {
		int i = round % N_KEYS;

		if (hash_get(&h, keys[i]) != NULL)
			hash_remove(&h, keys[i]);
		else if (h.n_used < 8)
			hash_put(&h, keys[i], keys[i]);
	}
	assert_int_equal(h.n_slots, n_slots);
	hash_free(&h);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_table_works_without_the_kernel_s_random_numbers),
	cmocka_unit_test(an_empty_table_holds_nothing_and_gives_up_nothing),
	cmocka_unit_test(what_was_put_is_found_by_any_string_that_is_equal),
	cmocka_unit_test(a_freed_table_is_empty_and_ready),
	cmocka_unit_test(a_removed_key_is_gone_and_may_come_again),
	cmocka_unit_test(bytes_above_127_are_told_apart),
	cmocka_unit_test(a_code_is_the_same_for_equal_strings_and_spreads_over_the_low_bits),
	cmocka_unit_test(any_order_of_puts_and_removals_leaves_what_should_be_there),
	cmocka_unit_test(a_table_used_for_ever_does_not_grow_or_decay),
};

RUN_TESTS(tests)
