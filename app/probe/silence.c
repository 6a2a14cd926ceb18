/* Is a stream cut on which nothing happens? It is left alone, and so is its user: what
 * comes is rowcast's heartbeat. A time-out shorter than that cuts between two of
 * them; one on the whole answer cuts in spite of them. Meanwhile /presence is asked, where
 * the token may, whether another client is missed that has gone. */

#include <stdio.h>

#include "app/probe/departure.h"
#include "app/probe/listening.h"

enum { BEGIN_MS = 5000 };

static double
seconds(mono_us us)
{
	return (double)us / 1e6;
}

static void
report_cut(struct chain *chain, const struct listening *listening)
{
	const struct fetch *fetch = listening->fetch;
	mono_us silence_us = fetch->done_at - fetch->last_at;

	if (listening->is_expired) {
		report_note(&chain->report, "the token expired after %.0f s, and with it the stream",
		    seconds(fetch->done_at - fetch->began_at));
		return;
	}
	if (listening->n_beats > 0 && silence_us < 100 * 1000)
		report_fault(&chain->report, "a stream is cut after %.1f s, whatever comes on it",
		    seconds(fetch->done_at - fetch->began_at));
	else
		report_fault(&chain->report, "a silent stream is cut after %.1f s", seconds(silence_us));
	report_more("its client hears %s; rowcast's heartbeat (15 s, if unset) has to come before",
	    fetch->fault != NULL ? fetch->fault : "that it has ended");
	report_cure(&chain->report, CURE_CUT);
}

static void
report_kept(struct chain *chain, const struct listening *listening)
{
	if (listening->n_beats == 0) {
		report_note(&chain->report, "a silent stream stays open for %.0f s at least; no heartbeat came: try a"
		    " longer --for", seconds(clock_mono_us() - listening->fetch->last_at));
		return;
	}
	report_good(&chain->report, "a silent stream stays open: %.0f s, with a heartbeat every %.1f s or sooner",
	    seconds(clock_mono_us() - listening->fetch->began_at), seconds(listening->longest_us));
}

void
silence_look(struct chain *chain)
{
	mono_us deadline = clock_mono_in_ms(BEGIN_MS);
	struct departure departure = { 0 };
	struct listening listening;

	listening_start(&listening, chain->fetcher, chain->events, chain->nonce, &(struct fetch_how){ 0 });
	while (!listening.has_begun && !listening.fetch->is_done && clock_mono_us() < deadline)
		fetcher_turn(chain->fetcher, deadline);
	if (chain->is_admin)
		departure_begin(&departure, chain);
	deadline = clock_mono_in_ms(chain->silence_ms);
	while (!listening.fetch->is_done && clock_mono_us() < deadline) {
		fetcher_turn(chain->fetcher, deadline);
		departure_step(&departure, chain);
	}
	if (listening.is_busy)
		report_note(&chain->report, "no stream was left to be silent: this user has too many open");
	else if (listening.fetch->is_done)
		report_cut(chain, &listening);
	else
		report_kept(chain, &listening);
	if (chain->is_admin)
		departure_report(&departure, chain, listening.n_beats);
	listening_stop(&listening);
}
