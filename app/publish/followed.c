/* Reading a body that is followed. Whatever its form, what it brings ends up as fields, which
 * field.c reads: so it cannot differ from any other message to /msg in what is accepted. */

#include "app/publish/followed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/publish/publication.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* What a line may be longer than its message, each byte of which may be six: the names, and
 * the fields that are not data. */
enum { LINE_SPARE_BYTES = 16 << 10, ESCAPED_BYTES = 6 };

enum { KEPT_BYTES = 4096 };  /* of memory, between two lines */

/* ---- batches ---- */

static void
free_message(struct message *m)
{
	m->topic = NULL;  /* lent */
	message_free(m);
}

void
batch_free(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		free_message(&batch->messages[i]);
	free(batch->messages);
	free(batch->lines);
	*batch = (struct batch){ 0 };
}

static void
batch_add(struct batch *batch, const struct message *m, size_t line)
{
	if (batch->n == batch->capacity) {
		batch->capacity = batch->capacity > 0 ? 2 * batch->capacity : 1;
		batch->messages = mem_realloc(batch->messages,
		    batch->capacity * sizeof(batch->messages[0]));
		batch->lines = mem_realloc(batch->lines, batch->capacity * sizeof(batch->lines[0]));
	}
	batch->lines[batch->n] = line;
	batch->messages[batch->n++] = *m;
	batch->n_bytes += m->data_len;
}

/* ---- messages ---- */

void
followed_refuse(struct followed *followed, int status, const char *format, ...)
{
	va_list ap;

	if (followed->status != 0)
		return;
	followed->status = status;
	va_start(ap, format);
	vsnprintf(followed->error, sizeof(followed->error), format, ap);
	va_end(ap);
}

/* check judges a draft as a message of this body. 0, or the status. */
static int
check(struct followed *followed, struct field_reader *reader, struct draft *draft)
{
	struct message *m = &draft->message;

	if (draft->all || m->user != NULL)
		return field_refuse(reader, FIELD_BAD, "what is followed is for all who read its topic:"
		    " leave out %s", draft->all ? "all" : "user");
	if (m->topic != NULL && strcmp(m->topic, followed->topic) != 0)
		return field_refuse(reader, FIELD_BAD, "topic is another than the one that is followed");
	free(m->topic);
	m->topic = followed->topic;
	if (followed->n_messages == followed->max_messages)
		return field_refuse(reader, FIELD_TOO_LARGE, "more than %zu messages in one body",
		    followed->max_messages);
	return field_check(reader, draft);
}

static struct field_reader
reader_of(struct followed *followed, size_t line)
{
	return (struct field_reader){
		.error = followed->error,
		.max_message_bytes = followed->max_message_bytes,
		.now = clock_wall_s(),
		.line = line,
	};
}

/* take takes a draft, which was read with that status. */
static void
take(struct followed *followed, struct field_reader *reader, struct draft *draft, int status)
{
	struct message *m = &draft->message;

	if (status == 0)
		status = check(followed, reader, draft);
	if (status != 0) {
		followed->status = status;
		if (m->topic == followed->topic)
			m->topic = NULL;
		message_free(m);
		return;
	}
	followed->n_messages++;
	followed->has_ended = message_is_end(m);
	batch_add(&followed->batch, m, reader->line);
}

static void
refuse_too_long(struct followed *followed, size_t line)
{
	followed_refuse(followed, FIELD_TOO_LARGE, "line %zu: longer than a message may be", line);
}

static void
take_line(void *context, size_t number, const char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct followed *followed = context;
	struct field_reader reader = reader_of(followed, number);
	struct draft draft = { 0 };
	int status;

	if (followed_is_over(followed))
		return;
	if (text == NULL) {
		refuse_too_long(followed, number);
		return;
	}
	if (number == 1 && len >= strlen(bom) && memcmp(text, bom, strlen(bom)) == 0) {
		text += strlen(bom);
		len -= strlen(bom);
	}
	if (publication_line_is_blank(text, len))
		return;
	status = publication_read_line(&reader, &draft, text, len);
	take(followed, &reader, &draft, status);
}

static void
take_event(void *context, const struct eventstream_event *event)
{
	struct followed *followed = context;
	struct field_reader reader = reader_of(followed, event->line);
	struct field_value data = { .kind = FIELD_TEXT, .text = event->data, .len = event->data_len };
	struct field_value name = { .kind = FIELD_TEXT, .text = event->name, .len = event->name_len };
	struct draft draft = { 0 };
	int status = 0;

	if (followed_is_over(followed))
		return;
	if (event->data == NULL) {
		refuse_too_long(followed, event->line);
		return;
	}
	/* By the standard that is what an event without a name is. */
	if (event->name_len != strlen("message") || strcmp(event->name, "message") != 0)
		status = field_read(&reader, &draft, "event", &name);
	if (status == 0)
		status = field_read(&reader, &draft, "data", &data);
	take(followed, &reader, &draft, status);
}

/* ---- the body ---- */

void
followed_init(struct followed *followed, enum followed_form form, const char *topic,
    size_t max_message_bytes, size_t max_messages)
{
	*followed = (struct followed){
		.topic = mem_strdup(topic),
		.form = form,
		.max_message_bytes = max_message_bytes,
		.max_messages = max_messages,
	};
	followed->lines = (struct lines){
		.max_bytes = ESCAPED_BYTES * max_message_bytes + LINE_SPARE_BYTES,
		.take = take_line, .context = followed,
	};
	followed->events = (struct eventstream){
		.max_bytes = max_message_bytes, .take = take_event, .context = followed,
	};
}

void
followed_free(struct followed *followed)
{
	buf_free(&followed->lines.begun);
	eventstream_free(&followed->events);
	batch_free(&followed->batch);
	free(followed->topic);
}

/* trim gives back what one long line has left behind. */
static void
trim(struct buf *buf)
{
	if (buf->len == 0 && buf->capacity > KEPT_BYTES)
		buf_free(buf);
}

void
followed_read(struct followed *followed, const char *bytes, size_t n)
{
	if (followed_is_over(followed))
		return;
	if (followed->form == FOLLOWED_LINES) {
		lines_add(&followed->lines, bytes, n);
		if (followed->lines.is_too_long && !followed_is_over(followed))
			refuse_too_long(followed, followed->lines.number + 1);
	} else {
		eventstream_add(&followed->events, bytes, n);
	}
	trim(&followed->lines.begun);
	trim(&followed->events.data);
}

void
followed_end(struct followed *followed)
{
	if (followed->form == FOLLOWED_LINES && !followed_is_over(followed))
		lines_end(&followed->lines);
}

bool
followed_is_over(const struct followed *followed)
{
	return followed->has_ended || followed->status != 0;
}

size_t
followed_holds(const struct followed *followed)
{
	return followed->lines.begun.capacity + followed->events.data.capacity;
}
