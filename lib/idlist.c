/* Each id is kept as what it is more than the one before, seven bits a byte, the lowest
 * first; a difference below 0 is folded between those above. */

#include "lib/idlist.h"

void
idlist_add(struct idlist *list, int64_t id)
{
	uint64_t difference = (uint64_t)id - (uint64_t)list->last;
	uint64_t rest = (difference << 1) ^ (0 - (difference >> 63));

	for (; rest >= 0x80; rest >>= 7)
		buf_add_char(&list->bytes, (char)((rest & 0x7f) | 0x80));
	buf_add_char(&list->bytes, (char)rest);
	list->last = id;
	list->n++;
}

void
idlist_free(struct idlist *list)
{
	buf_free(&list->bytes);
	*list = (struct idlist){ 0 };
}

bool
idlist_next(const struct idlist *list, struct idlist_reader *reader, int64_t *id)
{
	uint64_t folded = 0;
	unsigned char byte = 0x80;

	if (reader->at == list->bytes.len)
		return false;
	for (unsigned shift = 0; (byte & 0x80) != 0; shift += 7) {
		byte = (unsigned char)list->bytes.bytes[reader->at++];
		folded |= (uint64_t)(byte & 0x7f) << shift;
	}
	*id = reader->last = (int64_t)((uint64_t)reader->last + ((folded >> 1) ^ (0 - (folded & 1))));
	return true;
}
