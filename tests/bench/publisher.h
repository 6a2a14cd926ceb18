/* The P publishers: each a keep-alive connection that has one request under
 * way at most and waits for its answer before the next. */
#ifndef BENCH_PUBLISHER_H
#define BENCH_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "tests/bench/http.h"
#include "tests/bench/loop.h"
#include "tests/bench/options.h"

struct crew;

struct publisher {
	struct watch watch;  /* first: see loop.h */
	struct crew *crew;
	bool is_busy;        /* a request is under way */
	bool is_fresh;       /* nothing was answered on this connection yet */
	struct buf out;      /* the request */
	size_t n_sent;       /* bytes of it that are gone */
	uint32_t first;      /* number of its first message */
	uint32_t n;          /* messages in it */
	mono_us started;
	struct http http;
};

/* crew_answered: the server answered p's request (ok: with 2xx). p is free
 * and may be used again at once. */
typedef void crew_answered(void *arg, struct publisher *p, bool ok, mono_us now);

struct crew {
	const struct options *options;
	crew_answered *answered;
	void *arg;
	struct publisher *publishers; /* owned; options->n_publishers of them */
	struct publisher **idle;      /* owned; those without a request, n_idle of them */
	uint32_t n_idle;
	int last_bad_status;          /* of an answer that was no success; 0: none was */
	uint64_t reconnected, refused;
};

void crew_init(struct crew *c, const struct options *o, crew_answered *answered, void *arg);
void crew_free(struct crew *c);

/* crew_post sends a request with the given body to the path for `user` by an
 * idle publisher, of which there must be one. The body is copied. */
void crew_post(struct crew *c, uint32_t user, const struct buf *body, uint32_t first, uint32_t n, mono_us now);

#endif
