/* The hub: one thread that owns every open stream and writes to all of them.
 * This is what other threads may ask of it. */
#ifndef APP_HUB_HUB_H
#define APP_HUB_HUB_H

#include <stddef.h>
#include <stdint.h>

#include "app/access/revocations.h"
#include "app/hub/block.h"
#include "app/hub/census.h"
#include "app/hub/stream.h"
#include "app/setting/conf.h"
#include "lib/histogram.h"
#include "lib/tally.h"

enum {
	/* Descriptors that streams leave free for the store, /msg and new requests. */
	HUB_SPARE_DESCRIPTORS = 256,

	HUB_QUESTIONS_MAX = 64,  /* of hub_ask that wait; picked, not tuned */
};

struct hub;

/* hub_start begins with everything up to `sent` counted as sent. The store's
 * name is for catch-up. NULL: logged. */
struct hub *hub_start(const struct conf *conf, const char *store_name, int64_t sent);

/* hub_reload takes over heartbeat, retry and limits from conf; a shorter
 * heartbeat holds for a stream from its next one on. Any thread. */
void hub_reload(struct hub *hub, const struct conf *conf);

/* hub_publish takes the next block, in the order of ids; waits while more than
 * NEWS_INBOX_BYTES (news.h) are waiting. The tail's thread. */
void hub_publish(struct hub *hub, struct block *block);

/* hub_want has what is committed from now on encoded as the stream wants it, whose
 * encoding is set, until that is freed. So it comes before the newest id is asked for,
 * above which the stream begins; where it was not called, hub_join does it. Any thread. */
void hub_want(struct hub *hub, struct stream *s);

/* hub_wanted returns the bits of the encodings that some stream wants. Who asks after
 * rows became visible to him misses none that a stream above which they are has named.
 * Any thread. */
unsigned hub_wanted(const struct hub *hub);

/* hub_join takes a stream: its filter, cursor, told and flags are set, its
 * reply is still owed, and `unsent` holds the response's header and first
 * blocks, unframed, which the hub sends once it has admitted the stream, within
 * a second. A stream over the limits is answered `rowcast.busy`, or 503 or 429.
 * resumes: the client came with a Last-Event-ID, so the store is read first, which
 * tells the gap where there is one; else it only stands at the cursor. One that has a
 * start resumes too: its first block is sent when the start is found, and told is
 * INT64_MAX until then, so that no cursor is. Any thread. */
void hub_join(struct hub *hub, struct stream *s, bool resumes);

/* hub_kick ends the user's streams, those that hub_join was called for before among them:
 * each is told its own delay to come back after. Any thread; does not wait. */
void hub_kick(struct hub *hub, const char *user);

/* hub_revoke ends the user's streams whose token was issued up to that second, with
 * `rowcast.revoked`, and lets no such one in from now on; in hub_revocations they are
 * when it returns. What was known before is not done again. Any thread; does not wait. */
void hub_revoke(struct hub *hub, const char *user, wall_s until);

/* hub_revocations lends what hub_revoke has gathered, until hub_stop. Any thread. */
struct revocations *hub_revocations(struct hub *hub);

/* hub_heard is for a machine that shares a log with others: at asked_at, or later, the
 * log had given no id above newest, and will give none that is not above it. So a
 * stream that joined before asked_at and stands above newest has a cursor that is none
 * of the log's: it is told the gap, and goes on from newest. Those whose cursors are
 * the log's wait for this machine's copy, with heartbeats, for as long as that takes.
 * Wakes the hub only where somebody waits to be judged. Any thread. */
void hub_heard(struct hub *hub, int64_t newest, mono_us asked_at);

/* What the hub is doing, for /status and /metrics. Any thread. */
struct hub_counters {
	uint64_t n_streams;      /* open now */
	uint64_t n_behind;       /* of them, those that have not been sent all that others have */
	uint64_t n_joined;       /* ever */
	uint64_t n_ends[STREAM_ENDS];
	uint64_t n_refused[STREAM_REFUSALS];
	uint64_t n_revoked;      /* 401, since the token was revoked after it had been judged */
	uint64_t n_read;         /* messages that the tail has brought, whoever published them */
	uint64_t n_delivered;    /* messages written to streams, live or not: */
	uint64_t n_replayed;     /* those to the others, which read on from their cursor */
	uint64_t n_gaps[GAPS];   /* rowcast.gap told, GAP_NONE of course never */
	size_t n_watchers;       /* streams of MESSAGE_TOPIC_STATUS */
	int64_t sent;            /* id up to which live streams have everything */
	struct histogram_counts lag;  /* of each delivery to a live stream: from our own commit, or
	                          * the read that found the row, to the end of the round's writes */
	size_t max_streams, max_streams_per_user;  /* as they are in force */
};
void hub_count(struct hub *hub, struct hub_counters *counters);

/* hub_users lends the tally of the users and their open streams, until hub_stop. Any
 * thread. */
struct tally *hub_users(struct hub *hub);

/* hub_ask takes a question of who is listening (census.h), which the hub answers in one
 * of its next turns. HUB_CROWDED: HUB_QUESTIONS_MAX wait already, and nothing was taken.
 * Any thread. */
enum hub_outcome {
	HUB_CROWDED = 1,
};
int hub_ask(struct hub *hub, struct census *census);

/* hub_stop sends live streams what was published before, tells every stream a
 * fresh `retry:`, ends it, and ends the thread. No other thread may be using
 * the hub any more. */
void hub_stop(struct hub *hub);

#endif
