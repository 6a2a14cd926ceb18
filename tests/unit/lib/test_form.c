#include "tests/unit/check.h"

#include "lib/form.h"

/* The text is copied to where a byte behind it would be noticed. */
static struct form form;
static char *lent;

static void
begin(const char *text, size_t len)
{
	lent = calloc(len > 0 ? len : 1, 1);
	memcpy(lent, text, len);
	form_init(&form, lent, len);
}

static void
end(void)
{
	form_free(&form);
	free(lent);
}

static void
expect_pair(const char *name, const char *value)
{
	assert_int_equal(form_next(&form), FORM_PAIR);
	assert_int_equal(form.name_len, strlen(name));
	assert_string_equal(form.name, name);
	assert_int_equal(form.value_len, strlen(value));
	assert_string_equal(form.value, value);
}

static void
expect_end(void)
{
	assert_int_equal(form_next(&form), 0);
	assert_int_equal(form_next(&form), 0);
	end();
}

TEST(pairs_come_in_order_and_names_may_repeat)
{
	begin("topic=a&token=x.y-z_&topic=b&lastEventId=0", 42);
	expect_pair("topic", "a");
	expect_pair("token", "x.y-z_");
	expect_pair("topic", "b");
	expect_pair("lastEventId", "0");
	expect_end();
}

TEST(nothing_holds_no_pair)
{
	begin("", 0);
	expect_end();
	form_init(&form, NULL, 0);
	assert_int_equal(form_next(&form), 0);
	form_free(&form);
	begin("&&&", 3);
	expect_end();
}

TEST(empty_names_and_values_are_kept_and_empty_pairs_are_not)
{
	begin("&a&&b=&=c&=&d=e=f&", 18);
	expect_pair("a", "");
	expect_pair("b", "");
	expect_pair("", "c");
	expect_pair("", "");
	expect_pair("d", "e=f");
	expect_end();
}

TEST(plus_is_a_space_and_escapes_are_decoded_on_both_sides)
{
	begin("a+b%3D%26=c+d%2B%c3%A9%C3%a9", 28);
	expect_pair("a b=&", "c d+\xc3\xa9\xc3\xa9");
	expect_end();
}

TEST(a_nul_is_told_by_the_length)
{
	begin("a%00b=%00", 9);
	assert_int_equal(form_next(&form), FORM_PAIR);
	assert_int_equal(form.name_len, 3);
	assert_memory_equal(form.name, "a\0b", 4);
	assert_int_equal(form.value_len, 1);
	assert_memory_equal(form.value, "\0", 2);
	expect_end();
}

TEST(bytes_that_are_not_utf_8_are_passed_on)
{
	begin("a=%ff\xfe", 6);
	expect_pair("a", "\xff\xfe");
	expect_end();
}

TEST(a_malformed_escape_ends_the_reading)
{
	static const char *const texts[] = {
		"a=%", "a=%4", "a=%4g", "a=%g4", "a=%%41", "%=a", "a%4=1", "a=1%2&b=c", "a=% 41",
		"a=%+1", "a=%-1", "a=%0x",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		begin(texts[i], strlen(texts[i]));
		assert_int_equal(form_next(&form), FORM_MALFORMED);
		expect_end();
	}
	begin("a=1&b=%zz&c=2", 13);
	expect_pair("a", "1");
	assert_int_equal(form_next(&form), FORM_MALFORMED);
	expect_end();
}

TEST(pairs_are_bounded_in_number)
{
	char text[2 * (FORM_MAX_PAIRS + 1)];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "a&"[i % 2];
	begin(text, 2 * FORM_MAX_PAIRS);
	for (int i = 0; i < FORM_MAX_PAIRS; i++)
		expect_pair("a", "");
	expect_end();
	begin(text, sizeof(text));
	for (int i = 0; i < FORM_MAX_PAIRS; i++)
		expect_pair("a", "");
	assert_int_equal(form_next(&form), FORM_TOO_MANY);
	expect_end();
}

TEST(an_escape_is_not_read_from_behind_the_end)
{
	form_init(&form, "a=%41", 4);
	assert_int_equal(form_next(&form), FORM_MALFORMED);
	form_free(&form);
}

TEST(a_long_value_is_read_whole)
{
	size_t len = 2 + 3 * 100000;
	char *text = malloc(len);

	memcpy(text, "a=", 2);
	for (size_t i = 2; i < len; i += 3)
		memcpy(text + i, "%78", 3);
	form_init(&form, text, len);
	assert_int_equal(form_next(&form), FORM_PAIR);
	assert_int_equal(form.value_len, 100000);
	assert_int_equal(strspn(form.value, "x"), 100000);
	form_free(&form);
	free(text);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pairs_come_in_order_and_names_may_repeat),
	cmocka_unit_test(nothing_holds_no_pair),
	cmocka_unit_test(empty_names_and_values_are_kept_and_empty_pairs_are_not),
	cmocka_unit_test(plus_is_a_space_and_escapes_are_decoded_on_both_sides),
	cmocka_unit_test(a_nul_is_told_by_the_length),
	cmocka_unit_test(bytes_that_are_not_utf_8_are_passed_on),
	cmocka_unit_test(a_malformed_escape_ends_the_reading),
	cmocka_unit_test(pairs_are_bounded_in_number),
	cmocka_unit_test(an_escape_is_not_read_from_behind_the_end),
	cmocka_unit_test(a_long_value_is_read_whole),
};

RUN_TESTS(tests)
