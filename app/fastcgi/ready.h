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

/* How many requests wait for a worker. */
enum { READY_MAX = 1024 };

struct idle_worker;

struct ready {
	pthread_mutex_t lock;         /* guards what follows */
	pthread_cond_t some_room;
	struct conn_list conns;
	size_t n_conns;
	SLIST_HEAD(, idle_worker) idle;
	bool closed;
};

void ready_init(struct ready *ready);

/* ready_free closes what nobody has taken. */
void ready_free(struct ready *ready);

/* ready_put takes the conn. Where READY_MAX wait already, it waits for room,
 * unless closed: workers are at them. */
void ready_put(struct ready *ready, struct conn *conn);

/* ready_take waits for a conn and gives it to the caller. NULL: closed. */
struct conn *ready_take(struct ready *ready);

/* ready_close has ready_take return NULL when there is none left. */
void ready_close(struct ready *ready);

#endif
