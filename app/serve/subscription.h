/* A subscription: what the query of GET /events asks for. A value of the thread
 * that reads the request. */
#ifndef APP_SERVE_SUBSCRIPTION_H
#define APP_SERVE_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "app/fastcgi/request.h"
#include "app/hub/stream.h"
#include "app/serve/query.h"

enum { SUBSCRIPTION_MAX_LAST = 1000 };  /* `last=`; picked, not tuned */

struct subscription {
	char **topics;        /* owned, n_topics of them, all different; STREAM_MAX_TOPICS fit */
	size_t n_topics;
	char *last_event_id;  /* owned, as it came; NULL: none, or an empty one */
	enum stream_cursor cursor_form;
	enum encoding encoding;
	bool topics_only;     /* inbox=off */
	char *join;           /* owned: the event whose messages are joined; NULL: none */
	bool until_end;       /* until=end */
	bool is_poll;         /* poll=1 */
	bool starts_older;    /* since= or last= was given: */
	wall_s since;         /* 0: everything */
	size_t last;          /* 0: all of it */
	char fault[QUERY_FAULT_BYTES];  /* a sentence for the client */
};

/* subscription_read fills *sub from the query, and from the header Last-Event-ID,
 * which wins. 0; or -1, and sub->fault says what is wrong, as query_read finds it: a
 * stream without topics or history looks like any other, so what is misspelt is not
 * let pass. subscription_free is due in either case. */
int subscription_read(struct subscription *sub, const struct request *request);
void subscription_free(struct subscription *sub);

#endif
