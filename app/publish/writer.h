/* The writer: the one thread that commits what /msg publishes. Whatever waits
 * goes into one transaction, so a commit's price is shared. Retention runs here
 * too, in slices between the commits.
 *
 * It commits to the store or, where several machines share a log, to that: one call for
 * a group, and the log's own retention. */
#ifndef APP_PUBLISH_WRITER_H
#define APP_PUBLISH_WRITER_H

#include <stdint.h>

#include "app/setting/conf.h"
#include "app/store/failure.h"
#include "app/store/origin.h"
#include "app/store/store.h"
#include "lib/histogram.h"
#include "lib/mailbox.h"

struct upstream;

enum {
	/* What waits to be committed; beyond, writer_order refuses. */
	WRITER_QUEUE_MESSAGES = 100000,
	WRITER_QUEUE_BYTES = 64 << 20,

	WRITER_GROUP_MESSAGES = 4096,  /* in one transaction; a larger publication goes alone */

	/* Where there is a log, who publishes waits for it so long at most. */
	WRITER_PATIENCE_MS = 10000,
};

enum writer_outcome {
	WRITER_FULL = 1,
};

struct writer;

/* Called after each commit, by the writer's thread, before who published is
 * answered; id is the highest that the commit gave, 0 where the store refused all
 * of it. context is lent. */
typedef void writer_committed(void *context, int64_t id);

/* writer_start takes the store. Whose the messages are origin is told, which is lent; NULL:
 * nobody asks. */
struct writer *writer_start(const struct conf *conf, struct store *store, struct origin *origin,
    writer_committed *committed, void *context);

/* The highest id that this machine knows to have been given: the log gives higher ones. */
typedef int64_t writer_seen(void *context);

/* writer_start_upstream takes the log, to which it publishes instead of a store, and the
 * copy, a STORE_COPY handle in which it keeps last wills; NULL: none are written. */
struct writer *writer_start_upstream(const struct conf *conf, struct upstream *log,
    struct store *copy, struct origin *origin, writer_seen *seen, writer_committed *committed,
    void *context);

/* writer_reload takes over the retention from conf. Any thread. */
void writer_reload(struct writer *writer, const struct conf *conf);

/* What became of an order. */
enum writer_fate {
	WRITER_STORED,   /* all of it */
	WRITER_ENDED,    /* nothing: a topic of it has ended */
	WRITER_REFUSED,  /* nothing: the table, or the log, does not take a message of it */
	WRITER_FAILED,   /* nothing, or it is not known: order->sentence says what */
};

/* What somebody else than a request's reply waits for: messages, a last will (store.h), or
 * both. It is the writer's from writer_order until `done` is called. */
struct writer_order {
	struct append append;   /* the messages, whose ids are set, and the publisher are lent */
	size_t n_bytes;         /* of the messages' data */
	bool is_own;            /* rowcast's own messages, which are not counted */

	/* done takes the order back, in the writer's thread: it may not wait. */
	void (*done)(struct writer_order *order);
	void *context;          /* for that; lent */

	enum writer_fate fate;
	const char *sentence;   /* a constant, for who is answered; WRITER_FAILED alone */
	struct mail mail;       /* the writer's; then, of who has it back */
	mono_us submitted_at;   /* the writer's */
};

/* writer_order takes the order. WRITER_FULL: it does not, and done is not called. Does not
 * wait. Any thread. */
int writer_order(struct writer *writer, struct writer_order *order);

/* writer_life returns the life that its wills are of; 0: it can write none. */
int64_t writer_life(const struct writer *writer);

/* For /status, /metrics and /healthz. Any thread. */
struct writer_counters {
	uint64_t n_committed;   /* messages; not rowcast's own, nor those whose key was there */
	struct histogram_counts commits;  /* how long each group took of which anything was stored */
	uint64_t n_failures[FAILURES];    /* groups of which nothing was stored; publications
	                                   * that were refused */
	size_t n_waiting;       /* messages, in the queue or being committed */
	int64_t keep_rows;      /* as it is in force */
	uint64_t n_trimmed;     /* messages deleted by retention */
	bool failing;           /* a commit did not succeed, and would not now: asked once a second;
	                         * of a log, which cannot be asked: the last one did not */
};
void writer_count(struct writer *writer, struct writer_counters *counters);

/* writer_stop commits and answers what was submitted, ends the thread and
 * closes the store, or the log. */
void writer_stop(struct writer *writer);

#endif
