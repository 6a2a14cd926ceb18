/* Reading numbers and times as people write them. No state: any thread. */

#include "lib/units.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit number_units[] = {
	{ "", 1 },
	{ "k", 1024 },
	{ "K", 1024 },
	{ "M", 1024 * 1024 },
	{ NULL, 0 },
};

static const struct unit time_units[] = {
	{ "ms", 1 },
	{ "", 1000 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
	{ NULL, 0 },
};

/* read_quantity reads the len bytes of text. strtoll() is of no use here: it
 * skips blanks and takes signs. */
static int
read_quantity(const char *text, size_t len, const struct unit *units, int64_t *quantity)
{
	int64_t n = 0;
	size_t n_digits = 0;

	while (n_digits < len && text[n_digits] >= '0' && text[n_digits] <= '9') {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, text[n_digits] - '0', &n)) {
			errno = ERANGE;
			return -1;
		}
		n_digits++;
	}
	if (n_digits > 0) {
		const char *name = text + n_digits;
		size_t name_len = len - n_digits;

		for (; units->name != NULL; units++) {
			if (strlen(units->name) != name_len ||
			    memcmp(units->name, name, name_len) != 0)
				continue;
			if (__builtin_mul_overflow(n, units->factor, &n)) {
				errno = ERANGE;
				return -1;
			}
			*quantity = n;
			return 0;
		}
	}
	errno = EINVAL;
	return -1;
}

int
units_number(const char *text, int64_t *number)
{
	return read_quantity(text, strlen(text), number_units, number);
}

int
units_time_ms(const char *text, int64_t *time_ms)
{
	return read_quantity(text, strlen(text), time_units, time_ms);
}

int
units_range_ms(const char *text, int64_t *from_ms, int64_t *to_ms)
{
	const char *dots = strstr(text, "..");
	int64_t from, to;

	if (dots == NULL) {
		if (units_time_ms(text, &from) < 0)
			return -1;
		to = from;
	} else if (read_quantity(text, (size_t)(dots - text), time_units, &from) < 0 ||
	    units_time_ms(dots + 2, &to) < 0) {
		return -1;
	}
	*from_ms = from;
	*to_ms = to;
	return 0;
}
