/* Name and value pairs: a query string, or a body of the type
 * application/x-www-form-urlencoded (WHATWG URL 5.1).
 *
 *	struct form form;
 *
 *	form_init(&form, query, strlen(query));
 *	while ((outcome = form_next(&form)) == FORM_PAIR)
 *		... form.name, form.value ...
 *	form_free(&form);
 */
#ifndef LIB_FORM_H
#define LIB_FORM_H

#include <stddef.h>

#include "lib/buf.h"

enum form_outcome {
	FORM_PAIR = 1,   /* name and value are set */
	FORM_MALFORMED,  /* a '%' without two hex digits behind it */
	FORM_TOO_MANY,   /* more than FORM_MAX_PAIRS */
};

/* A pair costs its reader more than its bytes do: 64 KiB of them would take ten
 * times as long as one that is so long. Picked, not tuned. */
enum { FORM_MAX_PAIRS = 1000 };

struct form {
	/* The pair, decoded, each ended by a NUL that is not counted; good
	 * until the next call. A %00 puts a NUL inside, which only the length
	 * tells: whoever wants strings compares it with strlen(). */
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;

	const char *next;    /* private: what is still to be read */
	const char *end;     /* private */
	size_t n_pairs;      /* private: read so far */
	struct buf decoded;  /* private: owned, holds name and value */
};

/* form_init begins with len bytes of text, lent until form_free. text may be
 * NULL where len is 0. */
void form_init(struct form *form, const char *text, size_t len);

/* form_next reads the next pair. FORM_PAIR; 0 where there are no more; after
 * FORM_MALFORMED and FORM_TOO_MANY the reading is over. Pairs end at '&'; empty ones are passed
 * over; without '=' the value is empty; '+' is a space. The bytes are not
 * checked to be UTF-8. */
int form_next(struct form *form);

void form_free(struct form *form);

#endif
