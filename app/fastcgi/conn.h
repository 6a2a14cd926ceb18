/* A connection of the web server. It has one owner at a time, who alone touches
 * it: intake, until it hands the conn over; then whoever serves the request;
 * then intake again, where the connection is kept, or the request has not come
 * to its end. It knows none of them. */
#ifndef APP_FASTCGI_CONN_H
#define APP_FASTCGI_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/clock.h"
#include "lib/mailbox.h"

struct arrival;
struct waiting;

struct conn {
	int fd;                       /* owned; non-blocking */
	struct mail mail;             /* on its way to return_to */
	struct mailbox *return_to;    /* lent: where conn_keep puts it */
	TAILQ_ENTRY(conn) link;       /* in the one list that it is in */
	TAILQ_ENTRY(conn) judge_link; /* intake's: in its list of those to be judged */
	mono_us deadline;             /* intake's, while it waits for bytes; who answers before the
	                               * request's end may set a later one */
	mono_us judge_at;             /* intake's; 0: it is not in that list */
	struct waiting *waiting;      /* intake's: where it waits for bytes; NULL: it does not */
	bool kept;                    /* its deadline runs from the end of a request before */
	bool followed;                /* by more bytes, which are lost when the request is read */
	struct arrival *arrival;      /* owned: the request, where it has come in pieces and is not
	                               * in the socket any more; else NULL */
};

TAILQ_HEAD(conn_list, conn);

/* conn_open takes a connected socket, non-blocking where libfcgi is to read from
 * it; return_to is lent for as long as the conn may be kept (NULL: it never is). */
struct conn *conn_open(int fd, struct mailbox *return_to);

/* conn_is_unfinished: has the request's end not come? Then who answers it gives
 * the conn back with conn_keep, whether it is to be kept or not: bytes that
 * nobody reads would break the connection, perhaps before the answer is read. */
bool conn_is_unfinished(const struct conn *conn);

/* One of these ends every ownership, in any thread. conn_close hangs up and
 * frees the conn. conn_detach frees it and returns the descriptor, which is then
 * the caller's. conn_keep sends it to return_to, to wait for the next request. */
void conn_close(struct conn *conn);
int conn_detach(struct conn *conn);
void conn_keep(struct conn *conn);

/* conn_end ends the response to a whole request on a descriptor that was
 * detached, and takes the descriptor: sends the end of the response, and reads
 * what has come, so that the peer sees it instead of a reset. Where return_to is
 * not NULL and nothing but ABORT_REQUEST has come, or nothing, it goes there as a
 * conn, to be kept; else it is closed. Never waits; any thread. */
void conn_end(int fd, uint16_t request_id, struct mailbox *return_to);

#endif
