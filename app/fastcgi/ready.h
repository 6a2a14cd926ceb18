/* What is ready: connections with a request to read, on their way from intake
 * to the workers. An embedded value of intake, whose thread puts them in; any
 * worker takes them out. */
#ifndef APP_FASTCGI_READY_H
#define APP_FASTCGI_READY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "app/fastcgi/conn.h"

/* How many whole requests wait for a worker, and how many unfinished ones do. */
enum { READY_MAX = 1024 };

struct idle_worker;

struct ready {
	pthread_mutex_t lock;         /* guards what follows */
	pthread_cond_t some_room;
	struct conn_list whole;       /* requests that are there to their last byte */
	struct conn_list unfinished;  /* those whose body is not */
	struct conn_list reading;     /* those whose body a worker reads */
	size_t n_whole, n_unfinished;
	size_t n_reading;             /* workers that read an unfinished body */
	size_t max_reading;
	SLIST_HEAD(, idle_worker) idle;
	bool closed;
};

void ready_init(struct ready *ready, size_t n_workers);

/* ready_free closes what nobody has taken. */
void ready_free(struct ready *ready);

/* ready_put takes the conn. Where READY_MAX whole ones wait already, it waits
 * for room, unless closed: workers are at them. Unfinished ones may take their
 * workers as long as they like, so for those nobody waits: where as many do
 * already, the one that has waited longest is hung up on. */
void ready_put(struct ready *ready, struct conn *conn, bool whole);

/* ready_take waits for a conn and gives it to the caller: whole ones first, and
 * unfinished ones to at most half of the workers. NULL: closed. */
struct conn *ready_take(struct ready *ready);

/* ready_body_read records that the taker of an unfinished one has read its body,
 * or given it up, so that the next one may be taken. Does nothing where the
 * request was whole from the start. Any thread. */
void ready_body_read(struct conn *conn);

/* ready_close has ready_take return NULL when there is no whole one left, and
 * those that read a body find it ended. */
void ready_close(struct ready *ready);

#endif
