/* Writing JSON text. Reading it is jansson's; these few answers need no tree. */
#ifndef LIB_JSONTEXT_H
#define LIB_JSONTEXT_H

#include "lib/buf.h"

/* jsontext_add_string adds text as a JSON string with its quotes (RFC 8259 7);
 * what is not UTF-8 as U+FFFD (utf8_add_repaired). */
void jsontext_add_string(struct buf *out, const char *text);

/* jsontext_add_text is the same for len bytes, U+0000 among them perhaps. */
void jsontext_add_text(struct buf *out, const char *text, size_t len);

#endif
