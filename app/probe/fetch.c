/* Requests by libcurl's multi interface. It keeps connections, so its own rules on
 * when one is used again hold: `is_stream` and `is_one` bend them for who needs it.
 *
 * The library is loaded when it is first needed, and not linked: it brings thirty others
 * with it (LDAP, SSH, Kerberos), which have no business in a server that never calls
 * them. */

#include "app/probe/fetch.h"

#define CURL_DISABLE_TYPECHECK  /* its macros take the place of the names below */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

enum {
	CONNECT_MS = 10 * 1000,
	TURN_MS = 50,
	/* On one connection, as far as we are concerned; the web server says less. */
	MOST_AT_ONCE = 1000,
	/* What a held request says that it will send. */
	HELD_BYTES = 2,
};

#define EACH_FUNCTION(X) \
	X(curl_global_init) X(curl_global_cleanup) X(curl_slist_append) X(curl_slist_free_all) \
	X(curl_easy_init) X(curl_easy_setopt) X(curl_easy_getinfo) X(curl_easy_strerror) \
	X(curl_easy_cleanup) X(curl_multi_init) X(curl_multi_setopt) X(curl_multi_add_handle) \
	X(curl_multi_remove_handle) X(curl_multi_perform) X(curl_multi_poll) \
	X(curl_multi_info_read) X(curl_multi_cleanup)

/* Set once, by load. */
static struct {
#define MEMBER(name) __typeof__(name) *name;
	EACH_FUNCTION(MEMBER)
} lib;

struct fetcher {
	CURLM *multi;
	const char *token;
	bool is_one;
};

const char *
fetch_built_with(void)
{
	return "with libcurl " LIBCURL_VERSION;
}

/* load: 0, or -1: logged. */
static int
load(void)
{
	/* Its number has been the same since 2006. */
	void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL) {
		log_errorx("probe: libcurl could not be loaded: install libcurl4 (%s)", dlerror());
		return -1;
	}
#define LOAD(name) \
	if ((lib.name = (__typeof__(lib.name))dlsym(handle, #name)) == NULL) \
		goto missing;
	EACH_FUNCTION(LOAD)
	return 0;
missing:
	log_errorx("probe: this libcurl is too old: %s", dlerror());
	return -1;
}

struct fetcher *
fetcher_open(const char *token, bool is_one)
{
	struct fetcher *fetcher;
	CURLM *multi;

	if (lib.curl_multi_init == NULL && load() < 0)
		return NULL;
	multi = lib.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? lib.curl_multi_init() : NULL;
	if (multi == NULL) {
		log_errorx("probe: libcurl could not be set up");
		return NULL;
	}
	if (is_one) {
		lib.curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
		lib.curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)MOST_AT_ONCE);
	}
	fetcher = mem_alloc(sizeof(*fetcher));
	*fetcher = (struct fetcher){ multi, token, is_one };
	return fetcher;
}

void
fetcher_close(struct fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	lib.curl_multi_cleanup(fetcher->multi);
	free(fetcher);
	lib.curl_global_cleanup();
}

static struct fetch *
fetch_of(CURL *handle)
{
	char *fetch;

	lib.curl_easy_getinfo(handle, CURLINFO_PRIVATE, &fetch);
	return (struct fetch *)(void *)fetch;
}

void
fetcher_turn(struct fetcher *fetcher, mono_us deadline)
{
	mono_us left_us = deadline - clock_mono_us();
	int left_ms = left_us <= 0 ? 0 : left_us >= TURN_MS * 1000 ? TURN_MS : (int)(left_us / 1000) + 1;
	int n_running, n_left;
	CURLMsg *message;

	lib.curl_multi_perform(fetcher->multi, &n_running);
	lib.curl_multi_poll(fetcher->multi, NULL, 0, left_ms, NULL);
	lib.curl_multi_perform(fetcher->multi, &n_running);
	while ((message = lib.curl_multi_info_read(fetcher->multi, &n_left)) != NULL) {
		struct fetch *fetch;

		if (message->msg != CURLMSG_DONE)
			continue;
		fetch = fetch_of(message->easy_handle);
		fetch->is_done = true;
		fetch->done_at = clock_mono_us();
		if (message->data.result != CURLE_OK)
			fetch->fault = lib.curl_easy_strerror(message->data.result);
		fetch->is_distrusted = message->data.result == CURLE_PEER_FAILED_VERIFICATION;
	}
}

/* ---- what libcurl calls ---- */

static size_t
take_field(char *line, size_t size, size_t n, void *arg)
{
	struct fetch *fetch = arg;

	n *= size;
	head_take(&fetch->head, line, n);
	fetch->head_at = fetch->last_at = clock_mono_us();
	return n;
}

static size_t
take_bytes(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch *fetch = arg;

	n *= size;
	fetch->last_at = clock_mono_us();
	if (fetch->hears != NULL && fetch->head.status == 200)
		fetch->hears(fetch, bytes, n);
	else if (fetch->body.len < FETCH_KEPT_BYTES)
		buf_add(&fetch->body, bytes, n < FETCH_KEPT_BYTES - fetch->body.len ? n
		    : FETCH_KEPT_BYTES - fetch->body.len);
	return n;
}

static size_t
give_nothing(char *bytes __attribute__((unused)), size_t size __attribute__((unused)),
    size_t n __attribute__((unused)), void *arg __attribute__((unused)))
{
	return CURL_READFUNC_PAUSE;
}

static int
note_sent(void *arg, char *to __attribute__((unused)), char *from __attribute__((unused)),
    int to_port __attribute__((unused)), int from_port __attribute__((unused)))
{
	struct fetch *fetch = arg;

	fetch->is_sent = true;
	return CURL_PREREQFUNC_OK;
}

/* ---- one request ---- */

static void
ask(struct fetch *fetch, const struct fetch_how *how)
{
	CURL *handle = fetch->handle;
	struct curl_slist *fields = NULL;
	char *bearer = mem_printf("Authorization: Bearer %s", fetch->fetcher->token);

	fields = lib.curl_slist_append(fields, bearer);
	free(bearer);
	fields = lib.curl_slist_append(fields, "Expect:");
	if (how->is_stream)
		fields = lib.curl_slist_append(fields, "Accept: text/event-stream");
	if (how->json != NULL || how->is_held)
		fields = lib.curl_slist_append(fields, "Content-Type: application/json");
	fetch->fields = fields;
	lib.curl_easy_setopt(handle, CURLOPT_HTTPHEADER, fields);

	if (how->is_held) {
		lib.curl_easy_setopt(handle, CURLOPT_POST, 1L);
		lib.curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)HELD_BYTES);
		lib.curl_easy_setopt(handle, CURLOPT_READFUNCTION, give_nothing);
	} else if (how->json != NULL) {
		lib.curl_easy_setopt(handle, CURLOPT_POSTFIELDS, how->json);
	}
	if (how->offers_packing)
		lib.curl_easy_setopt(handle, CURLOPT_ACCEPT_ENCODING, "");  /* all that it can unpack */
	/* A stream takes its connection along when it is broken off, as a browser that is
	 * closed does; what others share Apache's HTTP/2 would serve more slowly after that. */
	if (how->is_stream && !fetch->fetcher->is_one) {
		lib.curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
		lib.curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
	}
}

struct fetch *
fetch_start(struct fetcher *fetcher, const char *url, const struct fetch_how *how)
{
	struct fetch *fetch = mem_zalloc(sizeof(*fetch));
	const char *trusted = getenv("SSL_CERT_FILE");
	CURL *handle = lib.curl_easy_init();

	if (trusted == NULL)
		trusted = getenv("CURL_CA_BUNDLE");
	fetch->fetcher = fetcher;
	fetch->handle = handle;
	fetch->hears = how->hears;
	fetch->arg = how->arg;
	fetch->began_at = fetch->last_at = clock_mono_us();
	if (handle == NULL) {
		fetch->is_done = true;
		fetch->done_at = fetch->began_at;
		fetch->fault = "libcurl could not be set up";
		return fetch;
	}
	lib.curl_easy_setopt(handle, CURLOPT_URL, url);
	lib.curl_easy_setopt(handle, CURLOPT_PRIVATE, (char *)(void *)fetch);
	lib.curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	lib.curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	lib.curl_easy_setopt(handle, CURLOPT_USERAGENT, "rowcast-probe/" PACKAGE_VERSION);
	/* HTTP/2 as browsers do: over TLS, where the other side agrees. */
	lib.curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	if (fetcher->is_one)
		lib.curl_easy_setopt(handle, CURLOPT_PIPEWAIT, 1L);
	if (trusted != NULL)
		lib.curl_easy_setopt(handle, CURLOPT_CAINFO, trusted);
	lib.curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_field);
	lib.curl_easy_setopt(handle, CURLOPT_HEADERDATA, fetch);
	lib.curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_bytes);
	lib.curl_easy_setopt(handle, CURLOPT_WRITEDATA, fetch);
	lib.curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, note_sent);
	lib.curl_easy_setopt(handle, CURLOPT_PREREQDATA, fetch);
	ask(fetch, how);
	lib.curl_multi_add_handle(fetcher->multi, handle);
	return fetch;
}

void
fetch_stop(struct fetch *fetch)
{
	if (fetch == NULL)
		return;
	if (fetch->handle != NULL) {
		lib.curl_multi_remove_handle(fetch->fetcher->multi, fetch->handle);
		lib.curl_easy_cleanup(fetch->handle);
		lib.curl_slist_free_all(fetch->fields);
	}
	head_free(&fetch->head);
	buf_free(&fetch->body);
	free(fetch);
}
