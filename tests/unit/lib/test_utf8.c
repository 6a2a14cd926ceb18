#include "tests/unit/check.h"

#include "lib/utf8.h"

#define VALID(s) assert_true(utf8_is_valid(s, sizeof(s) - 1))
#define INVALID(s) assert_false(utf8_is_valid(s, sizeof(s) - 1))

TEST(characters_of_every_length_are_valid)
{
	VALID("");
	VALID("plain text that is longer than eight bytes");
	VALID("\x7f");
	VALID("\xc2\x80\xdf\xbf");                  /* U+0080, U+07FF */
	VALID("\xe0\xa0\x80\xef\xbf\xbf");          /* U+0800, U+FFFF */
	VALID("\xed\x9f\xbf\xee\x80\x80");          /* around the surrogates */
	VALID("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");  /* U+10000, U+10FFFF */
	VALID("seven b\xc3\xa9, and more");         /* across a word of eight */
}

TEST(overlong_forms_are_invalid)
{
	INVALID("\xc0\x80");
	INVALID("\xc1\xbf");
	INVALID("\xe0\x80\x80");
	INVALID("\xe0\x9f\xbf");
	INVALID("\xf0\x80\x80\x80");
	INVALID("\xf0\x8f\xbf\xbf");
}

TEST(surrogates_are_invalid)
{
	INVALID("\xed\xa0\x80");
	INVALID("\xed\xbf\xbf");
	INVALID("\xed\xa0\xbd\xed\xb8\x80"); /* a pair of them, CESU-8 */
}

TEST(beyond_u_10ffff_is_invalid)
{
	INVALID("\xf4\x90\x80\x80");
	INVALID("\xf5\x80\x80\x80");
	INVALID("\xf8\x88\x80\x80\x80");
	INVALID("\xff");
	INVALID("\xfe");
}

TEST(pieces_of_characters_are_invalid)
{
	INVALID("\x80");
	INVALID("eight by\xbf");
	INVALID("\xc3");
	INVALID("\xe2\x82");
	INVALID("\xf0\x9f\x98");
	INVALID("\xc3(");
	INVALID("\xe2\x82(");
	INVALID("\xf0\x9f\x98(");
	INVALID("\xe2(\xa1");
}

TEST(bytes_behind_the_end_are_not_looked_at)
{
	assert_false(utf8_is_valid("\xe2\x82\xac", 2));
	assert_true(utf8_is_valid("a\xff", 1));
}

TEST(every_code_point_is_judged_as_the_standard_says)
{
	for (unsigned int c = 0; c < 0x200000; c++) {
		char s[4];
		size_t len;

		if (c < 0x80) {
			s[0] = (char)c;
			len = 1;
		} else if (c < 0x800) {
			s[0] = (char)(0xc0 | c >> 6);
			s[1] = (char)(0x80 | (c & 0x3f));
			len = 2;
		} else if (c < 0x10000) {
			s[0] = (char)(0xe0 | c >> 12);
			s[1] = (char)(0x80 | (c >> 6 & 0x3f));
			s[2] = (char)(0x80 | (c & 0x3f));
			len = 3;
		} else {
			s[0] = (char)(0xf0 | c >> 18);
			s[1] = (char)(0x80 | (c >> 12 & 0x3f));
			s[2] = (char)(0x80 | (c >> 6 & 0x3f));
			s[3] = (char)(0x80 | (c & 0x3f));
			len = 4;
		}
		if (utf8_is_valid(s, len) != (c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)))
			fail_msg("U+%04X is misjudged", c);
	}
}

TEST(u_0000_is_valid_but_no_text)
{
	assert_true(utf8_is_valid("a\0b", 3));
	assert_false(utf8_is_text("a\0b", 3));
	assert_false(utf8_is_text("\0", 1));
	assert_false(utf8_is_text("ab\0", 3));
	assert_true(utf8_is_text("ab", 2));
	assert_true(utf8_is_text("", 0));
	assert_true(utf8_is_text(NULL, 0));
	assert_false(utf8_is_text("\xff", 1));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(characters_of_every_length_are_valid),
	cmocka_unit_test(overlong_forms_are_invalid),
	cmocka_unit_test(surrogates_are_invalid),
	cmocka_unit_test(beyond_u_10ffff_is_invalid),
	cmocka_unit_test(pieces_of_characters_are_invalid),
	cmocka_unit_test(bytes_behind_the_end_are_not_looked_at),
	cmocka_unit_test(every_code_point_is_judged_as_the_standard_says),
	cmocka_unit_test(u_0000_is_valid_but_no_text),
};

RUN_TESTS(tests)
