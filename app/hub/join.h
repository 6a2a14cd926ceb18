/* Joining: consecutive messages of one topic and event, which a stream asked for as one
 * (join=E). Here those of a page; slices.c joins those that are in memory. An embedded
 * value of whoever writes the page. */
#ifndef APP_HUB_JOIN_H
#define APP_HUB_JOIN_H

#include <stdbool.h>

#include "app/hub/encoding.h"
#include "app/store/message.h"
#include "lib/buf.h"

/* join_takes: are messages of that event (NULL: the default, which is called message)
 * joined where this one was asked for? */
bool join_takes(const char *join, const char *event);

/* All zero has none. */
struct join {
	bool is_open;
	struct buf head, data, tail;  /* of the last, of all, of the last */
	struct buf names;             /* topic, user and event, to compare the next with */
	struct buf scratch;
};

/* join_add adds a message at the end of out, or to those before it, which are kept back
 * until join_flush; `event` is the one to be joined, NULL: none is. */
void join_add(struct join *join, const char *event, enum encoding encoding, struct buf *out,
    const struct message *m);

/* join_flush adds those that are kept back. Called at the end, and before anything else is
 * added to out. */
void join_flush(struct join *join, struct buf *out);

/* join_len returns how many bytes are kept back. */
size_t join_len(const struct join *join);

void join_free(struct join *join);

#endif
