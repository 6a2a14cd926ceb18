#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "app/hub/ring.h"

static struct ring ring;

/* block_of makes a block of messages with these ids, ended by 0, that reaches
 * up to upto. */
static struct block *
block_of(int64_t upto, const int64_t ids[])
{
	struct block *block = block_new();
	char data[] = "x";

	for (; *ids != 0; ids++) {
		struct message m = { .id = *ids, .data = data, .data_len = 1 };

		block_add(block, &m);
	}
	block->upto = upto;
	return block;
}

#define ADD(upto, ...) ring_add(&ring, block_of((upto), (const int64_t[]){ __VA_ARGS__, 0 }))

/* reads: from above `after` on, these ids come, ended by 0. */
static void
reads(int64_t after, const int64_t ids[])
{
	struct ring_place place = ring_find(&ring, after);
	const struct block *block = NULL;
	const struct block_entry *entry;

	for (; (entry = ring_next(&ring, &place, &block)) != NULL; ids++) {
		assert_int_equal(entry->id, *ids);
		assert_true(entry >= block->entries && entry < block->entries + block->n);
	}
	assert_int_equal(*ids, 0);
	assert_null(ring_next(&ring, &place, &block));
}

#define READS(after, ...) reads((after), (const int64_t[]){ __VA_ARGS__ })

TEST(an_empty_ring_holds_what_is_above_its_base_and_gives_nothing)
{
	ring_init(&ring, 10);
	assert_int_equal(ring.top, 10);
	assert_false(ring_holds(&ring, 9));
	assert_true(ring_holds(&ring, 10));
	assert_true(ring_holds(&ring, 11));
	READS(10, 0);
	ring_forget(&ring, 10);
	assert_true(ring_holds(&ring, 10));
	ring_free(&ring);
}

TEST(messages_are_found_from_every_cursor_on)
{
	ring_init(&ring, 10);
	ADD(13, 11, 12, 13);
	ADD(16, 14, 16);
	ADD(17, 17);
	assert_int_equal(ring.top, 17);
	READS(10, 11, 12, 13, 14, 16, 17, 0);
	READS(11, 12, 13, 14, 16, 17, 0);
	READS(12, 13, 14, 16, 17, 0);
	READS(13, 14, 16, 17, 0);
	READS(14, 16, 17, 0);
	READS(15, 16, 17, 0);
	READS(16, 17, 0);
	READS(17, 0);
	READS(18, 0);
	ring_free(&ring);
}

TEST(a_block_may_reach_above_its_last_message_or_hold_none)
{
	ring_init(&ring, 0);
	ring_add(&ring, block_of(5, (const int64_t[]){ 0 }));
	ADD(10, 6, 7);
	ring_add(&ring, block_of(12, (const int64_t[]){ 0 }));
	ADD(13, 13);
	ring_add(&ring, block_of(20, (const int64_t[]){ 0 }));
	assert_int_equal(ring.top, 20);
	READS(0, 6, 7, 13, 0);
	READS(5, 6, 7, 13, 0);
	READS(6, 7, 13, 0);
	READS(7, 13, 0);
	READS(9, 13, 0);
	READS(10, 13, 0);
	READS(11, 13, 0);
	READS(12, 13, 0);
	READS(13, 0);
	READS(20, 0);
	ring_free(&ring);
}

TEST(ids_below_zero_and_at_the_top_are_found)
{
	ring_init(&ring, -1);
	ADD(INT64_MAX, 1, INT64_MAX);
	assert_true(ring_holds(&ring, 0));
	READS(-1, 1, INT64_MAX, 0);
	READS(INT64_MAX - 1, INT64_MAX, 0);
	READS(INT64_MAX, 0);
	ring_free(&ring);
}

TEST(a_place_behind_the_last_is_found_anew_when_more_comes)
{
	const struct block *block;
	struct ring_place place;

	ring_init(&ring, 0);
	ADD(1, 1);
	place = ring_find(&ring, 1);
	assert_null(ring_next(&ring, &place, &block));
	ADD(2, 2);
	READS(1, 2, 0);
	ring_free(&ring);
}

/* add_big adds a block of one message with so many bytes of data. */
static void
add_big(int64_t id, size_t n_bytes)
{
	struct block *block = block_new();
	char *data = calloc(1, n_bytes);
	struct message m = { .id = id, .data = data, .data_len = n_bytes };

	block_add(block, &m);
	free(data);
	ring_add(&ring, block);
}

TEST(within_its_bound_a_ring_forgets_nothing)
{
	ring_init(&ring, 0);
	for (int64_t id = 1; id <= 7; id++) {
		add_big(id, RING_MAX_BYTES / 16);
		ring_forget(&ring, INT64_MAX);
	}
	assert_true(ring.n_bytes <= RING_MAX_BYTES);
	assert_true(ring_holds(&ring, 0));
	READS(0, 1, 2, 3, 4, 5, 6, 7, 0);
	ring_free(&ring);
}

TEST(beyond_its_bound_a_ring_forgets_the_oldest_only)
{
	ring_init(&ring, 0);
	for (int64_t id = 1; id <= 100; id++) {
		add_big(id, RING_MAX_BYTES / 8);
		ring_forget(&ring, id);
		assert_true(ring.n_bytes <= RING_MAX_BYTES);
		assert_true(ring_holds(&ring, id));
		assert_true(ring_holds(&ring, id - 1));
		assert_false(ring_holds(&ring, ring.base - 1));
		READS(id - 1, id, 0);
	}
	assert_true(ring.base >= 92 && ring.base < 99);
	assert_int_equal(ring.top, 100);
	ring_free(&ring);
}

TEST(what_was_not_sent_is_kept_however_much_it_is)
{
	ring_init(&ring, 0);
	for (int64_t id = 1; id <= 20; id++)
		add_big(id, RING_MAX_BYTES / 4);
	ring_forget(&ring, 0);
	assert_int_equal(ring.base, 0);
	ring_forget(&ring, 1);
	assert_int_equal(ring.base, 1);
	assert_false(ring_holds(&ring, 0));
	assert_true(ring_holds(&ring, 1));
	ring_forget(&ring, 5);
	assert_int_equal(ring.base, 5);
	READS(5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 0);
	ring_free(&ring);
}

TEST(a_block_that_reaches_above_what_was_sent_is_kept_whole)
{
	ring_init(&ring, 0);
	add_big(1, 2 * RING_MAX_BYTES);
	ring.blocks[0]->upto = 3;
	ring.top = 3;
	ring_forget(&ring, 2);
	assert_true(ring_holds(&ring, 0));
	ring_forget(&ring, 3);
	assert_int_equal(ring.base, 3);
	assert_int_equal(ring.n_bytes, 0);
	assert_true(ring_holds(&ring, 3));
	READS(3, 0);
	ADD(4, 4);
	READS(3, 4, 0);
	ring_free(&ring);
}

/* Blocks come and go so often that the array both grows and moves down. */
TEST(a_ring_used_for_ever_stays_right_and_small)
{
	int64_t id = 0, sent = 0;

	dice_begin();
	ring_init(&ring, 0);
	for (int round = 0; round < 3000; round++) {
		const struct block *block;
		const struct block_entry *entry;
		struct ring_place place;
		int64_t after, seen = id - (int64_t)dice_throw(20);

		add_big(++id, 1 + dice_throw(RING_MAX_BYTES / 16));
		sent = seen > sent ? seen : sent;
		ring_forget(&ring, sent);
		assert_true(ring.base <= sent);
		assert_true(ring.n_bytes <= RING_MAX_BYTES
		    || ring.blocks[ring.first]->upto > sent);
		after = ring.base + (int64_t)dice_throw((size_t)(id - ring.base));
		place = ring_find(&ring, after);
		for (int64_t expected = after + 1; expected <= id; expected++) {
			entry = ring_next(&ring, &place, &block);
			assert_non_null(entry);
			assert_int_equal(entry->id, expected);
		}
		assert_null(ring_next(&ring, &place, &block));
	}
	assert_true(ring.capacity <= 128);
	ring_free(&ring);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_empty_ring_holds_what_is_above_its_base_and_gives_nothing),
	cmocka_unit_test(messages_are_found_from_every_cursor_on),
	cmocka_unit_test(a_block_may_reach_above_its_last_message_or_hold_none),
	cmocka_unit_test(ids_below_zero_and_at_the_top_are_found),
	cmocka_unit_test(a_place_behind_the_last_is_found_anew_when_more_comes),
	cmocka_unit_test(within_its_bound_a_ring_forgets_nothing),
	cmocka_unit_test(beyond_its_bound_a_ring_forgets_the_oldest_only),
	cmocka_unit_test(what_was_not_sent_is_kept_however_much_it_is),
	cmocka_unit_test(a_block_that_reaches_above_what_was_sent_is_kept_whole),
	cmocka_unit_test(a_ring_used_for_ever_stays_right_and_small),
};

RUN_TESTS(tests)
