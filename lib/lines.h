/* The lines of a text that comes in pieces, in bounded memory: a line that is too long
 * is told and never held. A line ends in LF or CRLF, the last one may lack it. One
 * thread at a time. */
#ifndef LIB_LINES_H
#define LIB_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

/* A lines_fn takes one line without its end; number counts from 1. text is lent until
 * it returns, may hold any bytes and has no NUL behind it; it is NULL where the line
 * is longer than max_bytes. */
typedef void lines_fn(void *context, size_t number, const char *text, size_t len);

struct lines {
	size_t max_bytes;  /* of one line, without its end */
	lines_fn *take;
	void *context;
	size_t number;     /* of lines that have ended */
	struct buf begun;  /* owned: the line that has not ended yet */
	bool is_begun;
	bool is_too_long;  /* its bytes are dropped */
};

/* A struct lines needs only its first three members set; the others begin as 0. */

/* lines_add takes the next piece and hands over each line that ends in it. */
void lines_add(struct lines *lines, const char *bytes, size_t n);

/* lines_end hands over the last line, if it lacks its end, and frees what is held. */
void lines_end(struct lines *lines);

#endif
