/* The census: what the hub says of the streams of some users, one by one: a question
 * that another thread asks, and that the hub's answers. */
#ifndef APP_HUB_CENSUS_H
#define APP_HUB_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

#include "app/fastcgi/reply.h"
#include "app/hub/hub_state.h"
#include "lib/buf.h"
#include "lib/mailbox.h"

enum {
	CENSUS_USERS = 50,            /* in one answer */
	CENSUS_USER_STREAMS = 16,     /* told of each where several are asked for; the newest */
	CENSUS_LONE_STREAMS = 100,    /* and where one is */
	CENSUS_BYTES = 60 << 10,      /* of an answer, in any case: one send has to take it */
};

struct census {
	struct mail mail;
	struct buf names;       /* owned: the users, each ended by NUL */
	size_t n;               /* of them; CENSUS_USERS at most */
	bool is_list;           /* a page of the list of users; else n is 1 */
	bool has_more;          /* and there are others after them */
	const char *node;       /* lent: this machine's name */
	struct reply reply;     /* owed */
};

struct census *census_new(void);
void census_free(struct census *census);  /* drops a reply that is still owed */

/* census_answer answers and frees it. A user of a list who has gone meanwhile is left
 * out. What it costs is bounded by what it says. The hub's thread. */
void census_answer(struct census *census, const struct hub_state *hub);

#endif
