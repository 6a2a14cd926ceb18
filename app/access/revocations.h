/* Revocations: whose tokens are refused, up to when they were issued. Memory only: who
 * learns of one, from the store, tells it here. Opaque; any thread. */
#ifndef APP_ACCESS_REVOCATIONS_H
#define APP_ACCESS_REVOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

/* When a token was issued that does not say so: before anything. */
#define REVOCATIONS_NOT_ISSUED INT64_MIN

struct revocations;

struct revocations *revocations_new(void);
void revocations_free(struct revocations *revocations);  /* NULL is fine */

/* revocations_raise refuses the user's tokens that were issued up to that second. false:
 * they were before. */
bool revocations_raise(struct revocations *revocations, const char *user, wall_s until);

/* revocations_cover: is the user's token, which was issued then, revoked? */
bool revocations_cover(struct revocations *revocations, const char *user, wall_s issued_at);

#endif
