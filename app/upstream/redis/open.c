/* A handle of the log: opened, closed, and looked at. */

#include <stdlib.h>
#include <string.h>

#include "app/upstream/redis/handle.h"
#include "app/upstream/redis/link.h"
#include "lib/log.h"
#include "lib/mem.h"

bool
upstream_is_built(void)
{
	return true;
}

const char *
upstream_built_with(void)
{
	return link_has_tls() ? "with Redis (redis://, rediss://, unix:, redis-sentinel://)"
	    : "with Redis (redis://, unix:, redis-sentinel://), without TLS for it";
}

bool
upstream_is_possible(const struct conf *conf)
{
	if (!conf->upstream.tls || link_has_tls())
		return true;
	log_errorx("upstream: rediss:// needs a rowcast that was built with hiredis_ssl (hiredis 1.0 "
	    "or later), and this one was not: use redis:// over a network that you trust, a tunnel "
	    "(stunnel, WireGuard), or build it where pkg-config finds hiredis_ssl");
	return false;
}

struct upstream *
upstream_open(const struct conf *conf)
{
	struct upstream *log = mem_zalloc(sizeof(*log));

	log->redis = redis_new(conf);
	log->key = mem_strdup(conf->upstream_key);
	log->prefix = mem_printf("{%s}:", conf->upstream_key);
	log->n_replicas = conf->upstream_replicas;
	return log;
}

void
upstream_close(struct upstream *log)
{
	if (log == NULL)
		return;
	redis_free(log->redis);
	free(log->key);
	free(log->prefix);
	free(log);
}

void
upstream_interrupt(struct upstream *log)
{
	redis_interrupt(log->redis);
}
