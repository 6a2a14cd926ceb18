/* Writing a message in each of its forms. No state: any thread; run once for each
 * message and form, however many streams want it. */

#include "app/hub/encoding.h"

#include <string.h>

#include "lib/jsontext.h"
#include "lib/ndjson.h"
#include "lib/sse.h"

static const char ours[] = "rowcast.";

static struct encoding_parts
add_plain(struct buf *out, const struct message *m)
{
	static const char data[] = "data: ", end[] = "\n\n";
	size_t from = out->len, head;

	sse_id(out, m->id);
	if (m->event != NULL && *m->event != '\0')
		sse_name(out, m->event);
	head = out->len - from + sizeof(data) - 1;
	sse_event(out, NULL, m->data, m->data_len);
	return (struct encoding_parts){ head, sizeof(end) - 1 };
}

static void
add_member(struct buf *out, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buf_add_str(out, name);
	jsontext_add_string(out, text);
}

/* add_object writes all of the message in one line, since JSON text has no line breaks of
 * its own, and then the end. Data lie between the quotes. */
static struct encoding_parts
add_object(struct buf *out, size_t from, const struct message *m, const char *end)
{
	struct encoding_parts parts;
	size_t tail;

	buf_add_str(out, "{\"id\":");
	buf_add_number(out, m->id);
	add_member(out, ",\"user\":", m->user);
	add_member(out, ",\"topic\":", m->topic);
	add_member(out, ",\"event\":", m->event);
	buf_add_str(out, ",\"data\":");
	parts.head = out->len + 1 - from;
	jsontext_add_text(out, m->data, m->data_len);
	tail = out->len - 1;
	buf_add_str(out, ",\"created_at\":");
	buf_add_number(out, m->created_at);
	buf_add_str(out, "}");
	buf_add_str(out, end);
	parts.tail = out->len - tail;
	return parts;
}

/* add_json: the event's name is inside, so that whoever reads it needs one listener for
 * all names; but for what rowcast itself tells. */
static struct encoding_parts
add_json(struct buf *out, const struct message *m)
{
	size_t from = out->len;

	sse_id(out, m->id);
	if (m->event != NULL && strncmp(m->event, ours, sizeof(ours) - 1) == 0)
		sse_name(out, m->event);
	buf_add_str(out, "data: ");
	return add_object(out, from, m, "\n\n");
}

/* add_gap: that history was lost is told by a row where the store is a machine's copy, and
 * alike in every form. */
static struct encoding_parts
add_gap(enum encoding encoding, struct buf *out, const struct message *m)
{
	size_t from = out->len;

	if (encoding_is_sse(encoding)) {
		add_plain(out, m);
	} else if (encoding == ENCODING_LINES) {
		struct buf data = BUF_EMPTY;

		buf_add(&data, m->data, m->data_len);
		encoding_tell(encoding, out, m->event, m->id, &data);
		buf_free(&data);
	}
	return (struct encoding_parts){ out->len - from, 0 };
}

struct encoding_parts
encoding_add(enum encoding encoding, struct buf *out, const struct message *m)
{
	size_t from = out->len;

	if (message_is_gap(m))
		return add_gap(encoding, out, m);
	switch (encoding) {
	case ENCODING_PLAIN:
		break;
	case ENCODING_JSON:
		return add_json(out, m);
	case ENCODING_LINES:
		return add_object(out, from, m, "\n");
	case ENCODING_LIST:
		buf_add_str(out, ",\n");
		return add_object(out, from, m, "");
	}
	return add_plain(out, m);
}

void
encoding_tell(enum encoding encoding, struct buf *out, const char *event, int64_t id,
    const struct buf *data)
{
	if (encoding == ENCODING_LINES) {
		ndjson_event(out, event, id, data);
	} else if (encoding != ENCODING_LIST) {
		if (id != ENCODING_NO_ID)
			sse_id(out, id);
		sse_event(out, event, data->bytes, data->len);
	}
}

const char *
encoding_silence(enum encoding encoding)
{
	return encoding_is_sse(encoding) ? SSE_HEARTBEAT : "\n";
}

const char *
encoding_type(enum encoding encoding)
{
	return encoding == ENCODING_LINES ? "application/x-ndjson"
	    : encoding == ENCODING_LIST ? "application/json" : "text/event-stream";
}
