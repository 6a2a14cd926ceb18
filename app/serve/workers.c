/* The workers' threads: each takes a request from intake, reads it, and has it
 * answered. Their only state is the service that they share. A worker never waits
 * for a client: intake has the whole request, the writer answers after the commit,
 * and the hub owns the streams.
 *
 * Waking a thread costs about as much as serving a request. So what comes
 * singly is served in intake's own thread, and the workers are there for
 * crowds, and for signatures that take long to check. */

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

/* answer reads a request and has it answered. reason: what it came to before it was
 * whole, or 0. */
static void
answer(struct service *service, struct conn *conn, int reason)
{
	struct request request;
	int outcome = request_read(&request, conn,
	    msg_body_max(atomic_load(&service->max_message_bytes)));

	if (outcome == REQUEST_GONE)
		return;
	route(service, &request, reason != 0 ? reason : outcome);
	request_free(&request);
}

static void
serve_one(void *service, struct conn *conn)
{
	answer(service, conn, 0);
}

static void
refuse_one(void *service, struct conn *conn, enum request_outcome reason)
{
	answer(service, conn, (int)reason);
}

static struct intake_judgement
judge_one(void *service, struct conn *conn)
{
	struct intake_judgement judgement = { .verdict = INTAKE_ANSWERED };
	struct request request;

	if (request_read(&request, conn, 0) == REQUEST_GONE)
		return judgement;
	judgement = route_judge(service, &request);
	if (judgement.verdict != INTAKE_ANSWERED)
		request.reply.conn = NULL;  /* intake's again */
	request_free(&request);
	return judgement;
}

struct intake_service
workers_service(struct service *service)
{
	return (struct intake_service){
		.context = service,
		.serve = serve_one,
		.judge = judge_one,
		.refuse = refuse_one,
	};
}

static void *
worker_run(void *arg)
{
	struct workers *workers = arg;
	struct conn *conn;

	while ((conn = intake_next(workers->intake)) != NULL)
		answer(workers->service, conn, 0);
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
