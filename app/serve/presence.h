/* GET /presence: who is connected, to this machine or to all that share a log. */
#ifndef APP_SERVE_PRESENCE_H
#define APP_SERVE_PRESENCE_H

#include "app/serve/service.h"

handler presence_handle;

#endif
