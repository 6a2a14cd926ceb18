/* Which HTTP is spoken, and how many streams fit on a connection?
 *
 * With HTTP/1.1 that is one, and browsers open six connections to a site: nothing to
 * measure. With HTTP/2 the web server says how many requests it takes (RFC 9113 5.1.2,
 * SETTINGS_MAX_CONCURRENT_STREAMS), and libcurl, as a browser does, keeps the next one
 * back until one has ended. What a server takes it may still leave lying: Apache works on
 * six to begin with. So both are counted, by opening them: streams, of which a user may
 * have 16, and then requests whose body never comes, which are nobody's streams. Each
 * over a connection of its own, since Apache holds against one what was broken off
 * on it. */

#include <stdio.h>

#include "app/probe/chain.h"
#include "app/probe/listening.h"

enum {
	N_STREAMS = 16,        /* max_streams_per_user, if unset */
	N_HELD = 200,
	STALL_MS = 1500,       /* nothing more has come for so long: nothing will */
	ANSWER_MS = 5000,
};

/* open_connection returns a fetcher that has its one connection, and knows what the web
 * server takes; NULL: it could not. */
static struct fetcher *
open_connection(struct chain *chain)
{
	mono_us deadline = clock_mono_in_ms(ANSWER_MS);
	struct fetcher *fetcher = fetcher_open(chain->token, true);
	struct fetch *first;
	bool is_answered;

	if (fetcher == NULL)
		return NULL;
	first = fetch_start(fetcher, chain->healthz, &(struct fetch_how){ 0 });
	while (!first->is_done && clock_mono_us() < deadline)
		fetcher_turn(fetcher, deadline);
	is_answered = first->head.status != 0;
	fetch_stop(first);
	if (is_answered)
		return fetcher;
	fetcher_close(fetcher);
	return NULL;
}

/* count_streams: how many of N_STREAMS begin; *n_sent: how many were asked for at all,
 * the others were kept back. -1: not even one connection came about. */
static int
count_streams(struct chain *chain, size_t *n_sent)
{
	struct fetcher *fetcher = open_connection(chain);
	struct listening streams[N_STREAMS];
	mono_us deadline;
	int n_begun = 0;

	if (fetcher == NULL)
		return -1;
	for (size_t i = 0; i < N_STREAMS; i++)
		listening_start(&streams[i], fetcher, chain->events, chain->nonce, &(struct fetch_how){ 0 });
	deadline = clock_mono_in_ms(STALL_MS);
	while (n_begun < N_STREAMS && clock_mono_us() < deadline) {
		int n_before = n_begun;

		fetcher_turn(fetcher, deadline);
		n_begun = 0;
		for (size_t i = 0; i < N_STREAMS; i++)
			n_begun += streams[i].has_begun || streams[i].fetch->is_done;
		if (n_begun > n_before)
			deadline = clock_mono_in_ms(STALL_MS);
	}
	*n_sent = 0;
	for (size_t i = 0; i < N_STREAMS; i++) {
		*n_sent += streams[i].fetch->is_sent;
		listening_stop(&streams[i]);
	}
	fetcher_close(fetcher);
	return n_begun;
}

/* count_taken: how many of N_HELD requests the web server takes at once; 0: unknown. */
static size_t
count_taken(struct chain *chain)
{
	struct fetcher *fetcher = open_connection(chain);
	struct fetch *held[N_HELD];
	mono_us deadline;
	size_t n = 0;

	if (fetcher == NULL)
		return 0;
	for (size_t i = 0; i < N_HELD; i++)
		held[i] = fetch_start(fetcher, chain->msg, &(struct fetch_how){ .is_held = true });
	deadline = clock_mono_in_ms(STALL_MS);
	while (n < N_HELD && clock_mono_us() < deadline) {
		size_t before = n;

		fetcher_turn(fetcher, deadline);
		for (n = 0; n < N_HELD && held[n]->is_sent; n++)
			;
		if (n > before)
			deadline = clock_mono_in_ms(STALL_MS / 3);
	}
	for (size_t i = 0; i < N_HELD; i++)
		fetch_stop(held[i]);
	fetcher_close(fetcher);
	return n;
}

static void
look_at_http_2(struct chain *chain)
{
	size_t n_sent = 0, n_taken;
	int n_begun = count_streams(chain, &n_sent);

	if (n_begun <= 0) {
		report_note(&chain->report, "HTTP/2 is spoken; how many streams fit could not be counted");
		return;
	}
	n_taken = n_sent < N_STREAMS ? n_sent : count_taken(chain);
	if ((size_t)n_begun < n_sent) {
		report_note(&chain->report, "HTTP/2 is spoken: a connection takes %zu streams and other requests at"
		    " once, but works on no more than %d to begin with; the next stream waits", n_taken, n_begun);
		report_cure(&chain->report, CURE_FEW);
	} else if (n_sent < N_STREAMS) {
		report_note(&chain->report, "HTTP/2 is spoken: a connection takes %zu streams and other requests at"
		    " once; the next waits until one ends", n_taken);
		report_cure(&chain->report, CURE_FEW);
	} else {
		report_good(&chain->report, "HTTP/2 is spoken: a connection takes %s%zu streams and other requests at"
		    " once", n_taken >= N_HELD ? "at least " : "", n_taken);
	}
}

void
breadth_look(struct chain *chain)
{
	if (chain->version >= 20) {
		look_at_http_2(chain);
		return;
	}
	report_note(&chain->report, "HTTP/%s: a browser opens six connections to a site, so no more than six"
	    " streams in all its tabs", chain->version == 10 ? "1.0" : "1.1");
	report_more("one stream for all tabs (rowcast.js does so), or HTTP/2, which browsers speak over TLS:");
	report_cure(&chain->report, CURE_HTTP_2);
}
