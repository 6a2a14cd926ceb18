/* A connection of the web server. It has one owner at a time, who alone touches
 * it: intake, until it hands the conn over; then whoever serves the request;
 * then intake again, where the connection is kept. It knows none of them. */
#ifndef APP_FASTCGI_CONN_H
#define APP_FASTCGI_CONN_H

#include <stdbool.h>
#include <sys/queue.h>

#include "lib/clock.h"
#include "lib/mailbox.h"

struct ready;

struct conn {
	int fd;                       /* owned; blocking */
	struct mail mail;             /* on its way to return_to */
	struct mailbox *return_to;    /* lent: where conn_keep puts it */
	TAILQ_ENTRY(conn) link;       /* in the one list that it is in */
	mono_us deadline;             /* intake's, while it waits for bytes */
	bool waiting;                 /* intake's: it is in its epoll and list */
	bool followed;                /* by more bytes, which are lost when the request is read */
	struct ready *counted_in;     /* its body is counted there until ready_body_read; else NULL */
};

TAILQ_HEAD(conn_list, conn);

/* conn_open takes a connected socket; return_to is lent for as long as the conn
 * may be kept (NULL: it never is). */
struct conn *conn_open(int fd, struct mailbox *return_to);

/* One of these ends every ownership, in any thread. conn_close hangs up and
 * frees the conn. conn_detach frees it and returns the descriptor, which is then
 * the caller's. conn_keep sends it to return_to, to wait for the next request. */
void conn_close(struct conn *conn);
int conn_detach(struct conn *conn);
void conn_keep(struct conn *conn);

#endif
