#include "tests/unit/check.h"

#include "lib/jsontext.h"

#include <jansson.h>

static void
writes(const char *text, const char *json)
{
	struct buf out = BUF_EMPTY;
	char *got;

	jsontext_add_string(&out, text);
	got = buf_take(&out);
	assert_string_equal(got, json);
	free(got);
}

TEST(plain_text_stands_between_quotes)
{
	writes("", "\"\"");
	writes("hello, world", "\"hello, world\"");
	writes("/ ' < > &", "\"/ ' < > &\"");
}

TEST(text_of_a_length_may_hold_u_0000)
{
	struct buf out = BUF_EMPTY;
	char *got;

	jsontext_add_text(&out, "a\0b\xff" "c", 4);
	got = buf_take(&out);
	assert_string_equal(got, "\"a\\u0000b\xef\xbf\xbd\"");
	free(got);
}

TEST(quotes_and_backslashes_are_escaped)
{
	writes("\"", "\"\\\"\"");
	writes("\\", "\"\\\\\"");
	writes("a\\\"b", "\"a\\\\\\\"b\"");
}

TEST(control_characters_are_written_as_code_points)
{
	writes("\n\r\t", "\"\\u000a\\u000d\\u0009\"");
	writes("\x01\x1f", "\"\\u0001\\u001f\"");
	writes("\x7f", "\"\x7f\"");
}

TEST(utf_8_is_passed_on)
{
	writes("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x89",
	    "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\x89\"");
}

TEST(what_is_not_utf_8_is_replaced)
{
	writes("Cr\xc3", "\"Cr\xef\xbf\xbd\"");
	writes("\xe2\x82\"\xff\n", "\"\xef\xbf\xbd\\\"\xef\xbf\xbd\\u000a\"");
}

/* Longer than what room is made for at once. */
TEST(long_texts_are_written_whole)
{
	char text[2000], json[2 + 6 * sizeof(text)], *to;

	for (size_t len = 0; len < sizeof(text); len += 37) {
		to = json;
		*to++ = '"';
		for (size_t i = 0; i < len; i++) {
			text[i] = "x\1\""[i % 3];
			to += sprintf(to, "%s", i % 3 == 0 ? "x" : i % 3 == 1 ? "\\u0001" : "\\\"");
		}
		text[len] = '\0';
		strcpy(to, "\"");
		writes(text, json);
	}
}

TEST(it_is_added_behind_what_is_there)
{
	struct buf out = BUF_EMPTY;
	char *got;

	buf_add_str(&out, "{\"a\":");
	jsontext_add_string(&out, "b");
	buf_add_char(&out, '}');
	got = buf_take(&out);
	assert_string_equal(got, "{\"a\":\"b\"}");
	free(got);
}

TEST(another_reader_reads_every_character_back)
{
	for (unsigned c = 1; c < 0x800; c++) {
		struct buf out = BUF_EMPTY;
		char text[3] = { (char)c };
		json_t *read;

		if (c >= 0x80) {
			text[0] = (char)(0xc0 | c >> 6);
			text[1] = (char)(0x80 | (c & 0x3f));
		}
		jsontext_add_string(&out, text);
		read = json_loadb(out.bytes, out.len, JSON_DECODE_ANY, NULL);
		assert_non_null(read);
		assert_string_equal(json_string_value(read), text);
		json_decref(read);
		buf_free(&out);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(text_of_a_length_may_hold_u_0000),
	cmocka_unit_test(plain_text_stands_between_quotes),
	cmocka_unit_test(quotes_and_backslashes_are_escaped),
	cmocka_unit_test(control_characters_are_written_as_code_points),
	cmocka_unit_test(utf_8_is_passed_on),
	cmocka_unit_test(what_is_not_utf_8_is_replaced),
	cmocka_unit_test(long_texts_are_written_whole),
	cmocka_unit_test(it_is_added_behind_what_is_there),
	cmocka_unit_test(another_reader_reads_every_character_back),
};

RUN_TESTS(tests)
