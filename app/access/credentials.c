/* Takes the token out of a request and has it checked; where that fails, the
 * request is answered here. Any thread that serves a request; it touches only
 * that request, and auth.c, which locks. */

#include "app/access/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/form.h"
#include "lib/mem.h"
#include "lib/ndjson.h"
#include "lib/random.h"
#include "lib/sse.h"

enum {
	/* How many cookies of that name are tried: a site may have set one for each of
	 * several paths and domains, and the browser sends all that fit. Picked, not
	 * tuned; each costs the check of a signature. */
	COOKIES_MAX = 4,

	/* What a browser with an expired token is told to wait: it may get a new one,
	 * and until then it asks in vain. */
	EXPIRED_RETRY_MIN_MS = 30000, EXPIRED_RETRY_MAX_MS = 60000,
};

static const char bearer[] = "Bearer ";
static const char cookie_name[] = "rowcast_token=";

/* without_scheme skips a leading "Bearer ", in any case (RFC 9110 11.1). */
static const char *
without_scheme(const char *text)
{
	if (strncasecmp(text, bearer, strlen(bearer)) != 0)
		return text;
	text += strlen(bearer);
	return text + strspn(text, " ");
}

/* A token may be in each of these; they return it, and the caller frees it, or
 * NULL. */

static char *
from_header(const struct request *request)
{
	const char *token;

	if (request->authorization == NULL)
		return NULL;
	token = without_scheme(request->authorization);
	return token != request->authorization && *token != '\0' ? mem_strdup(token) : NULL;
}

static char *
from_query(const struct request *request)
{
	struct form form;
	char *token = NULL;

	form_init(&form, request->query, strlen(request->query));
	while (token == NULL && form_next(&form) == FORM_PAIR) {
		const char *value = without_scheme(form.value);

		if (strcmp(form.name, "token") == 0 && *value != '\0')
			token = mem_strdup(value);
	}
	form_free(&form);
	return token;
}

/* begins_pair: stands nothing but blanks between `at` and the start of the text,
 * or the ';' before it? */
static bool
begins_pair(const char *text, const char *at)
{
	while (at > text && (at[-1] == ' ' || at[-1] == '\t'))
		at--;
	return at == text || at[-1] == ';';
}

/* next_cookie returns the next token of that text from *at on, and moves *at
 * behind it. RFC 6265 4.2.1: pairs between "; ", the value perhaps in quotes. */
static char *
next_cookie(const char *text, const char **at)
{
	const char *name, *value;
	size_t len;

	/* The name is looked for, not the pairs, of which there may be thousands. */
	while (*at != NULL && (name = strstr(*at, cookie_name)) != NULL) {
		*at = name + strlen(cookie_name);
		if (!begins_pair(text, name))
			continue;
		value = *at + (**at == '"');
		len = strcspn(value, "\"; \t");
		if (len > 0)
			return mem_strndup(value, len);
	}
	return NULL;
}

/* comes_from_elsewhere: could another site have made the browser send this?
 * Browsers tell in Sec-Fetch-Site, older ones in Origin; a request with neither
 * is not a browser's, or not another site's. */
static bool
comes_from_elsewhere(const struct request *request)
{
	const char *host;

	if (request->reply.allow_origin != NULL)
		return false;
	if (request->sec_fetch_site != NULL)
		return strcmp(request->sec_fetch_site, "same-origin") != 0
		    && strcmp(request->sec_fetch_site, "none") != 0;
	if (request->origin == NULL)
		return false;
	host = strstr(request->origin, "://");
	return host == NULL || request->host == NULL || strcasecmp(host + 3, request->host) != 0;
}

/* refuse_absent says where a token may be put, as far as it counts there. */
static void
refuse_absent(struct request *request, unsigned places)
{
	const char *sentence = "token is required: send it in the header Authorization: Bearer TOKEN";

	if (places & CREDENTIALS_QUERY)
		sentence = "token is required: send it in the header Authorization: Bearer TOKEN,"
		    " as ?token=TOKEN, or in the cookie rowcast_token";
	else if (places & CREDENTIALS_COOKIE)
		sentence = "token is required: send it in the header Authorization: Bearer TOKEN,"
		    " or in the cookie rowcast_token";
	reply_error(&request->reply, 400, NULL, sentence);
}

/* tell_expired answers a browser that has slept, say, and comes back with the token
 * it had: after 401 it would give up for good, and the page would not know why. */
static void
tell_expired(struct request *request)
{
	static const char name[] = "rowcast.expired", text[] = VERDICT_EXPIRED_DATA;
	bool as_line = request_prefers(request) == REQUEST_LINES;
	struct buf event = BUF_EMPTY, data = BUF_EMPTY;

	buf_add_str(&data, text);
	if (as_line) {
		ndjson_event(&event, name, NDJSON_NO_ID, &data);
	} else {
		sse_retry(&event, random_between(EXPIRED_RETRY_MIN_MS, EXPIRED_RETRY_MAX_MS));
		sse_event(&event, name, data.bytes, data.len);
	}
	reply_event(&request->reply, as_line ? "application/x-ndjson" : "text/event-stream", NULL, &event);
	buf_free(&event);
	buf_free(&data);
}

static void
refuse_bad(struct request *request, unsigned places, unsigned verdict)
{
	if (verdict == VERDICT_EXPIRED && places & CREDENTIALS_STREAM
	    && request_accepts_events(request))
		tell_expired(request);
	else
		verdict_refuse(verdict, &request->reply);
}

/* check_cookies: the first one that is valid counts. Where none is, the verdict
 * is that on the first, which a browser sends for the longest path. */
static unsigned
check_cookies(struct auth *auth, char *token, const char *text, const char *rest,
    struct identity *id)
{
	unsigned verdict = auth_check(auth, token, id);
	bool good = verdict == 0;

	free(token);
	for (int i = 1; !good && i < COOKIES_MAX && (token = next_cookie(text, &rest)) != NULL; i++) {
		good = auth_check(auth, token, id) == 0;
		free(token);
	}
	return good ? 0 : verdict;
}

/* writes: may the request change anything? */
static bool
writes(const struct request *request)
{
	return strcmp(request->method, "GET") != 0 && !request->reply.head;
}

bool
credentials_check(struct auth *auth, struct request *request, unsigned places,
    struct identity *id)
{
	char *token = places & CREDENTIALS_HEADER ? from_header(request) : NULL;
	const char *cookies = places & CREDENTIALS_COOKIE ? request->cookie : NULL, *rest = cookies;
	unsigned verdict;

	if (token == NULL && places & CREDENTIALS_QUERY)
		token = from_query(request);
	if (token != NULL) {
		verdict = auth_check(auth, token, id);
		free(token);
	} else if ((token = next_cookie(cookies, &rest)) == NULL) {
		denials_add(auth_denials(auth), DENIAL_MISSING);
		refuse_absent(request, places);
		return false;
	} else if (writes(request) && comes_from_elsewhere(request)) {
		free(token);
		denials_add(auth_denials(auth), DENIAL_ORIGIN);
		reply_error(&request->reply, 403, NULL, "a cookie does not authorise a"
		    " request from another site; add its origin to allow_origin, or send"
		    " the token in the Authorization header");
		return false;
	} else {
		verdict = check_cookies(auth, token, cookies, rest, id);
	}
	if (verdict == 0)
		return true;
	denials_add(auth_denials(auth), denial_of(verdict));
	refuse_bad(request, places, verdict);
	return false;
}
