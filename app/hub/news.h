/* The news: what was committed and live streams have not been sent yet, from the
 * tail's hands until it has been sent. An embedded value of the hub. */
#ifndef APP_HUB_NEWS_H
#define APP_HUB_NEWS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/hub/block.h"
#include "app/hub/direct.h"
#include "app/hub/hub_state.h"
#include "app/hub/pace.h"
#include "app/hub/round.h"
#include "lib/mailbox.h"

/* What waits to be sent; beyond, the tail waits, and rows stay in the store. */
enum { NEWS_INBOX_BYTES = 4 << 20 };

struct news {
	pthread_mutex_t lock;          /* guards the inbox */
	pthread_cond_t taken;
	struct mail *first, **last;    /* the inbox: blocks */
	size_t n_bytes, n_for_many;  /* of the inbox, and of what was taken from it early */
	struct mailbox *wake;          /* lent; woken when something comes */

	/* The hub's thread. */
	int64_t upto;                  /* the rounds that have begun go up to here */
	struct round *round;
	struct pace pace;
	struct direct direct;
};

void news_init(struct news *news, struct mailbox *wake, int64_t sent);

/* news_free frees what nobody has taken, too; nobody may be putting any more. */
void news_free(struct news *news);

/* news_put takes the next block, in the order of ids; waits while more than
 * NEWS_INBOX_BYTES are waiting. The tail's thread; what follows is the hub's. */
void news_put(struct news *news, struct block *block);

/* news_run runs a round where there is something new and the pace allows; where
 * the round has to wait, what names a user is sent to that user. */
void news_run(struct news *news, struct hub_state *hub);

/* news_run_all runs as many rounds as it takes, without waiting. */
void news_run_all(struct news *news, struct hub_state *hub);

/* news_due returns when news_run is to be called at the latest, or `latest` where
 * nothing is due before. */
mono_us news_due(struct news *news, const struct hub_state *hub, mono_us latest);

#endif
