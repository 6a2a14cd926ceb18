#include "tests/unit/check.h"

#include "lib/lines.h"

enum { MAX_BYTES = 4 };

/* What was handed over, as "1:abc 2:- 3:": a '-' for a line that is too long. */
static char told[4096];

static void
take(void *context, size_t number, const char *text, size_t len)
{
	size_t at = strlen(told);

	assert_ptr_equal(context, told);
	assert_true(at + len + 32 < sizeof(told));
	if (text == NULL)
		sprintf(told + at, "%s%zu:-", at > 0 ? " " : "", number);
	else
		sprintf(told + at, "%s%zu:%.*s", at > 0 ? " " : "", number, (int)len, text);
}

/* in_pieces adds text, of which every piece but the last has size bytes. */
static void
in_pieces(const char *text, size_t size)
{
	struct lines lines = { .max_bytes = MAX_BYTES, .take = take, .context = told };
	size_t left = strlen(text);

	told[0] = '\0';
	for (; left > 0; ) {
		size_t n = left < size ? left : size;
		char piece[64];

		assert_true(n <= sizeof(piece));
		memcpy(piece, text, n);
		lines_add(&lines, piece, n);
		memset(piece, '#', sizeof(piece)); /* it was only lent */
		assert_true(lines.begun.len <= MAX_BYTES + 1);
		text += n;
		left -= n;
	}
	lines_add(&lines, "", 0);
	lines_end(&lines);
	assert_null(lines.begun.bytes);
}

/* lines_are: however the text is cut, these are its lines. */
static void
lines_are(const char *text, const char *expected)
{
	for (size_t size = 1; size < 32; size++) {
		in_pieces(text, size);
		if (strcmp(told, expected) != 0)
			fail_msg("in pieces of %zu: expected \"%s\", got \"%s\"", size, expected, told);
	}
}

TEST(a_line_ends_in_lf_or_crlf_and_the_last_may_lack_it)
{
	lines_are("", "");
	lines_are("\n", "1:");
	lines_are("\r\n\n\r\n", "1: 2: 3:");
	lines_are("a\nbc\r\ndef", "1:a 2:bc 3:def");
	lines_are("a\r\r\n\rb\n", "1:a\r 2:\rb");
	lines_are("a\r", "1:a");
	lines_are("\r", "1:");
	lines_are("last\n", "1:last");
}

TEST(a_line_that_is_too_long_is_told_and_the_next_is_right)
{
	lines_are("1234\n12345\n1234\r\n12345\r\n1234\rx\nok\n", "1:1234 2:- 3:1234 4:- 5:- 6:ok");
	lines_are("123456789012345678901234567890", "1:-");
	lines_are("12345\r", "1:-");
	lines_are("1234\r", "1:1234");
	lines_are("1234\r\r\n", "1:-");
	lines_are("1234567\n\n1234567\n", "1:- 2: 3:-");
}

TEST(a_line_without_end_is_not_held)
{
	struct lines lines = { .max_bytes = MAX_BYTES, .take = take, .context = told };
	static char piece[64 << 10];

	told[0] = '\0';
	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 1000; i++) {
		lines_add(&lines, piece, sizeof(piece));
		assert_int_equal(lines.begun.capacity, 0);
	}
	assert_string_equal(told, "");
	lines_add(&lines, "\nok\n", 4);
	assert_string_equal(told, "1:- 2:ok");
	lines_end(&lines);
	assert_string_equal(told, "1:- 2:ok");
}

TEST(a_line_may_hold_any_byte)
{
	struct lines lines = { .max_bytes = MAX_BYTES, .take = take, .context = told };

	told[0] = '\0';
	lines_add(&lines, "a\xff\0\n", 4);
	assert_memory_equal(told, "1:a\xff", 5);
	lines_end(&lines);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_line_ends_in_lf_or_crlf_and_the_last_may_lack_it),
	cmocka_unit_test(a_line_that_is_too_long_is_told_and_the_next_is_right),
	cmocka_unit_test(a_line_without_end_is_not_held),
	cmocka_unit_test(a_line_may_hold_any_byte),
};

RUN_TESTS(tests)
