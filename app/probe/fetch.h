/* Requests to a web server, many at once, in the one thread that turns the loop. The one
 * place that knows libcurl.
 *
 *	struct fetcher *fetcher = fetcher_open(token, false);
 *	struct fetch *fetch = fetch_start(fetcher, url, &(struct fetch_how){ 0 });
 *
 *	while (!fetch->is_done && clock_mono_us() < deadline)
 *		fetcher_turn(fetcher, deadline);
 *	fetch_stop(fetch);
 *	fetcher_close(fetcher);
 */
#ifndef APP_PROBE_FETCH_H
#define APP_PROBE_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "app/probe/head.h"
#include "lib/buf.h"
#include "lib/clock.h"

/* Bytes of an answer that is no stream that are kept; the rest is passed over. */
enum { FETCH_KEPT_BYTES = 4096 };

struct fetcher;
struct fetch;

/* fetch_hears takes n bytes of the body of an answer with status 200, as they come. */
typedef void fetch_hears(struct fetch *fetch, const char *bytes, size_t n);

/* How something is asked; all zero is GET as a script would do it. */
struct fetch_how {
	const char *json;       /* POST this; lent until fetch_stop. NULL: GET */
	bool is_held;           /* POST a body that never comes */
	bool is_stream;         /* Accept: text/event-stream, and a connection of its own unless `is_one` */
	bool offers_packing;    /* Accept-Encoding, as browsers do; what comes is unpacked */
	fetch_hears *hears;     /* NULL: the body goes into `body` */
	void *arg;              /* for `hears` */
};

/* One request, and what has come of it so far. */
struct fetch {
	struct head head;       /* status 0: it has not come yet */
	struct buf body;        /* the first FETCH_KEPT_BYTES */
	bool is_sent;           /* it has a connection, and is on its way */
	bool is_done;           /* nothing more comes: the end, or a fault */
	const char *fault;      /* a static string of libcurl's; NULL where it ended properly */
	bool is_distrusted;     /* the fault is the certificate */
	mono_us began_at, head_at, last_at, done_at;
	void *arg;              /* as in fetch_how */

	struct fetcher *fetcher;  /* private, as what follows */
	void *handle, *fields;
	fetch_hears *hears;
};

/* fetch_built_with says which libcurl, for --version. */
const char *fetch_built_with(void);

/* fetcher_open: the token goes into each request, is lent until fetcher_close, and shows
 * nowhere. is_one: all of it over one connection, and as many at once as the other side
 * allows; HTTP/2 then. NULL: libcurl could not be set up, logged. */
struct fetcher *fetcher_open(const char *token, bool is_one);
void fetcher_close(struct fetcher *fetcher);  /* after fetch_stop of all; NULL: nothing */

/* fetcher_turn waits until something has come, for 50 ms or until the deadline at most,
 * and takes it in. */
void fetcher_turn(struct fetcher *fetcher, mono_us deadline);

/* fetch_start does not wait. Redirections are not followed. A certificate is checked
 * against the system's, or those in the file that SSL_CERT_FILE or CURL_CA_BUNDLE
 * names. */
struct fetch *fetch_start(struct fetcher *fetcher, const char *url, const struct fetch_how *how);

/* fetch_stop breaks off what is not done, as a browser does whose tab is closed, and
 * frees it. NULL: nothing. */
void fetch_stop(struct fetch *fetch);

#endif
