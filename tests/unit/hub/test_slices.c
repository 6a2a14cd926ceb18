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
	slices_clear(&slices);
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

TEST(messages_that_lie_one_after_the_other_are_one_slice)
{
	const struct block_entry *e;

	begin(4, 10);
	e = block->entries;
	add(0);
	add(1);
	add(3);
	assert_int_equal(slices.n, 2);
	assert_ptr_equal(slices.iov[1].iov_base, block->bytes.bytes);
	assert_int_equal(slices.iov[1].iov_len, e[0].len + e[1].len);
	assert_ptr_equal(slices.iov[2].iov_base, block->bytes.bytes + e[3].at);
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
	slices_clear(&slices);
	assert_int_equal(slices.n, 0);
	assert_int_equal(slices.n_bytes, 0);
	assert_int_equal(slices.n_messages, 0);
	add(1);
	assert_int_equal(slices.n, 1);
	assert_ptr_equal(slices.iov[1].iov_base, block->bytes.bytes + block->entries[1].at);
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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(messages_that_lie_one_after_the_other_are_one_slice),
	cmocka_unit_test(what_is_cleared_is_empty),
	cmocka_unit_test(they_are_full_at_the_bound_of_bytes_however_few_slices_they_are),
	cmocka_unit_test(they_are_full_at_the_bound_of_slices),
};

RUN_TESTS(tests)
