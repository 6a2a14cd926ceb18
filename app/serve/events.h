#ifndef APP_SERVE_EVENTS_H
#define APP_SERVE_EVENTS_H

#include "app/serve/service.h"

/* events_handle is the handler of GET /events: checks who is asking and for
 * what, works out where the stream stands, and gives it to the hub. */
handler events_handle;

#endif
