/* Encodings: the forms in which a stream may ask for its messages, and the bytes of a
 * message in each. A new form is a line of the enum and a function in encoding.c. */
#ifndef APP_HUB_ENCODING_H
#define APP_HUB_ENCODING_H

#include "app/store/message.h"
#include "lib/buf.h"

enum encoding {
	ENCODING_PLAIN,  /* an event with the message's name and data */
	ENCODING_JSON,   /* format=json: one whose data is all of the message, as JSON */
	ENCODINGS,
};

/* Several, in an unsigned. */
#define ENCODING_BIT(encoding) (1u << (encoding))

/* encoding_add adds the message in that form, its id included. m is only read. */
void encoding_add(enum encoding encoding, struct buf *out, const struct message *m);

#endif
