/* The queue between intake and the workers, in two lists: whole requests, and
 * unfinished ones whose body a worker has to read. Intake's thread puts conns in
 * and waits where there is no room; any worker takes them out and sleeps here
 * while there is none. All share one lock, which is never held across a read, a
 * write or a wait for a peer.
 *
 * A conn whose body is being read stays in a list of its own until
 * ready_body_read: it bounds how many workers read bodies, and ready_close can
 * end the reading. */

#include "app/fastcgi/ready.h"

#include <sys/socket.h>

/* A worker that waits for work. The one that has waited least is woken first:
 * its memory is still in the cache, and the others sleep on. */
struct idle_worker {
	SLIST_ENTRY(idle_worker) link;
	pthread_cond_t woken;
	bool has_work;    /* set by who wakes it */
};

/* take_first returns NULL where the list is empty. */
static struct conn *
take_first(struct conn_list *list)
{
	struct conn *conn = TAILQ_FIRST(list);

	if (conn != NULL)
		TAILQ_REMOVE(list, conn, link);
	return conn;
}

static struct conn *
take_whole(struct ready *ready)
{
	struct conn *conn = take_first(&ready->whole);

	if (conn != NULL && ready->n_whole-- == READY_MAX)
		pthread_cond_signal(&ready->some_room);
	return conn;
}

static struct conn *
take_unfinished(struct ready *ready)
{
	struct conn *conn = take_first(&ready->unfinished);

	if (conn != NULL)
		ready->n_unfinished--;
	return conn;
}

void
ready_init(struct ready *ready, size_t n_workers)
{
	pthread_mutex_init(&ready->lock, NULL);
	pthread_cond_init(&ready->some_room, NULL);
	TAILQ_INIT(&ready->whole);
	TAILQ_INIT(&ready->unfinished);
	TAILQ_INIT(&ready->reading);
	SLIST_INIT(&ready->idle);
	ready->n_whole = ready->n_unfinished = ready->n_reading = 0;
	ready->max_reading = n_workers > 1 ? n_workers / 2 : 1;
	ready->closed = false;
}

void
ready_free(struct ready *ready)
{
	struct conn *conn;

	while ((conn = take_first(&ready->whole)) != NULL
	    || (conn = take_first(&ready->unfinished)) != NULL)
		conn_close(conn);
	pthread_cond_destroy(&ready->some_room);
	pthread_mutex_destroy(&ready->lock);
}

/* wake_one wakes an idle worker, where there is one; the lock is held. */
static void
wake_one(struct ready *ready)
{
	struct idle_worker *idle = SLIST_FIRST(&ready->idle);

	if (idle != NULL) {
		SLIST_REMOVE_HEAD(&ready->idle, link);
		idle->has_work = true;
		pthread_cond_signal(&idle->woken);
	}
}

/* wait_for_work returns when somebody has woken us; the lock is held. */
static void
wait_for_work(struct ready *ready, struct idle_worker *idle)
{
	idle->has_work = false;
	SLIST_INSERT_HEAD(&ready->idle, idle, link);
	while (!idle->has_work)
		pthread_cond_wait(&idle->woken, &ready->lock);
}

void
ready_put(struct ready *ready, struct conn *conn, bool whole)
{
	pthread_mutex_lock(&ready->lock);
	if (whole) {
		while (ready->n_whole >= READY_MAX && !ready->closed)
			pthread_cond_wait(&ready->some_room, &ready->lock);
		TAILQ_INSERT_TAIL(&ready->whole, conn, link);
		ready->n_whole++;
	} else {
		if (ready->n_unfinished == READY_MAX)
			conn_close(take_unfinished(ready));
		TAILQ_INSERT_TAIL(&ready->unfinished, conn, link);
		ready->n_unfinished++;
	}
	wake_one(ready);
	pthread_mutex_unlock(&ready->lock);
}

struct conn *
ready_take(struct ready *ready)
{
	struct idle_worker idle = { .woken = PTHREAD_COND_INITIALIZER };
	struct conn *conn;

	pthread_mutex_lock(&ready->lock);
	for (;;) {
		conn = take_whole(ready);
		if (conn == NULL && ready->n_reading < ready->max_reading && !ready->closed) {
			conn = take_unfinished(ready);
			if (conn != NULL) {
				TAILQ_INSERT_TAIL(&ready->reading, conn, link);
				ready->n_reading++;
				conn->counted_in = ready;
			}
		}
		if (conn != NULL || ready->closed)
			break;
		wait_for_work(ready, &idle);
	}
	pthread_mutex_unlock(&ready->lock);
	pthread_cond_destroy(&idle.woken);
	return conn;
}

void
ready_body_read(struct conn *conn)
{
	struct ready *ready = conn->counted_in;

	if (ready == NULL)
		return;
	conn->counted_in = NULL;
	pthread_mutex_lock(&ready->lock);
	TAILQ_REMOVE(&ready->reading, conn, link);
	ready->n_reading--;
	if (!TAILQ_EMPTY(&ready->unfinished))
		wake_one(ready);
	pthread_mutex_unlock(&ready->lock);
}

void
ready_close(struct ready *ready)
{
	struct conn *conn;

	pthread_mutex_lock(&ready->lock);
	TAILQ_FOREACH(conn, &ready->reading, link)
		shutdown(conn->fd, SHUT_RD);
	ready->closed = true;
	while (!SLIST_EMPTY(&ready->idle))
		wake_one(ready);
	pthread_cond_broadcast(&ready->some_room);
	pthread_mutex_unlock(&ready->lock);
}
