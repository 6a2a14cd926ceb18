/* The handle of the Redis log: one connection, with what each of its files remembers
 * from call to call. Included by the files of this folder only.
 *
 * A handle belongs to one thread at a time, so nothing in it is locked. */
#ifndef APP_UPSTREAM_REDIS_HANDLE_H
#define APP_UPSTREAM_REDIS_HANDLE_H

#include <stddef.h>
#include <stdint.h>

#include "app/upstream/redis/redis.h"
#include "app/upstream/upstream.h"

struct upstream {
	struct redis *redis;
	char *key;           /* of the stream: the setting upstream_key */
	char *prefix;        /* "{key}:", of everything else of ours */
	int n_replicas;      /* upstream_replicas, resolved */
};

#endif
