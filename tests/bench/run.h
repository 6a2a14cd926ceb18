/* One run of the load client: its parts, its marks, what is printed. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "tests/bench/flights.h"
#include "tests/bench/hist.h"
#include "tests/bench/options.h"
#include "tests/bench/publisher.h"
#include "tests/bench/swarm.h"
#include "tests/bench/usage.h"

/* The state of things at one moment; figures are differences of two marks. */
struct mark {
	mono_us at;
	uint64_t received;     /* deliveries up to then */
	uint64_t acked;        /* messages acknowledged up to then */
	int64_t client_cpu_us; /* of the load client itself */
	struct usage_machine machine;
	struct usage usage;
};

struct run {
	struct options options;
	struct flights flights;
	struct swarm swarm;
	struct crew crew;
	struct hist latency;    /* microseconds from sending to receiving */
	struct hist late;       /* answers: microseconds from when a token was due until it was written */
	struct hist single;     /* amid: of the messages for one user */
	struct hist ack;        /* microseconds from sending to the acknowledgement */
	mono_us latency_from;   /* messages sent earlier are not counted in them */
	uint64_t to_send;       /* messages still to be published */
	uint64_t received, acked;
	uint64_t transactions;  /* answers: our own */
	uint64_t wrong_ids;     /* answers: of those that were acknowledged */
	uint32_t random;        /* state of the random users; not 0 */
	struct buf body;        /* of the POST being made */
	char *message;          /* owned; options.size bytes */
	struct mark empty;      /* before the first stream */
	struct mark opened;     /* all streams open, nothing sent yet */
	struct mark from, to;   /* what is measured lies between */
	mono_us opening_us;     /* what opening took */
	mono_us task_us;        /* storm, replay: what it took; 0: the mode has none */
};

enum { RUN_OPEN_LIMIT_S = 60 };  /* of opening all streams; far above what any server took */

/* run_begin makes the loop and the parts, by the options as they are now. */
void run_begin(struct run *r);

/* run_open_streams opens all streams, and marks before and after. */
void run_open_streams(struct run *r);

/* run_mark takes a mark of now. */
void run_mark(struct run *r, struct mark *m, int with_memory);

/* run_turn_until turns the loop up to a moment. */
void run_turn_until(mono_us end);

/* amid_run publishes to everyone and to single users, at fixed rates (amid.c). */
void amid_run(struct run *r);

/* answers_run writes answers and reads them, until all have ended (answers.c). */
void answers_run(struct run *r);

/* traffic_pump publishes whatever may be published now. */
void traffic_pump(struct run *r);

/* traffic_run publishes for options.warmup and then, measured, for
 * options.seconds; then it waits until everything has arrived. With options.count it
 * publishes so many, from the first on, and measures until all have arrived. */
void traffic_run(struct run *r);

/* traffic_drain turns the loop until nothing is on its way, or given up. */
void traffic_drain(struct run *r);

/* The two ends that swarm and crew call. */
void traffic_received(void *arg, struct stream *stream, uint32_t number, mono_us sent, mono_us now);
void traffic_answered(void *arg, struct publisher *p, bool ok, mono_us now);

/* report_print prints the run as one JSON object on stdout. */
void report_print(const struct run *r);

#endif
