/* Catch-up: reads old rows for streams that are behind, a page at a time, in a
 * thread of its own and with a store handle of its own, so that no replay holds up
 * what is live; and the users in turn, so that none holds up another's. The hub's
 * thread asks; the pages come back to it by mailbox. */
#ifndef APP_HUB_CATCHUP_H
#define APP_HUB_CATCHUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "app/hub/encoding.h"
#include "app/hub/gap.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mailbox.h"

struct stream;
struct stream_start;

/* A question, and on its way back the answer. */
struct page {
	struct mail mail;             /* on its way back */
	TAILQ_ENTRY(page) link;       /* catch-up's, and `waits` too: asked, not read yet */
	bool waits;
	struct stream *stream;        /* whose it is; catch-up does not read it */
	const struct filter *filter;  /* lent until the page is back */
	int64_t after;                /* the stream's cursor, or where it goes on from */
	struct stream_start *start;   /* lent as well; NULL: the client has been told where it stands.
	                               * Where it is not found yet, a step of the search is all that is
	                               * done. Nothing is missed by who was told nothing: no gap */
	enum encoding encoding;       /* of the events */
	enum gap gap;                 /* as asked, where it is known; else what gap_find says */

	bool failed;                  /* the store could not be read */
	bool searched;                /* it was for the search, and what follows is not set */
	struct store_bounds bounds;   /* of the store at that moment */
	struct buf events;            /* the rows that match, encoded, in order */
	size_t n;                     /* how many */
	size_t n_gaps;                /* of them tell of a gap, and are no messages */
	int64_t first_id, last_id;    /* of the first and the last of them */
	int64_t upto;                 /* the page is complete up to this id */
};

struct catchup;

/* catchup_start opens the store anew for its thread. Pages go back into `done`,
 * which is lent until catchup_stop. NULL: logged. */
struct catchup *catchup_start(const char *store_name, struct mailbox *done);

/* catchup_ask takes the page. Those of one user come back in the order of asking;
 * another user's wait for one of them at most, however many they are. At most
 * STREAM_WRITE_BYTES of events, or one message, are in it. */
void catchup_ask(struct catchup *catchup, struct page *page);

/* catchup_forget takes a page back that is not being read yet, for the caller to
 * free: the work is not done. false: it is being read, or on its way back. */
bool catchup_forget(struct catchup *catchup, struct page *page);

/* catchup_stop ends the thread; what was asked and not yet read comes back as
 * failed. */
void catchup_stop(struct catchup *catchup);

struct page *page_new(struct stream *stream, const struct filter *filter, int64_t after);
void page_free(struct page *page);

#endif
