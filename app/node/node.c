/* Starting and stopping the threads of a node, in the order of the flow: what is inserted
 * goes to the log by the forwarder, and comes back by the follower. Runs in main's thread,
 * but for what others may ask, which is passed on. */

#include "app/node/node.h"

#include <stdlib.h>
#include <string.h>

#include "app/node/follower.h"
#include "app/node/forwarder.h"
#include "app/node/presence.h"
#include "app/node/retention.h"
#include "app/node/writeback.h"
#include "app/upstream/upstream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

struct node {
	struct follower *follower;
	struct forwarder *forwarder;
	struct retention *retention;
	struct presence *presence;
	struct writeback *writeback;
};

struct node *
node_start(const struct conf *conf, struct store *store, const struct node_wiring *wiring)
{
	mono_us until = clock_mono_in_ms(NODE_START_MS);
	struct node *node = mem_zalloc(sizeof(*node));
	struct store *second = store_open(conf->store, STORE_COPY);
	struct store *third = second != NULL ? store_open(conf->store, STORE_COPY) : NULL;
	struct store_position position;
	mono_us left;
	int rc;

	if (third == NULL || store_position(second, &position) < 0) {
		store_close(store);
		store_close(third);
		goto fail;
	}
	node->writeback = writeback_start(third);
	node->follower = follower_start(conf, store, node->writeback, wiring);
	if (node->follower == NULL)
		goto unfollowed;
	/* While the follower connects. */
	node->presence = presence_start(conf, position.name, wiring->users);
	if (node->presence == NULL)
		goto refused;
	left = until - clock_mono_us();
	rc = follower_wait(node->follower, left > 0 ? (int)(left / 1000) : 0);
	if (rc == UPSTREAM_REFUSED)
		goto refused;
	if (rc != 0)
		log_warnx("node: upstream is away; streams go on from the copy, and what is"
		    " inserted waits until it is back");
	node->forwarder = forwarder_start(conf, second, wiring);
	node->retention = retention_start(conf);
	return node;
refused:
	log_errorx("node: upstream refuses this machine: see above");
	if (node->presence != NULL)
		presence_stop(node->presence);
	follower_stop(node->follower);
unfollowed:
	writeback_stop(node->writeback);
fail:
	store_close(second);
	free(node);
	return NULL;
}

void
node_reload(struct node *node, const struct conf *conf)
{
	follower_reload(node->follower, conf);
	forwarder_reload(node->forwarder, conf);
	retention_reload(node->retention, conf);
}

bool
node_is_blank(struct node *node)
{
	return follower_is_blank(node->follower);
}

void
node_count(struct node *node, struct node_counters *counters)
{
	struct follower_counters follower;
	struct forwarder_counters forwarder;

	follower_count(node->follower, &follower);
	forwarder_count(node->forwarder, &forwarder);
	*counters = (struct node_counters){
		.is_up = follower.is_up,
		.is_failing = follower.is_failing,
		.n_nodes = presence_n_nodes(node->presence),
		.n_outbox = forwarder.n_waiting,
		.lag_us = follower.lag_us,
		.n_refused = follower.n_refused,
		.n_forwarded = forwarder.n_messages,
		.n_dropped = forwarder.n_dropped,
		.n_trimmed = follower.n_trimmed,
	};
	memcpy(counters->n_failures, follower.n_failures, sizeof(counters->n_failures));
}

struct presence *
node_presence(struct node *node)
{
	return node->presence;
}

void
node_stop(struct node *node)
{
	presence_stop(node->presence);
	retention_stop(node->retention);
	forwarder_stop(node->forwarder);
	follower_stop(node->follower);
	writeback_stop(node->writeback);
	free(node);
}
