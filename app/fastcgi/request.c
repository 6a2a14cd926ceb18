/* Reads a request through libfcgi, which parses it but does not get to keep the
 * descriptor. Runs in intake's thread or in a worker, whichever serves the
 * request, and touches nothing but the request and its conn.
 *
 * A connection that intake has looked at is put into an FCGX_Request by hand,
 * and FCGX_Accept_r() then reads from it instead of accepting. When the request
 * is read the descriptor is taken out again, and FCGX_Free() neither writes nor
 * closes. ipcFd and keepConnection stand under "don't use" in fcgiapp.h: hence
 * only here, and tests/unit/fastcgi/test_request.c pins what is relied on. */

#include "app/fastcgi/request.h"

#include <fcgiapp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/fastcgi/ready.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	BODY_CHUNK_BYTES = 8192,          /* libfcgi's own buffer has this size */
	/* How much of a body that is too large is read and thrown away, so that
	 * the web server has sent it all and looks for the answer. */
	DISCARD_MAX_BYTES = 8 << 20,
};

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

/* read_body reads STDIN. FCGX_GetChar fills the buffer where it is empty, so
 * the clock is looked at between any two waits. */
static int
read_body(struct request *request, FCGX_Stream *in, size_t max_bytes)
{
	mono_us deadline = clock_mono_us() + REQUEST_BODY_MS * 1000;
	size_t n_discarded = 0;
	int c, n;

	while ((c = FCGX_GetChar(in)) != EOF) {
		char *to;

		if (clock_mono_us() > deadline)
			return REQUEST_TOO_SLOW;
		if (request->body.len >= max_bytes) {
			n_discarded += request->body.len;
			request->body.len = 0;
			max_bytes = 0;  /* from here on everything is thrown away */
			if (n_discarded >= DISCARD_MAX_BYTES)
				break;
		}
		to = buf_reserve(&request->body, BODY_CHUNK_BYTES);
		*to = (char)c;
		n = 1;
		/* What is in the buffer already; more would wait. */
		if (in->stop > in->rdNext) {
			int room = BODY_CHUNK_BYTES - 1;
			int have = (int)(in->stop - in->rdNext);

			n += FCGX_GetStr(to + 1, have < room ? have : room, in);
		}
		request->body.len += (size_t)n;
	}
	if (max_bytes == 0 || request->body.len > max_bytes)
		return REQUEST_TOO_LARGE;
	/* EOF is the empty STDIN record, or an error: time-out, hang-up, abort. */
	return FCGX_GetError(in) != 0 ? REQUEST_TOO_SLOW : 0;
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
	request->authorization = param(fcgx, "HTTP_AUTHORIZATION", NULL);
	request->cookie = param(fcgx, "HTTP_COOKIE", NULL);
	request->accept = param(fcgx, "HTTP_ACCEPT", NULL);
	request->last_event_id = param_unless_empty(fcgx, "HTTP_LAST_EVENT_ID");
	request->origin = param(fcgx, "HTTP_ORIGIN", NULL);
	request->requested_headers = param(fcgx, "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", NULL);
	request->host = param(fcgx, "HTTP_HOST", NULL);
	request->is_local = param(fcgx, REQUEST_LOCAL_PARAM, NULL) != NULL;
	request->sec_fetch_site = param(fcgx, "HTTP_SEC_FETCH_SITE", NULL);
}

int
request_read(struct request *request, struct conn *conn, size_t body_max_bytes)
{
	FCGX_Request *fcgx = mem_alloc(sizeof(*fcgx));
	int rc;

	*request = (struct request){ .fcgx = fcgx };
	FCGX_InitRequest(fcgx, -1, 0);
	fcgx->ipcFd = conn->fd;
	fcgx->keepConnection = 1;
	/* A connection that fails is closed by libfcgi; a time-out shows only in
	 * parameters that are missing. Intake has ruled both out, but for a peer
	 * that hangs up in between. */
	rc = FCGX_Accept_r(fcgx);
	if (rc < 0) {
		ready_body_read(conn);
		conn_detach(conn);
		take_descriptor(fcgx);
		free(fcgx);
		return REQUEST_GONE;
	}
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
	rc = *request->method != '\0' ? read_body(request, fcgx->in, body_max_bytes) : REQUEST_GONE;
	ready_body_read(conn);
	if (rc == REQUEST_GONE) {
		request_free(request);
		return rc;
	}
	if (rc != 0)
		request->reply.keep = false;  /* the rest of the body would be taken for a request */
	return rc;
}

bool
request_accepts_events(const struct request *request)
{
	return request->accept != NULL && strcasestr(request->accept, "text/event-stream") != NULL;
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
