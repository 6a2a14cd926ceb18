#include "tests/unit/check.h"

#include <inttypes.h>

#include "lib/buf.h"

TEST(a_buf_grows_and_keeps_what_was_added)
{
	struct buf b = BUF_EMPTY;

	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d,", i);
	assert_int_equal(b.len, 4000);
	assert_memory_equal(b.bytes, "000,001,", 8);
	assert_memory_equal(b.bytes + 3992, "998,999,", 8);
	buf_free(&b);
	assert_int_equal(b.len, 0);
}

TEST(what_is_empty_adds_nothing)
{
	struct buf b = BUF_EMPTY;

	buf_add(&b, NULL, 0);
	buf_add_str(&b, "");
	buf_printf(&b, "%s", "");
	assert_int_equal(b.len, 0);
	assert_null(b.bytes);
	buf_free(&b);
}

TEST(a_taken_buf_is_a_string_and_leaves_the_buf_empty)
{
	struct buf b = BUF_EMPTY;
	char *s;

	buf_add(&b, "a\0b", 3);
	s = buf_take(&b);
	assert_memory_equal(s, "a\0b", 4);
	assert_null(b.bytes);
	free(s);
	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
}

TEST(a_buf_that_is_trimmed_holds_the_same_in_less_memory)
{
	struct buf b = BUF_EMPTY;

	for (int i = 0; i < 1000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_true(b.capacity > 1000);
	buf_trim(&b);
	assert_int_equal(b.capacity, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b.bytes[i], 'a' + i % 26);
	buf_add_str(&b, "more");
	assert_memory_equal(b.bytes + 998, "kl" "more", 6);
	b.len = 0;
	buf_trim(&b);
	assert_null(b.bytes);
	assert_int_equal(b.capacity, 0);
	buf_trim(&b);
}

TEST(a_number_is_added_in_its_digits)
{
	static const int64_t numbers[] = { 0, 7, 10, -1, -10, 4096, INT64_MAX, INT64_MIN };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct buf b = BUF_EMPTY;
		char expected[32], *text;

		snprintf(expected, sizeof(expected), "x%" PRId64, numbers[i]);
		buf_add_char(&b, 'x');
		buf_add_number(&b, numbers[i]);
		text = buf_take(&b);
		assert_string_equal(text, expected);
		free(text);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_number_is_added_in_its_digits),
	cmocka_unit_test(a_buf_that_is_trimmed_holds_the_same_in_less_memory),
	cmocka_unit_test(a_buf_grows_and_keeps_what_was_added),
	cmocka_unit_test(what_is_empty_adds_nothing),
	cmocka_unit_test(a_taken_buf_is_a_string_and_leaves_the_buf_empty),
};

RUN_TESTS(tests)
