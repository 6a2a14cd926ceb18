#include "tests/unit/check.h"

#include "app/hub/slices.h"
#include "lib/mem.h"

static struct block *block;
static struct slices slices;

/* begin makes a block of n messages with data of that length. */
static void
begin(size_t n, size_t data_len)
{
	char *data = mem_zalloc(data_len + 1);

	memset(data, 'x', data_len);
	block = block_new();
	for (size_t i = 0; i < n; i++)
		block_add(block, &(struct message){ .id = (int64_t)i + 7, .data = data,
		    .data_len = data_len });
	free(data);
	slices_clear(&slices, ENCODING_PLAIN, NULL);
}

static void
end(void)
{
	block_free(block);
}

static void
add(size_t entry)
{
	slices_add(&slices, block, &block->entries[entry]);
}

static const char *
event(size_t entry)
{
	size_t len;

	return block_bytes(block, ENCODING_PLAIN, &block->entries[entry], &len, NULL);
}

TEST(messages_that_lie_one_after_the_other_are_one_slice)
{
	const struct block_entry *e;

	begin(4, 10);
	e = block->entries;
	add(0);
	add(1);
	add(3);
	assert_int_equal(slices.n, 2);
	assert_ptr_equal(slices.iov[1].iov_base, event(0));
	assert_int_equal(slices.iov[1].iov_len, e[0].len + e[1].len);
	assert_ptr_equal(slices.iov[2].iov_base, event(3));
	assert_int_equal(slices.iov[2].iov_len, e[3].len);
	assert_int_equal(slices.n_bytes, e[0].len + e[1].len + e[3].len);
	assert_int_equal(slices.n_messages, 3);
	assert_int_equal(slices.last_id, 10);
	end();
}

TEST(what_is_cleared_is_empty)
{
	begin(2, 10);
	add(0);
	slices_clear(&slices, ENCODING_PLAIN, NULL);
	assert_int_equal(slices.n, 0);
	assert_int_equal(slices.n_bytes, 0);
	assert_int_equal(slices.n_messages, 0);
	add(1);
	assert_int_equal(slices.n, 1);
	assert_ptr_equal(slices.iov[1].iov_base, event(1));
	assert_int_equal(slices.last_id, 8);
	end();
}

TEST(they_are_full_at_the_bound_of_bytes_however_few_slices_they_are)
{
	size_t n = 0;

	begin(7, STREAM_WRITE_BYTES / 4);
	for (; !slices_full(&slices); n++)
		add(n);
	assert_int_equal(n, 4);
	assert_int_equal(slices.n, 1);
	end();
}

TEST(they_are_full_at_the_bound_of_slices)
{
	size_t n = 0;

	begin(2 * STREAM_WRITE_MESSAGES + 2, 1);
	for (; !slices_full(&slices); n++)
		add(2 * n);
	assert_int_equal(n, STREAM_WRITE_MESSAGES);
	assert_int_equal(slices.n, STREAM_WRITE_MESSAGES);
	end();
}

/* What is not for the stream may be in whatever form. */
TEST(a_message_in_another_form_than_the_stream_wants_ends_the_write)
{
	static const char *const users[] = { NULL, "v", "u", "u" };
	char data[] = "x", name[2];
	struct stream *s = stream_new((struct filter){ .user = mem_strdup("u") });
	struct ring ring;
	size_t n_looks = 100;

	ring_init(&ring, 0);
	for (size_t i = 0; i < 4; i++) {
		block = block_new();
		block->encodings = i == 0 ? 3 : 1;
		snprintf(name, sizeof(name), "%s", users[i] != NULL ? users[i] : "");
		block_add(block, &(struct message){ .id = (int64_t)i + 1, .data = data, .data_len = 1,
		    .user = users[i] != NULL ? name : NULL });
		ring_add(&ring, block);
	}
	s->encoding = ENCODING_JSON;
	assert_int_equal(slices_collect(&slices, &ring, s, 0, 4, &n_looks), 2);
	assert_true(slices.lacks);
	assert_int_equal(slices.n_messages, 1);
	assert_memory_equal(slices.iov[1].iov_base, "id: 1\ndata: {\"id\":1,", 20);
	s->encoding = ENCODING_PLAIN;
	assert_int_equal(slices_collect(&slices, &ring, s, 0, 4, &n_looks), 4);
	assert_false(slices.lacks);
	assert_int_equal(slices.n_messages, 3);
	stream_free(s);
	ring_free(&ring);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_message_in_another_form_than_the_stream_wants_ends_the_write),
	cmocka_unit_test(messages_that_lie_one_after_the_other_are_one_slice),
	cmocka_unit_test(what_is_cleared_is_empty),
	cmocka_unit_test(they_are_full_at_the_bound_of_bytes_however_few_slices_they_are),
	cmocka_unit_test(they_are_full_at_the_bound_of_slices),
};

RUN_TESTS(tests)
