/* The workers' threads: each takes a request from intake, reads it, and has it
 * answered. Their only state is the service that they share. A worker never waits
 * for a client: intake has seen the whole request, the writer answers after the
 * commit, and the hub owns the streams. What it may wait for is a large body
 * (intake.h).
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

struct workers {
	struct service *service;
	struct intake *intake;
	pthread_t *threads;      /* owned, n of them */
	size_t n;
};

void
workers_serve(void *arg, struct conn *conn)
{
	struct service *service = arg;
	struct request request;
	int outcome = request_read(&request, conn,
	    msg_body_max(atomic_load(&service->max_message_bytes)));

	if (outcome == REQUEST_GONE)
		return;
	route(service, &request, outcome);
	request_free(&request);
}

static void *
worker_run(void *arg)
{
	struct workers *workers = arg;
	struct conn *conn;

	while ((conn = intake_next(workers->intake)) != NULL)
		workers_serve(workers->service, conn);
	return NULL;
}

struct workers *
workers_start(size_t n, struct service *service, struct intake *intake)
{
	struct workers *workers = mem_zalloc(sizeof(*workers));

	workers->service = service;
	workers->intake = intake;
	workers->threads = mem_zalloc(n * sizeof(*workers->threads));
	workers->n = n;
	for (size_t i = 0; i < n; i++)
		thread_start(&workers->threads[i], "worker", worker_run, workers);
	return workers;
}

void
workers_stop(struct workers *workers)
{
	for (size_t i = 0; i < workers->n; i++)
		pthread_join(workers->threads[i], NULL);
	free(workers->threads);
	free(workers);
}
