/* Writing JSON text: only what must be escaped is (RFC 8259 7). No state: any
 * thread. */

#include "lib/jsontext.h"

#include <string.h>

#include "lib/utf8.h"

enum {
	PART_BYTES = 256,   /* of the text, for which room is made at once; picked, not tuned */
	ESCAPE_BYTES = 6,   /* backslash, u and four digits */
};

static char *
add_character(char *to, char c)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char code = (unsigned char)c;

	if (code < ' ') {
		memcpy(to, "\\u00", 4);
		to[4] = digits[code >> 4];
		to[5] = digits[code & 15];
		return to + ESCAPE_BYTES;
	}
	if (c == '"' || c == '\\')
		*to++ = '\\';
	*to++ = c;
	return to;
}

static void
add_characters(struct buf *out, const char *at, size_t len)
{
	const char *end = at + len;

	while (at < end) {
		const char *stop = end - at < PART_BYTES ? end : at + PART_BYTES;
		char *start = buf_reserve(out, ESCAPE_BYTES * (size_t)(stop - at)), *to = start;

		while (at < stop)
			to = add_character(to, *at++);
		out->len += (size_t)(to - start);
	}
}

void
jsontext_add_string(struct buf *out, const char *text)
{
	jsontext_add_text(out, text, strlen(text));
}

void
jsontext_add_text(struct buf *out, const char *text, size_t len)
{
	struct buf repaired = BUF_EMPTY;

	buf_add_char(out, '"');
	if (utf8_is_valid(text, len)) {
		add_characters(out, text, len);
	} else {
		utf8_add_repaired(&repaired, text, len);
		add_characters(out, repaired.bytes, repaired.len);
	}
	buf_add_char(out, '"');
	buf_free(&repaired);
}
