#include "tests/unit/check.h"

#include "lib/nearest.h"

static const char *const names[] = { "topic", "lastEventId", "cursor", "token" };
enum { N = 4 };

static void
near(const char *name, const char *expected)
{
	size_t i = nearest_of(name, names, N);

	if (i == N)
		fail_msg("%s is near none", name);
	assert_string_equal(names[i], expected);
}

static void
far(const char *name)
{
	size_t i = nearest_of(name, names, N);

	if (i < N)
		fail_msg("%s is near %s", name, names[i]);
}

TEST(up_to_two_letters_may_be_wrong)
{
	near("topic", "topic");
	near("topics", "topic");
	near("topik", "topic");
	near("tpic", "topic");
	near("otpic", "topic");
	near("tokens", "token");
	near("tok", "token");
	near("cursors", "cursor");
	near("lastEvent", "lastEventId");
	near("lastEventIdxx", "lastEventId");
	far("topicals");
	far("to");
	far("lastEven");
	far("lastEventIdxxx");
}

TEST(case_dashes_and_underscores_make_no_difference)
{
	near("Topic", "topic");
	near("lastEventID", "lastEventId");
	near("last-event-id", "lastEventId");
	near("last_event_id", "lastEventId");
	near("LAST-EVENT_ID", "lastEventId");
	near("--c-u_r-s_o-r--", "cursor");
}

TEST(what_is_far_from_all_is_near_none)
{
	far("");
	far("_");
	far("since");
	far("last");
	far("inbox");
	far("format");
	far("join");
	far("until");
	far("poll");
	far("utm_source");
	assert_int_equal(nearest_of("topic", names, 0), 0);
}

/* A short one is as near to nothing as it is long. */
TEST(the_nearest_of_several_is_found)
{
	static const char *const close[] = { "abcd", "abce", "ab" };

	assert_int_equal(nearest_of("abce", close, 3), 1);
	assert_int_equal(nearest_of("abcf", close, 3), 0);
	assert_int_equal(nearest_of("a", close, 3), 2);
	assert_int_equal(nearest_of("", close, 3), 2);
}

TEST(long_names_are_near_none)
{
	static const char longest[] = "abcdefghijklmnopqrstuvwxyz012345";
	static const char *const one[] = { longest }, *const longer[] = { "abcdefghijklmnopqrstuvwxyz0123456" };

	assert_int_equal(strlen(longest), NEAREST_MAX_BYTES);
	assert_int_equal(nearest_of(longest, one, 1), 0);
	assert_int_equal(nearest_of(longer[0], one, 1), 1);
	assert_int_equal(nearest_of(longest, longer, 1), 1);
	assert_int_equal(nearest_of("\xff\xfe\x01", one, 1), 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(up_to_two_letters_may_be_wrong),
	cmocka_unit_test(case_dashes_and_underscores_make_no_difference),
	cmocka_unit_test(what_is_far_from_all_is_near_none),
	cmocka_unit_test(the_nearest_of_several_is_found),
	cmocka_unit_test(long_names_are_near_none),
};

RUN_TESTS(tests)
