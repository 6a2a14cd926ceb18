/* What rowcast tells of itself: /healthz and /status. */
#ifndef APP_SERVE_STATUS_H
#define APP_SERVE_STATUS_H

#include "app/serve/service.h"

/* GET /healthz: 200 `ok` where the store could be read a second ago and the last
 * commit succeeded, else 503. Where only upstream is away: 200 `upstream is away`. */
handler status_handle_health;

/* GET /status: the same and more as JSON, with scope rowcast:admin, or for
 * whoever may connect to the FastCGI socket itself (`rowcast status`). */
handler status_handle_status;

/* status_publish has the writer commit a message on MESSAGE_TOPIC_STATUS with the numbers of
 * /status, if anybody watches, here or elsewhere. Called once a second. */
void status_publish(struct service *service);

#endif
