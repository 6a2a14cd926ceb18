/* Routing: which handler answers which path and method. */
#ifndef APP_SERVE_ROUTE_H
#define APP_SERVE_ROUTE_H

#include "app/serve/service.h"

/* route answers the request or has a handler do it. outcome is request_read's:
 * a body that could not be read is answered here. Paths are matched at the end
 * of the URL, so the application may be mounted under any prefix. */
void route(struct worker *worker, struct request *request, int outcome);

#endif
