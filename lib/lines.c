/* Cutting a text into lines as it comes. Whoever adds to it is called back in its own
 * thread. A line that lies within one piece is handed over where it stands; only one
 * that goes on in the next piece is copied. */

#include "lib/lines.h"

#include <string.h>

static void
hand_over(struct lines *lines, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\r')
		len--;
	lines->number++;
	if (lines->is_too_long || len > lines->max_bytes)
		lines->take(lines->context, lines->number, NULL, 0);
	else
		lines->take(lines->context, lines->number, text, len);
	lines->begun.len = 0;
	lines->is_begun = lines->is_too_long = false;
}

/* hold keeps what may still be part of a line that is not too long: one byte more than
 * that has, since the last may be the CR of its end. */
static void
hold(struct lines *lines, const char *bytes, size_t n)
{
	lines->is_begun = true;
	if (lines->is_too_long || n > lines->max_bytes + 1 - lines->begun.len) {
		lines->is_too_long = true;
		buf_free(&lines->begun);
	} else {
		buf_add(&lines->begun, bytes, n);
	}
}

void
lines_add(struct lines *lines, const char *bytes, size_t n)
{
	const char *end = bytes + n, *lf;

	for (; bytes < end && (lf = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL;
	    bytes = lf + 1) {
		if (!lines->is_begun) {
			hand_over(lines, bytes, (size_t)(lf - bytes));
		} else {
			hold(lines, bytes, (size_t)(lf - bytes));
			hand_over(lines, lines->begun.bytes, lines->begun.len);
		}
	}
	if (bytes < end)
		hold(lines, bytes, (size_t)(end - bytes));
}

void
lines_end(struct lines *lines)
{
	if (lines->is_begun)
		hand_over(lines, lines->begun.bytes, lines->begun.len);
	buf_free(&lines->begun);
}
