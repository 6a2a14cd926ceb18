/* `rowcast serve`: the FastCGI responder, in the foreground. */
#ifndef APP_SERVE_SERVE_H
#define APP_SERVE_SERVE_H

#include "app/command/command.h"

/* command_serve returns once SIGTERM or SIGINT has come and all is drained. */
command command_serve;

#endif
