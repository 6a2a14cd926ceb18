/* Denials: why somebody was not let do what was asked, as it is counted. Plain values and
 * functions: any thread. */
#ifndef APP_ACCESS_DENIAL_H
#define APP_ACCESS_DENIAL_H

#include <stdint.h>

enum denial {
	DENIAL_MISSING,    /* no token */
	DENIAL_INVALID,    /* from here to DENIAL_REVOKED: what a verdict says */
	DENIAL_EXPIRED,
	DENIAL_NOT_YET,
	DENIAL_USER,
	DENIAL_AUDIENCE,
	DENIAL_ISSUER,
	DENIAL_REVOKED,
	DENIAL_SCOPE,      /* the token does not have the scope that this needs */
	DENIAL_TOPIC,      /* nor does it grant the topic */
	DENIAL_ORIGIN,     /* a cookie, in a request that another site may have made */
	DENIALS,
};

/* How often each has happened. */
struct denials {
	_Atomic uint64_t n[DENIALS];
};

/* denial_of says which a verdict is, which is not 0. */
enum denial denial_of(unsigned verdict);

void denials_add(struct denials *denials, enum denial denial);
void denials_read(const struct denials *denials, uint64_t n[DENIALS]);

#endif
