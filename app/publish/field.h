/* A field: one name and its value in a request to /msg, whatever form it came
 * in, and its way into a message. Plain values, of the thread that reads the
 * request. */
#ifndef APP_PUBLISH_FIELD_H
#define APP_PUBLISH_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/store/message.h"
#include "lib/clock.h"

enum { FIELD_ERROR_BYTES = 512 };

/* The statuses of a refusal (RFC 9110 15.5). */
enum {
	FIELD_BAD = 400,
	FIELD_TOO_LARGE = 413,
};

struct field_value {
	enum {
		FIELD_TEXT,
		FIELD_INTEGER,
		FIELD_REAL,
		FIELD_TRUE,
		FIELD_FALSE,
		FIELD_OTHER, /* an array or object, which no field takes */
	} kind;
	const char *text;  /* lent; a NUL behind it, and perhaps more inside */
	size_t len;
	int64_t integer;
	double real;
};

/* A message on its way in, as its fields say. */
struct draft {
	struct message message;  /* user and topic as the request gave them */
	bool all;                /* all=1: to everyone */
	size_t line;             /* of NDJSON, from 1; 0: the request was not NDJSON */
};

/* Reads the fields of one message after the other. */
struct field_reader {
	char *error;               /* lent, FIELD_ERROR_BYTES; a refusal's sentence */
	size_t max_message_bytes;
	wall_s now;                /* what a ttl counts from */
	size_t line;               /* goes in front of the sentence; 0: nothing does */
	unsigned int seen;         /* the message's fields so far; 0 before its first */
};

/* field_read puts one field into the draft, copying it. 0; or the status to
 * answer with and reader->error. A field that is unknown, or that the draft has
 * already, is refused. */
int field_read(struct field_reader *reader, struct draft *draft, const char *name,
    const struct field_value *value);

/* field_check judges the draft when its last field is read. As field_read. */
int field_check(struct field_reader *reader, const struct draft *draft);

/* field_check_end judges what ends a topic, if that is what it is, as field_check does. */
int field_check_end(struct field_reader *reader, const struct message *m);

/* field_refuse words a refusal and returns the status. The sentence must not
 * repeat bytes of the request that are not known to be harmless. */
int field_refuse(struct field_reader *reader, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
