#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "lib/utf8.h"
#include "tests/fuzz/subparts.h"

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

static void
expect_repaired(const char *text, size_t len, const char *expected, size_t expected_len)
{
	struct buf out = BUF_EMPTY;
	char *exact = malloc(len > 0 ? len : 1);  /* a byte behind it would be noticed */

	memcpy(exact, text, len);
	buf_add_char(&out, '>');
	utf8_add_repaired(&out, exact, len);
	assert_int_equal(out.len, expected_len + 1);
	assert_memory_equal(out.bytes + 1, expected, expected_len);
	buf_free(&out);
	free(exact);
}

#define REPAIRED(s, expected) expect_repaired(s, sizeof(s) - 1, expected, sizeof(expected) - 1)

/* What another decoder makes of it: Python's bytes.decode('utf-8', 'replace'). */
TEST(each_maximal_subpart_becomes_one_replacement)
{
	REPAIRED("Cr\xc3", "Cr\xef\xbf\xbd");
	REPAIRED("", "");
	REPAIRED("plain", "plain");
	REPAIRED("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82",
	    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82");
	REPAIRED("\x80", "\xef\xbf\xbd");
	REPAIRED("\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xc1\xbf", "\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xc3(", "\xef\xbf\xbd(");
	REPAIRED("\xe0\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xe0\x9f\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xe0\xa0", "\xef\xbf\xbd");
	REPAIRED("\xe0\xa0(", "\xef\xbf\xbd(");
	REPAIRED("\xe2\x82", "\xef\xbf\xbd");
	REPAIRED("\xe2\x82(\xe2", "\xef\xbf\xbd(\xef\xbf\xbd");
	REPAIRED("\xe2(\xa1", "\xef\xbf\xbd(\xef\xbf\xbd");
	REPAIRED("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xed\xa0\xbd\xed\xb8\x80",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xed\x9f", "\xef\xbf\xbd");
	REPAIRED("\xf0\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xf0\x8f\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xf0\x90\x80", "\xef\xbf\xbd");
	REPAIRED("\xf0\x9f\x99", "\xef\xbf\xbd");
	REPAIRED("\xf0\x9f\x99(", "\xef\xbf\xbd(");
	REPAIRED("\xf0\x9f" "A", "\xef\xbf\xbd" "A");
	REPAIRED("\xf1\x80\x80\xe1\x80\xc2" "b\x80" "c\x80\xbf" "d",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd" "c\xef\xbf\xbd\xef\xbf\xbd" "d");
	REPAIRED("\xf4\x8f\xbf", "\xef\xbf\xbd");
	REPAIRED("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xf4\x8f\xbf\xbf\xf4", "\xf4\x8f\xbf\xbf\xef\xbf\xbd");
	REPAIRED("\xf5\x80\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xf8\x88\x80\x80\x80",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xfe\xff", "\xef\xbf\xbd\xef\xbf\xbd");
	REPAIRED("\xc3\xc3\xa9", "\xef\xbf\xbd\xc3\xa9");
	REPAIRED("\xe2\xe2\x82\xac", "\xef\xbf\xbd\xe2\x82\xac");
	REPAIRED("\xf0\x9f\xf0\x9f\x99\x82", "\xef\xbf\xbd\xf0\x9f\x99\x82");
	REPAIRED("a\x00" "b\xff", "a\x00" "b\xef\xbf\xbd");
	REPAIRED("eight by\xc3", "eight by\xef\xbf\xbd");
	REPAIRED("seven b\xe2\x82", "seven b\xef\xbf\xbd");
	REPAIRED("1234567\xf0\x9f\x99\x82\xff" "9", "1234567\xf0\x9f\x99\x82\xef\xbf\xbd" "9");
	REPAIRED("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf" "A",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "A");
	REPAIRED("\x80\x80\x80\x80\x80\x80\x80\x80\x80\xe4\xbd",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

/* Bytes at random, and from those that the table turns on. */
TEST(random_bytes_are_judged_and_repaired_as_the_standard_says)
{
	static const unsigned char edges[] = {
		0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
	};
	unsigned char text[700];

	dice_begin();
	for (int round = 0; round < 50000; round++) {
		size_t len = dice_throw(round % 100 == 0 ? sizeof(text) : 40);
		size_t kind = dice_throw(4);
		struct buf expected = BUF_EMPTY;

		for (size_t i = 0; i < len; i++)
			text[i] = kind == 0 || (kind == 1 && dice_throw(10) > 0) ? 'a'
			    : kind == 2 ? (unsigned char)dice_throw(256)
			    : edges[dice_throw(sizeof(edges))];
		subparts_repair(&expected, (char *)text, len);
		expect_repaired((char *)text, len, expected.len > 0 ? expected.bytes : "",
		    expected.len);
		assert_int_equal(utf8_is_valid((char *)text, len), expected.len == len
		    && (len == 0 || memcmp(expected.bytes, text, len) == 0));
		if (expected.len > 0)
			assert_true(utf8_is_valid(expected.bytes, expected.len));
		buf_free(&expected);
	}
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
	cmocka_unit_test(each_maximal_subpart_becomes_one_replacement),
	cmocka_unit_test(random_bytes_are_judged_and_repaired_as_the_standard_says),
};

RUN_TESTS(tests)
