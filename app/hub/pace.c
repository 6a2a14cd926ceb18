/* Decides when the next round may begin. Runs in the hub's thread; of the streams
 * it only asks their sockets how much is unread.
 *
 * A write costs the web server ten times what it costs us, whether it carries
 * one message or fifty. So after a round that wrote k streams the next one
 * leaves the web server the time to pass them on; what is committed meanwhile
 * goes out together, in as many writes. An idle hub does not wait: the first
 * message leaves at once.
 *
 * How much time that is depends on the machine, so it is measured: when a round
 * is about to begin, do some of the streams still have unread bytes in their
 * sockets? Then the web server is behind, the round waits a quarter longer, and
 * the estimate grows; else it shrinks a little. It comes to rest where the web server
 * is just done when the next round comes. */

#include "app/hub/pace.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
	SAMPLES = 16,            /* streams asked for unread bytes; 0.2 microseconds each */
	BEHIND_SAMPLES = 2,      /* so many with unread bytes mean that it is behind */
	LONGEST_WAIT_US = 250000,
};

/* The estimate's bounds in microseconds, and its steps: it grows faster than
 * it shrinks, as TCP's does. Picked, then found good from 10 to 5,000 streams. */
static const double us_per_write_min = 4, us_per_write_max = 60;
static const double grow = 1.1, shrink = 0.98;

static bool
web_server_is_behind(const struct roster *roster)
{
	size_t step = roster->n / SAMPLES + 1;
	int n_behind = 0;

	for (size_t i = 0; i < roster->n; i += step) {
		const struct stream *s = roster->streams[i];
		int unread;

		if (s->state == STREAM_LIVE && ioctl(s->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
			n_behind++;
	}
	return n_behind >= BEHIND_SAMPLES;
}

static void
wait_for(struct pace *pace, double us, mono_us now)
{
	pace->next_round = now + (us < LONGEST_WAIT_US ? (mono_us)us : LONGEST_WAIT_US);
}

bool
pace_allows(struct pace *pace, const struct roster *roster, mono_us now)
{
	if (now < pace->next_round)
		return false;
	/* So few writes need no waiting, and nothing can be measured by them. */
	if (pace->n_written < SAMPLES)
		return true;
	if (pace->postponed) {
		pace->postponed = false;
		return true;
	}
	if (!web_server_is_behind(roster)) {
		pace->us_per_write *= shrink;
		if (pace->us_per_write < us_per_write_min)
			pace->us_per_write = us_per_write_min;
		return true;
	}
	pace->us_per_write *= grow;
	if (pace->us_per_write > us_per_write_max)
		pace->us_per_write = us_per_write_max;
	pace->postponed = true;
	wait_for(pace, pace->us_per_write * (double)pace->n_written / 4, now);
	return false;
}

void
pace_record(struct pace *pace, size_t n_written, mono_us now)
{
	pace->n_written = n_written;
	wait_for(pace, pace->us_per_write * (double)n_written, now);
}
