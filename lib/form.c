/* Splitting a query string or a form's body into decoded pairs, one at each call.
 * A struct form belongs to one thread at a time. */

#include "lib/form.h"

#include <string.h>

void
form_init(struct form *form, const char *text, size_t len)
{
	*form = (struct form){
		.next = text,
		.end = text != NULL ? text + len : NULL,
		.decoded = BUF_EMPTY,
	};
}

void
form_free(struct form *form)
{
	buf_free(&form->decoded);
	*form = (struct form){ 0 };
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* decode writes the bytes from..end, decoded and with a NUL behind them, to
 * out, which has room for as many and one more. -1: malformed. */
static int
decode(char *out, const char *from, const char *end, size_t *len)
{
	char *at = out;

	for (; from < end; from++) {
		int high, low;

		if (*from != '%') {
			*at++ = *from == '+' ? ' ' : *from;
			continue;
		}
		if (end - from < 3)
			return -1;
		high = hex_digit(from[1]);
		low = hex_digit(from[2]);
		if (high < 0 || low < 0)
			return -1;
		*at++ = (char)(high << 4 | low);
		from += 2;
	}
	*at = '\0';
	*len = (size_t)(at - out);
	return 0;
}

int
form_next(struct form *form)
{
	const char *pair, *pair_end, *equals;
	char *name, *value;

	while (form->next < form->end && *form->next == '&')
		form->next++;
	if (form->next == form->end)
		return 0;
	if (form->n_pairs++ == FORM_MAX_PAIRS) {
		form->next = form->end;
		return FORM_TOO_MANY;
	}

	pair = form->next;
	pair_end = memchr(pair, '&', (size_t)(form->end - pair));
	if (pair_end == NULL)
		pair_end = form->end;
	form->next = pair_end;
	equals = memchr(pair, '=', (size_t)(pair_end - pair));
	if (equals == NULL)
		equals = pair_end;

	/* Decoding never lengthens, so there is room for both and two NULs. */
	form->decoded.len = 0;
	name = buf_reserve(&form->decoded, (size_t)(pair_end - pair) + 2);
	if (decode(name, pair, equals, &form->name_len) < 0)
		goto malformed;
	value = name + form->name_len + 1;
	if (decode(value, equals < pair_end ? equals + 1 : pair_end, pair_end,
	    &form->value_len) < 0)
		goto malformed;
	form->name = name;
	form->value = value;
	return FORM_PAIR;

malformed:
	form->next = form->end;
	return FORM_MALFORMED;
}
