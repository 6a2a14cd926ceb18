/* Intake: accepts connections from the web server and keeps each until its
 * request has arrived, so that silent and slow ones cost a descriptor and a
 * few bytes, but no worker. It has a thread of its own; workers call
 * intake_next. */
#ifndef APP_FASTCGI_INTAKE_H
#define APP_FASTCGI_INTAKE_H

#include <stddef.h>

#include "app/fastcgi/conn.h"

enum {
	/* BEGIN_REQUEST and PARAMS must fit in this; a connection that sends more
	 * is closed. lighttpd and Apache limit request heads to 8-32 KiB. */
	INTAKE_HEAD_MAX_BYTES = 64 << 10,
	INTAKE_REQUEST_MS = 10000,    /* for a request's parameters */
	INTAKE_IDLE_MS = 75000,       /* a connection kept open for the next one */
	INTAKE_WAITING_MAX = 4096,    /* connections that wait for bytes; beyond, the oldest goes */
	INTAKE_SERVES_US = 5000,      /* of one turn, for serving whole requests by itself */
};

struct intake;

/* Serves a whole request in intake's thread; takes the conn. */
typedef void intake_serve(void *context, struct conn *conn);

/* intake_start takes listen_fd, which is listening and non-blocking. n_workers
 * is how many threads will call intake_next. `serve` is given whole requests for
 * INTAKE_SERVES_US, those that are left of a turn go to the workers (NULL: all
 * do); context is lent until intake_stop. */
struct intake *intake_start(int listen_fd, size_t n_workers, intake_serve *serve, void *context);

/* intake_next waits for a connection with a request to read and hands it to the
 * caller, who calls ready_body_read when that is done. A body that is not all there yet may keep the caller waiting, so at
 * most half of the workers are given one such (at least one). NULL once intake
 * is stopping and there is no more. Any number of threads. */
struct conn *intake_next(struct intake *intake);

/* intake_stop accepts nothing more, hangs up on those that have not sent a
 * whole request, ends bodies that are being read, and lets intake_next give out
 * the rest. The listening socket is closed. intake_free is due when all workers
 * have ended. */
void intake_stop(struct intake *intake);
void intake_free(struct intake *intake);

#endif
