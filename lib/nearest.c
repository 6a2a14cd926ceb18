#include "lib/nearest.h"

#include <string.h>

enum { FAR = 3 };  /* two letters wrong are a slip, three another word */

/* simplify copies name without what makes no difference, and returns its length;
 * -1 where it is too long. */
static int
simplify(const char *name, char simple[NEAREST_MAX_BYTES])
{
	int len = 0;

	if (strnlen(name, NEAREST_MAX_BYTES + 1) > NEAREST_MAX_BYTES)
		return -1;
	for (; *name != '\0'; name++) {
		if (*name == '-' || *name == '_')
			continue;
		simple[len++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
	}
	return len;
}

static int
least(int a, int b, int c)
{
	int ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* distance is Levenshtein's, row by row. */
static int
distance(const char *a, int a_len, const char *b, int b_len)
{
	int row[NEAREST_MAX_BYTES + 1];

	for (int j = 0; j <= b_len; j++)
		row[j] = j;
	for (int i = 1; i <= a_len; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (int j = 1; j <= b_len; j++) {
			int above = row[j];

			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

size_t
nearest_of(const char *name, const char *const names[], size_t n)
{
	char simple[NEAREST_MAX_BYTES], other[NEAREST_MAX_BYTES];
	int len = simplify(name, simple), shortest = FAR;
	size_t nearest = n;

	for (size_t i = 0; i < n && len >= 0; i++) {
		int other_len = simplify(names[i], other);
		int far = other_len >= 0 ? distance(simple, len, other, other_len) : FAR;

		if (far < shortest) {
			shortest = far;
			nearest = i;
		}
	}
	return nearest;
}
