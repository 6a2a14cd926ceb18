/* Following: bodies of POST /msg?follow=1, each line or event of which is committed as it
 * comes. One thread has all of them, so that no worker waits for one and no other request
 * behind one. A body that breaks off before it has ended its topic leaves a last will: the
 * topic is ended as aborted, by us or, where we are killed, by who is started next. */
#ifndef APP_PUBLISH_FOLLOWING_H
#define APP_PUBLISH_FOLLOWING_H

#include <stddef.h>

#include "app/fastcgi/reply.h"
#include "app/publish/followed.h"
#include "app/publish/following_bounds.h"
#include "app/publish/writer.h"
#include "lib/buf.h"

struct following;

/* following_start starts the thread. Before it returns the ends of topics that an earlier
 * life has left are on their way to the writer, before anything that comes now. store_name
 * is copied; NULL: nobody looks for them. bounds NULL: as above. */
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
