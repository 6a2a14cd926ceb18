/* The forwarder: the one thread that brings what was inserted into this machine's table,
 * or deleted from it, to the log: each once, in order. */
#ifndef APP_NODE_FORWARDER_H
#define APP_NODE_FORWARDER_H

#include <stdint.h>

#include "app/node/wiring.h"
#include "app/setting/conf.h"
#include "app/store/store.h"

enum {
	/* What one call brings to the log, which stands still for it meanwhile; a larger
	 * message goes alone. Picked, not tuned. */
	FORWARDER_BATCH_ROWS = 1000,
	FORWARDER_BATCH_BYTES = 1 << 20,
};

struct forwarder;

/* forwarder_start takes the store, a STORE_COPY handle. wiring is copied. */
struct forwarder *forwarder_start(const struct conf *conf, struct store *store,
    const struct node_wiring *wiring);

/* forwarder_reload takes over how long keys are remembered. Any thread. */
void forwarder_reload(struct forwarder *forwarder, const struct conf *conf);

/* Any thread. */
struct forwarder_counters {
	int64_t n_waiting;     /* rows of the outbox, a few seconds ago at most */
	uint64_t n_forwarded;  /* rows that the log has; those that were dropped too */
	uint64_t n_messages;   /* messages among them: without those, and without erasures */
	uint64_t n_dropped;    /* messages whose key was in the log already, or whose topic had ended */
};
void forwarder_count(struct forwarder *forwarder, struct forwarder_counters *counters);

/* forwarder_stop tries once what is there, beginning no call after FORWARDER_LAST_MS;
 * the rest stays, for the next start. Ends the thread and closes the store. */
enum { FORWARDER_LAST_MS = 2000 };
void forwarder_stop(struct forwarder *forwarder);

#endif
