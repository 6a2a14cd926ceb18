/* A stream: a response to GET /events that stays open; a descriptor, a filter
 * and a cursor. It owns no queue; what it has not been sent is in the ring or in
 * the store. All of it belongs to the hub's
 * thread once the hub has it; the filter, which never changes, is lent to
 * catch-up meanwhile. */
#ifndef APP_HUB_STREAM_H
#define APP_HUB_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "app/fastcgi/reply.h"
#include "app/hub/encoding.h"
#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/timers.h"

enum {
	STREAM_MAX_TOPICS = 32,   /* `topic=` in one request; picked, not tuned */

	/* What is written at once ends with the message that reaches this many
	 * bytes. It is also what the memory of a stream that is not read can grow
	 * to: a line break in a message takes 7 bytes (`data: ` and itself). */
	STREAM_WRITE_BYTES = 60 << 10,
	STREAM_WRITE_MESSAGES = 512,  /* below IOV_MAX, since each may be a slice of its own */
};

enum stream_state {
	STREAM_JOINING,   /* not in the roster yet */
	STREAM_LIVE,      /* has been sent all that the hub has sent */
	STREAM_AHEAD,     /* stands above that: it was sent more, or joined above it; see ahead.c */
	STREAM_BEHIND,    /* can be written, has to read on from its cursor */
	STREAM_PAGING,    /* catch-up reads a page for it */
	STREAM_BLOCKED,   /* the socket takes no more: unsent holds the rest of the last write */
	STREAM_CLOSED,    /* over; freed when nobody points to it any more */
};

/* Why a stream ended. */
enum stream_end {
	STREAM_END_CLIENT,   /* it, or the web server, has hung up */
	STREAM_END_EXPIRED,  /* the token's exp */
	STREAM_END_DRAIN,    /* rowcast stops */
	STREAM_END_KICKED,
	STREAM_END_REVOKED,
	STREAM_END_ENDED,    /* all that it asked for has ended */
	STREAM_END_WRITE,    /* the web server takes nothing more */
	STREAM_END_STORE,    /* what it has to be sent cannot be read */
	STREAM_ENDS,
};

/* Why none was begun. */
enum stream_refusal {
	STREAM_REFUSED_MAX_STREAMS,
	STREAM_REFUSED_MAX_STREAMS_PER_USER,
	STREAM_REFUSED_DESCRIPTORS,
	STREAM_REFUSALS,
};

/* How a client is told where it stands, beside the ids of its messages. */
enum stream_cursor {
	STREAM_CURSOR_ID,     /* a block of an id alone, which raises no event in a browser; where
	                       * there are no blocks: at the end only */
	STREAM_CURSOR_OFF,    /* cursor=off: not at all, there is no block without data */
	STREAM_CURSOR_EVENT,  /* cursor=event: as rowcast.cursor, which a script sees */
};

/* Where a stream begins whose client has no id, but asked for since= or last=: catch-up
 * looks for it, and until that is found, and the first message, the client is told no
 * cursor: it has none yet. */
struct stream_start {
	struct store_search search;  /* of catch-up, while it has a page of the stream */
	bool is_found;             /* that too */
	int64_t after;             /* the id found */
	int64_t retry_ms;          /* for the first block */
};

/* Where a stream ends by itself. */
struct stream_until {
	int64_t upto;              /* poll=1: at this id; INT64_MAX: not by an id */
	bool by_topics;            /* until=end: where each of its topics has ended */
	bool is_over;              /* it has come to that, and its last bytes are on their way */
	bool has_listed;           /* ENCODING_LIST: the array has begun */
	struct buf gap;            /* ENCODING_LIST: data of the first gap, which comes last */
	int64_t ends[];            /* for each topic of the filter: the id that ended it, 0: none yet */
};

TAILQ_HEAD(stream_list, stream);

struct stream {
	struct mail mail;          /* on the way to the hub */
	TAILQ_ENTRY(stream) link;
	struct stream_list *list;  /* the hub's list that life.c says, or NULL */
	struct timer timer;        /* the next heartbeat, or the token's end; while joining, the end of waiting */
	enum stream_state state;
	int fd;                    /* -1 once closed */
	uint16_t request_id;
	enum stream_cursor cursor_form;
	enum encoding encoding;    /* of its messages */
	_Atomic size_t *counted;   /* lent: how many streams want that, this one too; NULL: not counted */
	struct mailbox *return_to; /* lent: where the connection goes at the end; NULL: nowhere */
	bool accepts_events;       /* the request accepts text/event-stream */
	bool from_store;           /* has to read the store before the ring: see life.c */
	bool is_refuted;           /* the log never gave its cursor: see ahead.c */
	bool probed;               /* a second heartbeat is due, to see who is still there */
	int64_t cursor;            /* has been sent all up to here; unused while live */
	int64_t goes_on_from;      /* where it is refuted: the log's newest */
	mono_us joined_at;         /* its client had the cursor before; 0: it is known to be the log's */
	int64_t told;              /* the last id sent to the client, in an event or by itself */
	struct stream_start *start;  /* owned: until the first block is sent; NULL: it was */
	struct stream_until *until;  /* owned; NULL: nowhere */
	char *join;                /* owned: the event whose messages are joined; NULL: none */
	char *invalid_id;          /* owned: a Last-Event-ID that is none, until the gap is sent; or NULL */
	struct page *page;         /* the one that catch-up has, or NULL; see replay.c */
	struct expiry expiry;      /* the token's exp */
	wall_s issued_at;          /* and its iat, as in struct identity */
	uint64_t number;           /* of its admission */
	wall_s since;              /* its admission */
	mono_us written_at;
	struct buf unsent;         /* whole bytes of records, from unsent_at on */
	size_t unsent_at;
	struct reply reply;        /* owed until the hub has admitted the stream */
	struct filter filter;
	struct member *members;    /* roster.h: one for the user, one for each topic */
	size_t place;              /* roster.h: index in roster->streams */
	uint64_t round;            /* round.c: the round that last picked something for it */
	uint32_t first_pick, last_pick;
	uint64_t direct_wait;      /* direct.c: when it was last sent something directly */
	unsigned n_direct;         /* and how often then */
};

/* stream_new takes the strings of the filter (and the array). */
struct stream *stream_new(struct filter filter);
void stream_free(struct stream *s);

/* stream_wants: does a message for this topic (NULL: none) pass the filter, and
 * is it for this user (NULL: everyone)? */
bool stream_wants_topic(const struct stream *s, const char *topic);
bool stream_wants(const struct stream *s, const char *user, const char *topic);

/* stream_add_cursor adds what tells the client that it stands at id; nothing, where it is
 * not told that. stream_add_first does so where a stream begins: with how long to wait
 * before coming back; whose stream it is, too, and how often at least it is written to,
 * for STREAM_CURSOR_EVENT. stream_add_last does where it ends, in the forms too where it is
 * told only then. */
void stream_add_cursor(const struct stream *s, struct buf *out, int64_t id);
void stream_add_first(const struct stream *s, struct buf *out, int64_t retry_ms, int64_t id,
    int64_t heartbeat_ms);
void stream_add_last(const struct stream *s, struct buf *out, int64_t id);

/* stream_tell adds what rowcast tells, under that name and no id; data is JSON. */
void stream_tell(const struct stream *s, struct buf *out, const char *event, const char *data);

/* stream_until_new has the stream end by itself, by what the caller sets in s->until, once
 * its filter is set. */
void stream_until_new(struct stream *s);

/* stream_is_poll: does it end at an id? Such a one reads the store and nothing else. */
static inline bool
stream_is_poll(const struct stream *s)
{
	return s->until != NULL && s->until->upto != INT64_MAX;
}

/* stream_has_come_to_its_end: is that so, if it stands at this id? stream_is_over asks by its
 * topics alone: until=end was said, and each has ended. */
bool stream_has_come_to_its_end(const struct stream *s, int64_t position);
bool stream_is_over(const struct stream *s, int64_t position);

/* stream_topic_ended notes that a topic of it has ended with that id. */
void stream_topic_ended(struct stream *s, const char *topic, int64_t id);

enum stream_outcome {
	STREAM_FULL = 1,   /* taken, but a part still lies in s->unsent: wait until writable */
	STREAM_GONE,       /* the peer is away */
};

/* stream_write sends n_bytes of events as FastCGI records, without waiting. iov
 * has n slices from iov[1] on; iov[0] is room for the header, and the array is
 * as it was when the function returns. Nothing is unsent before. */
int stream_write(struct stream *s, struct iovec *iov, size_t n, size_t n_bytes, mono_us now);

/* stream_write_buf is the same for one run of bytes. */
int stream_write_buf(struct stream *s, const struct buf *bytes, mono_us now);

/* stream_flush sends on what is unsent. 0: nothing is left. */
int stream_flush(struct stream *s, mono_us now);

/* stream_end sends what ends the response, where the socket takes it, and gives up
 * the descriptor: back to intake, where the web server keeps connections, or closed.
 * No epoll may watch it any more. */
void stream_end(struct stream *s);

#endif
