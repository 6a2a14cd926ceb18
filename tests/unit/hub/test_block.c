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
	assert_int_equal(entry->len, strlen(bytes));
	assert_memory_equal(block->bytes.bytes + entry->at, bytes, entry->len);
}

TEST(a_new_block_holds_nothing)
{
	struct block *block = block_new();

	assert_int_equal(block->n, 0);
	assert_int_equal(block->upto, 0);
	assert_int_equal(block->bytes.len, 0);
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
	size_t at = 0;

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
		assert_int_equal(entry->at, at);
		entry_is(block, (size_t)i - 1, i, user, i % 2 ? "odd" : NULL, bytes);
		at += entry->len;
	}
	assert_int_equal(block->bytes.len, at);
	block_free(block);
}

TEST(its_size_covers_all_it_allocated)
{
	struct block *block = block_new();
	size_t empty = block_size(block), before;

	assert_true(empty >= sizeof(*block));
	add(block, 1, "u", "t", "a");
	before = block_size(block);
	assert_true(before >= empty + sizeof(struct block_entry) + block->bytes.len
	    + block->names.len);
	for (int i = 2; i < 100; i++)
		add(block, i, "u", "t", "a");
	assert_true(block_size(block) >= before + 98 * (sizeof(struct block_entry) + 4));
	block_free(block);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_new_block_holds_nothing),
	cmocka_unit_test(a_message_is_kept_as_its_event_and_whom_it_is_for),
	cmocka_unit_test(no_user_is_everyone_and_no_topic_is_any_stream),
	cmocka_unit_test(an_empty_name_is_a_name),
	cmocka_unit_test(the_event_s_name_is_among_its_bytes),
	cmocka_unit_test(many_messages_lie_one_behind_the_other),
	cmocka_unit_test(its_size_covers_all_it_allocated),
};

RUN_TESTS(tests)
