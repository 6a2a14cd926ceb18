/* Encodes messages once, for however many streams. Runs in the thread of the tail
 * that makes a block, then in the hub's that owns it; touches only the block. */

#include "app/hub/block.h"

#include <stdlib.h>
#include <string.h>

#include "app/hub/gap.h"
#include "lib/mem.h"
#include "lib/sse.h"

struct block *
block_new(void)
{
	return mem_zalloc(sizeof(struct block));
}

void
block_free(struct block *block)
{
	if (block == NULL)
		return;
	buf_free(&block->bytes);
	buf_free(&block->names);
	free(block->entries);
	free(block);
}

static uint32_t
add_name(struct block *block, const char *name)
{
	size_t at = block->names.len;

	if (name == NULL)
		return BLOCK_NO_NAME;
	buf_add(&block->names, name, strlen(name) + 1);
	return (uint32_t)at;
}

static void
reserve_entry(struct block *block)
{
	if (block->n < block->capacity)
		return;
	block->capacity = block->capacity != 0 ? 2 * block->capacity : 4;
	block->entries = mem_realloc(block->entries, block->capacity * sizeof(*block->entries));
}

void
block_add(struct block *block, const struct message *m)
{
	struct block_entry *entry;

	reserve_entry(block);
	entry = &block->entries[block->n++];
	entry->id = m->id;
	entry->expiry = m->expiry;
	entry->user = add_name(block, m->user);
	entry->topic = add_name(block, m->topic);
	entry->at = block->bytes.len;
	sse_id(&block->bytes, m->id);
	sse_event(&block->bytes, m->event, m->data, m->data_len);
	entry->len = block->bytes.len - entry->at;
	block->upto = m->id;
}

void
block_add_gap(struct block *block, int64_t after, const struct store_bounds *bounds)
{
	struct block_entry gap = { .user = BLOCK_NO_NAME, .topic = BLOCK_NO_NAME,
	    .at = block->bytes.len };

	gap.id = gap_add(&block->bytes, GAP_EXPIRED, after, NULL, bounds);
	gap.len = block->bytes.len - gap.at;
	reserve_entry(block);
	memmove(block->entries + 1, block->entries, block->n++ * sizeof(*block->entries));
	block->entries[0] = gap;
	if (block->upto < gap.id)
		block->upto = gap.id;
}

static const char *
name_at(const struct block *block, uint32_t at)
{
	return at != BLOCK_NO_NAME ? block->names.bytes + at : NULL;
}

const char *
block_user(const struct block *block, const struct block_entry *entry)
{
	return name_at(block, entry->user);
}

const char *
block_topic(const struct block *block, const struct block_entry *entry)
{
	return name_at(block, entry->topic);
}

size_t
block_size(const struct block *block)
{
	return sizeof(*block) + block->capacity * sizeof(*block->entries)
	    + block->bytes.capacity + block->names.capacity;
}
