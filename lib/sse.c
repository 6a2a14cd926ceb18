/* Writing the bytes of Server-Sent Events. No state: any thread; it runs once for
 * each message, so it is written to be fast. */

#include "lib/sse.h"

#include <string.h>

enum { DIGITS_MAX = 20 };  /* of an int64_t, with its sign */

/* printf would be half the cost of encoding a short message. */
static void
add_number_line(struct buf *out, const char *field, int64_t number)
{
	char digits[DIGITS_MAX];
	size_t n = 0;
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[sizeof(digits) - ++n] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (number < 0)
		digits[sizeof(digits) - ++n] = '-';
	buf_add_str(out, field);
	buf_add(out, digits + sizeof(digits) - n, n);
	buf_add_char(out, '\n');
}

void
sse_retry(struct buf *out, int64_t retry_ms)
{
	add_number_line(out, "retry: ", retry_ms);
}

void
sse_id(struct buf *out, int64_t id)
{
	add_number_line(out, "id: ", id);
}

static void
add_data_line(struct buf *out, const char *line, size_t n)
{
	char *to = buf_reserve(out, n + 7);

	memcpy(to, "data: ", 6);
	if (n > 0)
		memcpy(to + 6, line, n);
	to[n + 6] = '\n';
	out->len += n + 7;
}

/* line_end returns the first CR or LF in [at, end), or end. Two runs of memchr
 * beat a loop by bytes; the CR is looked for only up to the LF. */
static const char *
line_end(const char *at, const char *end)
{
	const char *lf, *cr;

	if (at == end)
		return end;
	lf = memchr(at, '\n', (size_t)(end - at));
	if (lf == NULL)
		lf = end;
	cr = lf > at ? memchr(at, '\r', (size_t)(lf - at)) : NULL;
	return cr != NULL ? cr : lf;
}

void
sse_event(struct buf *out, const char *event, const char *data, size_t data_len)
{
	const char *at = data, *end = data + data_len;

	if (event != NULL && *event != '\0') {
		buf_add_str(out, "event: ");
		buf_add_str(out, event);
		buf_add_char(out, '\n');
	}
	for (;;) {
		const char *stop = line_end(at, end);

		add_data_line(out, at, (size_t)(stop - at));
		if (stop == end)
			break;
		at = stop + 1;
		if (*stop == '\r' && at < end && *at == '\n')
			at++;
	}
	buf_add_char(out, '\n');
}
