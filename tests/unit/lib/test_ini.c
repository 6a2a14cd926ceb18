#include "tests/unit/check.h"
#include "tests/unit/capture.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/ini.h"

/* What the handler was told, one line each: `1 key=value`, `2! why`. */
static struct buf told;

static void
pair(void *arg, unsigned int line, const char *key, const char *value)
{
	assert_string_equal(arg, "arg");
	buf_printf(&told, "%u %s=%s\n", line, key, strlen(value) < 100 ? value : "(long)");
}

static void
fault(void *arg, unsigned int line, const char *why)
{
	assert_string_equal(arg, "arg");
	buf_printf(&told, "%u! %s\n", line, why);
}

static void
reads(const char *text, size_t len, const char *expected)
{
	static const struct ini_handler handler = { pair, fault };
	char arg[] = "arg";
	char *heard;

	assert_int_equal(ini_read(capture_file("ini", text, len, 0600), &handler, arg), 0);
	heard = buf_take(&told);
	assert_string_equal(heard, expected);
	free(heard);
}

#define READS(text, expected) reads(text, sizeof(text) - 1, expected)

TEST(pairs_come_with_their_line)
{
	READS("a = 1\n\n# comment\nb_2=two words\n", "1 a=1\n4 b_2=two words\n");
}

TEST(blanks_around_key_and_value_are_dropped)
{
	READS(" \t a \t=\t  x  y \t\n", "1 a=x  y\n");
}

TEST(an_empty_file_and_empty_lines_are_nothing)
{
	READS("", "");
	READS("\n\r\n \t \n", "");
}

TEST(the_last_line_needs_no_line_break)
{
	READS("a = 1", "1 a=1\n");
	READS("a = 1\nb", "1 a=1\n2! expected `key = value`\n");
}

TEST(crlf_ends_a_line_too)
{
	READS("a = 1\r\nb = 2\r\n", "1 a=1\n2 b=2\n");
}

TEST(a_byte_order_mark_may_begin_the_file)
{
	READS("\xef\xbb\xbf" "a = 1\n", "1 a=1\n");
	READS("\xef\xbb\xbf# comment\na = 1\n", "2 a=1\n");
	READS("\xef\xbb\xbf", "");
	READS("a = 1\n\xef\xbb\xbf" "b = 2\n", "1 a=1\n2! a key is made of a-z, 0-9 and _\n");
}

TEST(a_comment_begins_the_line_or_follows_a_blank)
{
	READS("#a = 1\n  # b = 2\nc = 3 # three\nd = 4\t#\n", "3 c=3\n4 d=4\n");
	READS("a = x#y\nb = #\n", "1 a=x#y\n2 b=\n");
}

TEST(a_value_may_be_empty_and_hold_an_equals_sign)
{
	READS("a =\nb=c=d\n", "1 a=\n2 b=c=d\n");
}

TEST(a_malformed_line_is_told_and_the_next_is_read)
{
	READS("oops\na = 1\n= 2\n[section]\nb-c = 3\nA = 4\nd = 5\n",
	    "1! expected `key = value`\n"
	    "2 a=1\n"
	    "3! there is no key before the '='\n"
	    "4! expected `key = value`\n"
	    "5! a key is made of a-z, 0-9 and _\n"
	    "6! a key is made of a-z, 0-9 and _\n"
	    "7 d=5\n");
}

TEST(a_nul_byte_is_a_fault_of_its_line)
{
	READS("a = 1\0 2\nb = 2\n\0", "1! a NUL byte is not text\n2 b=2\n3! a NUL byte is not text\n");
}

TEST(a_line_at_the_bound_is_read_and_one_byte_more_is_not)
{
	char text[INI_LINE_MAX_BYTES + 32];

	memset(text, 'x', sizeof(text));
	memcpy(text, "a = ", 4);
	memcpy(text + INI_LINE_MAX_BYTES, "\nb = 2\n", 7);
	reads(text, INI_LINE_MAX_BYTES + 7, "1 a=(long)\n2 b=2\n");
	text[INI_LINE_MAX_BYTES] = 'x';
	memcpy(text + INI_LINE_MAX_BYTES + 1, "\nb = 2\n", 7);
	reads(text, INI_LINE_MAX_BYTES + 8, "1! the line is too long\n2 b=2\n");
}

TEST(lines_are_counted_up_to_a_bound)
{
	char text[INI_MAX_LINES + 16];
	char expected[64];

	memset(text, '\n', sizeof(text));
	memcpy(text + INI_MAX_LINES - 1, "a=1\n", 4);
	snprintf(expected, sizeof(expected), "%d a=1\n", INI_MAX_LINES);
	reads(text, INI_MAX_LINES + 3, expected);

	memset(text, '\n', sizeof(text));
	memcpy(text + INI_MAX_LINES, "a=1\nb=2\n", 8);
	snprintf(expected, sizeof(expected), "%d! the file has too many lines\n", INI_MAX_LINES + 1);
	reads(text, INI_MAX_LINES + 8, expected);
}

TEST(what_cannot_be_read_leaves_errno)
{
	static const struct ini_handler handler = { pair, fault };

	errno = 0;
	assert_int_equal(ini_read("/nonexistent/file", &handler, NULL), -1);
	assert_int_equal(errno, ENOENT);
	errno = 0;
	assert_int_equal(ini_read("/", &handler, NULL), -1);
	assert_int_equal(errno, EISDIR);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pairs_come_with_their_line),
	cmocka_unit_test(blanks_around_key_and_value_are_dropped),
	cmocka_unit_test(an_empty_file_and_empty_lines_are_nothing),
	cmocka_unit_test(the_last_line_needs_no_line_break),
	cmocka_unit_test(crlf_ends_a_line_too),
	cmocka_unit_test(a_byte_order_mark_may_begin_the_file),
	cmocka_unit_test(a_comment_begins_the_line_or_follows_a_blank),
	cmocka_unit_test(a_value_may_be_empty_and_hold_an_equals_sign),
	cmocka_unit_test(a_malformed_line_is_told_and_the_next_is_read),
	cmocka_unit_test(a_nul_byte_is_a_fault_of_its_line),
	cmocka_unit_test(a_line_at_the_bound_is_read_and_one_byte_more_is_not),
	cmocka_unit_test(lines_are_counted_up_to_a_bound),
	cmocka_unit_test(what_cannot_be_read_leaves_errno),
};

RUN_TESTS(tests)
