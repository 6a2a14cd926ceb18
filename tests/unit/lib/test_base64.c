#include "tests/unit/check.h"

#include "lib/base64.h"

static void
url_is(const char *text, const char *bytes, size_t len)
{
	struct buf out = BUF_EMPTY;

	assert_int_equal(base64url_decode(&out, text, strlen(text)), 0);
	assert_int_equal(out.len, len);
	if (len > 0)
		assert_memory_equal(out.bytes, bytes, len);
	buf_free(&out);
}

static void
url_fails(const char *text)
{
	struct buf out = BUF_EMPTY;

	assert_int_equal(base64url_decode(&out, text, strlen(text)), -1);
	buf_free(&out);
}

static void
padded_is(const char *text, const char *bytes)
{
	struct buf out = BUF_EMPTY;

	assert_int_equal(base64_decode(&out, text, strlen(text)), 0);
	assert_int_equal(out.len, strlen(bytes));
	if (out.len > 0)
		assert_memory_equal(out.bytes, bytes, out.len);
	buf_free(&out);
}

static void
padded_fails(const char *text)
{
	struct buf out = BUF_EMPTY;

	assert_int_equal(base64_decode(&out, text, strlen(text)), -1);
	buf_free(&out);
}

TEST(the_vectors_of_rfc_4648_are_decoded)
{
	padded_is("", "");
	padded_is("Zg==", "f");
	padded_is("Zm8=", "fo");
	padded_is("Zm9v", "foo");
	padded_is("Zm9vYg==", "foob");
	padded_is("Zm9vYmE=", "fooba");
	padded_is("Zm9vYmFy", "foobar");
	url_is("", "", 0);
	url_is("Zg", "f", 1);
	url_is("Zm8", "fo", 2);
	url_is("Zm9vYmFy", "foobar", 6);
}

TEST(each_alphabet_has_its_own_last_two_characters)
{
	url_is("-_-_", "\xfb\xff\xbf", 3);
	padded_is("+/+/", "\xfb\xff\xbf");
	url_fails("+/+/");
	padded_fails("-_-_");
}

TEST(a_lone_character_is_refused)
{
	url_fails("A");
	url_fails("Zm9vY");
	padded_fails("Z===");
	padded_fails("Zm9vY===");
}

TEST(bits_that_stand_for_nothing_must_be_zero)
{
	url_fails("Zh");
	url_fails("Zm9");
	padded_fails("Zh==");
	padded_fails("Zm9=");
}

TEST(padding_is_exact_or_absent)
{
	url_fails("Zg==");
	padded_fails("Zg");
	padded_fails("Zg=");
	padded_fails("Zg===");
	padded_fails("Zm9v====");
	padded_fails("Zg==Zg==");
	padded_fails("=");
}

TEST(only_the_padded_form_passes_over_line_breaks)
{
	padded_is("Zm9v\nYmFy\r\n", "foobar");
	padded_is("\tZm 9v", "foo");
	url_fails("Zm9v\n");
	url_fails("Zm 9v");
	url_fails("Zm9v.");
	padded_fails("Zm9v\v");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_vectors_of_rfc_4648_are_decoded),
	cmocka_unit_test(each_alphabet_has_its_own_last_two_characters),
	cmocka_unit_test(a_lone_character_is_refused),
	cmocka_unit_test(bits_that_stand_for_nothing_must_be_zero),
	cmocka_unit_test(padding_is_exact_or_absent),
	cmocka_unit_test(only_the_padded_form_passes_over_line_breaks),
};

RUN_TESTS(tests)
