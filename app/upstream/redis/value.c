/* A tree of values. Whoever reads an answer need not ask first what it is: of what is
 * not of that kind, or not there, each call says "nothing". Plain functions: any thread. */

#include "app/upstream/redis/value.h"

#include <stdlib.h>
#include <string.h>

static const struct redis_value nil;

void
redis_value_clear(struct redis_value *value)
{
	for (size_t i = 0; i < value->n; i++)
		redis_value_clear(&value->items[i]);
	free(value->items);
	free(value->text);
	*value = nil;
}

void
redis_value_free(struct redis_value *value)
{
	if (value != NULL)
		redis_value_clear(value);
	free(value);
}

enum redis_kind
redis_kind(const struct redis_value *value)
{
	return value->kind;
}

int64_t
redis_integer(const struct redis_value *value)
{
	return value->integer;
}

const char *
redis_text(const struct redis_value *value, size_t *len)
{
	if (len != NULL)
		*len = value->len;
	return value->text;
}

size_t
redis_count(const struct redis_value *value)
{
	return value->n;
}

const struct redis_value *
redis_at(const struct redis_value *value, size_t i)
{
	return i < value->n ? &value->items[i] : &nil;
}

bool
redis_is_text(const struct redis_value *value, const char *text)
{
	return value->kind == REDIS_TEXT && value->len == strlen(text)
	    && memcmp(value->text, text, value->len) == 0;
}
