/* Reads a request through libfcgi, which parses it but does not get to keep the
 * descriptor. Runs in intake's thread or in a worker, whichever serves the
 * request, and touches nothing but the request and its conn.
 *
 * A connection that intake has looked at is put into an FCGX_Request by hand,
 * and FCGX_Accept_r() then reads from it instead of accepting. When the request
 * is read the descriptor is taken out again, and FCGX_Free() neither writes nor
 * closes. ipcFd and keepConnection stand under "don't use" in fcgiapp.h: hence
 * only here, and tests/unit/fastcgi/test_request.c pins what is relied on.
 *
 * Of an arrival, libfcgi reads the head from a file in memory, so that there is
 * one parser of parameters; the body has been taken out of its records already. */

#include "app/fastcgi/request.h"

#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app/fastcgi/arrival.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { BODY_CHUNK_BYTES = 8192 };  /* libfcgi's own buffer has this size */

void
request_init_library(void)
{
	/* Where it gives up on a connection, libfcgi would wait 2 s for the peer. */
	setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1);
	if (FCGX_Init() != 0)
		fatalx("request: libfcgi cannot be initialised");
}

/* take_descriptor leaves fcgx without the connection. */
static void
take_descriptor(FCGX_Request *fcgx)
{
	fcgx->ipcFd = -1;
	FCGX_Free(fcgx, 0);
}

/* read_body reads STDIN, which is there to its end. */
static int
read_body(struct request *request, FCGX_Stream *in, size_t max_bytes)
{
	bool too_large = false;
	int n;

	do {
		n = FCGX_GetStr(buf_reserve(&request->body, BODY_CHUNK_BYTES), BODY_CHUNK_BYTES, in);
		request->body.len += (size_t)n;
		if (request->body.len > max_bytes) {
			too_large = true;
			request->body.len = 0;
		}
	} while (n == BODY_CHUNK_BYTES);
	if (FCGX_GetError(in) != 0)
		return REQUEST_GONE;
	return too_large ? REQUEST_TOO_LARGE : 0;
}

/* take_body takes the body that has been gathered, and the arrival is done with. */
static void
take_body(struct request *request, struct conn *conn)
{
	if (conn_is_unfinished(conn))
		return;
	request->body = conn->arrival->body;
	conn->arrival->body = BUF_EMPTY;
	arrival_free(conn->arrival);
	conn->arrival = NULL;
}

static const char *
param(const FCGX_Request *fcgx, const char *name, const char *fallback)
{
	const char *value = FCGX_GetParam(name, fcgx->envp);

	return value != NULL ? value : fallback;
}

/* param_unless_empty takes an empty one for none, NULL: lighttpd and nginx give
 * an empty CONTENT_TYPE where there is none, Apache and nginx pass on an empty
 * Last-Event-ID. */
static const char *
param_unless_empty(const FCGX_Request *fcgx, const char *name)
{
	const char *value = param(fcgx, name, "");

	return *value != '\0' ? value : NULL;
}

static void
fill_in(struct request *request, const FCGX_Request *fcgx)
{
	const char *uri = param(fcgx, "REQUEST_URI", "");

	request->method = param(fcgx, "REQUEST_METHOD", "");
	buf_add_str(&request->path_bytes, param(fcgx, "SCRIPT_NAME", ""));
	buf_add_str(&request->path_bytes, param(fcgx, "PATH_INFO", ""));
	buf_add_char(&request->path_bytes, '\0');
	request->path = request->path_bytes.bytes;
	buf_add(&request->uri_bytes, uri, strcspn(uri, "?"));
	buf_add_char(&request->uri_bytes, '\0');
	request->uri = request->uri_bytes.bytes;
	request->query = param(fcgx, "QUERY_STRING", "");
	request->content_type = param_unless_empty(fcgx, "CONTENT_TYPE");
	request->content_encoding = param_unless_empty(fcgx, "HTTP_CONTENT_ENCODING");
	request->content_length = param_unless_empty(fcgx, "CONTENT_LENGTH");
	request->authorization = param(fcgx, "HTTP_AUTHORIZATION", NULL);
	request->cookie = param(fcgx, "HTTP_COOKIE", NULL);
	request->accept = param(fcgx, "HTTP_ACCEPT", NULL);
	request->last_event_id = param_unless_empty(fcgx, "HTTP_LAST_EVENT_ID");
	request->if_none_match = param(fcgx, "HTTP_IF_NONE_MATCH", NULL);
	request->origin = param(fcgx, "HTTP_ORIGIN", NULL);
	request->requested_headers = param(fcgx, "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", NULL);
	request->host = param(fcgx, "HTTP_HOST", NULL);
	request->is_local = param(fcgx, REQUEST_LOCAL_PARAM, NULL) != NULL;
	request->sec_fetch_site = param(fcgx, "HTTP_SEC_FETCH_SITE", NULL);
}

/* head_file returns a descriptor to read the arrival's head from. */
static int
head_file(const struct arrival *arrival)
{
	int fd = memfd_create("rowcast-head", MFD_CLOEXEC);

	/* pwrite: it is read from its beginning. */
	if (fd >= 0 && pwrite(fd, arrival->head.bytes, arrival->head.len, 0)
	    == (ssize_t)arrival->head.len)
		return fd;
	log_warn("request: no file for the head of a request");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* parse has libfcgi read from fd. False: it could not, and has closed fd. */
static bool
parse(FCGX_Request *fcgx, int fd)
{
	FCGX_InitRequest(fcgx, -1, 0);
	fcgx->ipcFd = fd;
	fcgx->keepConnection = 1;
	return FCGX_Accept_r(fcgx) >= 0;
}

/* parse_head fills fcgx from what the conn brings. 0: the body is still to be
 * read, from the socket, or to be taken from the arrival; fcgx is without a
 * descriptor in the second case. REQUEST_GONE: the conn is closed. */
static int
parse_head(FCGX_Request *fcgx, struct conn *conn)
{
	int fd;

	if (conn->arrival == NULL) {
		if (parse(fcgx, conn->fd))
			return 0;
		take_descriptor(fcgx);
		free(fcgx);
		conn_detach(conn);
		return REQUEST_GONE;
	}
	fd = head_file(conn->arrival);
	if (fd >= 0 && parse(fcgx, fd)) {
		fcgx->ipcFd = -1;
		close(fd);
		return 0;
	}
	if (fd >= 0)
		take_descriptor(fcgx);
	free(fcgx);
	conn_close(conn);
	return REQUEST_GONE;
}

int
request_read(struct request *request, struct conn *conn, size_t body_max_bytes)
{
	FCGX_Request *fcgx = mem_alloc(sizeof(*fcgx));
	int rc;

	*request = (struct request){ .fcgx = fcgx };
	/* A connection that fails is closed by libfcgi; bytes that are not there show
	 * only in parameters that are missing. Intake has ruled both out, but for a
	 * peer that hangs up in between. */
	if (parse_head(fcgx, conn) != 0)
		return REQUEST_GONE;
	request->reply = (struct reply){
		.conn = conn,
		.request_id = (uint16_t)fcgx->requestId,
		/* We do not multiplex (FastCGI 4.1, FCGI_MPXS_CONNS), and libfcgi reads
		 * further than the request: who sends a second one before it has the
		 * first answer sees it refused by the connection's end, and would
		 * otherwise wait. */
		.keep = fcgx->keepConnection != 0 && !conn->followed,
	};
	fill_in(request, fcgx);
	request->reply.head = strcmp(request->method, "HEAD") == 0;
	rc = *request->method != '\0' ? 0 : REQUEST_GONE;
	if (rc == 0 && conn->arrival != NULL) {
		take_body(request, conn);
		rc = request->body.len > body_max_bytes ? REQUEST_TOO_LARGE : 0;
	} else if (rc == 0) {
		rc = read_body(request, fcgx->in, body_max_bytes);
	}
	if (rc == REQUEST_GONE)
		request_free(request);
	return rc;
}

bool
request_accepts_events(const struct request *request)
{
	return request->accept != NULL && strcasestr(request->accept, "text/event-stream") != NULL;
}

enum request_type
request_prefers(const struct request *request)
{
	static const struct { enum request_type type; const char *name; } types[] = {
		{ REQUEST_EVENTS, "text/event-stream" },
		{ REQUEST_LINES, "application/x-ndjson" },
		{ REQUEST_OBJECT, "application/json" },
	};
	enum request_type first = REQUEST_ANY;
	const char *found, *first_at = NULL;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && request->accept != NULL; i++) {
		found = strcasestr(request->accept, types[i].name);
		if (found != NULL && (first_at == NULL || found < first_at)) {
			first_at = found;
			first = types[i].type;
		}
	}
	return first;
}

void
request_free(struct request *request)
{
	if (request->reply.conn != NULL)
		reply_drop(&request->reply);
	take_descriptor(request->fcgx);
	free(request->fcgx);
	buf_free(&request->path_bytes);
	buf_free(&request->uri_bytes);
	buf_free(&request->body);
	request->fcgx = NULL;
}
