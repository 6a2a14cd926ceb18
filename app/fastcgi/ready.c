/* The queue between intake and the workers: conns with a request that can be
 * read without waiting. Intake's thread puts them in and waits where there is no
 * room; any worker takes them out and sleeps here while there is none. All share
 * one lock, which is never held across a read, a write or a wait for a peer. */

#include "app/fastcgi/ready.h"

/* A worker that waits for work. The one that has waited least is woken first:
 * its memory is still in the cache, and the others sleep on. */
struct idle_worker {
	SLIST_ENTRY(idle_worker) link;
	pthread_cond_t woken;
	bool has_work;    /* set by who wakes it */
};

/* take_first returns NULL where there is none; the lock is held. */
static struct conn *
take_first(struct ready *ready)
{
	struct conn *conn = TAILQ_FIRST(&ready->conns);

	if (conn != NULL) {
		TAILQ_REMOVE(&ready->conns, conn, link);
		if (ready->n_conns-- == READY_MAX)
			pthread_cond_signal(&ready->some_room);
	}
	return conn;
}

void
ready_init(struct ready *ready)
{
	pthread_mutex_init(&ready->lock, NULL);
	pthread_cond_init(&ready->some_room, NULL);
	TAILQ_INIT(&ready->conns);
	SLIST_INIT(&ready->idle);
	ready->n_conns = 0;
	ready->closed = false;
}

void
ready_free(struct ready *ready)
{
	struct conn *conn;

	while ((conn = take_first(ready)) != NULL)
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
ready_put(struct ready *ready, struct conn *conn)
{
	pthread_mutex_lock(&ready->lock);
	while (ready->n_conns >= READY_MAX && !ready->closed)
		pthread_cond_wait(&ready->some_room, &ready->lock);
	TAILQ_INSERT_TAIL(&ready->conns, conn, link);
	ready->n_conns++;
	wake_one(ready);
	pthread_mutex_unlock(&ready->lock);
}

struct conn *
ready_take(struct ready *ready)
{
	struct idle_worker idle = { .woken = PTHREAD_COND_INITIALIZER };
	struct conn *conn;

	pthread_mutex_lock(&ready->lock);
	while ((conn = take_first(ready)) == NULL && !ready->closed)
		wait_for_work(ready, &idle);
	pthread_mutex_unlock(&ready->lock);
	pthread_cond_destroy(&idle.woken);
	return conn;
}

void
ready_close(struct ready *ready)
{
	pthread_mutex_lock(&ready->lock);
	ready->closed = true;
	while (!SLIST_EMPTY(&ready->idle))
		wake_one(ready);
	pthread_cond_broadcast(&ready->some_room);
	pthread_mutex_unlock(&ready->lock);
}
