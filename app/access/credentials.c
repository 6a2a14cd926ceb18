/* Takes the token out of a request and has it checked; where that fails, the
 * request is answered here. Any thread that serves a request; it touches only
 * that request, and auth.c, which locks. */

#include "app/access/credentials.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/form.h"
#include "lib/mem.h"

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

/* Each returns the token, which the caller frees, or NULL. */

static char *
from_header(const struct request *request)
{
	const char *token;

	if (request->authorization == NULL)
		return NULL;
	token = without_scheme(request->authorization);
	return token != request->authorization && *token != '\0' ? mem_strdup(token) : NULL;
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

/* RFC 6265 4.2.1: pairs between "; ", the value perhaps in quotes. */
static char *
from_cookie(const struct request *request)
{
	const char *at = request->cookie, *value;
	size_t len;

	/* The name is looked for, not the pairs, of which there may be thousands. */
	while (at != NULL && (at = strstr(at, cookie_name)) != NULL
	    && !begins_pair(request->cookie, at))
		at += strlen(cookie_name);
	if (at == NULL)
		return NULL;
	value = at + strlen(cookie_name);
	value += *value == '"';
	len = strcspn(value, "\"; \t");
	return len > 0 ? mem_strndup(value, len) : NULL;
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

bool
credentials_check(struct auth *auth, struct request *request, unsigned places,
    struct identity *id)
{
	char *token = places & CREDENTIALS_HEADER ? from_header(request) : NULL;
	unsigned verdict;

	if (token == NULL && places & CREDENTIALS_COOKIE) {
		token = from_cookie(request);
		if (token != NULL && strcmp(request->method, "GET") != 0
		    && comes_from_elsewhere(request)) {
			free(token);
			reply_error(&request->reply, 403, NULL, "a cookie does not authorise a"
			    " request from another site; add its origin to allow_origin, or send"
			    " the token in the Authorization header");
			return false;
		}
	}
	if (token == NULL && places & CREDENTIALS_QUERY)
		token = from_query(request);
	if (token == NULL) {
		reply_error(&request->reply, 400, NULL, "token is required");
		return false;
	}
	verdict = auth_check(auth, token, id);
	free(token);
	if (verdict != 0) {
		reply_error(&request->reply, 401,
		    "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", verdict_sentence(verdict));
		return false;
	}
	return true;
}
