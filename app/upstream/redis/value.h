/* What Redis answers: a value, or an array of them. */
#ifndef APP_UPSTREAM_REDIS_VALUE_H
#define APP_UPSTREAM_REDIS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum redis_kind {
	REDIS_NIL,
	REDIS_INTEGER,
	REDIS_TEXT,     /* a status or a string, any bytes */
	REDIS_ARRAY,
	REDIS_ERROR,    /* what Redis answered, such as "NOREPLICAS ..." */
};

/* All zero: nil. Who reads one calls what is below. */
struct redis_value {
	enum redis_kind kind;
	size_t n;                      /* bytes of a TEXT or ERROR, items of an ARRAY */
	union {
		int64_t integer;
		char *text;                /* a NUL behind it */
		struct redis_value *items;
	};
};

/* redis_value_new returns a nil, the whole of an answer. All that belongs to it lies in
 * a few pieces of memory of its own, and is freed with it at once: an answer of a
 * thousand entries has some ten thousand values. */
struct redis_value *redis_value_new(void);
void redis_value_free(struct redis_value *answer);  /* NULL: nothing */

/* redis_value_room returns room for n bytes, which ends with the answer. */
void *redis_value_room(struct redis_value *answer, size_t n);

enum redis_kind redis_kind(const struct redis_value *value);
int64_t redis_integer(const struct redis_value *value);            /* of a REDIS_INTEGER; else 0 */
const char *redis_text(const struct redis_value *value, size_t *len);  /* lent, with a NUL behind it; of a TEXT or ERROR, else NULL; len may be NULL */
size_t redis_count(const struct redis_value *value);               /* of an ARRAY; else 0 */

/* redis_at returns one of an array; a nil where it has no such. */
const struct redis_value *redis_at(const struct redis_value *value, size_t i);

/* redis_is_text: is it a text, and this one? */
bool redis_is_text(const struct redis_value *value, const char *text);

#endif
