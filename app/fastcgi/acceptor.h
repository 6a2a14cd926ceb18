/* The acceptor: the listening socket as intake's thread has it, also where descriptors have
 * run out. An embedded value of intake's; its thread alone. */
#ifndef APP_FASTCGI_ACCEPTOR_H
#define APP_FASTCGI_ACCEPTOR_H

#include <stdbool.h>

#include "lib/clock.h"

struct acceptor {
	int listen_fd;
	int epoll_fd;         /* lent by acceptor_watch */
	int spare_fd;         /* given up to accept, and refuse, when descriptors ran out; -1: it
	                       * could not be had again */
	bool deaf;            /* listen_fd is not watched until acceptor_recover */
	mono_us refusal_logged_at;
};

/* acceptor_init takes over a non-blocking socket that listens. -1: there is no descriptor
 * to spare (errno). */
int acceptor_init(struct acceptor *acceptor, int listen_fd);

/* acceptor_watch has epoll tell of connections; the event's pointer is the acceptor. */
void acceptor_watch(struct acceptor *acceptor, int epoll_fd);

/* acceptor_accept returns the next connection, non-blocking and the caller's to close; -1:
 * there is none now, or there were no descriptors left for it: then one is refused, so that
 * the others do not wait for ever, and it is logged, once a second at most. */
int acceptor_accept(struct acceptor *acceptor);

/* acceptor_recover tries to be again as it was before descriptors ran out. Now and then. */
void acceptor_recover(struct acceptor *acceptor);

/* acceptor_stop closes the socket: who connects from now on is refused by the system. */
void acceptor_stop(struct acceptor *acceptor);
void acceptor_free(struct acceptor *acceptor);  /* after acceptor_stop */

#endif
