#include "app/hub/join.h"

#include <string.h>

bool
join_takes(const char *join, const char *event)
{
	return strcmp(join, event != NULL ? event : "message") == 0;
}

/* add_names writes what has to be the same in all of a run, so that two of them differ
 * where anything of it does: no name holds U+0000. */
static void
add_names(struct buf *names, const struct message *m)
{
	const char *const parts[] = { m->topic, m->user, m->event };

	names->len = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		buf_add_char(names, parts[i] != NULL ? '+' : '-');
		buf_add(names, parts[i] != NULL ? parts[i] : "", parts[i] != NULL ? strlen(parts[i]) + 1 : 0);
	}
}

static bool
is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static void
set(struct buf *buf, const char *bytes, size_t len)
{
	buf->len = 0;
	buf_add(buf, bytes, len);
}

void
join_add(struct join *join, const char *event, enum encoding encoding, struct buf *out,
    const struct message *m)
{
	struct encoding_parts parts;
	const char *bytes;
	size_t len;

	if (event == NULL || m->topic == NULL || !join_takes(event, m->event)) {
		join_flush(join, out);
		encoding_add(encoding, out, m);
		return;
	}
	add_names(&join->scratch, m);
	if (join->is_open && !is_same(&join->scratch, &join->names))
		join_flush(join, out);
	set(&join->names, join->scratch.bytes, join->scratch.len);
	join->scratch.len = 0;
	parts = encoding_add(encoding, &join->scratch, m);
	bytes = join->scratch.bytes;
	len = join->scratch.len;
	set(&join->head, bytes, parts.head);
	buf_add(&join->data, bytes + parts.head, len - parts.head - parts.tail);
	set(&join->tail, bytes + len - parts.tail, parts.tail);
	join->is_open = true;
}

void
join_flush(struct join *join, struct buf *out)
{
	if (!join->is_open)
		return;
	buf_add(out, join->head.bytes, join->head.len);
	buf_add(out, join->data.bytes, join->data.len);
	buf_add(out, join->tail.bytes, join->tail.len);
	join->data.len = 0;
	join->is_open = false;
}

size_t
join_len(const struct join *join)
{
	return join->is_open ? join->head.len + join->data.len + join->tail.len : 0;
}

void
join_free(struct join *join)
{
	buf_free(&join->head);
	buf_free(&join->data);
	buf_free(&join->tail);
	buf_free(&join->names);
	buf_free(&join->scratch);
}
