#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "app/upstream/redis/logid.h"

#define BIRTH_MS INT64_C(1577836800000)
#define ID_MAX ((INT64_C(1) << 53) - 1)

static int64_t
id_of(const char *text)
{
	int64_t id = -1;

	if (!logid_read(text, strlen(text), &id))
		fail_msg("refused: %s", text);
	return id;
}

static void
no_id(const char *text)
{
	int64_t id = -1;

	if (logid_read(text, strlen(text), &id))
		fail_msg("%s is taken for %lld", text, (long long)id);
}

TEST(an_id_counts_milliseconds_since_2020_and_the_sequence)
{
	assert_int_equal(id_of("0-0"), 0);
	assert_int_equal(id_of("1577836800000-1"), 1);
	assert_int_equal(id_of("1577836800000-4095"), 4095);
	assert_int_equal(id_of("1577836800001-0"), 4096);
	assert_int_equal(id_of("1795715112809-7"), (1795715112809 - BIRTH_MS) * 4096 + 7);
	assert_int_equal(logid_time_ms(id_of("1795715112809-7")), 1795715112809);
}

TEST(what_has_no_number_here_is_no_id)
{
	no_id("");
	no_id("-");
	no_id("1795715112809");
	no_id("1795715112809-");
	no_id("-7");
	no_id("1795715112809-7 ");
	no_id(" 1795715112809-7");
	no_id("1795715112809-+7");
	no_id("1795715112809-7-7");
	no_id("1795715112809-4096");
	no_id("1795715112809-99999999999999999999999999");
	no_id("99999999999999999999999999-1");
	no_id("0-1");
	no_id("1577836799999-0");
	no_id("1577836800000-0");  /* would be 0, which is none */
}

TEST(the_highest_is_exact_in_javascript)
{
	char text[LOGID_TEXT_BYTES], above[LOGID_TEXT_BYTES];

	assert_int_equal(id_of(logid_write(text, ID_MAX)), ID_MAX);
	snprintf(above, sizeof(above), "%lld-0", (long long)logid_time_ms(ID_MAX) + 1);
	no_id(above);
}

TEST(a_length_ends_an_id_and_not_a_nul)
{
	int64_t id;

	assert_true(logid_read("1577836800001-03", 15, &id));
	assert_int_equal(id, 4096);
	assert_false(logid_read("1577836800001-0\0", 16, &id));
}

/* Any two, near each other and far, in both directions. */
TEST(ids_and_numbers_go_up_together_and_back_to_each_other)
{
	dice_begin();
	for (int i = 0; i < 200000; i++) {
		int64_t low = 1 + (int64_t)dice_throw((size_t)ID_MAX - 1);
		int64_t step = 1 + (int64_t)dice_throw(i % 2 == 0 ? 8192 : 1 << 30);
		int64_t high = low > ID_MAX - step ? ID_MAX : low + step;
		char one[LOGID_TEXT_BYTES], other[LOGID_TEXT_BYTES];
		unsigned long long ms[2], seq[2];

		assert_int_equal(id_of(logid_write(one, low)), low);
		assert_int_equal(id_of(logid_write(other, high)), high);
		assert_int_equal(sscanf(one, "%llu-%llu", &ms[0], &seq[0]), 2);
		assert_int_equal(sscanf(other, "%llu-%llu", &ms[1], &seq[1]), 2);
		assert_true(seq[0] <= LOGID_MAX_SEQ && seq[1] <= LOGID_MAX_SEQ);
		if (low < high)
			assert_true(ms[0] < ms[1] || (ms[0] == ms[1] && seq[0] < seq[1]));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_id_counts_milliseconds_since_2020_and_the_sequence),
	cmocka_unit_test(what_has_no_number_here_is_no_id),
	cmocka_unit_test(the_highest_is_exact_in_javascript),
	cmocka_unit_test(a_length_ends_an_id_and_not_a_nul),
	cmocka_unit_test(ids_and_numbers_go_up_together_and_back_to_each_other),
};

RUN_TESTS(tests)
