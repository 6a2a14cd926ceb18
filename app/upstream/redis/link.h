/* One connection to one server that speaks Redis's protocol, by way of hiredis, which
 * nothing else knows. It waits by itself, so that a deadline and an interruption hold
 * whatever the server does; only the resolution of a host's name takes its own time.
 *
 * A link belongs to one thread at a time. */
#ifndef APP_UPSTREAM_REDIS_LINK_H
#define APP_UPSTREAM_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "app/upstream/redis/socket.h"
#include "app/upstream/redis/value.h"
#include "lib/clock.h"

enum { LINK_WHY_BYTES = SOCKET_WHY_BYTES };

/* Where to. */
struct link_place {
	const char *path;    /* of a unix socket; or NULL, and: */
	const char *host;    /* a name or an address */
	int port;
	bool tls;            /* the certificate has to be that host's */
};

struct link;

/* link_has_tls: can it speak TLS in this program? */
bool link_has_tls(void);

/* link_open connects, and gives up at the deadline, or when wake_fd (-1: none), which
 * it keeps looking at as long as it lives, becomes readable. NULL: why says why not. */
struct link *link_open(const struct link_place *place, int wake_fd, mono_us deadline,
    char why[LINK_WHY_BYTES]);
void link_close(struct link *link);  /* NULL: nothing */

/* link_send adds a command to what is sent; lens NULL: the args end in NUL. */
void link_send(struct link *link, size_t n, const char *const args[], const size_t lens[]);

/* link_receive sends what was added and returns the next answer, in the order of the
 * commands, which the caller frees. NULL: none came before the deadline, or wake_fd
 * became readable, or the connection is lost; `why` says which. It is good for nothing
 * then but to be closed. */
struct redis_value *link_receive(struct link *link, mono_us deadline, char why[LINK_WHY_BYTES]);

/* link_is_quiet: is nothing expected of a server that is still there, as far as one can
 * see without waiting? For a connection that has had all of its answers. */
bool link_is_quiet(struct link *link);

#endif
