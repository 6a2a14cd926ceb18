#include "tests/unit/check.h"

#include "app/hub/gap.h"

static void
is_told(const char *reason, const char *requested, const char *expected)
{
	struct store_bounds bounds = { .oldest = 8, .newest = 12 };
	struct buf out = BUF_EMPTY;
	char *text;

	gap_add(&out, 7, reason, requested, &bounds);
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
}

TEST(a_gap_is_an_event_at_the_cursor_that_it_goes_on_from)
{
	is_told("expired", "3", "id: 7\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"3\",\"oldest\":8,\"newest\":12}\n\n");
}

TEST(what_a_client_asked_for_cannot_leave_its_string_or_its_line)
{
	is_told("invalid", "\",\"oldest\":0\\\n\ndata: x\r",
	    "id: 7\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"invalid\",\"requested\":\"\\\",\\\"oldest\\\":0\\\\\\u000a\\u000adata: x\\u000d\","
	    "\"oldest\":8,\"newest\":12}\n\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_gap_is_an_event_at_the_cursor_that_it_goes_on_from),
	cmocka_unit_test(what_a_client_asked_for_cannot_leave_its_string_or_its_line),
};

RUN_TESTS(tests)
