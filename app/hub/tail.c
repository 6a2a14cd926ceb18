/* The tail's thread. Whoever committed a row, it comes to the streams through
 * here and nowhere else, so order and completeness have one place to be right.
 * Between two reads the thread sleeps in store_wait(), woken by our own writer at
 * once and by others through the store, and after a second at the latest.
 *
 * What it last read of the store's bounds, and whether it could, it keeps for all
 * other threads: these ask the tail and open no store for it. One thing has to be
 * known to the moment, which id is the newest where a stream begins, and whose tokens
 * were revoked: another program's commit may be a millisecond old, and the tail not yet
 * awake. For that there is one more handle, under a lock.
 *
 * What rowcast is told to do is rows, too. To kick is an event like others: it is done
 * when the row is read, once, and never again. Who was revoked the store keeps in a table
 * of its own, which is read to its end at the start, and on from there each time: so no
 * row that is erased, expired or trimmed before it is read takes a revocation with it. */

#include "app/hub/tail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub/block.h"
#include "app/hub/gap.h"
#include "app/hub/hub.h"
#include "app/store/store.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	BLOCK_MAX_BYTES = 256 << 10,  /* a block is handed over at the latest at this size */
	BLOCK_MAX_MESSAGES = 4096,    /* or this; both picked, not tuned */
	/* After a store that could not be read: it may be for a moment, or for as
	 * long as nobody repairs it, and each time is a line in the log. No longer than
	 * store_wait() waits, so that tail_is_failing() is as fresh. */
	RETRY_FIRST_MS = 200,
	RETRY_LAST_MS = 1000,
	DATE_AGAIN_MS = 200,          /* how often it is asked when the oldest row was committed */
};

struct tail {
	struct store *store;
	pthread_mutex_t asked_lock;  /* guards the next four */
	struct store *asked;      /* tail_look()'s own handle */
	int64_t asked_revoked;    /* as `revoked`, by that handle */
	int64_t asked_version;    /* how often it has found that something was committed */
	int64_t asked_bounds;     /* which of these tail_newest() has read the bounds of */
	struct hub *hub;
	int64_t last;             /* the hub has everything up to here */
	int64_t revoked;          /* and knows of who was revoked up to this position */
	struct origin *origin;    /* lent, or NULL */
	struct idruns fresh;      /* the messages of the block that is being read */
	int64_t dated;            /* the row that oldest_at is of; 0: there was none */
	mono_us dated_at;         /* when that was asked */
	tail_lost *lost;          /* NULL once it was called */
	mono_us committed_by;     /* while there is more to read of our own commits: when the last was */
	struct mailbox wake;      /* used for its descriptor only: nothing is put inside */
	_Atomic bool stopping, failing;
	_Atomic mono_us watched_until;
	_Atomic int64_t oldest;   /* tail_bounds(); by the tail's thread only */
	_Atomic wall_s oldest_at;
	_Atomic int64_t newest;   /* and by whoever commits or hears; never lowered */
	_Atomic mono_us committed_at;  /* the first commit of ours since the last read; 0: none */
	pthread_t thread;
};

/* What read_news is about. */
struct reading {
	struct tail *tail;
	struct block *block;
};

/* heed_watchers: our own rows are among those that say so, and do no harm: who they tell
 * of watches here. */
static void
heed_watchers(struct tail *tail, const struct message *m)
{
	static const char nobody[] = TAIL_WATCHERS "0,";

	if (strncmp(m->data, TAIL_WATCHERS, strlen(TAIL_WATCHERS)) == 0
	    && strncmp(m->data, nobody, strlen(nobody)) != 0)
		atomic_store(&tail->watched_until, clock_mono_in_ms(TAIL_WATCHED_MS));
}

/* obey does what a message on the topic for that asks for. To revoke is not done here,
 * see above; only what is wrong with it is said. */
static void
obey(struct hub *hub, const struct message *m)
{
	bool kicks = m->event != NULL && strcmp(m->event, "kick") == 0;

	if (!kicks && (m->event == NULL || strcmp(m->event, "revoke") != 0))
		log_warnx("tail: message %" PRId64 " on " MESSAGE_TOPIC_CONTROL " is passed over: its"
		    " event is neither kick nor revoke", m->id);
	else if (m->user == NULL)
		log_warnx("tail: message %" PRId64 " on " MESSAGE_TOPIC_CONTROL " is passed over: it"
		    " names no user", m->id);
	else if (kicks)
		hub_kick(hub, m->user);
}

/* add_row asks for the forms at the first row, which so is in those of every stream that
 * it comes after: a stream is counted before it asks for the id that it begins above, and
 * this row was not there then. One that needs others nevertheless reads the store. */
static bool
add_row(void *context, const struct message *m)
{
	struct reading *reading = context;
	struct block *block = reading->block;

	if (block->n == 0)
		block->encodings = hub_wanted(reading->tail->hub);
	if (m->topic != NULL && strcmp(m->topic, MESSAGE_TOPIC_CONTROL) == 0)
		obey(reading->tail->hub, m);
	/* What a rowcast tells of itself is nobody's message, and a gap is none. */
	if (m->topic != NULL && strcmp(m->topic, MESSAGE_TOPIC_STATUS) == 0)
		heed_watchers(reading->tail, m);
	else if (!message_is_gap(m))
		idruns_add(&reading->tail->fresh, m->id, m->id);
	block_add(block, m);
	return block_n_bytes(block) < BLOCK_MAX_BYTES && block->n < BLOCK_MAX_MESSAGES;
}

static void
raise_newest(struct tail *tail, int64_t id)
{
	int64_t newest = atomic_load(&tail->newest);

	while (newest < id && !atomic_compare_exchange_weak(&tail->newest, &newest, id))
		;
}

/* set_bounds stores the newest id before the oldest, and tail_bounds() reads them
 * the other way round, so nobody sees an oldest above newest + 1. */
static void
set_bounds(struct tail *tail, const struct store_bounds *bounds)
{
	raise_newest(tail, bounds->newest);
	atomic_store(&tail->oldest, bounds->oldest);
}

/* date_oldest: not at each read, since where retention keeps pace with who publishes the
 * oldest is another one each time. */
static void
date_oldest(struct tail *tail, const struct store_bounds *bounds)
{
	int64_t oldest = bounds->oldest <= bounds->newest ? bounds->oldest : 0;
	mono_us now = clock_mono_us();

	if (oldest == tail->dated || now - tail->dated_at < DATE_AGAIN_MS * 1000)
		return;
	tail->dated = oldest;
	tail->dated_at = now;
	atomic_store(&tail->oldest_at, oldest != 0 ? store_created_at(tail->store, oldest) : 0);
}

static void
revoke(void *hub, const char *user, wall_s until)
{
	hub_revoke(hub, user, until);
}

/* take_found_at returns from when on the messages count as being on their way that the
 * read which now begins will find: from our own commit, or from now. Where the two come
 * together, those of others count from our commit too; it was a moment ago, since the
 * tail is woken by it. */
static mono_us
take_found_at(struct tail *tail)
{
	mono_us committed_at = atomic_exchange(&tail->committed_at, 0);

	if (committed_at != 0)
		tail->committed_by = committed_at;
	return tail->committed_by != 0 ? tail->committed_by : clock_mono_us();
}

/* read_news reads one block and hands it to the hub; *more: there may be another at
 * once. 0; -1: the store could not be read, and nothing is lost by trying again;
 * STORE_REPLACED. */
static int
read_news(struct tail *tail, bool *more)
{
	struct block *block = block_new();
	struct store_bounds bounds;
	struct reading reading = { tail, block };
	int64_t upto;
	int rc;

	block->found_at = take_found_at(tail);
	rc = store_read(tail->store, tail->last, NULL, add_row, &reading, &bounds, &upto);
	*more = false;
	if (rc == 0) {
		set_bounds(tail, &bounds);
		date_oldest(tail, &bounds);
		origin_read(tail->origin, &tail->fresh);
	}
	idruns_clear(&tail->fresh);
	if (rc == 0)
		rc = store_read_revoked(tail->store, &tail->revoked, revoke, tail->hub);
	if (rc < 0 || upto <= tail->last) {
		block_free(block);
		return rc;
	}
	/* Where thousands of rows come at once and few are kept, retention may be here
	 * first. Whoever has everything up to `last` is told as one that comes back is. */
	if (block->n == 0)
		block->encodings = hub_wanted(tail->hub);
	if (gap_find(tail->last, &bounds) == GAP_EXPIRED)
		block_add_gap(block, tail->last, &bounds);
	*more = upto < bounds.newest;
	block->upto = upto;
	tail->last = upto;
	hub_publish(tail->hub, block);
	return rc;
}

static void *
tail_run(void *arg)
{
	struct tail *tail = arg;
	int retry_ms = RETRY_FIRST_MS;

	for (;;) {
		/* Asked before reading: what was committed before the stop is read. */
		bool last_round = atomic_load(&tail->stopping);
		bool more;
		int rc;

		do
			rc = read_news(tail, &more);
		while (more);
		tail->committed_by = 0;
		if (rc == STORE_REPLACED && tail->lost != NULL) {
			tail->lost();
			tail->lost = NULL;
		}
		if (last_round)
			return NULL;
		atomic_store(&tail->failing, rc != 0);
		if (rc == 0) {
			store_wait(tail->store, tail->wake.wake_fd);
			retry_ms = RETRY_FIRST_MS;
		} else {
			mailbox_wait(&tail->wake, retry_ms);
			retry_ms = retry_ms * 2 < RETRY_LAST_MS ? retry_ms * 2 : RETRY_LAST_MS;
		}
		mailbox_take(&tail->wake);
	}
}

struct tail *
tail_start(const char *store_name, int64_t after, struct hub *hub, struct origin *origin,
    tail_lost *lost)
{
	struct tail *tail = mem_zalloc(sizeof(*tail));
	struct store_bounds bounds;

	tail->hub = hub;
	tail->origin = origin;
	tail->lost = lost;
	tail->last = after;
	tail->dated_at = clock_mono_us() - DATE_AGAIN_MS * 1000;
	tail->store = store_open(store_name, STORE_READER);
	tail->asked = store_open(store_name, STORE_READER);
	if (tail->store == NULL || tail->asked == NULL || store_bounds(tail->store, &bounds) < 0
	    || store_read_revoked(tail->store, &tail->revoked, revoke, hub) < 0) {
		store_close(tail->store);
		store_close(tail->asked);
		free(tail);
		return NULL;
	}
	tail->asked_revoked = tail->revoked;
	set_bounds(tail, &bounds);
	date_oldest(tail, &bounds);
	pthread_mutex_init(&tail->asked_lock, NULL);
	mailbox_init(&tail->wake);
	thread_start(&tail->thread, "tail", tail_run, tail);
	return tail;
}

void
tail_committed(struct tail *tail, int64_t id)
{
	mono_us none = 0;

	atomic_compare_exchange_strong(&tail->committed_at, &none, clock_mono_us());
	raise_newest(tail, id);
	mailbox_wake(&tail->wake);
}

void
tail_heard(struct tail *tail, int64_t id)
{
	raise_newest(tail, id);
}

void
tail_bounds(const struct tail *tail, struct store_bounds *bounds)
{
	bounds->oldest = atomic_load(&tail->oldest);
	bounds->newest = atomic_load(&tail->newest);
}

/* look is called with the lock held. Bounds lie in four trees, of which a commit leaves
 * nothing in the handle's cache; whose token is to be judged needs none of them. */
static void
look(struct tail *tail)
{
	if (!store_has_changed(tail->asked))
		return;
	tail->asked_version++;
	store_read_revoked(tail->asked, &tail->asked_revoked, revoke, tail->hub);
}

void
tail_look(struct tail *tail)
{
	tail_version(tail);
}

int64_t
tail_version(struct tail *tail)
{
	int64_t version;

	pthread_mutex_lock(&tail->asked_lock);
	look(tail);
	version = tail->asked_version;
	pthread_mutex_unlock(&tail->asked_lock);
	return version;
}

int64_t
tail_newest(struct tail *tail)
{
	struct store_bounds bounds;

	pthread_mutex_lock(&tail->asked_lock);
	look(tail);
	if (tail->asked_bounds != tail->asked_version && store_bounds(tail->asked, &bounds) == 0) {
		raise_newest(tail, bounds.newest);
		tail->asked_bounds = tail->asked_version;
	}
	pthread_mutex_unlock(&tail->asked_lock);
	return atomic_load(&tail->newest);
}

wall_s
tail_oldest_at(const struct tail *tail)
{
	return atomic_load(&tail->oldest_at);
}

int
tail_ended(struct tail *tail, char *const topics[], size_t n, int64_t ids[])
{
	int rc;

	pthread_mutex_lock(&tail->asked_lock);
	rc = store_ended(tail->asked, topics, n, ids);
	pthread_mutex_unlock(&tail->asked_lock);
	return rc;
}

void
tail_bytes(const struct tail *tail, struct store_bytes *bytes)
{
	store_bytes(tail->asked, bytes);
}

bool
tail_is_failing(const struct tail *tail)
{
	return atomic_load(&tail->failing);
}

bool
tail_is_watched(const struct tail *tail)
{
	return clock_mono_us() < atomic_load(&tail->watched_until);
}

void
tail_stop(struct tail *tail)
{
	atomic_store(&tail->stopping, true);
	mailbox_wake(&tail->wake);
	pthread_join(tail->thread, NULL);
	mailbox_free(&tail->wake);
	pthread_mutex_destroy(&tail->asked_lock);
	store_close(tail->asked);
	store_close(tail->store);
	idruns_free(&tail->fresh);
	free(tail);
}
