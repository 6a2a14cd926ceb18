#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <signal.h>

#include "lib/mem.h"

/* A sanitizer's own allocator would end the process by itself. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *
__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

TEST(memory_of_no_bytes_is_memory_too)
{
	void *p = mem_alloc(0), *zero = mem_zalloc(0);

	assert_non_null(p);
	assert_non_null(zero);
	p = mem_realloc(p, 0);
	assert_non_null(p);
	free(p);
	free(zero);
}

TEST(memory_is_zero_where_that_is_asked_for)
{
	static const char zeros[1000];
	char *p = mem_alloc(1000);

	memset(p, 'x', 1000);
	free(p);  /* most likely given out again */
	p = mem_zalloc(1000);
	assert_memory_equal(p, zeros, 1000);
	free(p);
}

TEST(memory_that_grows_keeps_what_it_holds)
{
	char *p = mem_realloc(NULL, 5);

	memcpy(p, "abcde", 5);
	p = mem_realloc(p, 1 << 20);
	assert_memory_equal(p, "abcde", 5);
	free(p);
}

TEST(a_copy_is_a_string_of_its_own)
{
	const char text[] = "a text";
	char *whole = mem_strdup(text), *part = mem_strndup("abcdef", 3),
	    *with_nul = mem_strndup("a\0b", 3), *none = mem_strndup(NULL, 0);

	assert_string_equal(whole, text);
	assert_ptr_not_equal(whole, text);
	assert_string_equal(part, "abc");
	assert_memory_equal(with_nul, "a\0b", 4);
	assert_string_equal(none, "");
	free(whole);
	free(part);
	free(with_nul);
	free(none);
}

TEST(a_text_is_formatted_to_its_length)
{
	char *text = mem_printf("%0*d-%s", 5000, 7, "end");

	assert_int_equal(strlen(text), 5004);
	assert_string_equal(text + 4999, "7-end");
	free(text);
}

/* ---- no memory ---- */

/* So much no machine has; volatile, or the compiler would see it too. */
static volatile size_t too_much = SIZE_MAX / 4;

static void
alloc(void)
{
	free(mem_alloc(too_much));
}

static void
zalloc(void)
{
	free(mem_zalloc(too_much));
}

static void
grow(void)
{
	free(mem_realloc(mem_alloc(1), too_much));
}

TEST(without_memory_the_process_says_so_and_ends)
{
	static void (*const deeds[])(void) = { alloc, zalloc, grow };

	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		rlim_t core = limit(RLIMIT_CORE, 0);

		ends(deeds[i], SIGABRT, "out of memory\n");
		limit(RLIMIT_CORE, core);
	}
}

TEST(what_is_allocated_is_told_and_what_was_freed_is_not)
{
	enum { PIECES = 100, PIECE = 10000, LARGE = 64 << 20 };
	void *pieces[PIECES], *large;
	size_t before = mem_allocated(), with;

	if (before == 0)
		skip();  /* this system does not tell */
	for (int i = 0; i < PIECES; i++)
		pieces[i] = mem_alloc(PIECE);
	large = mem_alloc(LARGE);
	with = mem_allocated() - before;
	assert_in_range(with, LARGE + PIECES * PIECE, LARGE + PIECES * PIECE + (1 << 20));
	free(large);
	for (int i = 0; i < PIECES; i++)
		free(pieces[i]);
	assert_true(mem_allocated() < before + (64 << 10));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_allocated_is_told_and_what_was_freed_is_not),
	cmocka_unit_test(memory_of_no_bytes_is_memory_too),
	cmocka_unit_test(memory_is_zero_where_that_is_asked_for),
	cmocka_unit_test(memory_that_grows_keeps_what_it_holds),
	cmocka_unit_test(a_copy_is_a_string_of_its_own),
	cmocka_unit_test(a_text_is_formatted_to_its_length),
	cmocka_unit_test(without_memory_the_process_says_so_and_ends),
};

RUN_TESTS(tests)
