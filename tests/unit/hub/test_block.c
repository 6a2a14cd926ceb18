#include "tests/unit/check.h"

#include "app/hub/block.h"

static void
add(struct block *block, int64_t id, const char *user, const char *topic, const char *data)
{
	char text[64], user_text[64], topic_text[64];
	struct message m = { .id = id, .data = text, .data_len = strlen(data),
	    .expiry = EXPIRY_AT(id * 10) };

	/* Copies, gone when this returns: a block may keep nothing of m. */
	strcpy(text, data);
	if (user != NULL)
		m.user = strcpy(user_text, user);
	if (topic != NULL)
		m.topic = strcpy(topic_text, topic);
	block_add(block, &m);
	memset(text, '#', sizeof(text));
	memset(user_text, '#', sizeof(user_text));
	memset(topic_text, '#', sizeof(topic_text));
}

static void
event_is(const struct block *block, size_t i, enum encoding encoding, const char *bytes)
{
	size_t len;
	const char *event = block_bytes(block, encoding, &block->entries[i], &len, NULL);

	assert_int_equal(len, strlen(bytes));
	assert_memory_equal(event, bytes, len);
	assert_true(block->entries[i].len >= len);
}

static void
entry_is(const struct block *block, size_t i, int64_t id, const char *user, const char *topic,
    const char *bytes)
{
	const struct block_entry *entry = &block->entries[i];

	assert_int_equal(entry->id, id);
	assert_true(entry->expiry.ends);
	assert_int_equal(entry->expiry.at, id * 10);
	if (user == NULL)
		assert_null(block_user(block, entry));
	else
		assert_string_equal(block_user(block, entry), user);
	if (topic == NULL)
		assert_null(block_topic(block, entry));
	else
		assert_string_equal(block_topic(block, entry), topic);
	event_is(block, i, ENCODING_PLAIN, bytes);
}

TEST(a_new_block_holds_nothing)
{
	struct block *block = block_new();

	assert_int_equal(block->n, 0);
	assert_int_equal(block->upto, 0);
	assert_int_equal(block_n_bytes(block), 0);
	block_free(block);
	block_free(NULL);
}

TEST(a_message_is_kept_as_its_event_and_whom_it_is_for)
{
	struct block *block = block_new();

	add(block, 3, "42", "news", "a\nb");
	assert_int_equal(block->n, 1);
	assert_int_equal(block->upto, 3);
	entry_is(block, 0, 3, "42", "news", "id: 3\ndata: a\ndata: b\n\n");
	block_free(block);
}

TEST(no_user_is_everyone_and_no_topic_is_any_stream)
{
	struct block *block = block_new();

	add(block, 1, NULL, NULL, "a");
	add(block, 2, "u", NULL, "b");
	add(block, 3, NULL, "t", "c");
	entry_is(block, 0, 1, NULL, NULL, "id: 1\ndata: a\n\n");
	entry_is(block, 1, 2, "u", NULL, "id: 2\ndata: b\n\n");
	entry_is(block, 2, 3, NULL, "t", "id: 3\ndata: c\n\n");
	block_free(block);
}

TEST(an_empty_name_is_a_name)
{
	struct block *block = block_new();

	add(block, 1, "", "", "a");
	entry_is(block, 0, 1, "", "", "id: 1\ndata: a\n\n");
	block_free(block);
}

TEST(the_event_s_name_is_among_its_bytes)
{
	struct block *block = block_new();
	char event[] = "note", data[] = "a";
	struct message m = { .id = 1, .event = event, .data = data, .data_len = 1,
	    .expiry = EXPIRY_AT(10) };

	block_add(block, &m);
	entry_is(block, 0, 1, NULL, NULL, "id: 1\nevent: note\ndata: a\n\n");
	block_free(block);
}

TEST(many_messages_lie_one_behind_the_other)
{
	struct block *block = block_new();
	char user[32], bytes[64];
	size_t at = 0, len;

	for (int i = 1; i <= 1000; i++) {
		snprintf(user, sizeof(user), "user-%d", i);
		add(block, i, user, i % 2 ? "odd" : NULL, user);
	}
	assert_int_equal(block->n, 1000);
	assert_int_equal(block->upto, 1000);
	for (int i = 1; i <= 1000; i++) {
		const struct block_entry *entry = &block->entries[i - 1];

		snprintf(user, sizeof(user), "user-%d", i);
		snprintf(bytes, sizeof(bytes), "id: %d\ndata: %s\n\n", i, user);
		assert_ptr_equal(block_bytes(block, ENCODING_PLAIN, entry, &len, NULL),
		    block->texts[ENCODING_PLAIN].bytes.bytes + at);
		entry_is(block, (size_t)i - 1, i, user, i % 2 ? "odd" : NULL, bytes);
		at += len;
	}
	assert_int_equal(block_n_bytes(block), at);
	block_free(block);
}

TEST(its_size_covers_all_it_allocated)
{
	struct block *block = block_new();
	size_t empty = block_size(block), before;

	assert_true(empty >= sizeof(*block));
	add(block, 1, "u", "t", "a");
	before = block_size(block);
	assert_true(before >= empty + sizeof(struct block_entry) + block_n_bytes(block)
	    + block->names.len);
	for (int i = 2; i < 100; i++)
		add(block, i, "u", "t", "a");
	assert_true(block_size(block) >= before + 98 * (sizeof(struct block_entry) + 4));
	block_free(block);
}

static void
gap_is(const struct block *block, enum encoding encoding)
{
	event_is(block, 0, encoding, "id: 6\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"2\",\"oldest\":7,\"newest\":9}\n\n");
}

TEST(each_form_that_is_wanted_is_there_and_no_other)
{
	static const unsigned sets[] = { 0, 1, 2, 3 };

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct block *block = block_new();

		block->encodings = sets[i];
		for (int64_t id = 7; id < 17; id++)
			add(block, id, "u", NULL, "a\nb");
		assert_int_equal(block_has(block, ENCODING_PLAIN), (sets[i] & 1) != 0);
		assert_int_equal(block_has(block, ENCODING_JSON), (sets[i] & 2) != 0);
		if (sets[i] & 1)
			event_is(block, 1, ENCODING_PLAIN, "id: 8\ndata: a\ndata: b\n\n");
		else
			assert_int_equal(block->texts[ENCODING_PLAIN].bytes.len, 0);
		if (sets[i] & 2)
			event_is(block, 1, ENCODING_JSON, "id: 8\ndata: {\"id\":8,\"user\":\"u\","
			    "\"data\":\"a\\u000ab\",\"created_at\":0}\n\n");
		else
			assert_int_equal(block->texts[ENCODING_JSON].bytes.len, 0);
		assert_int_equal(block->entries[1].id, 8);
		assert_string_equal(block_user(block, &block->entries[1]), "u");
		block_free(block);
	}
}

TEST(a_gap_is_told_alike_in_every_form_before_the_messages)
{
	struct store_bounds bounds = { .oldest = 7, .newest = 9, .trimmed = 6, .given = 9 };

	for (int n = 0; n < 9; n++) {
		struct block *block = block_new();

		block->encodings = 3;
		for (int64_t id = 7; id < 7 + n; id++)
			add(block, id, NULL, NULL, "x");
		block_add_gap(block, 2, &bounds);
		assert_int_equal(block->n, n + 1);
		assert_int_equal(block->entries[0].id, 6);
		gap_is(block, ENCODING_PLAIN);
		gap_is(block, ENCODING_JSON);
		if (n > 0) {
			char last[64];

			snprintf(last, sizeof(last), "id: %d\ndata: x\n\n", 6 + n);
			event_is(block, (size_t)n, ENCODING_PLAIN, last);
		}
		block_free(block);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_form_that_is_wanted_is_there_and_no_other),
	cmocka_unit_test(a_gap_is_told_alike_in_every_form_before_the_messages),
	cmocka_unit_test(a_new_block_holds_nothing),
	cmocka_unit_test(a_message_is_kept_as_its_event_and_whom_it_is_for),
	cmocka_unit_test(no_user_is_everyone_and_no_topic_is_any_stream),
	cmocka_unit_test(an_empty_name_is_a_name),
	cmocka_unit_test(the_event_s_name_is_among_its_bytes),
	cmocka_unit_test(many_messages_lie_one_behind_the_other),
	cmocka_unit_test(its_size_covers_all_it_allocated),
};

RUN_TESTS(tests)
