/* Writing a message in each of its forms. No state: any thread; run once for each
 * message and form, however many streams want it. */

#include "app/hub/encoding.h"

#include <string.h>

#include "lib/jsontext.h"
#include "lib/sse.h"

static void
add_plain(struct buf *out, const struct message *m)
{
	sse_id(out, m->id);
	sse_event(out, m->event, m->data, m->data_len);
}

static void
add_member(struct buf *out, const char *name, const char *text)
{
	if (text == NULL)
		return;
	buf_add_str(out, name);
	jsontext_add_string(out, text);
}

/* add_json writes one line, since JSON text has no line breaks of its own. The event's
 * name is inside, so that whoever reads it needs one listener for all names; but for
 * what rowcast itself tells, which is told alike in every form. That history was lost
 * is told by a row where the store is a machine's copy. */
static void
add_json(struct buf *out, const struct message *m)
{
	static const char ours[] = "rowcast.";

	if (m->event != NULL && strcmp(m->event, "rowcast.gap") == 0) {
		add_plain(out, m);
		return;
	}
	sse_id(out, m->id);
	if (m->event != NULL && strncmp(m->event, ours, sizeof(ours) - 1) == 0)
		sse_name(out, m->event);
	buf_add_str(out, "data: {\"id\":");
	buf_add_number(out, m->id);
	add_member(out, ",\"user\":", m->user);
	add_member(out, ",\"topic\":", m->topic);
	add_member(out, ",\"event\":", m->event);
	buf_add_str(out, ",\"data\":");
	jsontext_add_text(out, m->data, m->data_len);
	buf_add_str(out, ",\"created_at\":");
	buf_add_number(out, m->created_at);
	buf_add_str(out, "}\n\n");
}

void
encoding_add(enum encoding encoding, struct buf *out, const struct message *m)
{
	if (encoding == ENCODING_JSON)
		add_json(out, m);
	else
		add_plain(out, m);
}
