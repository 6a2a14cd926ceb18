/* `rowcast serve`: the FastCGI responder, in the foreground. */
#ifndef APP_SERVE_SERVE_H
#define APP_SERVE_SERVE_H

struct manual;

/* Its command returns once SIGTERM or SIGINT has come and all is drained. */
extern const struct manual manual_serve;

#endif
