/* The order in which things are looked at, and the addresses. */

#include "app/probe/probe.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/probe/chain.h"
#include "lib/mem.h"
#include "lib/random.h"

const char *
probe_built_with(void)
{
	return fetch_built_with();
}

/* beside returns the address of `name` in the folder of the stream's. */
static char *
beside(const char *url, size_t folder_len, const char *name)
{
	return mem_printf("%.*s%s", (int)folder_len, url, name);
}

static char *
presence_of(const char *url, size_t folder_len, const char *user)
{
	struct buf address = BUF_EMPTY;

	buf_add(&address, url, folder_len);
	buf_add_str(&address, "presence?user=");
	for (const char *c = user; *c != '\0'; c++)
		buf_printf(&address, "%%%02X", (unsigned)(unsigned char)*c);
	return buf_take(&address);
}

/* is_stream_address: "http(s)://HOST.../events", without what follows a '?'. */
static bool
is_stream_address(const char *url, size_t len)
{
	static const char name[] = "/events";
	size_t name_len = sizeof(name) - 1;
	bool is_http = strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;

	return is_http && len > 8 + name_len && memcmp(url + len - name_len, name, name_len) == 0;
}

int
probe_run(const char *url, const char *token, const char *user, int64_t silence_ms)
{
	size_t len = strcspn(url, "?#"), folder_len = len - (sizeof("events") - 1);
	struct chain chain = { .token = token, .user = user, .silence_ms = silence_ms };
	int rc;

	if (!is_stream_address(url, len)) {
		fprintf(stderr, "rowcast probe: %.*s is not the address of a stream: http:// or https://, and"
		    " /events at its end\n", (int)len, url);
		return 2;
	}
	chain.fetcher = fetcher_open(token, false);
	if (chain.fetcher == NULL)
		return 2;
	chain.events = mem_strndup(url, len);
	chain.msg = beside(url, folder_len, "msg");
	chain.healthz = beside(url, folder_len, "healthz");
	if (user != NULL)
		chain.presence = presence_of(url, folder_len, user);
	chain.nonce = mem_printf("%08x%08x", (unsigned)random_between(0, 0x7fffffff),
	    (unsigned)random_between(0, 0x7fffffff));

	rc = delivery_look(&chain);
	if (rc == 0)
		breadth_look(&chain);
	if (rc == 0 && chain.is_held) {
		report_note(&chain.report, "whether a silent stream is cut, and a client missed that has gone, is looked"
		    " at when events come at once");
	} else if (rc == 0) {
		departure_look(&chain);
		silence_look(&chain);
	}
	if (rc >= 0 && chain.report.n_faults == 0)
		printf("nothing is in the way of a stream%s%s\n", chain.server != NULL ? " behind " : "",
		    chain.server != NULL ? chain.server : "");

	fetcher_close(chain.fetcher);
	free(chain.events);
	free(chain.msg);
	free(chain.healthz);
	free(chain.presence);
	free(chain.nonce);
	free(chain.server);
	return rc < 0 ? 2 : chain.report.n_faults > 0 ? 1 : 0;
}
