/* Encodings: the forms in which a stream may ask for its messages, and the bytes of a
 * message, and of what rowcast itself tells, in each. A new form is a line of the enum and
 * a case in encoding.c. Plain functions: any thread. */
#ifndef APP_HUB_ENCODING_H
#define APP_HUB_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#include "app/store/message.h"
#include "lib/buf.h"
#include "lib/ndjson.h"

enum encoding {
	ENCODING_PLAIN,  /* an event with the message's name and data (HTML 9.2.5) */
	ENCODING_JSON,   /* format=json: one whose data is all of the message, as JSON */
	ENCODING_LINES,  /* application/x-ndjson: a line of that JSON */
	ENCODINGS,       /* those that messages come in as they are published; but one is for polls: */
	ENCODING_LIST = ENCODINGS,  /* application/json: an element of an array, behind a comma */
};

/* Several, in an unsigned. */
#define ENCODING_BIT(encoding) (1u << (encoding))

/* A message's bytes are a head, which has its id, its data, and a tail. Data of several
 * messages between the head and the tail of the last of them are one message (join=). */
struct encoding_parts {
	size_t head, tail;  /* in bytes */
};

/* encoding_add adds the message in that form, its id included, and says where its data
 * lie. m is only read. Run once for each message and form, however many streams want it. */
struct encoding_parts encoding_add(enum encoding encoding, struct buf *out, const struct message *m);

/* encoding_tell adds what rowcast itself tells, under that name and, but for ENCODING_NO_ID, id;
 * data is JSON. In a list there is no room for it: nothing is added. */
#define ENCODING_NO_ID NDJSON_NO_ID
void encoding_tell(enum encoding encoding, struct buf *out, const char *event, int64_t id,
    const struct buf *data);

/* encoding_silence returns what may be sent where there is nothing to say: nobody raises it
 * as an event. */
const char *encoding_silence(enum encoding encoding);

/* encoding_is_sse: is it Server-Sent Events, with blocks and their fields? */
static inline bool
encoding_is_sse(enum encoding encoding)
{
	return encoding == ENCODING_PLAIN || encoding == ENCODING_JSON;
}

/* encoding_type returns the media type of a response. */
const char *encoding_type(enum encoding encoding);

#endif
