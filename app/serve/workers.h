/* The workers: threads that read requests and answer them, or hand them on. */
#ifndef APP_SERVE_WORKERS_H
#define APP_SERVE_WORKERS_H

#include <stddef.h>

#include "app/fastcgi/intake.h"
#include "app/serve/service.h"

struct workers;

/* workers_new prepares n workers; service is lent until workers_stop. NULL:
 * logged. */
struct workers *workers_new(size_t n, struct service *service);

/* workers_serve_at_intake serves a request for intake's thread (intake.h). */
void workers_serve_at_intake(void *workers, struct conn *conn);

/* workers_start starts the threads; intake is lent until workers_stop. */
void workers_start(struct workers *workers, struct intake *intake);

/* workers_stop waits until all have answered or handed on what they have read.
 * intake_stop comes before. */
void workers_stop(struct workers *workers);

#endif
