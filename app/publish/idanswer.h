/* The answer that lists the ids of many messages, {"ids":[...]}: it may be longer than a
 * socket takes at once, so it is sent in pieces, as the peer takes them. A plain value, of
 * the thread that sends it. */
#ifndef APP_PUBLISH_IDANSWER_H
#define APP_PUBLISH_IDANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "app/fastcgi/reply.h"
#include "lib/buf.h"
#include "lib/idlist.h"

struct idanswer {
	struct idlist_reader reader;
	struct buf out;      /* owned: records that are not sent */
	size_t at;           /* of them, what is */
	bool has_ended;      /* the last are in `out`, or sent */
};

enum idanswer_outcome {
	IDANSWER_SENT,       /* all of it */
	IDANSWER_FULL,       /* the socket takes no more for now */
	IDANSWER_MORE,       /* it would, but others have their turn */
	IDANSWER_BROKEN,     /* the peer is gone */
};

/* idanswer_begin begins the answer and counts it: 201, or 200 where there is no id. */
void idanswer_begin(struct idanswer *answer, const struct reply *reply, const struct idlist *ids);
void idanswer_free(struct idanswer *answer);

/* idanswer_send sends on. Never waits. */
enum idanswer_outcome idanswer_send(struct idanswer *answer, const struct reply *reply,
    const struct idlist *ids);

#endif
