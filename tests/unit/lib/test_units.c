#include "tests/unit/check.h"

#include <errno.h>

#include "lib/units.h"

static void
number_is(const char *text, int64_t expected)
{
	int64_t n = -1;

	assert_int_equal(units_number(text, &n), 0);
	assert_int_equal(n, expected);
}

static void
number_fails(const char *text, int error)
{
	int64_t n = 77;

	errno = 0;
	assert_int_equal(units_number(text, &n), -1);
	assert_int_equal(errno, error);
	assert_int_equal(n, 77);
}

static void
time_is(const char *text, int64_t expected)
{
	int64_t ms = -1;

	assert_int_equal(units_time_ms(text, &ms), 0);
	assert_int_equal(ms, expected);
}

static void
time_fails(const char *text, int error)
{
	int64_t ms = 77;

	errno = 0;
	assert_int_equal(units_time_ms(text, &ms), -1);
	assert_int_equal(errno, error);
	assert_int_equal(ms, 77);
}

TEST(k_is_1024_and_m_is_1024_k)
{
	number_is("0", 0);
	number_is("007", 7);
	number_is("64k", 65536);
	number_is("64K", 65536);
	number_is("2M", 2097152);
	number_is("1000000", 1000000);
}

TEST(what_is_no_number_is_refused)
{
	static const char *const texts[] = {
		"", "k", "-1", "+1", " 1", "1 ", "64 k", "64kb", "64kk", "1m", "1G", "1.5k", "0x10",
		"1e3", "one", "\xd9\xa1",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		number_fails(texts[i], EINVAL);
}

TEST(a_number_of_63_bits_fits_and_one_more_does_not)
{
	number_is("9223372036854775807", INT64_MAX);
	number_fails("9223372036854775808", ERANGE);
	number_fails("99999999999999999999999999", ERANGE);
	number_is("9007199254740991k", INT64_C(9007199254740991) * 1024);
	number_fails("9007199254740992k", ERANGE);
	number_fails("8796093022208M", ERANGE);
}

TEST(times_take_every_unit_and_are_seconds_without_one)
{
	time_is("500ms", 500);
	time_is("15s", 15000);
	time_is("15", 15000);
	time_is("10m", 600000);
	time_is("1h", 3600000);
	time_is("7d", INT64_C(604800000));
	time_is("0", 0);
}

TEST(what_is_no_time_is_refused)
{
	static const char *const texts[] = {
		"", "s", "ms", "-1s", "+1s", "1 s", "1sec", "1S", "1M", "1k", "1h30m", "1.5h", "2s..6s",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		time_fails(texts[i], EINVAL);
	time_fails("106751991168d", ERANGE);
	time_is("106751991167d", INT64_C(106751991167) * 86400000);
}

TEST(a_range_is_two_times_or_one)
{
	int64_t from, to;

	assert_int_equal(units_range_ms("2s..6s", &from, &to), 0);
	assert_int_equal(from, 2000);
	assert_int_equal(to, 6000);
	assert_int_equal(units_range_ms("100ms..2", &from, &to), 0);
	assert_int_equal(from, 100);
	assert_int_equal(to, 2000);
	assert_int_equal(units_range_ms("3s", &from, &to), 0);
	assert_int_equal(from, 3000);
	assert_int_equal(to, 3000);
	assert_int_equal(units_range_ms("6s..2s", &from, &to), 0); /* not judged here */
	assert_int_equal(from, 6000);
	assert_int_equal(to, 2000);
}

TEST(half_a_range_is_refused)
{
	static const char *const texts[] = {
		"", "..", "2s..", "..6s", "2s...6s", "2s..6s..8s", "2s .. 6s", "2s-6s", "-2s..6s",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t from = 77, to = 78;

		errno = 0;
		assert_int_equal(units_range_ms(texts[i], &from, &to), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(from, 77);
		assert_int_equal(to, 78);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(k_is_1024_and_m_is_1024_k),
	cmocka_unit_test(what_is_no_number_is_refused),
	cmocka_unit_test(a_number_of_63_bits_fits_and_one_more_does_not),
	cmocka_unit_test(times_take_every_unit_and_are_seconds_without_one),
	cmocka_unit_test(what_is_no_time_is_refused),
	cmocka_unit_test(a_range_is_two_times_or_one),
	cmocka_unit_test(half_a_range_is_refused),
};

RUN_TESTS(tests)
