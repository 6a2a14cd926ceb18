/* What following (following.h) takes at most. */
#ifndef APP_PUBLISH_FOLLOWING_BOUNDS_H
#define APP_PUBLISH_FOLLOWING_BOUNDS_H

#include <stddef.h>

#include "app/publish/writer.h"

/* The bounds; where nothing is said, picked and not tuned. */
enum {
	FOLLOWING_SILENCE_MS = 300000,    /* without a byte of the body: interface of /msg */
	FOLLOWING_ANSWER_MS = 10000,      /* an answer of which the peer takes nothing */
	/* After an answer that did not wait for the body's end, so long more of it is read and
	 * thrown away: Apache hears the answer only between two pieces of the body. */
	FOLLOWING_LINGER_MS = 30000,
	/* Bodies at once, or a quarter of the descriptors that we may have, where that is less:
	 * streams need them too. */
	FOLLOWING_MAX_BODIES = 4096,
	FOLLOWING_MAX_MESSAGES = 1000000, /* in one body; their ids are held to its end */

	/* Read and not committed, of one body: then its socket is not read. Twice that, while
	 * as much is being committed. */
	FOLLOWING_BATCH_MESSAGES = 4096,
	FOLLOWING_BATCH_BYTES = 256 << 10,

	/* Handed to the writer, of all bodies: two of its groups, so that it always finds one,
	 * and whoever publishes otherwise waits for two at most. Beyond, they wait in line. */
	FOLLOWING_ORDERED_MESSAGES = 2 * WRITER_GROUP_MESSAGES,
	FOLLOWING_ORDERED_BYTES = WRITER_QUEUE_BYTES / 4,
	/* Read and not committed, of all bodies: then only those are read that have nothing. */
	FOLLOWING_READ_BYTES = 32 << 20,
};

/* What a test may set otherwise; 0: as above. */
struct following_bounds {
	int silence_ms;
	size_t max_bodies, max_messages;
};

#endif
