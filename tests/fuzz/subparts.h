/* Ill-formed UTF-8 repaired as the standard says (Unicode 3.9), in the slowest way
 * and with nothing of ours: at each place either one of the characters of its
 * table 3-7 stands there whole, or the longest beginning of one, or nothing of
 * the kind. For tests/unit too. */
#ifndef TESTS_FUZZ_SUBPARTS_H
#define TESTS_FUZZ_SUBPARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

/* The bytes that may stand at each place of a character, from and to. */
static const unsigned char subparts_table[][4][2] = {
	{ { 0x00, 0x7f } },
	{ { 0xc2, 0xdf }, { 0x80, 0xbf } },
	{ { 0xe0, 0xe0 }, { 0xa0, 0xbf }, { 0x80, 0xbf } },
	{ { 0xe1, 0xec }, { 0x80, 0xbf }, { 0x80, 0xbf } },
	{ { 0xed, 0xed }, { 0x80, 0x9f }, { 0x80, 0xbf } },
	{ { 0xee, 0xef }, { 0x80, 0xbf }, { 0x80, 0xbf } },
	{ { 0xf0, 0xf0 }, { 0x90, 0xbf }, { 0x80, 0xbf }, { 0x80, 0xbf } },
	{ { 0xf1, 0xf3 }, { 0x80, 0xbf }, { 0x80, 0xbf }, { 0x80, 0xbf } },
	{ { 0xf4, 0xf4 }, { 0x80, 0x8f }, { 0x80, 0xbf }, { 0x80, 0xbf } },
};

/* subparts_row_len returns how many places a row of the table has. */
static inline size_t
subparts_row_len(size_t row)
{
	size_t n = 1;

	while (n < 4 && subparts_table[row][n][1] != 0)
		n++;
	return n;
}

static inline void
subparts_repair(struct buf *out, const char *bytes, size_t len)
{
	const unsigned char *text = (const unsigned char *)bytes;

	for (size_t at = 0, take; at < len; at += take) {
		bool whole = false;

		take = 1;
		for (size_t row = 0; row < sizeof(subparts_table) / sizeof(subparts_table[0]); row++) {
			size_t n = 0;

			while (n < subparts_row_len(row) && at + n < len
			    && text[at + n] >= subparts_table[row][n][0]
			    && text[at + n] <= subparts_table[row][n][1])
				n++;
			if (n > take)
				take = n;
			whole |= n == subparts_row_len(row);
		}
		if (whole)
			buf_add(out, text + at, take);
		else
			buf_add_str(out, "\xef\xbf\xbd");
	}
}

#endif
