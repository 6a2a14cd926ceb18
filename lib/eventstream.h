/* The events of a text/event-stream that comes in pieces (HTML 9.2.5 and 9.2.6), in
 * bounded memory and in time linear in what is added. CR, LF and CRLF end lines, one BOM
 * at the start is passed over, `id`, `retry`, comments and unknown fields too. Bytes are
 * taken as they are: whether they are UTF-8 is for the caller to say. One thread at a
 * time. */
#ifndef LIB_EVENTSTREAM_H
#define LIB_EVENTSTREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

enum {
	/* Of a longer event name these first bytes are told: who allows fewer sees that it
	 * is too long. */
	EVENTSTREAM_NAME_BYTES = 256,
};

struct eventstream_event {
	size_t number;     /* from 1; what has no data is no event */
	size_t line;       /* that it begins in, from 1; comments are before it */
	const char *name;  /* the last `event` there was, or "" */
	size_t name_len;
	const char *data;  /* its lines joined by LF; NULL: they are longer than max_bytes, which
	                    * is told at once, without a name: nothing may ever end them */
	size_t data_len;
};

/* An eventstream_fn takes one event. Its strings are lent until it returns, may hold any
 * bytes, and have a NUL behind them that is not counted. */
typedef void eventstream_fn(void *context, const struct eventstream_event *event);

struct eventstream {
	size_t max_bytes;      /* of one event's data */
	eventstream_fn *take;
	void *context;
	size_t number;         /* of events that were handed over */
	struct buf data;       /* owned: of the event that has begun; the one thing that grows */
	/* The rest is private. */
	char name[EVENTSTREAM_NAME_BYTES + 1];
	size_t name_len;
	char field[sizeof("event")];  /* of the line that has begun, as much as tells which it is */
	size_t field_len;
	enum {
		EVENTSTREAM_BEGIN,  /* nothing but part of a BOM has come */
		EVENTSTREAM_FIELD,  /* in the name of a field, or before it */
		EVENTSTREAM_SPACE,  /* behind its colon */
		EVENTSTREAM_VALUE,
	} state;
	enum { EVENTSTREAM_OTHER, EVENTSTREAM_DATA, EVENTSTREAM_EVENT } kind;
	size_t n_bom;
	size_t n_lines;        /* that have ended */
	size_t begun_at;       /* the line that the event begins in; 0: there is nothing of it */
	bool is_after_cr;      /* an LF belongs to the end that was */
	bool has_data;
	bool is_too_large;     /* that was told, and its data is dropped */
};

/* A struct eventstream needs only its first three members set; the others begin as 0. */

/* eventstream_add takes the next piece and hands over each event that its blank line ends
 * in it. */
void eventstream_add(struct eventstream *es, const char *bytes, size_t n);

/* eventstream_free releases what is held: an event that lacks its blank line is none. */
void eventstream_free(struct eventstream *es);

#endif
