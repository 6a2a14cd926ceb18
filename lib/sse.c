/* Writing the bytes of Server-Sent Events. No state: any thread; it runs once for
 * each message, so it is written to be fast. */

#include "lib/sse.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "lib/utf8.h"

static void
add_number_line(struct buf *out, const char *field, int64_t number)
{
	buf_add_str(out, field);
	buf_add_number(out, number);
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

/* ---- lines of data ---- */

/* Eight bytes are looked at together. Where no line ends among them they are
 * copied as they are, and where a line is long, memchr and memcpy take over.
 * Where lines end, each byte is written by a store of eight, of which what is too
 * much is overwritten by the next, and without a branch: so lines of one byte, or
 * of none, or of both in no order, cost the same a byte. */

enum {
	WORD_BYTES = 8,
	LINE_START_BYTES = 7,     /* "\ndata: " */
	/* What a word of line ends becomes, the last store included. */
	WORD_MAX_BYTES = WORD_BYTES * LINE_START_BYTES + WORD_BYTES,
	LONG_LINE_WORDS = 8,      /* without an end: memchr pays off; picked, not tuned */
};

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static uint64_t
load_word(const char *from, size_t n)
{
	uint64_t word = 0;

	/* Apart, since the first is no call. */
	if (n == WORD_BYTES)
		memcpy(&word, from, WORD_BYTES);
	else
		memcpy(&word, from, n);
	return word;
}

static void
store_word(char *to, uint64_t word)
{
	memcpy(to, &word, sizeof(word));
}

/* has_byte: is any byte of the word c? */
static bool
has_byte(uint64_t word, unsigned char c)
{
	uint64_t differs = word ^ EACH_BYTE(c);

	return ((differs - EACH_BYTE(0x01)) & ~differs & EACH_BYTE(0x80)) != 0;
}

/* add_bytes writes the n bytes of text at to, with "\ndata: " in place of each
 * line end; *after_cr says, before and after, whether a CR was last, so that an LF
 * is the rest of it. It returns the end of what it wrote. */
static inline char *
add_bytes(char *to, const char *at, size_t n, bool *after_cr)
{
	/* How many bytes a byte becomes; in the second row, behind a CR. */
	static const unsigned char lens[2][256] = {
		{ [0 ... 9] = 1, ['\n'] = LINE_START_BYTES, [11 ... 12] = 1,
		    ['\r'] = LINE_START_BYTES, [14 ... 255] = 1 },
		{ [0 ... 9] = 1, ['\n'] = 0, [11 ... 12] = 1,
		    ['\r'] = LINE_START_BYTES, [14 ... 255] = 1 },
	};
	uint64_t line_start = load_word("\ndata: ", LINE_START_BYTES + 1);
	uint64_t word = le64toh(load_word(at, n));
	const unsigned char *len_of = lens[*after_cr];

	/* Half the time of the loop as it stands. */
#pragma GCC unroll 8
	for (size_t i = 0; i < n; i++, word >>= 8) {
		unsigned char c = (unsigned char)word;
		uint64_t is_end = (uint64_t)(c == '\r') | (uint64_t)(c == '\n');

		/* By arithmetic: a compiler would make a branch of ?: here. */
		store_word(to, htole64(word) ^ ((htole64(word) ^ line_start) & (0 - is_end)));
		to += len_of[c];
		len_of = lens[c == '\r'];
	}
	*after_cr = len_of == lens[1];
	return to;
}

/* Where the next CR and LF stand, once they were looked for: each byte of the
 * text is looked at once for either. */
struct line_ends {
	const char *cr, *lf;  /* NULL: not looked for yet; the text's end: there is none */
};

/* next_end returns the first CR or LF in [at, end), or end. */
static const char *
next_end(struct line_ends *next, const char *at, const char *end)
{
	if (next->lf == NULL || next->lf < at) {
		next->lf = memchr(at, '\n', (size_t)(end - at));
		if (next->lf == NULL)
			next->lf = end;
	}
	if (next->cr == NULL || next->cr < at) {
		/* Only up to the LF, or a text of long lines would be looked through
		 * twice for its first. */
		next->cr = memchr(at, '\r', (size_t)(next->lf - at));
		if (next->cr == NULL)
			next->cr = next->lf;
	}
	return next->cr < next->lf ? next->cr : next->lf;
}

/* A place to write to, in a buf. */
struct writing {
	struct buf *out;
	char *to, *limit;
};

static void
make_room(struct writing *w, size_t n)
{
	if ((size_t)(w->limit - w->to) >= n)
		return;
	w->out->len = (size_t)(w->to - w->out->bytes);
	w->to = buf_reserve(w->out, n);
	w->limit = w->out->bytes + w->out->capacity;
}

static void
add_lines(struct buf *out, const char *at, size_t len)
{
	struct writing w = { out, buf_reserve(out, len + 2 * WORD_BYTES), NULL };
	struct line_ends next = { NULL, NULL };
	const char *end = at + len;
	bool after_cr = false;
	int quiet = 0;    /* words since the last line end */

	w.limit = out->bytes + out->capacity;
	memcpy(w.to, "data: ", 6);
	w.to += 6;
	while (at < end) {
		size_t n = end - at < WORD_BYTES ? (size_t)(end - at) : WORD_BYTES;
		uint64_t word = load_word(at, n);

		if (has_byte(word, '\r') || has_byte(word, '\n')) {
			make_room(&w, WORD_MAX_BYTES);
			w.to = n == WORD_BYTES ? add_bytes(w.to, at, WORD_BYTES, &after_cr)
			    : add_bytes(w.to, at, n, &after_cr);
			at += n;
			quiet = 0;
			continue;
		}
		make_room(&w, WORD_BYTES);
		store_word(w.to, word);
		w.to += n;
		at += n;
		after_cr = false;
		if (++quiet == LONG_LINE_WORDS && at < end) {
			size_t rest = (size_t)(next_end(&next, at, end) - at);

			make_room(&w, rest);
			memcpy(w.to, at, rest);
			w.to += rest;
			at += rest;
			quiet = 0;
		}
	}
	out->len = (size_t)(w.to - out->bytes);
	buf_add_str(out, "\n");
}

void
sse_name(struct buf *out, const char *event)
{
	buf_add_str(out, "event: ");
	utf8_add_repaired(out, event, strlen(event));
	buf_add_char(out, '\n');
}

void
sse_event(struct buf *out, const char *event, const char *data, size_t data_len)
{
	struct buf repaired = BUF_EMPTY;

	if (event != NULL && *event != '\0')
		sse_name(out, event);
	/* Rare, so the copy does not matter. */
	if (!utf8_is_valid(data, data_len)) {
		utf8_add_repaired(&repaired, data, data_len);
		data = repaired.bytes;
		data_len = repaired.len;
	}
	add_lines(out, data, data_len);
	buf_add_char(out, '\n');
	buf_free(&repaired);
}
