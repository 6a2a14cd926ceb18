/* The node: this machine as one of several that share a log (app/upstream/upstream.h).
 * Its threads keep the machine's store, a copy of the log, and bring to the log what is
 * inserted here; who else wants something of the log, the writer, has a handle of its
 * own. */
#ifndef APP_NODE_NODE_H
#define APP_NODE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/node/wiring.h"
#include "app/setting/conf.h"
#include "app/store/failure.h"
#include "app/store/store.h"
#include "lib/clock.h"

/* How long node_start waits for the log, so that who connects first is told where the
 * log stands and not where the copy did; picked, not tuned. */
enum { NODE_START_MS = 2000 };

struct node;
struct presence;

/* node_start takes the store, a STORE_COPY handle, and starts the threads. It returns
 * when the log has answered, or after NODE_START_MS: without the log it goes on trying.
 * NULL: logged; the log refuses this machine, by its name, which another uses, or by
 * what the log is. wiring is copied. */
struct node *node_start(const struct conf *conf, struct store *store,
    const struct node_wiring *wiring);

/* node_reload takes over the retention from conf. Any thread. */
void node_reload(struct node *node, const struct conf *conf);

/* node_is_blank: the copy is empty and the log has not been heard of yet, so that there
 * is no id that a new stream could begin at. Any thread. */
bool node_is_blank(struct node *node);

/* node_presence lends what answers /presence, until node_stop. Any thread. */
struct presence *node_presence(struct node *node);

/* For /status, /metrics and /healthz. Any thread. */
struct node_counters {
	bool is_up;            /* the log answered when it was last asked */
	bool is_failing;       /* the copy could not take what came from it */
	size_t n_nodes;        /* machines that are alive, this one too */
	int64_t n_outbox;      /* rows that the log does not have yet */
	mono_us lag_us;        /* so long ago the copy last had all that the log had given */
	uint64_t n_refused;    /* entries of the log that are no message */
	uint64_t n_forwarded;  /* messages of the outbox that the log has; without these: */
	uint64_t n_dropped;    /* rows of the outbox whose key was in the log already */
	uint64_t n_trimmed;    /* rows deleted from the copy */
	uint64_t n_failures[FAILURES];  /* commits to the copy that came to nothing */
};
void node_count(struct node *node, struct node_counters *counters);

/* node_stop brings to the log what has been inserted, and into the copy what was
 * acknowledged, as far as a few seconds are enough; the rest is done by the next start.
 * It ends the threads and closes the store. */
void node_stop(struct node *node);

#endif
