/* A snapshot: all that rowcast tells of itself, read in one go from what its threads have
 * counted. What is counted once is told by both /status and /metrics from here. */
#ifndef APP_SERVE_SNAPSHOT_H
#define APP_SERVE_SNAPSHOT_H

#include "app/serve/service.h"

struct snapshot {
	struct hub_counters hub;
	struct writer_counters writer;
	struct store_bounds store;
	bool is_shared;           /* with other machines; then there is `node` */
	struct node_counters node;
	bool readable;            /* the store is */
	int64_t uptime_s;
	size_t n_users;
	uint64_t n_foreign;       /* messages in the store that were not published from here */
	uint64_t n_trimmed;       /* messages deleted by retention */
	uint64_t n_refused, n_gaps;  /* streams, and gaps told, whatever the reason */
};

/* snapshot_take waits for nobody but for some tenths of a microsecond, for those who are
 * counting. Any thread. */
void snapshot_take(struct service *service, struct snapshot *now);

#endif
