/* An EventSource parser, written from HTML 9.2.6 and from nothing of ours: what
 * a browser makes of the bytes we send. For test_sse.c too. */
#ifndef TESTS_FUZZ_EVENTSOURCE_H
#define TESTS_FUZZ_EVENTSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/buf.h"

struct eventsource {
	struct buf data, event;   /* the buffers of HTML 9.2.6; data ends in LF */
	struct buf id_buffer;     /* the last event ID buffer */
	struct buf last_id;       /* as dispatched: what a browser would send as Last-Event-ID */
	long long retry_ms;       /* -1: not told yet */
	size_t n_dispatched;
	/* One event; lent until it returns. */
	void (*dispatch)(void *arg, const struct buf *event, const struct buf *data,
	    const struct buf *last_id);
	void *arg;
};

static inline void
eventsource_free(struct eventsource *es)
{
	buf_free(&es->data);
	buf_free(&es->event);
	buf_free(&es->id_buffer);
	buf_free(&es->last_id);
}

static inline bool
eventsource_is(const struct buf *b, const char *text)
{
	return b->len == strlen(text) && (b->len == 0 || memcmp(b->bytes, text, b->len) == 0);
}

static inline void
eventsource_blank_line(struct eventsource *es)
{
	es->last_id.len = 0;
	buf_add(&es->last_id, es->id_buffer.bytes, es->id_buffer.len);
	if (es->data.len > 0) {
		es->data.len--;
		if (es->event.len == 0)
			buf_add_str(&es->event, "message");
		es->n_dispatched++;
		es->dispatch(es->arg, &es->event, &es->data, &es->last_id);
	}
	es->data.len = 0;
	es->event.len = 0;
}

static inline void
eventsource_field(struct eventsource *es, const char *name, size_t name_len, const char *value,
    size_t len)
{
	if (name_len == 5 && memcmp(name, "event", 5) == 0) {
		es->event.len = 0;
		buf_add(&es->event, value, len);
	} else if (name_len == 4 && memcmp(name, "data", 4) == 0) {
		buf_add(&es->data, value, len);
		buf_add_char(&es->data, '\n');
	} else if (name_len == 2 && memcmp(name, "id", 2) == 0) {
		if (len > 0 && memchr(value, '\0', len) != NULL)
			return;
		es->id_buffer.len = 0;
		buf_add(&es->id_buffer, value, len);
	} else if (name_len == 5 && memcmp(name, "retry", 5) == 0) {
		long long ms = 0;

		for (size_t i = 0; i < len; i++) {
			if (value[i] < '0' || value[i] > '9')
				return;
			ms = ms < 1000000000000 ? 10 * ms + (value[i] - '0') : ms;
		}
		if (len > 0)
			es->retry_ms = ms;
	}
}

static inline void
eventsource_line(struct eventsource *es, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len), *value;

	if (len == 0) {
		eventsource_blank_line(es);
	} else if (colon == NULL) {
		eventsource_field(es, line, len, "", 0);
	} else if (colon > line) {
		value = colon + 1;
		value += value < line + len && *value == ' ';
		eventsource_field(es, line, (size_t)(colon - line), value,
		    (size_t)(line + len - value));
	}
}

/* eventsource_read parses a whole stream. A line that nothing ends is
 * discarded, and so is an event. */
static inline void
eventsource_read(struct eventsource *es, const char *bytes, size_t len)
{
	size_t begin = 0;

	es->retry_ms = -1;
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		begin = 3;
	for (size_t i = begin; i < len; i++) {
		if (bytes[i] != '\n' && bytes[i] != '\r')
			continue;
		eventsource_line(es, bytes + begin, i - begin);
		if (bytes[i] == '\r' && i + 1 < len && bytes[i + 1] == '\n')
			i++;
		begin = i + 1;
	}
}

#endif
