/* A worker never waits for a client: intake has seen the whole request, the
 * writer answers after the commit, and the hub owns the streams. What it may
 * wait for is the disk, and a large body (intake.h). */

#include "app/workers.h"

#include <pthread.h>
#include <stdlib.h>

#include "app/msg.h"
#include "app/route.h"
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
};

static void *
worker_run(void *arg)
{
	struct worker_thread *self = arg;
	struct conn *conn;

	while ((conn = intake_next(self->intake)) != NULL) {
		struct service *service = self->worker.service;
		struct request request;
		int outcome = request_read(&request, conn,
		    msg_body_max(atomic_load(&service->max_message_bytes)));

		if (outcome == REQUEST_GONE)
			continue;
		route(&self->worker, &request, outcome);
		request_free(&request);
	}
	return NULL;
}

static void
free_all(struct workers *workers)
{
	for (size_t i = 0; i < workers->n; i++)
		store_close(workers->threads[i].worker.store);
	free(workers->threads);
	free(workers);
}

struct workers *
workers_start(size_t n, struct intake *intake, struct service *service)
{
	struct workers *workers = mem_zalloc(sizeof(*workers));

	workers->threads = mem_zalloc(n * sizeof(*workers->threads));
	workers->n = n;
	for (size_t i = 0; i < n; i++) {
		struct worker_thread *t = &workers->threads[i];

		t->intake = intake;
		t->worker.service = service;
		t->worker.store = store_open(service->conf->store, STORE_READER);
		if (t->worker.store == NULL) {
			free_all(workers);
			return NULL;
		}
	}
	for (size_t i = 0; i < n; i++)
		thread_start(&workers->threads[i].thread, "worker", worker_run, &workers->threads[i]);
	return workers;
}

void
workers_stop(struct workers *workers)
{
	for (size_t i = 0; i < workers->n; i++)
		pthread_join(workers->threads[i].thread, NULL);
	free_all(workers);
}
