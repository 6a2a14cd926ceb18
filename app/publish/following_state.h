/* What the parts of following share: following.c (the loop), body.c (reading), storing.c (the
 * writer) and ending.c (the ways in which a body ends). All of them run in following's
 * thread, and only there may this be touched; but for the mailboxes, n_bodies and stopping. */
#ifndef APP_PUBLISH_FOLLOWING_STATE_H
#define APP_PUBLISH_FOLLOWING_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "app/fastcgi/holdings.h"
#include "app/fastcgi/reply.h"
#include "app/publish/followed.h"
#include "app/publish/following_bounds.h"
#include "app/publish/idanswer.h"
#include "app/publish/wills.h"
#include "app/publish/writer.h"
#include "lib/clock.h"
#include "lib/idlist.h"
#include "lib/mailbox.h"
#include "lib/timers.h"

enum { FOLLOWING_TURN_BYTES = 16 << 10 };  /* read and parsed of one body in one step */

/* How the body has come to its end. */
enum body_end {
	BODY_COMES,      /* it has not */
	BODY_WHOLE,
	BODY_CUT,
	BODY_SILENT,
	BODY_STOPPED,    /* by us */
};

struct body {
	struct mail mail;
	struct following *following;
	TAILQ_ENTRY(body) link, run_link, line_link;
	bool is_running;             /* in the list of those that are taken a step further */
	bool is_in_line;             /* until others' orders are done */
	uint32_t watched;            /* for these events; 0: epoll does not know it */
	struct timer timer;
	struct holding holding;

	struct reply reply;
	char *user;
	struct buf content;          /* of the body, not parsed */
	size_t content_at;           /* what of it is */
	enum body_end end;
	bool is_read;                /* all of it is parsed, or will not be */
	struct followed followed;

	struct batch flying;         /* what is being stored, from its message number `from` on */
	size_t from;
	bool one_by_one;             /* since together they were refused */
	struct writer_order order;
	bool is_ordered;
	bool is_of_ended;            /* the topic was ended by somebody else */

	struct store_will will;
	bool is_willed;              /* that stands in the store */
	bool waits_for_will;         /* that it is carried out */

	struct idlist ids;
	struct idanswer answer;
	bool is_answering;
};

TAILQ_HEAD(body_list, body);

struct following {
	struct writer *writer;       /* lent */
	struct following_bounds bounds;
	int epoll_fd;
	struct mailbox arrived, stored;
	struct wills wills;
	struct store *store;         /* to look for wills of others in; NULL: nobody looks */
	mono_us next_look;
	struct body_list bodies, running, in_line;
	mono_us full_until;          /* the writer is asked again then; 0: it takes orders */
	struct timers timers;
	struct holdings holdings;    /* of messages that have not ended */
	size_t n_ordered, n_ordered_bytes;  /* messages */
	size_t n_read_bytes;
	int64_t n_given;             /* numbers of wills */
	unsigned char *bytes;        /* FOLLOWING_TURN_BYTES to read into */
	_Atomic size_t n_bodies;
	_Atomic bool stopping;
	pthread_t thread;
};

#endif
