/* Tokens that were checked a moment ago and are good: who publishes comes again and again
 * with the same one. Of one set of rules only: whoever has other rules makes another.
 * Opaque; any thread. */
#ifndef APP_ACCESS_CHECKED_H
#define APP_ACCESS_CHECKED_H

#include <stdbool.h>
#include <stddef.h>

#include "app/access/identity.h"

enum {
	/* 256 KiB of tokens at most, of which a longer one is not kept, and what they say: a
	 * list of short topics takes 8 KiB. Both picked, not tuned. */
	CHECKED_SLOTS = 256,
	CHECKED_TOKEN_MAX_BYTES = 1024,
};

struct checked;

/* checked_slot tells which of the slots is a token's. */
size_t checked_slot(const char *token);

struct checked *checked_new(void);

/* checked_free overwrites the tokens before it gives the memory back. NULL is fine. */
void checked_free(struct checked *checked);

/* checked_find: is the token, all its bytes, one that is kept, and still good? Then *id is
 * filled as it was for checked_keep, and identity_free is due. Asked each time is whether it
 * has expired and whether the revocations (NULL: none) cover it. Else *id is untouched, which
 * says nothing about the token. Never waits. */
bool checked_find(struct checked *checked, const char *token, struct revocations *revocations,
    wall_s now, struct identity *id);

/* checked_keep is told of a token that was found good, just now, and copies it and the
 * identity where it comes for the second time. Never waits. */
void checked_keep(struct checked *checked, const char *token, const struct identity *id,
    wall_s now);

#endif
