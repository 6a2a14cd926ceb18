/* An identity: what the claims of a token say about who is asking. Whether to
 * believe them depends on the signature, which auth.h checks first. A value: any
 * thread that owns it. */
#ifndef APP_ACCESS_IDENTITY_H
#define APP_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/clock.h"

struct identity {
	char *user;        /* owned; never empty, at most USER_MAX_BYTES, UTF-8 without NUL */
	char **topics;     /* owned; names, or prefixes that end in '*'; none is empty */
	size_t n_topics;
	bool may_publish;  /* scope rowcast:publish */
	bool may_admin;    /* scope rowcast:admin */
	struct expiry expiry;  /* exp */
};

/* What the configuration asks of claims. */
struct claim_rules {
	const char *user_claim;
	const char *issuer;    /* NULL: any, or none */
	const char *audience;  /* NULL: any, or none */
};

/* identity_read reads len bytes of JSON, the claims of a token (RFC 7519 4), as
 * of now. NULL: *id is filled and identity_free is due. Otherwise what is wrong
 * with them, a phrase for the log, and *id is untouched. Accepted is only an
 * object without a name given twice and without U+0000, in which
 *   exp     where present, is a number above now; it is cut off at the year 9999
 *   nbf     where present, is a number not above now
 *   iss     is the issuer, where one is asked for
 *   aud     is the audience, or an array with it, where one is asked for
 *   the user claim is a non-empty string or an integer, so 42 and "42" are one
 *           user; 42.0 is neither
 *   topics  where present, is an array of non-empty strings
 *   scope   where present, is a string, of words that blanks separate */
const char *identity_read(struct identity *id, const char *json, size_t len,
    const struct claim_rules *rules, wall_s now);

/* identity_may_read: does the token grant this topic? Exact, or by prefix. */
bool identity_may_read(const struct identity *id, const char *topic);

void identity_free(struct identity *id);

#endif
