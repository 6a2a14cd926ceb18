/* The writers of answers: they write each token when it is due, in a thread of their
 * own, so that what readers have to read makes no token late.
 *
 * Token number j belongs to answer j % answers, and is due j / (answers * rate) seconds
 * after the beginning: each answer gets `rate` a second, and no two are due at a time.
 * With rate 0 they are written as fast as they are taken. */
#ifndef BENCH_SCRIBE_H
#define BENCH_SCRIBE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"
#include "tests/bench/hist.h"
#include "tests/bench/options.h"
#include "tests/bench/written.h"

struct scribe {
	const struct options *options;
	pthread_t thread;
	_Atomic mono_us begun;     /* when the first token is due; 0: the writers are not connected yet */
	_Atomic bool is_done;      /* everything is written, ended and acknowledged, or given up */
	/* Of the thread until it is done. */
	uint32_t made;             /* tokens, from number 0 on */
	struct hist late;          /* microseconds from when a token was due to when it was written */
	struct written written;
};

/* scribe_start begins to write for warmup and seconds of the options, which it lends; the
 * answers are ended then. */
void scribe_start(struct scribe *s, const struct options *o);

/* scribe_stop waits until it is done. */
void scribe_stop(struct scribe *s);

#endif
