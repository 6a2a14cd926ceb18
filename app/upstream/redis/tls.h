/* TLS to Redis, where hiredis was built with it. */
#ifndef APP_UPSTREAM_REDIS_TLS_H
#define APP_UPSTREAM_REDIS_TLS_H

#include <stddef.h>

struct redisContext;

/* tls_start begins TLS on a connection: the server's certificate has to be that host's,
 * signed by whom this system trusts. The handshake goes on with what is sent. 0 or -1:
 * why says why not. */
int tls_start(struct redisContext *context, const char *host, char *why, size_t why_size);

#endif
