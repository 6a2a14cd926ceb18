/* A request: what the web server asks, read through libfcgi. Any thread: a
 * request belongs to the one that reads it. */
#ifndef APP_FASTCGI_REQUEST_H
#define APP_FASTCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "app/fastcgi/reply.h"
#include "lib/buf.h"

enum request_outcome {
	REQUEST_GONE = 1,       /* the peer hung up or sent nonsense; nothing is owed */
	REQUEST_TOO_LARGE,      /* the body is over the bound; a reply is owed, as with the next */
	REQUEST_TOO_SLOW,       /* the body did not come in time: intake's to say */
	REQUEST_CROWDED,        /* this user's unfinished bodies hold too much: likewise */
};

/* A parameter that only a direct peer of the FastCGI socket can send: what a
 * browser sends reaches us as HTTP_* and the like. */
#define REQUEST_LOCAL_PARAM "ROWCAST_LOCAL"

/* The strings are lent by fcgx until request_free; none is NULL but where said. */
struct request {
	struct reply reply;     /* owed; whoever answers takes it and sets reply.conn = NULL */
	const char *method;
	const char *path;       /* SCRIPT_NAME and PATH_INFO, as far as the server decoded them */
	const char *uri;        /* REQUEST_URI without its query: as the client sent it */
	const char *query;
	const char *content_type;    /* NULL: not given, or empty; so are the next two */
	const char *content_encoding;
	const char *content_length;
	const char *authorization;   /* NULL: not given; so are the next ones */
	const char *cookie;
	const char *accept;
	const char *last_event_id;   /* NULL also where it is empty */
	const char *if_none_match;
	const char *origin;
	const char *requested_headers;  /* Access-Control-Request-Headers, of a preflight */
	const char *host;
	const char *sec_fetch_site;
	bool is_local;               /* from a direct peer of the socket */
	struct buf path_bytes, uri_bytes;  /* what path and uri point into */
	struct buf body;
	void *fcgx;             /* owned: libfcgi's request */
};

/* request_init_library prepares libfcgi. Call it once, before any thread, with
 * signals blocked: libfcgi installs handlers of its own. */
void request_init_library(void);

/* request_read takes the connection and reads the request that is there: from the
 * socket, which has all of it, or from conn->arrival. 0: all is filled in; where
 * the arrival has not come to its end, the body is empty. REQUEST_TOO_LARGE: all
 * but the body is. In these cases request_free is due after the reply was taken or
 * sent; after REQUEST_GONE it is not. Never waits. */
int request_read(struct request *request, struct conn *conn, size_t body_max_bytes);

/* The media types that GET /events has. */
enum request_type {
	REQUEST_ANY,     /* none of these was named */
	REQUEST_EVENTS,  /* text/event-stream */
	REQUEST_LINES,   /* application/x-ndjson */
	REQUEST_OBJECT,  /* application/json */
};

/* request_prefers returns which of them the client names first in Accept. */
enum request_type request_prefers(const struct request *request);

/* request_accepts_events: does the client ask for Server-Sent Events? A browser's
 * EventSource always does, and never comes back after any status but 200. */
bool request_accepts_events(const struct request *request);

/* request_free releases the request; one that still owes its reply drops the
 * connection. */
void request_free(struct request *request);

#endif
