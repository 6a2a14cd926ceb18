/* Credentials: where a request carries its token, and what becomes of it. Any
 * thread that serves a request. */
#ifndef APP_ACCESS_CREDENTIALS_H
#define APP_ACCESS_CREDENTIALS_H

#include <stdbool.h>

#include "app/access/auth.h"
#include "app/fastcgi/request.h"

/* The places a handler takes a token from. The first that has one counts, in this
 * order: what a page says explicitly comes before what the browser adds. */
enum credentials_places {
	CREDENTIALS_HEADER = 1,   /* Authorization: Bearer T (RFC 6750 2.1) */
	CREDENTIALS_QUERY = 4,    /* token=T, or token=Bearer T */
	CREDENTIALS_COOKIE = 2,   /* rowcast_token=T; of several the first that is valid */
	/* No place: the answer is a stream, and to who accepts one of events a token
	 * whose only fault is that it is expired is told in it, by rowcast.expired. */
	CREDENTIALS_STREAM = 8,
};

/* credentials_check finds the token and has it checked. true: *id is filled,
 * identity_free is due. false: the request has been answered: 400 without a
 * token (an empty one is none), 401 with a bad one (but for CREDENTIALS_STREAM), 403 where
 * only a cookie spoke for a request that writes and that another site may have made the
 * browser send; and it is counted in auth_denials. */
bool credentials_check(struct auth *auth, struct request *request, unsigned places,
    struct identity *id);

#endif
