/* Checking UTF-8. No state: any thread.
 *
 * The table of RFC 3629 section 4, read off as ranges: the first byte decides
 * how many follow and which values the second may have; that bound on the
 * second byte is what keeps out overlong forms, surrogates and everything
 * above U+10FFFF. Bytes from the third on are always 80..BF.
 *
 * The same table stands here twice. Judging goes by an automaton that takes the
 * same time for any text; a branch for each character would take ten times as
 * long where their lengths follow no order. Repairing goes character by
 * character, since there it has to be known where each begins. */

#include "lib/utf8.h"

#include <stdint.h>
#include <string.h>

#define NOT_ASCII UINT64_C(0x8080808080808080)

static const char replacement[] = "\xef\xbf\xbd";  /* U+FFFD */

/* ---- judging ---- */

/* A state is what may come next. As a number it is the place of its 6 bits in
 * the words of `steps`: there stands, for a byte, the state after it. So a byte
 * costs a shift, which waits for nothing but the shift before it. */
enum state {
	FAULT = 0,    /* and there it stays, as nothing else is in those bits */
	START = 6,    /* the first byte of a character */
	LAST = 12,    /* 80..BF, then START */
	LAST_2 = 18,  /* 80..BF, then LAST */
	LAST_3 = 24,  /* 80..BF, then LAST_2 */
	AFTER_E0 = 30,
	AFTER_ED = 36,
	AFTER_F0 = 42,
	AFTER_F4 = 48,
};

#define STEP(from, to) ((uint64_t)(to) << (from))
#define FOLLOWS (STEP(LAST, START) | STEP(LAST_2, LAST) | STEP(LAST_3, LAST_2))

static const uint64_t steps[256] = {
	[0x00 ... 0x7f] = STEP(START, START),
	[0x80 ... 0x8f] = FOLLOWS | STEP(AFTER_ED, LAST) | STEP(AFTER_F4, LAST_2),
	[0x90 ... 0x9f] = FOLLOWS | STEP(AFTER_ED, LAST) | STEP(AFTER_F0, LAST_2),
	[0xa0 ... 0xbf] = FOLLOWS | STEP(AFTER_E0, LAST) | STEP(AFTER_F0, LAST_2),
	[0xc2 ... 0xdf] = STEP(START, LAST),
	[0xe0] = STEP(START, AFTER_E0),
	[0xe1 ... 0xec] = STEP(START, LAST_2),
	[0xed] = STEP(START, AFTER_ED),
	[0xee ... 0xef] = STEP(START, LAST_2),
	[0xf0] = STEP(START, AFTER_F0),
	[0xf1 ... 0xf3] = STEP(START, LAST_3),
	[0xf4] = STEP(START, AFTER_F4),
};

static uint64_t
load(const unsigned char *at)
{
	uint64_t eight;

	memcpy(&eight, at, sizeof(eight));
	return eight;
}

/* skip_ascii returns where the first eight bytes stand that are not all ASCII;
 * the last few bytes before the end are not looked at. */
static const unsigned char *
skip_ascii(const unsigned char *at, const unsigned char *end)
{
	while (end - at >= 32
	    && ((load(at) | load(at + 8) | load(at + 16) | load(at + 24)) & NOT_ASCII) == 0)
		at += 32;
	while (end - at >= 8 && (load(at) & NOT_ASCII) == 0)
		at += 8;
	return at;
}

bool
utf8_is_valid(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end;
	uint64_t state = START;

	if (len == 0)
		return true;
	end = at + len;
	while (at < end) {
		const unsigned char *stop;

		if (state == START) {
			at = skip_ascii(at, end);
			if (at == end)
				break;
		}
		stop = end - at < 32 ? end : at + 32;
		for (; at < stop; at++)
			state = steps[*at] >> (state & 63);
		state &= 63;
		if (state == FAULT)
			return false;
	}
	return state == START;
}

bool
utf8_is_text(const char *text, size_t len)
{
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return false;
	return utf8_is_valid(text, len);
}

/* ---- repairing ---- */

/* take_character looks at the character at s and returns how many bytes it
 * takes; where it is ill-formed, how many its maximal subpart takes. */
static size_t
take_character(const unsigned char *s, size_t left, bool *valid)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len, n;

	*valid = true;
	if (s[0] < 0x80)
		return 1;
	*valid = false;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 1;

	switch (s[0]) {
	case 0xe0: low = 0xa0; break;  /* below: overlong */
	case 0xed: high = 0x9f; break; /* above: surrogates */
	case 0xf0: low = 0x90; break;  /* below: overlong */
	case 0xf4: high = 0x8f; break; /* above: beyond U+10FFFF */
	}
	for (n = 1; n < len && n < left && s[n] >= low && s[n] <= high; n++) {
		low = 0x80;
		high = 0xbf;
	}
	*valid = n == len;
	return n;
}

enum { PART_BYTES = 256 };  /* picked, not tuned */

static void
repair(struct buf *out, const unsigned char *at, const unsigned char *end)
{
	while (at < end) {
		const unsigned char *ascii = skip_ascii(at, end), *stop;
		char *start, *to;

		buf_add(out, at, (size_t)(ascii - at));
		at = ascii;
		/* A part of the text at a time, since each of its bytes may be three. */
		stop = end - at < PART_BYTES ? end : at + PART_BYTES;
		start = to = buf_reserve(out, 3 * (size_t)(stop - at) + 4);

		while (at < stop) {
			bool valid;
			size_t n = take_character(at, (size_t)(end - at), &valid);

			memcpy(to, valid ? (const char *)at : replacement, valid ? n : 3);
			to += valid ? n : 3;
			at += n;
		}
		out->len += (size_t)(to - start);
	}
}

void
utf8_add_repaired(struct buf *out, const char *text, size_t len)
{
	if (utf8_is_valid(text, len))
		buf_add(out, text, len);
	else
		repair(out, (const unsigned char *)text, (const unsigned char *)text + len);
}
