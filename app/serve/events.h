/* GET /events: checks a request for a stream and hands the stream to the hub. */
#ifndef APP_SERVE_EVENTS_H
#define APP_SERVE_EVENTS_H

#include "app/serve/service.h"

/* events_handle checks who is asking and for what, sets where the stream begins,
 * and hands it to the hub, which answers. HEAD is answered with the head alone. Any
 * thread; does not wait. */
handler events_handle;

#endif
