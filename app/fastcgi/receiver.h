/* The receiver: reads what comes on a connection of the web server, up to the end of its
 * request. An embedded value of intake; its thread alone. Nothing here waits. */
#ifndef APP_FASTCGI_RECEIVER_H
#define APP_FASTCGI_RECEIVER_H

#include "app/fastcgi/conn.h"
#include "app/fastcgi/holdings.h"

enum {
	/* BEGIN_REQUEST and PARAMS must fit in this; a connection that sends more
	 * is closed. lighttpd and Apache limit request heads to 8-32 KiB. */
	RECEIVER_HEAD_MAX_BYTES = 64 << 10,
	RECEIVER_REQUEST_MS = 10000,   /* for a request, its body included */
	RECEIVER_IDLE_MS = 75000,      /* a connection kept open for the next one */
};

struct receiver {
	unsigned char *bytes;          /* owned: to read into */
	struct holdings *holdings;     /* lent: of the arrivals */
};

void receiver_init(struct receiver *receiver, struct holdings *holdings);
void receiver_free(struct receiver *receiver);

enum receiver_outcome {
	RECEIVER_PART,       /* the request's end has not come, or nothing has; more may come */
	RECEIVER_WHOLE,      /* the request is to be served: from conn->arrival, or, where that
	                      * is NULL, from the socket, which has all of it */
	RECEIVER_CUT,        /* no more comes, and what has come of a body was not judged yet */
	RECEIVER_OVER,       /* no more comes, or what has come is none of ours: to be closed */
};

/* receiver_receive reads what has come, once, and returns one of the outcomes; the conn
 * stays the caller's. Where a request was not whole at the first look it makes
 * conn->arrival; where one was aborted, or has had its answer, it goes on with the next.
 * A kept conn has RECEIVER_REQUEST_MS from the first byte of a request on. */
enum receiver_outcome receiver_receive(struct receiver *receiver, struct conn *conn);

/* receiver_expect_next has a conn be kept after a request, which it forgets: the next one
 * may take RECEIVER_IDLE_MS to begin. */
void receiver_expect_next(struct conn *conn);

#endif
