/* Encodes messages once, for however many streams. Runs in the thread of the tail
 * that makes a block, then in the hub's that owns it; touches only the block. */

#include "app/hub/block.h"

#include <stdlib.h>
#include <string.h>

#include "app/hub/gap.h"
#include "lib/mem.h"

struct block *
block_new(void)
{
	struct block *block = mem_zalloc(sizeof(*block));

	block->encodings = ENCODING_BIT(ENCODING_PLAIN);
	return block;
}

void
block_free(struct block *block)
{
	if (block == NULL)
		return;
	for (size_t i = 0; i < ENCODINGS; i++) {
		buf_free(&block->texts[i].bytes);
		free(block->texts[i].spans);
	}
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
	for (size_t i = 0; i < ENCODINGS; i++)
		if (block_has(block, (enum encoding)i))
			block->texts[i].spans = mem_realloc(block->texts[i].spans,
			    block->capacity * sizeof(*block->texts[i].spans));
}

/* set_span is for what was added to the text from `at` on, as the event of an entry. */
static void
set_span(struct block_text *text, size_t at, struct encoding_parts parts,
    struct block_entry *entry, size_t index)
{
	struct block_span span = { (uint32_t)at, (uint32_t)(text->bytes.len - at),
	    (uint32_t)parts.head, (uint32_t)parts.tail };

	text->spans[index] = span;
	if (entry->len < span.len)
		entry->len = span.len;
}

void
block_add(struct block *block, const struct message *m)
{
	struct block_entry *entry;
	size_t index = block->n;

	reserve_entry(block);
	entry = &block->entries[block->n++];
	entry->id = m->id;
	entry->expiry = m->expiry;
	entry->user = add_name(block, m->user);
	entry->topic = add_name(block, m->topic);
	entry->event = add_name(block, m->event);
	entry->is_gap = message_is_gap(m);
	entry->is_end = message_is_end(m);
	block->n_gaps += entry->is_gap;
	block->n_for_many += m->user == NULL;
	entry->len = 0;
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct block_text *text = &block->texts[i];
		size_t at = text->bytes.len;
		struct encoding_parts parts;

		if (!block_has(block, (enum encoding)i))
			continue;
		parts = encoding_add((enum encoding)i, &text->bytes, m);
		set_span(text, at, parts, entry, index);
	}
	block->upto = m->id;
}

void
block_add_gap(struct block *block, int64_t after, const struct store_bounds *bounds)
{
	struct block_entry gap = { .user = BLOCK_NO_NAME, .topic = BLOCK_NO_NAME,
	    .event = BLOCK_NO_NAME, .is_gap = true };
	struct buf data = BUF_EMPTY;

	gap.id = gap_describe(&data, GAP_EXPIRED, after, NULL, bounds);
	reserve_entry(block);
	for (size_t i = 0; i < ENCODINGS; i++) {
		struct block_text *text = &block->texts[i];
		size_t at = text->bytes.len;

		if (!block_has(block, (enum encoding)i))
			continue;
		memmove(text->spans + 1, text->spans, block->n * sizeof(*text->spans));
		encoding_tell((enum encoding)i, &text->bytes, MESSAGE_EVENT_GAP, gap.id, &data);
		set_span(text, at, (struct encoding_parts){ text->bytes.len - at, 0 }, &gap, 0);
	}
	buf_free(&data);
	memmove(block->entries + 1, block->entries, block->n++ * sizeof(*block->entries));
	block->entries[0] = gap;
	block->n_gaps++;
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

const char *
block_event(const struct block *block, const struct block_entry *entry)
{
	return name_at(block, entry->event);
}

size_t
block_n_bytes(const struct block *block)
{
	size_t n = 0;

	for (size_t i = 0; i < ENCODINGS; i++)
		n += block->texts[i].bytes.len;
	return n;
}

size_t
block_size(const struct block *block)
{
	size_t n = sizeof(*block) + block->capacity * sizeof(*block->entries) + block->names.capacity;

	for (size_t i = 0; i < ENCODINGS; i++)
		if (block_has(block, (enum encoding)i))
			n += block->texts[i].bytes.capacity
			    + block->capacity * sizeof(*block->texts[i].spans);
	return n;
}
