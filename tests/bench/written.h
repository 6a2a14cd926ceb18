/* A way of writing tokens: what the scribe asks of it, and what came of it. */
#ifndef BENCH_WRITTEN_H
#define BENCH_WRITTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/options.h"

/* What came of what was written. */
struct written {
	uint64_t transactions; /* of our own; 0: the server makes them */
	uint64_t refused;      /* tokens that were not taken, or of which that is not known */
	uint64_t wrong_ids;    /* acknowledged with no id, two, or one out of order */
	int bad_status;        /* of an answer that was no success; 0: none was */
};

struct way {
	/* open makes ready to write all answers; o and w are lent until close. It ends the
	 * program where it cannot. */
	void *(*open)(const struct options *o, struct written *w);

	/* has_room: may a token be added to the answer? */
	bool (*has_room)(void *of, uint32_t answer);

	/* add adds a token, which it copies, and flush lets go all that were added. */
	void (*add)(void *of, uint32_t answer, const char *text, size_t len);
	void (*flush)(void *of);

	/* wait waits up to a millisecond for whatever keeps has_room from being true. */
	void (*wait)(void *of);

	/* end ends all answers; is_acknowledged: all that was written has been. */
	void (*end)(void *of);
	bool (*is_acknowledged)(void *of);

	void (*close)(void *of);
};

/* Each answer is the body of one POST that stays open (bodies.c). */
extern const struct way way_follow;

/* All are rows that one own SQLite connection inserts: in one transaction what is due at
 * a time or, with rate 0, each in its own (inserts.c). */
extern const struct way way_insert;

#endif
