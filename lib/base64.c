/* Decoding base64: six bits at a time, and whatever is not in its shortest, whole
 * form is refused. No state: any thread. */

#include "lib/base64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* sextet returns what c stands for, or -1; c62 and c63 are the two characters
 * in which the alphabets differ. */
static int
sextet(char c, char c62, char c63)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == c62)
		return 62;
	if (c == c63)
		return 63;
	return -1;
}

/* What is left over from characters that made no whole byte yet. */
struct residue {
	uint32_t bits;
	unsigned int n_bits;
};

static void
add_sextet(struct buf *out, struct residue *r, int value)
{
	r->bits = r->bits << 6 | (uint32_t)value;
	r->n_bits += 6;
	if (r->n_bits >= 8) {
		r->n_bits -= 8;
		buf_add_char(out, (char)(r->bits >> r->n_bits & 0xff));
		r->bits &= (1u << r->n_bits) - 1;
	}
}

/* A whole text leaves 0, 2 or 4 bits, all zero; 6 are a character too many. */
static bool
is_whole(const struct residue *r)
{
	return r->n_bits < 6 && r->bits == 0;
}

int
base64url_decode(struct buf *out, const char *text, size_t len)
{
	struct residue r = { 0, 0 };

	for (size_t i = 0; i < len; i++) {
		int value = sextet(text[i], '-', '_');

		if (value < 0) {
			errno = EINVAL;
			return -1;
		}
		add_sextet(out, &r, value);
	}
	if (!is_whole(&r)) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

int
base64_decode(struct buf *out, const char *text, size_t len)
{
	struct residue r = { 0, 0 };
	size_t n_characters = 0, n_pads = 0;

	for (size_t i = 0; i < len; i++) {
		int value;

		if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
			continue;
		n_characters++;
		if (text[i] == '=') {
			n_pads++;
			continue;
		}
		value = sextet(text[i], '+', '/');
		if (value < 0 || n_pads > 0) {
			errno = EINVAL;
			return -1;
		}
		add_sextet(out, &r, value);
	}
	if (!is_whole(&r) || n_characters % 4 != 0 || n_pads != r.n_bits / 2) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}
