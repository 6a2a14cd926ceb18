/* Reading Server-Sent Events as they come. Whoever adds to it is called back in its own
 * thread. No line is ever held: a field's name needs no more than its first bytes to be
 * known, and what is behind the colon goes where it belongs, or nowhere, at once. So a cut
 * may lie anywhere, and what is not data costs no memory, however long it is. */

#include "lib/eventstream.h"

#include <string.h>

static const char bom[] = "\xef\xbb\xbf";

static bool
is_end(char c)
{
	return c == '\n' || c == '\r';
}

/* tell hands over the event, with its data unless that is too large. */
static void
tell(struct eventstream *es)
{
	struct eventstream_event event = { .number = ++es->number, .line = es->begun_at,
		.name = "" };

	if (!es->is_too_large) {
		es->name[es->name_len] = '\0';
		event.name = es->name;
		event.name_len = es->name_len;
		event.data_len = es->data.len;
		buf_add_char(&es->data, '\0');
		event.data = es->data.bytes;
	}
	es->take(es->context, &event);
}

static void
add_data(struct eventstream *es, const char *bytes, size_t n)
{
	if (es->is_too_large)
		return;
	if (n <= es->max_bytes - es->data.len) {
		buf_add(&es->data, bytes, n);
	} else {
		es->is_too_large = true;
		buf_free(&es->data);
		tell(es);
	}
}

static void
add_name(struct eventstream *es, const char *bytes, size_t n)
{
	size_t room = EVENTSTREAM_NAME_BYTES - es->name_len;

	if (n > room)
		n = room;
	memcpy(es->name + es->name_len, bytes, n);
	es->name_len += n;
}

/* begin_value is called where a field's name has ended, by a colon or by its line's end. */
static void
begin_value(struct eventstream *es)
{
	es->kind = EVENTSTREAM_OTHER;
	if (es->field_len == 4 && memcmp(es->field, "data", 4) == 0) {
		es->kind = EVENTSTREAM_DATA;
		if (es->has_data)
			add_data(es, "\n", 1);
		es->has_data = true;
	} else if (es->field_len == 5 && memcmp(es->field, "event", 5) == 0) {
		es->kind = EVENTSTREAM_EVENT;
		es->name_len = 0;
	}
	es->field_len = 0;
}

static void
end_event(struct eventstream *es)
{
	if (es->has_data && !es->is_too_large)
		tell(es);
	es->data.len = es->name_len = es->begun_at = 0;
	es->has_data = es->is_too_large = false;
}

static void
end_line(struct eventstream *es)
{
	if (es->state != EVENTSTREAM_FIELD)
		es->state = EVENTSTREAM_FIELD;
	else if (es->field_len > 0)
		begin_value(es);
	else
		end_event(es);
	es->n_lines++;
}

/* take_field takes the bytes of a field's name up to its colon or the line's end, and
 * returns how many they are. */
static size_t
take_field(struct eventstream *es, const char *bytes, size_t n)
{
	size_t i = 0;

	if (es->begun_at == 0 && bytes[0] != ':')
		es->begun_at = es->n_lines + 1;
	for (; i < n && bytes[i] != ':' && !is_end(bytes[i]); i++) {
		if (es->field_len < sizeof(es->field))
			es->field[es->field_len++] = bytes[i];
	}
	if (i < n && bytes[i] == ':') {
		begin_value(es);
		es->state = EVENTSTREAM_SPACE;
		i++;
	}
	return i;
}

/* take_value takes the bytes up to the line's end, and returns how many they are. */
static size_t
take_value(struct eventstream *es, const char *bytes, size_t n)
{
	size_t i = 0;

	while (i < n && !is_end(bytes[i]))
		i++;
	if (es->kind == EVENTSTREAM_DATA)
		add_data(es, bytes, i);
	else if (es->kind == EVENTSTREAM_EVENT)
		add_name(es, bytes, i);
	return i;
}

/* pass_bom returns how many bytes of the stream's beginning are its BOM's. What only looked
 * like one is the beginning of a field's name, which is none that we know. */
static size_t
pass_bom(struct eventstream *es, const char *bytes, size_t n)
{
	size_t i = 0;

	for (; i < n && es->n_bom < sizeof(bom) - 1; i++) {
		if (bytes[i] != bom[es->n_bom]) {
			es->state = EVENTSTREAM_FIELD;
			es->begun_at = es->n_bom > 0;
			es->field_len = es->n_bom;
			memcpy(es->field, bom, es->n_bom);
			return i;
		}
		es->n_bom++;
	}
	if (es->n_bom == sizeof(bom) - 1)
		es->state = EVENTSTREAM_FIELD;
	return i;
}

void
eventstream_add(struct eventstream *es, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; ) {
		bool is_after_cr = es->is_after_cr;

		es->is_after_cr = false;
		if (es->state == EVENTSTREAM_BEGIN) {
			i += pass_bom(es, bytes + i, n - i);
		} else if (is_end(bytes[i])) {
			if (!is_after_cr || bytes[i] == '\r')
				end_line(es);
			es->is_after_cr = bytes[i++] == '\r';
		} else if (es->state == EVENTSTREAM_FIELD) {
			i += take_field(es, bytes + i, n - i);
		} else if (es->state == EVENTSTREAM_SPACE) {
			es->state = EVENTSTREAM_VALUE;
			i += bytes[i] == ' ';
		} else {
			i += take_value(es, bytes + i, n - i);
		}
	}
}

void
eventstream_free(struct eventstream *es)
{
	buf_free(&es->data);
}
