#include "tests/unit/check.h"

#include "app/hub/gap.h"

static void
is_told(enum gap gap, const char *requested, int64_t id, const char *expected)
{
	struct store_bounds bounds = { .oldest = 8, .newest = 12 };
	struct buf out = BUF_EMPTY;
	char *text;

	assert_int_equal(gap_describe(&out, gap, 3, requested, &bounds), id);
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
}

TEST(a_gap_says_what_was_asked_for_and_goes_on_from_what_there_is)
{
	is_told(GAP_EXPIRED, NULL, 7, "{\"reason\":\"expired\",\"requested\":\"3\",\"oldest\":8,\"newest\":12}");
	is_told(GAP_AHEAD, NULL, 12, "{\"reason\":\"ahead\",\"requested\":\"3\",\"oldest\":8,\"newest\":12}");
	is_told(GAP_INVALID, "x", 3, "{\"reason\":\"invalid\",\"requested\":\"x\",\"oldest\":8,\"newest\":12}");
}

TEST(what_a_client_asked_for_cannot_leave_its_string_or_its_line)
{
	is_told(GAP_INVALID, "\",\"oldest\":0\\\n\ndata: x\r", 3,
	    "{\"reason\":\"invalid\",\"requested\":\"\\\",\\\"oldest\\\":0\\\\\\u000a\\u000adata: x\\u000d\","
	    "\"oldest\":8,\"newest\":12}");
}

TEST(a_gap_is_found_below_what_was_trimmed_and_above_the_newest)
{
	struct store_bounds bounds = { .oldest = 8, .newest = 12, .trimmed = 7,
	    .given = 12 };
	struct store_bounds emptied = { .oldest = 13, .newest = 12, .trimmed = 12,
	    .given = 12 };
	struct store_bounds unused = { .oldest = 1, .newest = 0 };
	struct store_bounds copy = { .oldest = 8, .newest = 12, .trimmed = 7, .given = INT64_MAX };
	struct store_bounds erased = { .oldest = 8, .newest = 12, .trimmed = 3,
	    .given = 12 };

	assert_int_equal(gap_find(1, &bounds), GAP_EXPIRED);
	assert_int_equal(gap_find(6, &bounds), GAP_EXPIRED);
	assert_int_equal(gap_find(7, &bounds), GAP_NONE);
	assert_int_equal(gap_find(12, &bounds), GAP_NONE);
	assert_int_equal(gap_find(13, &bounds), GAP_AHEAD);
	assert_int_equal(gap_find(INT64_MAX, &bounds), GAP_AHEAD);
	assert_int_equal(gap_find(11, &emptied), GAP_EXPIRED);
	assert_int_equal(gap_find(12, &emptied), GAP_NONE);
	assert_int_equal(gap_find(13, &emptied), GAP_AHEAD);
	assert_int_equal(gap_find(0, &unused), GAP_NONE);
	assert_int_equal(gap_find(1, &unused), GAP_AHEAD);
	/* Another machine may have come further. */
	assert_int_equal(gap_find(13, &copy), GAP_NONE);
	assert_int_equal(gap_find(6, &copy), GAP_EXPIRED);
	/* A cursor like any other. */
	assert_int_equal(gap_find(0, &bounds), GAP_EXPIRED);
	/* What somebody erased, or what has expired, is none that was missed. */
	assert_int_equal(gap_find(2, &erased), GAP_EXPIRED);
	assert_int_equal(gap_find(3, &erased), GAP_NONE);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_gap_says_what_was_asked_for_and_goes_on_from_what_there_is),
	cmocka_unit_test(what_a_client_asked_for_cannot_leave_its_string_or_its_line),
	cmocka_unit_test(a_gap_is_found_below_what_was_trimmed_and_above_the_newest),
};

RUN_TESTS(tests)
