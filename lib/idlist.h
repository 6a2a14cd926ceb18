/* A list of ids in the order in which they came, kept small: an id that is a little above
 * the one before takes a byte or two, any takes ten at most. One thread at a time. */
#ifndef LIB_IDLIST_H
#define LIB_IDLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

/* All zero is empty. */
struct idlist {
	struct buf bytes;   /* owned */
	int64_t last;
	size_t n;
};

void idlist_add(struct idlist *list, int64_t id);
void idlist_free(struct idlist *list);

/* A reading of the list, from its beginning on where it is all zero. */
struct idlist_reader {
	size_t at;
	int64_t last;
};

/* idlist_next sets *id to the next; false: there is none. */
bool idlist_next(const struct idlist *list, struct idlist_reader *reader, int64_t *id);

#endif
