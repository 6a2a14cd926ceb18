/* The bytes of Server-Sent Events (HTML 9.2.5 and 9.2.6). LF ends lines, a
 * space follows each colon, there is no BOM: the one spelling that every
 * client reads alike. */
#ifndef LIB_SSE_H
#define LIB_SSE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

/* sse_event adds an event: `event:` (left out where NULL or empty; holds no CR or
 * LF), a `data:` line for each line of the data, whether CR, LF or CRLF ends it,
 * and the blank line. What is not UTF-8 is written as U+FFFD (utf8_add_repaired):
 * a strict reader would end the stream there, and come back to the same event
 * for ever. Where it has an id, sse_id comes before. */
void sse_event(struct buf *out, const char *event, const char *data, size_t data_len);

/* sse_name adds its `event:` line alone, for who writes the data itself: in one line,
 * and valid UTF-8. */
void sse_name(struct buf *out, const char *event);

/* sse_retry and sse_id add one field line, without the blank line that ends
 * the block: they go into blocks of several fields. */
void sse_retry(struct buf *out, int64_t retry_ms);
void sse_id(struct buf *out, int64_t id);

/* A comment line; no client raises it as an event, since no blank line follows. */
#define SSE_HEARTBEAT ":\n"

#endif
