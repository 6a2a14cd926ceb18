/* credentials_check on any header, cookie and query, with auth_check's place
 * taken: so it is seen which tokens were found, if any. The input is a byte for
 * the places and then lines: the method, Authorization, Cookie, the query,
 * Origin, Host, Sec-Fetch-Site; those that may be absent are there where the
 * line begins with '+'. */

#include "tests/fuzz/answer.h"

#include <strings.h>

#include "app/access/credentials.h"

static char *found;    /* what auth_check was asked about last; owned */
static size_t n_found;  /* and how often */

static struct denials denials;

struct denials *
auth_denials(struct auth *auth __attribute__((unused)))
{
	return &denials;
}

static uint64_t
n_denials(void)
{
	uint64_t n[DENIALS], sum = 0;

	denials_read(&denials, n);
	for (size_t i = 0; i < DENIALS; i++)
		sum += n[i];
	return sum;
}

unsigned
auth_check(struct auth *auth __attribute__((unused)), const char *token, struct identity *id)
{
	REQUIRE(*token != '\0' && n_found < 4);
	free(found);
	found = mem_strdup(token);
	n_found++;
	if (strncmp(token, "good", 4) != 0)
		return VERDICT_INVALID;
	*id = (struct identity){ .user = mem_strdup("42") };
	return 0;
}

static bool
is_bearer(const char *authorization)
{
	return authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0
	    && authorization[7 + strspn(authorization + 7, " ")] != '\0';
}

/* count_cookies counts those of that name which are not empty, with quotes or
 * without. */
static size_t
count_cookies(const char *cookie)
{
	char *copy = mem_strdup(cookie != NULL ? cookie : ""), *rest = copy, *one;
	size_t n = 0;

	while ((one = strsep(&rest, ";")) != NULL) {
		one += strspn(one, " \t");
		if (strncmp(one, "rowcast_token=", 14) == 0) {
			one += one[14] == '"' ? 15 : 14;
			n += one[strcspn(one, " \t\"")] != one[0] || strchr(" \t\"", one[0]) == NULL;
		}
	}
	free(copy);
	return n;
}

/* has_query looks for a token= that is not empty, where no escape hides one. */
static bool
has_query(const char *query)
{
	char *copy = mem_strdup(query), *rest = copy, *one;
	bool has = false;

	while ((one = strsep(&rest, "&")) != NULL)
		if (strncmp(one, "token=", 6) == 0 && one[6] != '\0' && strchr("+% bB", one[6]) == NULL)
			has = true;
	free(copy);
	return has && strchr(query, '%') == NULL;
}

/* is_foreign: may this have been caused by another site, as far as Sec-Fetch-Site
 * and Origin say? */
static bool
is_foreign(const struct request *request)
{
	const char *site = request->sec_fetch_site;
	const char *host;

	if (request->reply.allow_origin != NULL)
		return false;
	if (site != NULL)
		return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
	if (request->origin == NULL)
		return false;
	if (request->host == NULL)
		return true;
	/* No scheme has a colon, so the first one ends it (RFC 6454 7). */
	host = strstr(request->origin, "://");
	return host == NULL || strcasecmp(host + 3, request->host) != 0;
}

static void
check(const struct request *request, unsigned places, bool allowed, int status)
{
	bool header = places & CREDENTIALS_HEADER && is_bearer(request->authorization);
	bool query = !header && places & CREDENTIALS_QUERY && has_query(request->query);
	size_t n_cookies = places & CREDENTIALS_COOKIE ? count_cookies(request->cookie) : 0;
	bool reads = strcmp(request->method, "GET") == 0;

	REQUIRE(allowed == (status == 0));
	if (status == 403) {
		REQUIRE(!header && !query && n_cookies > 0 && !reads && is_foreign(request) && n_found == 0);
		return;
	}
	if (n_found == 0) {
		REQUIRE(status == 400 && !header && !query && n_cookies == 0);
		return;
	}
	REQUIRE(allowed == (strncmp(found, "good", 4) == 0));
	REQUIRE(allowed || status == 401);
	if (header)
		REQUIRE(n_found == 1 && strstr(request->authorization, found) != NULL);
	else if (query)
		REQUIRE(n_found == 1 && strlen(found) < strlen(request->query));
	else if (strchr(request->query, '=') == NULL || !(places & CREDENTIALS_QUERY))
		REQUIRE(n_found <= n_cookies && strstr(request->cookie, found) != NULL
		    && (reads || !is_foreign(request)));
	else
		REQUIRE(n_found == 1 || n_found <= n_cookies);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	unsigned choice = input_byte(&in), places = choice & 7;
	char *method = input_line(&in), *authorization = input_option(&in);
	char *cookie = input_option(&in), *query = input_line(&in);
	char *origin = input_option(&in), *host = input_option(&in), *site = input_option(&in);
	struct request request = { .method = method, .query = query, .path = "", .uri = "",
		.authorization = authorization, .cookie = cookie, .origin = origin, .host = host,
		.sec_fetch_site = site };
	struct identity id;
	int fd = answer_owed(&request.reply), status = 0;
	bool allowed;

	if (choice & 8)
		request.reply.allow_origin = "https://page.example";
	denials = (struct denials){ 0 };
	allowed = credentials_check(NULL, &request, places, &id);
	if (allowed) {
		identity_free(&id);
		reply_drop(&request.reply);
	} else {
		status = answer_error(fd);
	}
	check(&request, places, allowed, status);
	REQUIRE(n_denials() == !allowed);
	close(fd);
	free(found);
	found = NULL;
	n_found = 0;
	free(method);
	free(authorization);
	free(cookie);
	free(query);
	free(origin);
	free(host);
	free(site);
	return 0;
}
