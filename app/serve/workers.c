/* A worker never waits for a client: intake has seen the whole request, the
 * writer answers after the commit, and the hub owns the streams. What it may
 * wait for is the disk, and a large body (intake.h).
 *
 * Waking a thread costs about as much as serving a request. So what comes
 * singly is served in intake's own thread, and the workers are there for
 * crowds, for signatures that take long to check, and for bodies. */

#include "app/serve/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/serve/msg.h"
#include "app/serve/route.h"
#include "lib/mem.h"
#include "lib/thread.h"

struct worker_thread {
	struct worker worker;
	struct intake *intake;
	pthread_t thread;
};

struct workers {
	struct worker_thread *threads;  /* owned, n of them */
	size_t n;
	struct worker at_intake;        /* of intake's thread */
};

static void
serve(struct worker *worker, struct conn *conn)
{
	struct service *service = worker->service;
	struct request request;
	int outcome = request_read(&request, conn,
	    msg_body_max(atomic_load(&service->max_message_bytes)));

	if (outcome == REQUEST_GONE)
		return;
	route(worker, &request, outcome);
	request_free(&request);
}

static void *
worker_run(void *arg)
{
	struct worker_thread *self = arg;
	struct conn *conn;

	while ((conn = intake_next(self->intake)) != NULL)
		serve(&self->worker, conn);
	return NULL;
}

static int
worker_init(struct worker *worker, struct service *service)
{
	worker->service = service;
	worker->store = store_open(service->conf->store, STORE_READER);
	return worker->store != NULL ? 0 : -1;
}

static void
free_all(struct workers *workers)
{
	for (size_t i = 0; i < workers->n; i++)
		store_close(workers->threads[i].worker.store);
	store_close(workers->at_intake.store);
	free(workers->threads);
	free(workers);
}

struct workers *
workers_new(size_t n, struct service *service)
{
	struct workers *workers = mem_zalloc(sizeof(*workers));
	int rc = worker_init(&workers->at_intake, service);

	workers->threads = mem_zalloc(n * sizeof(*workers->threads));
	workers->n = n;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = worker_init(&workers->threads[i].worker, service);
	if (rc < 0) {
		free_all(workers);
		return NULL;
	}
	return workers;
}

void
workers_serve_at_intake(void *workers, struct conn *conn)
{
	serve(&((struct workers *)workers)->at_intake, conn);
}

void
workers_start(struct workers *workers, struct intake *intake)
{
	for (size_t i = 0; i < workers->n; i++) {
		struct worker_thread *t = &workers->threads[i];

		t->intake = intake;
		thread_start(&t->thread, "worker", worker_run, t);
	}
}

void
workers_stop(struct workers *workers)
{
	for (size_t i = 0; i < workers->n; i++)
		pthread_join(workers->threads[i].thread, NULL);
	free_all(workers);
}
