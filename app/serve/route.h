/* Routing: which handler answers which path and method; and what is refused
 * before any handler sees it. */
#ifndef APP_SERVE_ROUTE_H
#define APP_SERVE_ROUTE_H

#include "app/serve/service.h"

/* route answers the request or has a handler do it. outcome is request_read's
 * or intake's: a body that could not be read is answered here. Paths are matched at the end
 * of the URL, so the application may be mounted under any prefix. Any thread. */
void route(struct service *service, struct request *request, int outcome);

/* route_judge is the judge of all requests. */
judge route_judge;

#endif
