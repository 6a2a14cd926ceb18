/* Intake: accepts connections from the web server and keeps each until its
 * request has arrived, so that silent and slow ones cost a descriptor and a
 * few bytes, but no worker. */
#ifndef APP_FASTCGI_INTAKE_H
#define APP_FASTCGI_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "lib/clock.h"
#include "lib/mailbox.h"

enum {
	/* BEGIN_REQUEST and PARAMS must fit in this; a connection that sends more
	 * is closed. lighttpd and Apache limit request heads to 8-32 KiB. */
	INTAKE_HEAD_MAX_BYTES = 64 << 10,
	INTAKE_REQUEST_MS = 10000,    /* for a request's parameters; as much again for a large body */
	INTAKE_IDLE_MS = 75000,       /* a connection kept open for the next one */
	INTAKE_WAITING_MAX = 4096,    /* connections that wait for bytes; beyond, the oldest goes */
	/* Requests that wait for a worker: whole ones, beyond which nothing is
	 * accepted; and unfinished ones, beyond which the oldest goes. */
	INTAKE_READY_MAX = 1024,
	INTAKE_SERVES_US = 5000,      /* of one turn, for serving whole requests by itself */
};

struct intake;

/* A connection of the web server. One owner at a time: intake until
 * intake_next, then whoever it was given to. */
struct conn {
	struct mail mail;             /* on its way back to intake */
	TAILQ_ENTRY(conn) link;       /* among those that wait for bytes, or for a worker */
	struct intake *intake;
	int fd;                       /* blocking */
	mono_us deadline;             /* for waiting */
	bool waiting;                 /* in intake's epoll and list */
	bool whole;                   /* the request is there to its last byte: reading never waits */
	bool followed;                /* by more, which is lost when the request is read */
};

/* Serves a whole request in intake's thread; takes the conn. */
typedef void intake_serve(void *context, struct conn *conn);

/* intake_start takes listen_fd, which is listening and non-blocking. n_workers
 * is how many threads will call intake_next. `serve` is given whole requests for
 * INTAKE_SERVES_US, those that are left of a turn go to the workers (NULL: all
 * do); context is lent until intake_stop. */
struct intake *intake_start(int listen_fd, size_t n_workers, intake_serve *serve, void *context);

/* intake_next waits for a connection with a request to read and gives it to the
 * caller. A body that is not all there yet may keep the caller waiting, so at
 * most half of the workers are given one such (at least one). NULL once intake
 * is stopping and there is no more. Any number of threads. */
struct conn *intake_next(struct intake *intake);

/* intake_body_read says that the body has been read, or given up, so that the
 * next one may be. Harmless where the request was whole from the start. */
void intake_body_read(struct conn *conn);

/* intake_stop accepts nothing more, hangs up on those that have not sent a
 * whole request, ends bodies that are being read, and lets intake_next give out
 * the rest. The listening socket is closed. intake_free is due when all workers
 * have ended. */
void intake_stop(struct intake *intake);
void intake_free(struct intake *intake);

/* One of these ends every ownership. conn_close hangs up. conn_keep gives the
 * connection back to wait for its next request. conn_detach returns the
 * descriptor, which is then the caller's. All free the conn. Any thread. */
void conn_close(struct conn *conn);
void conn_keep(struct conn *conn);
int conn_detach(struct conn *conn);

#endif
