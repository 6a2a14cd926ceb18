/* The workers: threads that read requests and answer them, or hand them on. */
#ifndef APP_WORKERS_H
#define APP_WORKERS_H

#include <stddef.h>

#include "app/intake.h"
#include "app/service.h"

struct workers;

/* workers_start starts n threads; intake and service are lent until
 * workers_stop. NULL: logged. */
struct workers *workers_start(size_t n, struct intake *intake, struct service *service);

/* workers_stop waits until all have answered or handed on what they have read.
 * intake_stop comes before. */
void workers_stop(struct workers *workers);

#endif
