/* Checking UTF-8. No state: any thread.
 *
 * The table of RFC 3629 section 4, read off as ranges: the first byte decides
 * how many follow and which values the second may have; that bound on the
 * second byte is what keeps out overlong forms, surrogates and everything
 * above U+10FFFF. Bytes from the third on are always 80..BF. */

#include "lib/utf8.h"

#include <stdint.h>
#include <string.h>

/* sequence_len returns how many bytes the character at s takes, 0 where it is
 * malformed or cut off by the end. */
static size_t
sequence_len(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;

	switch (s[0]) {
	case 0xe0: low = 0xa0; break;  /* below: overlong */
	case 0xed: high = 0x9f; break; /* above: surrogates */
	case 0xf0: low = 0x90; break;  /* below: overlong */
	case 0xf4: high = 0x8f; break; /* above: beyond U+10FFFF */
	}
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return len;
}

bool
utf8_is_valid(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t i = 0;

	while (i < len) {
		uint64_t eight;
		size_t n;

		/* Most text is ASCII: eight bytes at a time while it is. */
		while (len - i >= sizeof(eight)) {
			memcpy(&eight, s + i, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) != 0)
				break;
			i += sizeof(eight);
		}
		if (i == len)
			break;
		n = sequence_len(s + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

bool
utf8_is_text(const char *text, size_t len)
{
	if (len > 0 && memchr(text, '\0', len) != NULL)
		return false;
	return utf8_is_valid(text, len);
}
