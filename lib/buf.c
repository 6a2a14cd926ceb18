/* A growing run of bytes: its capacity doubles, so that adding stays cheap. A buf
 * belongs to one thread at a time. */

#include "lib/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

enum {
	BUF_FIRST = 64,   /* first capacity in bytes; picked, not tuned */
	DIGITS_MAX = 20,  /* of an int64_t, with its sign */
};

void
buf_free(struct buf *b)
{
	free(b->bytes);
	*b = BUF_EMPTY;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (b->capacity - b->len < n) {
		size_t capacity = b->capacity != 0 ? b->capacity : BUF_FIRST;

		while (capacity - b->len < n)
			capacity *= 2;
		b->bytes = mem_realloc(b->bytes, capacity);
		b->capacity = capacity;
	}
	return b->bytes + b->len;
}

void
buf_trim(struct buf *b)
{
	if (b->len == 0) {
		buf_free(b);
	} else if (b->len < b->capacity) {
		b->bytes = mem_realloc(b->bytes, b->len);
		b->capacity = b->len;
	}
}

void
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (n > 0) {
		memcpy(buf_reserve(b, n), bytes, n);
		b->len += n;
	}
}

void
buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_add_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->len++;
}

/* printf would be half the cost of encoding a short message. */
void
buf_add_number(struct buf *b, int64_t number)
{
	char digits[DIGITS_MAX];
	size_t n = 0;
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (number < 0)
		digits[sizeof(digits) - ++n] = '-';
	buf_add(b, digits + sizeof(digits) - n, n);
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n <= 0)
		return;
	va_start(ap, format);
	vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, format, ap);
	va_end(ap);
	b->len += (size_t)n;
}

char *
buf_take(struct buf *b)
{
	char *bytes;

	buf_add_char(b, '\0');
	bytes = b->bytes;
	*b = BUF_EMPTY;
	return bytes;
}
