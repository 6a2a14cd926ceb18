/* An identity: what the claims of a token say about who is asking. Whether to
 * believe them depends on the signature, which auth.h checks first. A value: any
 * thread that owns it. */
#ifndef APP_ACCESS_IDENTITY_H
#define APP_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/access/revocations.h"
#include "app/access/verdict.h"
#include "lib/clock.h"

/* The scopes that rowcast knows; a token may have others, which are others'. */
#define IDENTITY_SCOPE_PUBLISH "rowcast:publish"
#define IDENTITY_SCOPE_ADMIN "rowcast:admin"

struct identity {
	char *user;        /* owned; never empty, at most USER_MAX_BYTES, UTF-8 without NUL */
	char **topics;     /* owned; names, or prefixes that end in '*'; none is empty */
	size_t n_topics;
	bool may_publish;  /* IDENTITY_SCOPE_PUBLISH */
	bool may_admin;    /* IDENTITY_SCOPE_ADMIN */
	struct expiry expiry;  /* exp */
	wall_s issued_at;  /* iat, rounded down; REVOCATIONS_NOT_ISSUED where there is none */
};

/* What the configuration asks of claims. */
struct claim_rules {
	const char *user_claim;
	const char *issuer;    /* NULL: any, or none */
	const char *audience;  /* NULL: any, or none */
	int64_t leeway_ms;     /* how far ahead of ours the issuer's clock may be */
	struct revocations *revocations;  /* lent; NULL: nobody was revoked */
};

/* identity_read reads len bytes of JSON, the claims of a token (RFC 7519 4), as
 * of now, and returns the verdict. 0: *id is filled and identity_free is due.
 * Otherwise *id is untouched, and *why is a phrase for the log about the first
 * of the faults. A claim that is null is as if it were not there.
 *
 * VERDICT_INVALID, alone, is for what is not an object, has a name twice or
 * U+0000, and for claims of another form than these:
 *   exp     a number; it is cut off at the year 9999
 *   nbf     a number
 *   topics  an array of non-empty strings
 *   scope   words that blanks separate, in a string, or an array of strings
 * The others are judged all of them, so that a caller knows whether one fault is
 * the only one:
 *   VERDICT_EXPIRED   exp is not above now
 *   VERDICT_NOT_YET   nbf is above now and the leeway
 *   VERDICT_NO_USER   the user claim is no non-empty string and no whole number;
 *                     42, 42.0 and "42" are one user
 *   VERDICT_ISSUER    iss is not the issuer, where one is asked for
 *   VERDICT_AUDIENCE  aud is neither the audience nor an array with it, where
 *                     one is asked for
 *   VERDICT_REVOKED   the revocations cover the user, and iat; an iat that is no number
 *                     is none: tokens with such a one are good until then */
unsigned identity_read(struct identity *id, const char *json, size_t len,
    const struct claim_rules *rules, wall_s now, const char **why);

/* identity_may_read: does the token grant this topic? Exact, or by prefix; but a reserved
 * one (message.h) by its scope rowcast:admin, and by nothing else. */
bool identity_may_read(const struct identity *id, const char *topic);

/* identity_unknown_scope returns where the first word of scope, which blanks separate,
 * begins that is none of the above; NULL: there is none. */
const char *identity_unknown_scope(const char *scope);

/* identity_copy: identity_free is due. */
void identity_copy(struct identity *to, const struct identity *id);

void identity_free(struct identity *id);

#endif
