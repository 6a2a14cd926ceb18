/* Following: bodies of POST /msg?follow=1, each line or event of which is committed as it
 * comes. One thread has all of them, so that no worker waits for one and no other request
 * behind one. A body that breaks off before it has ended its topic leaves a last will: the
 * topic is ended as aborted, by us or, where we are killed, by who is started next. */
#ifndef APP_PUBLISH_FOLLOWING_H
#define APP_PUBLISH_FOLLOWING_H

#include <stddef.h>

#include "app/fastcgi/reply.h"
#include "app/publish/followed.h"
#include "app/publish/writer.h"
#include "lib/buf.h"

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
	FOLLOWING_BATCH_MESSAGES = 2048,
	FOLLOWING_BATCH_BYTES = 64 << 10,

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

struct following;

/* following_start starts the thread. Before it returns the ends of topics that an earlier
 * life has left are on their way to the writer, before anything that comes now. store_name
 * is copied; NULL: nothing was left. bounds NULL: as above. */
struct following *following_start(struct writer *writer, const char *store_name,
    const struct following_bounds *bounds);

enum following_outcome {
	FOLLOWING_CROWDED = 1,   /* there are as many bodies as there may be */
};

/* What comes with a body. */
struct following_request {
	const char *user, *topic;     /* copied */
	enum followed_form form;
	size_t max_message_bytes;
};

/* following_take takes the reply, which is owed, with the conn, and the body, as far as it has
 * come: all of it, or the conn's arrival has the rest. FOLLOWING_CROWDED: it takes nothing.
 * Does not wait. Any thread. */
int following_take(struct following *following, const struct following_request *request,
    struct buf *body, struct reply *reply);

/* following_count returns how many bodies there are. Any thread. */
size_t following_count(struct following *following);

/* following_stop commits what has come. Bodies that are whole are answered; the others break
 * off here. Nobody takes any more; the writer is still there. */
void following_stop(struct following *following);

#endif
