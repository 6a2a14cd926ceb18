#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <stdio.h>

#include "lib/sieve.h"

enum { GROUPS = 300, KEYS_MAX = 3000, NAMES = 5000 };

static uint64_t
key(size_t i)
{
	char name[16];

	snprintf(name, sizeof(name), "name-%zu", i);
	return sieve_key(i % 3 == 0 ? NULL : "u", name);
}

/* A model: for each group what it has. */
static int64_t numbers[GROUPS];
static bool has[GROUPS][NAMES];

static void
make(struct sieve *sieve)
{
	static uint64_t keys[KEYS_MAX];
	int64_t number = 0;

	memset(has, 0, sizeof(has));
	for (size_t g = 0; g < GROUPS; g++) {
		size_t n = dice_throw(10) ? dice_throw(40) : dice_throw(KEYS_MAX);

		numbers[g] = number += 1 + (int64_t)dice_throw(4);
		for (size_t i = 0; i < n; i++) {
			size_t name = dice_throw(NAMES);

			has[g][name] = true;
			keys[i] = key(name);
		}
		sieve_add(sieve, number, keys, n);
	}
}

/* group_of returns the group of that number; GROUPS: there is none. */
static size_t
group_of(int64_t number)
{
	for (size_t g = 0; g < GROUPS; g++)
		if (numbers[g] == number)
			return g;
	return GROUPS;
}

static void
passed_has_none(int64_t from, int64_t to, size_t name, size_t n_looks)
{
	size_t n = 0;

	for (int64_t number = from; number <= to; number++) {
		size_t g = group_of(number);

		n += g < GROUPS;
		if (g < GROUPS && has[g][name])
			fail_msg("group %lld has name %zu", (long long)number, name);
	}
	assert_true(n <= n_looks);
}

TEST(what_is_passed_over_has_none)
{
	struct sieve sieve = { 0 };

	dice_begin();
	make(&sieve);
	for (int turn = 0; turn < 20000; turn++) {
		size_t name = dice_throw(NAMES), n_looks = 1 + dice_throw(dice_throw(2) ? GROUPS : 3), looks = n_looks;
		int64_t from = (int64_t)dice_throw((size_t)numbers[GROUPS - 1] + 20), passed;
		uint64_t one = key(name);

		passed = sieve_pass_up(&sieve, from, &one, 1, &looks);
		assert_true(passed >= from - 1 && looks <= n_looks);
		if (from > numbers[GROUPS - 1])
			assert_int_equal(passed, from - 1);
		passed_has_none(from, passed, name, n_looks);
		looks = n_looks;
		passed = sieve_pass_down(&sieve, from, &one, 1, &looks);
		assert_true(passed <= from + 1 && looks <= n_looks);
		/* Above the highest nothing is known. */
		if (from > numbers[GROUPS - 1])
			assert_int_equal(passed, from + 1);
		passed_has_none(passed, from, name, n_looks);
	}
	sieve_free(&sieve);
}

TEST(few_are_looked_at_for_nothing)
{
	struct sieve sieve = { 0 };
	size_t n_wrong = 0, n_asked = 0;

	dice_begin();
	make(&sieve);
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t name = 0; name < NAMES; name++) {
			uint64_t one = key(name);
			size_t looks = 1;

			if (has[g][name])
				continue;
			n_asked++;
			n_wrong += sieve_pass_up(&sieve, numbers[g], &one, 1, &looks) < numbers[g];
		}
	/* One in a hundred by the arithmetic of it, at the worst. */
	if (n_wrong > n_asked / 50)
		fail_msg("%zu of %zu", n_wrong, n_asked);
	sieve_free(&sieve);
}

TEST(any_of_several_keys_is_enough)
{
	uint64_t a = key(1), b = key(2), both[] = { key(7), key(2) };
	struct sieve sieve = { 0 };
	size_t looks = 10;

	sieve_add(&sieve, 5, &a, 1);
	sieve_add(&sieve, 6, NULL, 0);
	sieve_add(&sieve, 9, &b, 1);
	assert_int_equal(sieve_pass_up(&sieve, 5, both, 2, &looks), 8);
	assert_int_equal(looks, 3);
	looks = 10;
	assert_int_equal(sieve_pass_down(&sieve, 9, both, 2, &looks), 10);
	looks = 10;
	assert_int_equal(sieve_pass_down(&sieve, 8, both, 2, &looks), 5);
	assert_int_equal(looks, 2);
	sieve_free(&sieve);
}

TEST(what_is_dropped_gives_its_memory_back)
{
	struct sieve sieve = { 0 };
	uint64_t a = key(1);
	size_t looks = 5, n_bytes;

	sieve_add(&sieve, 5, &a, 1);
	n_bytes = sieve.n_bytes;
	assert_true(n_bytes > 0);
	sieve_add(&sieve, 7, &a, 1);
	sieve_forget(&sieve, 5);
	assert_int_equal(sieve.n, 2);
	sieve_forget(&sieve, 6);
	assert_int_equal(sieve.n, 1);
	assert_int_equal(sieve.n_bytes, n_bytes);
	assert_int_equal(sieve_pass_up(&sieve, 7, &a, 1, &looks), 6);
	sieve_forget(&sieve, 8);
	assert_int_equal(sieve.n_bytes, 0);
	sieve_add(&sieve, 8, &a, 1);
	looks = 5;
	assert_int_equal(sieve_pass_up(&sieve, 7, &a, 1, &looks), 7);
	sieve_free(&sieve);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_passed_over_has_none),
	cmocka_unit_test(few_are_looked_at_for_nothing),
	cmocka_unit_test(any_of_several_keys_is_enough),
	cmocka_unit_test(what_is_dropped_gives_its_memory_back),
};

RUN_TESTS(tests)
