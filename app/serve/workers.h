/* The workers: threads that read requests and answer them, or hand them on. */
#ifndef APP_SERVE_WORKERS_H
#define APP_SERVE_WORKERS_H

#include <stddef.h>

#include "app/fastcgi/intake.h"
#include "app/serve/service.h"

struct workers;

/* workers_service is what intake asks of those who serve, in its own thread
 * (intake.h); lends the service. */
struct intake_service workers_service(struct service *service);

/* workers_start starts n threads; service and intake are lent until workers_stop. */
struct workers *workers_start(size_t n, struct service *service, struct intake *intake);

/* workers_stop waits until all have answered or handed on what they have read.
 * intake_stop comes before. */
void workers_stop(struct workers *workers);

#endif
