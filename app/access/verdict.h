/* A verdict: all that is wrong with a token, one bit for each fault; 0 where it
 * is good. The bits stand in the order in which faults are told: of several it
 * is the lowest. A verdict that is a single bit says that there is no other. */
#ifndef APP_ACCESS_VERDICT_H
#define APP_ACCESS_VERDICT_H

#include "app/fastcgi/reply.h"
#include "lib/buf.h"

enum verdict {
	VERDICT_INVALID = 1 << 0,   /* its form, its signature, or claims that cannot be read */
	VERDICT_EXPIRED = 1 << 1,   /* exp */
	VERDICT_NOT_YET = 1 << 2,   /* nbf */
	VERDICT_NO_USER = 1 << 3,   /* the claim that names the user */
	VERDICT_ISSUER = 1 << 4,    /* iss */
	VERDICT_AUDIENCE = 1 << 5,  /* aud */
	VERDICT_REVOKED = 1 << 6,   /* iat is not after the user's tokens were revoked */
};

/* verdict_sentence returns what to tell the client, NULL for a good token. */
const char *verdict_sentence(unsigned verdict);

/* What the events that say so in a stream, rowcast.expired and rowcast.revoked, have as data. */
#define VERDICT_EXPIRED_DATA "{\"reason\":\"the token has expired\"}"
#define VERDICT_REVOKED_DATA "{\"reason\":\"the token was revoked\"}"

/* verdict_refuse answers 401 with the sentence (RFC 6750 3.1). */
void verdict_refuse(unsigned verdict, struct reply *reply);

#endif
