/* What requests hold in memory that have not come to their end, or wait to be
 * served after they came in pieces: counted in all and for each user, so that
 * nobody takes what is everybody's. An embedded value of intake, whose thread
 * decides who goes; a lock guards the counts, since any thread may be the last
 * to hold. */
#ifndef APP_FASTCGI_HOLDINGS_H
#define APP_FASTCGI_HOLDINGS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "lib/hash.h"

enum {
	/* In all, and of one user; picked, not tuned. What comes in one turn of
	 * intake's loop may be above that, until the turn's end. */
	HOLDINGS_MAX_BYTES = 64 << 20,
	HOLDINGS_USER_MAX_BYTES = HOLDINGS_MAX_BYTES / 4,
};

struct holdings;
struct account;

/* The part of one request. All zero: it holds nothing and is in no list. */
struct holding {
	struct holdings *holdings;   /* NULL: not begun */
	struct account *account;     /* its user's; NULL until its token was judged */
	size_t n_bytes;
	bool may_go;                 /* it is in the list of those that may be told to go */
	TAILQ_ENTRY(holding) link;
};

TAILQ_HEAD(holding_list, holding);

struct holdings {
	pthread_mutex_t lock;        /* guards what follows, and every holding */
	size_t n_bytes;
	struct holding_list nobodys; /* not judged, the oldest first */
	TAILQ_HEAD(, account) accounts;
	struct hash by_user;         /* user → account */
};

void holdings_init(struct holdings *holdings);
void holdings_free(struct holdings *holdings);

/* holding_begin enters a request of which nobody knows yet whose it is. */
void holding_begin(struct holding *holding, struct holdings *holdings);

/* holding_set says how many bytes it holds now. */
void holding_set(struct holding *holding, size_t n_bytes);

/* holding_judged puts it on that user's account; the string is copied. */
void holding_judged(struct holding *holding, const char *user);

/* holding_stays takes it out of those that may be told to go: it is whole. It
 * counts until holding_end. */
void holding_stays(struct holding *holding);

/* holding_end gives up what it holds. Any thread; one that has not begun, or has
 * ended, is left alone. */
void holding_end(struct holding *holding);

/* holdings_excess returns a holding that has to go so that the bounds hold again:
 * of a user with too much the newest; where all have too much, the oldest that
 * is nobody's, or the newest of the user who has most. NULL: all is well, or
 * none may go. The caller ends it. */
struct holding *holdings_excess(struct holdings *holdings);

#endif
