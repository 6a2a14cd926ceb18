/* Routing a request by its path and method. Runs in whichever thread read the
 * request, a worker's or intake's; everything here is constant or the request's. */

#include "app/serve/route.h"

#include <stdlib.h>
#include <string.h>

#include "app/serve/events.h"
#include "app/serve/follow.h"
#include "app/serve/metrics.h"
#include "app/serve/msg.h"
#include "app/serve/presence.h"
#include "app/serve/status.h"
#include "lib/mem.h"

static const struct {
	const char *methods;    /* as in Allow */
	handler *handle;
	bool takes_token;
} routes[SERVICE_OTHER] = {
	[SERVICE_EVENTS] = { "GET, HEAD", events_handle, true },
	[SERVICE_MSG] = { "GET, POST", msg_handle, true },
	[SERVICE_HEALTHZ] = { "GET, HEAD", status_handle_health, false },
	[SERVICE_METRICS] = { "GET, HEAD", metrics_handle, false },
	[SERVICE_STATUS] = { "GET, HEAD", status_handle_status, true },
	[SERVICE_PRESENCE] = { "GET, HEAD", presence_handle, true },
};

enum { REQUESTED_HEADERS_MAX_BYTES = 1024 };  /* of a preflight; picked, not tuned */

static bool
ends_in(const char *path, const char *end)
{
	size_t path_len = strlen(path), end_len = strlen(end);

	return path_len >= end_len && strcmp(path + path_len - end_len, end) == 0;
}

/* find_route returns an enum service_path. The web server's
 * own idea of the path comes first: it may have rewritten the URL. */
static size_t
find_route(const struct request *request)
{
	const char *const paths[] = { request->path, request->uri };

	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < SERVICE_OTHER; i++)
			if (ends_in(paths[p], service_paths[i]))
				return i;
	return SERVICE_OTHER;
}

/* allows: is the method one of those? */
static bool
allows(const char *methods, const char *method)
{
	for (const char *at = methods; *at != '\0'; at += strspn(at, ", ")) {
		size_t len = strcspn(at, ",");

		if (len == strlen(method) && memcmp(at, method, len) == 0)
			return true;
		at += len;
	}
	return false;
}

/* allowed_origin returns the configuration's own string for the request's
 * Origin, or NULL: never an echo of what was sent. */
static const char *
allowed_origin(const struct conf *conf, const char *origin)
{
	for (size_t i = 0; origin != NULL && i < conf->allow_origins.n; i++)
		if (strcmp(conf->allow_origins.list[i], origin) == 0)
			return conf->allow_origins.list[i];
	return NULL;
}

/* is_list_of_headers: does it consist of names (RFC 9110 5.6.2), commas and blanks?
 * NULL is none. What does may stand in an answer as it came. */
static bool
is_list_of_headers(const char *text)
{
	size_t len = text != NULL ? strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~, \t") : 0;

	return len > 0 && len <= REQUESTED_HEADERS_MAX_BYTES && text[len] == '\0';
}

/* answer_preflight answers what a browser asks before it sends a request with an
 * Authorization header from another origin (Fetch 4.8). An origin that may read the
 * answers with the user's credentials may send whatever header it likes: libraries
 * add their own. */
static void
answer_preflight(struct request *request, const char *methods)
{
	bool asks = is_list_of_headers(request->requested_headers);
	char *headers = mem_printf("Access-Control-Allow-Methods: %s\r\n"
	    "Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID,"
	    " Cache-Control, X-Requested-With%s%s\r\n"
	    "Access-Control-Max-Age: 600\r\n", methods,
	    asks ? ", " : "", asks ? request->requested_headers : "");

	reply_send(&request->reply, 204, headers, NULL, NULL, 0);
	free(headers);
}

/* answer_by_head answers what is clear by path and method, and returns true; else
 * the route's index is in *i. */
static bool
answer_by_head(struct service *service, struct request *request, size_t *i)
{
	*i = find_route(request);
	request->reply.counts = &service->requests[*i];
	request->reply.allow_origin = allowed_origin(service->conf, request->origin);
	if (*i == SERVICE_OTHER) {
		reply_error(&request->reply, 404, NULL, "there is nothing at this path; rowcast"
		    " answers /events, /msg, /healthz, /metrics, /status and /presence");
	} else if (strcmp(request->method, "OPTIONS") == 0 && request->reply.allow_origin != NULL) {
		answer_preflight(request, routes[*i].methods);
	} else if (!allows(routes[*i].methods, request->method)) {
		char *headers = mem_printf("Allow: %s\r\n", routes[*i].methods);
		char *sentence = mem_printf("the method must be one of: %s", routes[*i].methods);

		reply_error(&request->reply, 405, headers, sentence);
		free(sentence);
		free(headers);
	} else {
		/* Whoever's tokens were revoked before the request came is known before the
		 * token is judged. */
		if (routes[*i].takes_token)
			tail_look(service->tail);
		return false;
	}
	return true;
}

void
route(struct service *service, struct request *request, int outcome)
{
	size_t i;

	if (answer_by_head(service, request, &i))
		return;
	switch (outcome) {
	case REQUEST_TOO_LARGE:
		msg_refuse_large(request);
		break;
	case REQUEST_TOO_SLOW:
		reply_error(&request->reply, 408, NULL, "the body did not come in time");
		break;
	case REQUEST_CROWDED:
		reply_error(&request->reply, 503, "Retry-After: 1\r\n", "nothing was stored: too"
		    " many large bodies are on their way at once; send them one after the other");
		break;
	default:
		if (i == SERVICE_MSG && follow_is_asked(request))
			follow_handle(service, request);
		else
			routes[i].handle(service, request);
	}
}

struct intake_judgement
route_judge(struct service *service, struct request *request)
{
	size_t i;

	if (answer_by_head(service, request, &i))
		return (struct intake_judgement){ .verdict = INTAKE_ANSWERED };
	if (i == SERVICE_MSG && follow_is_asked(request)) {
		follow_handle(service, request);
		return (struct intake_judgement){ .verdict = INTAKE_ANSWERED };
	}
	if (strcmp(request->method, "POST") == 0)
		return msg_judge(service, request);
	/* The hub takes what comes on a stream's connection for the stream's end. */
	if (routes[i].handle == events_handle && !request->reply.head)
		return (struct intake_judgement){ .verdict = INTAKE_PASS };
	return (struct intake_judgement){ .verdict = INTAKE_SERVE };
}
