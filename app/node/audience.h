/* Who is listening: what /presence is asked, and the answers in JSON, of this machine
 * alone or of all that share the log. Plain functions, of the thread that calls them. */
#ifndef APP_NODE_AUDIENCE_H
#define APP_NODE_AUDIENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "app/upstream/upstream.h"
#include "lib/buf.h"
#include "lib/tally.h"

enum {
	AUDIENCE_PAGE = 1000,              /* users in one answer */
	AUDIENCE_PAGE_BYTES = 64 << 10,    /* or fewer, where names are long: one send has to take it */
};

struct audience_question {
	enum {
		AUDIENCE_TOTAL,
		AUDIENCE_USER,   /* where is the one of that name? */
		AUDIENCE_LIST,   /* which users come after that one? */
	} kind;
	char *name;          /* owned; of a list NULL: from the first */
};

void audience_question_free(struct audience_question *question);

/* audience_here adds the answer as far as this machine knows, which is node. is_partial:
 * there are others, of which it does not. */
void audience_here(struct buf *json, const struct audience_question *question,
    struct tally *users, const char *node, bool is_partial);

/* audience_everywhere adds the answer of all machines. 0, or an upstream_outcome, and
 * nothing is added. */
int audience_everywhere(struct buf *json, const struct audience_question *question,
    struct upstream *log);

#endif
