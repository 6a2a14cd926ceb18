/* The pace: how long the hub waits between two rounds, and how much of one it writes at
 * once. A write costs the web server ten times what it costs us, whether it carries one
 * message or fifty, so a round begins when the web server has taken what the last one sent,
 * and by what is seen of that:
 *
 *   nothing was sent, or long ago        at once
 *   it has taken all, one message waits  at once: nobody publishes faster than it passes on
 *   it has taken all, more wait          in 1.6 times what it mostly needs: what comes
 *                                        meanwhile costs it nothing
 *   it has not                           it is looked again half a millisecond later; a few
 *                                        whose clients are slow are not waited for
 *   it stands still                      after four times what it mostly needs
 *
 * A message for one user waits in the web server for all that was written before it. So a
 * round is written in parts of 5 ms of the web server's time, the next once half of the last
 * is taken, or after twice that time. What it mostly needs is measured with each round. An
 * embedded value of the hub's thread. */
#ifndef APP_HUB_PACE_H
#define APP_HUB_PACE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/clock.h"

enum {
	PACE_SAMPLES = 16,             /* sockets asked for unread bytes; 0.2 microseconds each */
	PACE_MANY = 2,                 /* messages: where so many came meanwhile, it pays to gather */
	PACE_LONGEST_WAIT_US = 250000, /* of a round for what the web server has not taken */
	PACE_FIRST_PART = 256,         /* streams, where it is not known what a write costs; */
	PACE_LEAST_PART = 2 * PACE_SAMPLES,  /* and where they cost much */
};

/* Some of the streams that a round writes, evenly chosen. Descriptors: one that was closed
 * meanwhile, or is another's by now, tells nothing that does harm. */
struct pace_sample {
	int fds[PACE_SAMPLES];
	size_t n, n_seen, stride;
};

/* pace_sample_offer offers it one more, which is about to be written. One of which the web
 * server has not taken what was sent before is not chosen: its client is slow, and who
 * waited for it would be as slow. All zero is an empty sample. */
void pace_sample_offer(struct pace_sample *sample, int fd);

struct pace {
	mono_us next_part;     /* not before then, nor is it looked before */
	bool in_round;         /* the last part was not the last of its round */
	mono_us began;         /* the last round */
	size_t n_written;      /* streams that it has written */
	mono_us part_began;    /* its last part; with one part, the same */
	size_t part_n_written;
	struct pace_sample sample;  /* of those */
	size_t n_unread;       /* of the sample, when it was looked last */
	mono_us progressed;    /* when that has become fewer */
	unsigned n_looks;      /* since the part */
	bool is_taken;
	double us_per_write;   /* what a write costs the web server, as measured; 0: it never was */
};

/* pace_allows: may the next part of the round be written now, or may another begin?
 * n_waiting: messages that the other would send to many. Where it may not, next_part says
 * when to ask again. */
bool pace_allows(struct pace *pace, size_t n_waiting, mono_us now);

/* pace_part returns how many streams may be written at once, where n are still to be. */
size_t pace_part(const struct pace *pace, size_t n);

/* pace_record records what has just been written: how many streams, of which the sample is,
 * and whether the round is over by that. */
void pace_record(struct pace *pace, const struct pace_sample *sample, size_t n_written,
    bool is_over, mono_us now);

#endif
