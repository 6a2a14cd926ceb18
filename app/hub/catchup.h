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
#include "app/hub/join.h"
#include "app/hub/stream.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mailbox.h"

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
	const char *join;             /* lent as well: the event that is joined; NULL: none */
	int64_t until;                /* nothing above this id */
	struct join joined;           /* catch-up's: those of the last run of messages, kept back */
	enum gap gap;                 /* as asked, where it is known; else what gap_find says */

	bool failed;                  /* the store could not be read */
	bool searched;                /* it was for the search, and what follows is not set */
	struct store_bounds bounds;   /* of the store at that moment */
	struct buf events;            /* the rows that match, encoded, in order */
	size_t n;                     /* how many */
	size_t n_gaps;                /* of them tell of a gap, and are no messages */
	struct buf gap_row;           /* ENCODING_LIST: data of the first gap among them */
	struct { size_t topic; int64_t id; } ends[STREAM_MAX_TOPICS];  /* topics of the filter that */
	size_t n_ends;                /* have ended, by their place in it */
	int64_t first_id, last_id;    /* of the first and the last in the events; 0: there is none */
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
