/* Intake: accepts connections from the web server and keeps each until its
 * request has arrived, so that silent and slow ones cost a descriptor and what
 * they have sent, but no worker. It has a thread of its own; workers call
 * intake_next. */
#ifndef APP_FASTCGI_INTAKE_H
#define APP_FASTCGI_INTAKE_H

#include <stddef.h>

#include "app/fastcgi/conn.h"
#include "app/fastcgi/request.h"

enum {
	INTAKE_SERVES_US = 5000,      /* of one turn, for serving requests by itself */
	/* A request is judged when its end has not come so long after its head, or
	 * when more of its body has. Until then it mostly comes by itself: Apache sends
	 * each record on its own. */
	INTAKE_JUDGE_MS = 10,
	INTAKE_UNJUDGED_MAX_BYTES = 64 << 10,
	/* After an answer that did not wait for the request's end, so much more is
	 * read and thrown away, until the request's time is up, or for so long. */
	INTAKE_DISCARD_MAX_BYTES = 8 << 20,
	INTAKE_LINGER_MS = 2000,
};

/* What is to be done with a request whose head is there, and its end is not. */
enum intake_verdict {
	INTAKE_ANSWERED,    /* nothing: it has its answer, and the conn was taken */
	INTAKE_SERVE,       /* it is served at once: it needs no body */
	INTAKE_PASS,        /* it is served at its end; the body is thrown away */
	INTAKE_GATHER,      /* it is served at its end, with the body */
};

struct intake_judgement {
	enum intake_verdict verdict;
	char *user;               /* INTAKE_GATHER: who sends it; intake takes the string */
	size_t body_max_bytes;    /* INTAKE_GATHER */
};

/* What intake asks of those who serve, in its own thread. None may wait for a peer. */
struct intake_service {
	void *context;            /* lent until intake_stop */

	/* serve serves a request; takes the conn. NULL: workers serve all. */
	void (*serve)(void *context, struct conn *conn);

	/* judge says what to do with a request by its head. It takes the conn where
	 * the verdict is INTAKE_ANSWERED, else it lends it. */
	struct intake_judgement (*judge)(void *context, struct conn *conn);

	/* refuse answers a request that came to nothing, for this reason; takes the
	 * conn. */
	void (*refuse)(void *context, struct conn *conn, enum request_outcome reason);
};

struct intake;

/* intake_start takes listen_fd, which is listening and non-blocking, and copies
 * the service. `serve` is given requests for INTAKE_SERVES_US a turn, those that
 * are left go to the workers. */
struct intake *intake_start(int listen_fd, const struct intake_service *service);

/* intake_next waits for a connection with a request that can be read without
 * waiting for anybody, and hands it to the caller. NULL once intake is stopping
 * and there is no more. Any number of threads. */
struct conn *intake_next(struct intake *intake);

/* intake_stop accepts nothing more, hangs up on those that have not sent a
 * whole request, and lets intake_next give out the rest. The listening socket is
 * closed. intake_free is due when nobody has a conn of it any more. */
void intake_stop(struct intake *intake);
void intake_free(struct intake *intake);

#endif
