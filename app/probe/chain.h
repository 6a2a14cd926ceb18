/* What is probed: a rowcast behind all that stands between it and us. */
#ifndef APP_PROBE_CHAIN_H
#define APP_PROBE_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "app/probe/fetch.h"
#include "app/probe/report.h"

struct chain {
	struct fetcher *fetcher;
	struct report report;
	const char *token;   /* lent */
	const char *user;    /* lent: whose it is; NULL: not known */
	char *events, *msg, *healthz;  /* owned addresses */
	char *presence;      /* owned: with the user in it; NULL where that is not known */
	char *nonce;         /* owned: of this run */
	char *server;        /* owned: what the first answer says of itself; NULL: nothing */
	int version;         /* of HTTP, as in struct head */
	bool is_admin;       /* the token may read /presence */
	bool is_held;        /* events do not come by themselves */
	int64_t silence_ms;  /* the longest silence to try */
};

/* Each looks at one thing, and reports it. They are called in this order. */

/* delivery_look sends messages of several sizes to the token's own user, and times them: a
 * second; where they are held back, half a minute. 0; 1: a fault was reported that leaves
 * nothing else to look at; -1: what there is cannot be probed, said on stderr. */
int delivery_look(struct chain *chain);

/* breadth_look: which HTTP, and how many requests at once on a connection: a few
 * seconds. */
void breadth_look(struct chain *chain);

/* departure_look: is it noticed that a stream's client has gone? Opens as many streams as
 * the user may have, hangs up, and comes again: seconds, half a minute at most. Where the
 * token may read /presence it does nothing: silence_look watches. */
void departure_look(struct chain *chain);

/* silence_look: is a stream cut on which nothing happens? Takes silence_ms. */
void silence_look(struct chain *chain);

/* chain_wait turns the loop until the fetch is done, or its head is there, or so many
 * milliseconds have gone by. */
void chain_wait_done(struct chain *chain, const struct fetch *fetch, int wait_ms);
void chain_wait_head(struct chain *chain, const struct fetch *fetch, int wait_ms);

#endif
