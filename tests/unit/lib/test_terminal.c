#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/terminal.h"

/* prints checks what is printed of text, and how many columns are said. */
static void
prints(const char *text, const char *expected, int columns)
{
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO), told;
	char printed[64] = "";

	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	told = terminal_print(text);
	fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) >= 0);
	close(before);
	assert_true(pread(fileno(file), printed, sizeof(printed) - 1, 0) >= 0);
	fclose(file);
	assert_string_equal(printed, expected);
	assert_int_equal(told, columns);
}

TEST(text_is_printed_as_it_is)
{
	prints("", "", 0);
	prints("user 42", "user 42", 7);
	prints("d\u00e4mlich \U0001f600", "d\u00e4mlich \U0001f600", 9);
	prints("\u00a0\u00bf", "\u00a0\u00bf", 2);
}

TEST(what_commands_a_terminal_is_a_question_mark)
{
	prints("a\033[2Jb\n\r\t\a\x7f", "a?[2Jb?????", 11);
	prints("\xc2\x9b" "2J\xc2\x80\xc2\x9f", "?2J??", 5);
	prints("\xc2", "\xc2", 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(text_is_printed_as_it_is),
	cmocka_unit_test(what_commands_a_terminal_is_a_question_mark),
};

RUN_TESTS(tests)
