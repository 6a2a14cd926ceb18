/* Pairs: names with a number each, which the log is told so that all machines know. Of
 * the thread that has the handle. */
#ifndef APP_UPSTREAM_REDIS_PAIRS_H
#define APP_UPSTREAM_REDIS_PAIRS_H

#include <stdint.h>

#include "app/upstream/redis/script.h"

struct pair {
	const char *name;   /* lent */
	int64_t number;
};

/* pairs_tell calls the script, whose ARGV are names and numbers in turn, as often as so
 * many pairs need; none: not at all. 0: the replicas have what it did with all of them;
 * else the upstream_outcome of the first call that failed, and what came before it is
 * done. */
int pairs_tell(struct upstream *log, const struct script *script, const struct pair pairs[],
    size_t n);

#endif
