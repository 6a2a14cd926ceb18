/* Is it noticed that a stream's client has gone? If it is not, a user's streams add up to
 * max_streams_per_user, and then the next tab gets none.
 *
 * A token that may read /presence sees it there. Any other can still tell by that limit:
 * it opens streams until one is refused, hangs up, and comes again; at the limit rowcast
 * writes to the user's streams to find those that are gone, and a server that has noticed
 * says so. Both hold for a while only: a heartbeat or two are what it takes anyway. */

#include "app/probe/departure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/probe/listening.h"
#include "lib/mem.h"

enum {
	BEGIN_MS = 5000,
	SHOWN_MS = 8000,      /* for /presence to know of a stream; several machines tell in 5 s */
	EVERY_US = 1000 * 1000,
	MOST_STREAMS = 40,
	AGAIN_MS = 20 * 1000,
	/* lighttpd notices with the second write, or, over HTTP/2, within two seconds. */
	BEATS = 3,
	BEATS_US = 10 * 1000 * 1000,
};

static bool
has_begun(struct chain *chain, struct listening *listening)
{
	mono_us deadline = clock_mono_in_ms(BEGIN_MS);

	while (!listening->has_begun && !listening->fetch->is_done && clock_mono_us() < deadline)
		fetcher_turn(chain->fetcher, deadline);
	/* What ends at once says why in the same breath. */
	return listening->has_begun && !listening->is_busy && listening->fetch->head.status == 200;
}

/* ---- by /presence ---- */

static int
streams_of_user(struct chain *chain)
{
	struct fetch *fetch = fetch_start(chain->fetcher, chain->presence, &(struct fetch_how){ 0 });
	const char *at = NULL;
	int n = -1;

	chain_wait_done(chain, fetch, BEGIN_MS);
	buf_add_char(&fetch->body, '\0');
	if (fetch->head.status == 200)
		at = strstr(fetch->body.bytes, "\"streams\":");
	if (at != NULL)
		n = (int)strtol(at + strlen("\"streams\":"), NULL, 10);
	fetch_stop(fetch);
	return n;
}

void
departure_begin(struct departure *departure, struct chain *chain)
{
	mono_us deadline = clock_mono_in_ms(SHOWN_MS);
	struct listening listening;
	int now;

	*departure = (struct departure){ .before = streams_of_user(chain) };
	if (departure->before < 0)
		return;
	listening_start(&listening, chain->fetcher, chain->events, chain->nonce,
	    &(struct fetch_how){ 0 });
	if (has_begun(chain, &listening)) {
		while ((now = streams_of_user(chain)) <= departure->before && now >= 0
		    && clock_mono_us() < deadline) {
			mono_us soon = clock_mono_us() + EVERY_US / 10;

			while (clock_mono_us() < soon)
				fetcher_turn(chain->fetcher, soon);
		}
		departure->is_watched = now > departure->before;
	}
	listening_stop(&listening);
	departure->gone_at = departure->asked_at = clock_mono_us();
}

void
departure_step(struct departure *departure, struct chain *chain)
{
	mono_us now = clock_mono_us();
	int n;

	if (!departure->is_watched || departure->is_noticed || now - departure->asked_at < EVERY_US)
		return;
	departure->asked_at = now;
	n = streams_of_user(chain);
	if (n >= 0 && n <= departure->before) {
		departure->is_noticed = true;
		departure->noticed_at = clock_mono_us();
	}
}

void
departure_report(const struct departure *departure, struct chain *chain, size_t n_beats)
{
	mono_us gone_us = clock_mono_us() - departure->gone_at;

	if (!departure->is_watched)
		report_note(&chain->report, "whether a client that has gone is noticed could not be seen in /presence");
	else if (departure->is_noticed)
		report_good(&chain->report, "a client that has gone is noticed within %.1f s",
		    (double)(departure->noticed_at - departure->gone_at) / 1e6);
	else if (n_beats >= BEATS && gone_us >= BEATS_US) {
		report_fault(&chain->report, "a client that had gone was not noticed in %zu heartbeats", n_beats);
		report_more("its streams stay open, until max_streams_per_user lets it open no more");
		report_cure(&chain->report, CURE_DEPARTED);
	} else {
		report_note(&chain->report, "a client that had gone was not noticed in %.0f s, which may take two"
		    " heartbeats: try a longer --for", (double)gone_us / 1e6);
	}
}

/* ---- by max_streams_per_user ---- */

static void
look_by_limit(struct chain *chain, struct listening streams[], size_t *n)
{
	mono_us gone_at, deadline;
	bool is_refused = false;
	size_t n_tries = 0;

	while (*n < MOST_STREAMS && !is_refused) {
		listening_start(&streams[*n], chain->fetcher, chain->events, chain->nonce,
		    &(struct fetch_how){ 0 });
		++*n;
		is_refused = !has_begun(chain, &streams[*n - 1]);
	}
	if (!is_refused || !streams[*n - 1].is_busy || *n == 1) {
		report_note(&chain->report, "whether a client that has gone is noticed was not seen: %s",
		    !is_refused ? "this user may have more than 40 streams" : "not enough streams came");
		report_more("a token with the scope rowcast:admin shows it");
		return;
	}
	for (size_t i = 0; i < *n; i++)
		listening_stop(&streams[i]);
	gone_at = clock_mono_us();
	deadline = gone_at + (mono_us)AGAIN_MS * 1000;
	while (clock_mono_us() < deadline) {
		bool is_let_in;

		listening_start(&streams[0], chain->fetcher, chain->events, chain->nonce,
		    &(struct fetch_how){ 0 });
		n_tries++;
		is_let_in = has_begun(chain, &streams[0]);
		listening_stop(&streams[0]);
		if (is_let_in) {
			report_good(&chain->report, "clients that have gone are noticed: of %zu streams that were all"
			    " this user may have, a place was free after %.1f s", *n - 1,
			    (double)(clock_mono_us() - gone_at) / 1e6);
			return;
		}
	}
	report_fault(&chain->report, "clients that had gone were not noticed in %d s, and %zu writes to each",
	    AGAIN_MS / 1000, n_tries);
	report_more("this user can open no further stream until rowcast ends them, at the token's end at last");
	report_cure(&chain->report, CURE_DEPARTED);
}

void
departure_look(struct chain *chain)
{
	struct listening *streams;
	size_t n = 0;

	if (chain->presence != NULL)
		chain->is_admin = streams_of_user(chain) >= 0;
	if (chain->is_admin)
		return;
	streams = mem_zalloc(MOST_STREAMS * sizeof(*streams));
	look_by_limit(chain, streams, &n);
	for (size_t i = 0; i < n; i++)
		listening_stop(&streams[i]);
	free(streams);
}
