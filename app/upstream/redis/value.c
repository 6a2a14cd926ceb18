/* A tree of values. Whoever reads an answer need not ask first what it is: of what is
 * not of that kind, or not there, each call says "nothing". Plain functions: any thread. */

#include "app/upstream/redis/value.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

enum {
	FIRST_BYTES = 512,       /* most answers take no more */
	PIECE_BYTES = 64 << 10,  /* of one that does, the larger ones; below what malloc maps anew each time */
};

struct piece {
	struct piece *next;
	max_align_t bytes[];
};

struct answer {
	struct redis_value root;
	struct piece *pieces;    /* but for the first */
	char *free;              /* n_free bytes */
	size_t n_free, n_next;   /* and of the next piece */
	max_align_t first[FIRST_BYTES / sizeof(max_align_t)];
};

static const struct redis_value nil;

struct redis_value *
redis_value_new(void)
{
	struct answer *answer = mem_alloc(sizeof(*answer));

	answer->root = nil;
	answer->pieces = NULL;
	answer->free = (char *)answer->first;
	answer->n_free = sizeof(answer->first);
	answer->n_next = 2 * FIRST_BYTES;
	return &answer->root;
}

/* add_piece makes room for n bytes. */
static void
add_piece(struct answer *answer, size_t n)
{
	size_t n_bytes = n > answer->n_next ? n : answer->n_next;
	struct piece *piece = mem_alloc(sizeof(*piece) + n_bytes);

	piece->next = answer->pieces;
	answer->pieces = piece;
	answer->free = (char *)piece->bytes;
	answer->n_free = n_bytes;
	if (answer->n_next < PIECE_BYTES)
		answer->n_next *= 2;
}

void *
redis_value_room(struct redis_value *value, size_t n)
{
	struct answer *answer = CONTAINER_OF(value, struct answer, root);
	char *room;

	n = (n + sizeof(nil.integer) - 1) / sizeof(nil.integer) * sizeof(nil.integer);
	if (n > answer->n_free)
		add_piece(answer, n);
	room = answer->free;
	answer->free += n;
	answer->n_free -= n;
	return room;
}

void
redis_value_free(struct redis_value *value)
{
	struct answer *answer;
	struct piece *piece, *next;

	if (value == NULL)
		return;
	answer = CONTAINER_OF(value, struct answer, root);
	for (piece = answer->pieces; piece != NULL; piece = next) {
		next = piece->next;
		free(piece);
	}
	free(answer);
}

enum redis_kind
redis_kind(const struct redis_value *value)
{
	return value->kind;
}

int64_t
redis_integer(const struct redis_value *value)
{
	return value->kind == REDIS_INTEGER ? value->integer : 0;
}

const char *
redis_text(const struct redis_value *value, size_t *len)
{
	bool is_text = value->kind == REDIS_TEXT || value->kind == REDIS_ERROR;

	if (len != NULL)
		*len = is_text ? value->n : 0;
	return is_text ? value->text : NULL;
}

size_t
redis_count(const struct redis_value *value)
{
	return value->kind == REDIS_ARRAY ? value->n : 0;
}

const struct redis_value *
redis_at(const struct redis_value *value, size_t i)
{
	return i < redis_count(value) ? &value->items[i] : &nil;
}

bool
redis_is_text(const struct redis_value *value, const char *text)
{
	return value->kind == REDIS_TEXT && value->n == strlen(text)
	    && memcmp(value->text, text, value->n) == 0;
}
