/* The follower's thread: read the log, bring what came into the copy, tell the others,
 * delete a slice of what is gone from the log; for ever. Its two handles, of the log and
 * of the copy, belong to it alone; what others ask is in the atomics.
 *
 * What it has read is not asked for again before the copy has taken it: a copy that is
 * locked or full is tried again, and nothing is skipped. Where the process ends in
 * between, the copy's own position says where to read on, since it is written in the
 * transaction of the rows.
 *
 * One read may bring more than a transaction should hold. It is then taken in parts,
 * each of which ends at an id up to which it is complete; and each comes with all that
 * was erased, since an erased message may lie in any part, and what erased it comes
 * after it: no end of a part lies before a message that is erased by what was passed.
 *
 * Where the log has lost what is above our position, whoever stands there must be told.
 * That is a row like any, for everyone, under the id up to which all is gone: so it
 * comes to live streams and to replays alike, in its place, once.
 *
 * Who was revoked is kept in the log beside the messages, and which topics have ended: see
 * revoked.c and ended.c. */

#include "app/node/follower.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/node/ended.h"
#include "app/node/revoked.h"
#include "app/node/writeback.h"
#include "app/store/slice.h"
#include "app/upstream/upstream.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	READ_WAIT_MS = 250,       /* so often the log is heard of at least */
	AGAIN_FIRST_MS = 20,      /* after what failed; then twice as long each time */
	AGAIN_LAST_MS = 1000,
	PART_ROWS = 4096,         /* in one transaction; picked, not tuned */
	PART_BYTES = 1 << 20,
	TELL_ENDED_S = 60,        /* between two lines of the log about rows of ended topics */
};

struct follower {
	struct store *store;
	struct upstream *log;
	struct writeback *writeback;   /* lent; NULL: nobody */
	struct node_wiring wiring;
	struct mailbox wake;       /* for its descriptor only: it is time to stop */
	struct mailbox first;      /* the same: the log has answered for the first time */
	_Atomic int first_outcome; /* of that: 0, UPSTREAM_REFUSED, or UPSTREAM_AWAY until then */

	/* the thread's own */
	struct store_position position;
	int64_t floor;             /* of the log, as it was last read */
	struct slice slice;
	int again_ms;              /* the next pause after a read that failed */
	bool has_exchanged;        /* who was revoked and what has ended, since the log was last found */
	uint64_t n_ended;          /* rows of ended topics, since the log was told of them */
	mono_us tell_ended_at;
	bool gone;                 /* the copy is another file now: nothing more is followed */
	/* To know how far behind we are while the log goes on: when the copy has this id, it
	 * has all that there was at that time. */
	int64_t awaited;
	mono_us awaited_at;

	_Atomic bool stopping;
	_Atomic mono_us stop_at;   /* the last read begins before */
	_Atomic bool is_blank, is_up, is_failing;
	_Atomic mono_us complete_at;
	_Atomic int64_t keep_for_s;
	_Atomic uint64_t n_refused, n_trimmed;
	struct failures failures;
	pthread_t thread;
};

/* pause_ms waits, twice as long as the time before. */
static void
pause_ms(struct follower *f, int *ms)
{
	mailbox_wait(&f->wake, *ms);
	*ms = *ms * 2 < AGAIN_LAST_MS ? *ms * 2 : AGAIN_LAST_MS;
}

/* left_out counts rows that came after the end of their topic: somebody has added them to
 * the log itself, or at the moment of an end that was added so. */
static void
left_out(struct follower *f, size_t n)
{
	mono_us now = clock_mono_us();

	if (n == 0)
		return;
	atomic_fetch_add(&f->n_refused, n);
	f->n_ended += n;
	if (now < f->tell_ended_at)
		return;
	log_warnx("node: %" PRIu64 " messages of the log were left out: their topics had ended before",
	    f->n_ended);
	f->n_ended = 0;
	f->tell_ended_at = now + (mono_us)TELL_ENDED_S * 1000000;
}

/* take brings the part into the copy. false: it is not there, and the follower has to
 * stop. */
static bool
take(struct follower *f, const struct store_news *part)
{
	int ms = AGAIN_FIRST_MS, rc;
	size_t n_ended;

	while ((rc = store_follow(f->store, part, &n_ended)) != 0) {
		atomic_store(&f->is_failing, true);
		failures_add(&f->failures, failure_of(rc));
		if (rc == STORE_REPLACED)
			f->gone = true;  /* the tail notices by itself, and ends the process */
		if (f->gone || atomic_load(&f->stopping))
			return false;  /* the next start reads it again */
		pause_ms(f, &ms);
	}
	atomic_store(&f->is_failing, false);
	left_out(f, n_ended);
	if (part->newest > f->position.newest)
		f->position.newest = part->newest;
	if (part->anchor > f->position.anchor)
		f->position.anchor = part->anchor;
	f->slice.n_came = part->n;
	f->wiring.followed(f->wiring.context, f->position.newest);
	if (f->writeback != NULL)
		writeback_note(f->writeback, store_beside(f->store));
	return true;
}

/* take_gap says, in a row of its own, that all between our position and the floor may
 * be missing. */
static bool
take_gap(struct follower *f, const struct upstream_news *news)
{
	struct buf data = BUF_EMPTY;
	char event[] = "rowcast.gap";
	struct message row = { .id = news->floor, .event = event, .created_at = clock_wall_s() };
	bool taken;

	buf_printf(&data, "{\"reason\":\"expired\",\"requested\":\"%" PRId64 "\",\"oldest\":%" PRId64
	    ",\"newest\":%" PRId64 "}", f->position.newest, news->floor + 1,
	    news->newest > news->floor ? news->newest : news->floor);
	row.data_len = data.len;
	row.data = buf_take(&data);
	taken = take(f, &(struct store_news){
		.messages = &row, .n = 1, .newest = news->floor, .anchor = f->position.anchor,
	});
	free(row.data);
	return taken;
}

/* part_end returns the end of the part that begins with message `at`. */
static size_t
part_end(const struct upstream_news *news, size_t at)
{
	size_t n_bytes = 0, end = at;

	while (end < news->n && end - at < PART_ROWS
	    && (end == at || n_bytes + news->messages[end].data_len <= PART_BYTES))
		n_bytes += news->messages[end++].data_len;
	return end;
}

static bool
take_news(struct follower *f, const struct upstream_news *news)
{
	int64_t trimmed = 0;
	size_t at = 0, end, n_forgets;
	const struct store_forget *forgets = news->forgets;
	size_t n_left = news->n_forgets;

	if (!revoked_tell(f->log, news) || !ended_tell(f->log, news)) {
		pause_ms(f, &f->again_ms);
		return false;  /* it is read again */
	}
	if (news->floor > f->position.newest) {
		if (f->position.newest == 0)
			trimmed = news->floor;  /* who had nothing misses nothing */
		else if (!take_gap(f, news))
			return false;
	}
	if (news->n == 0 && news->n_erased == 0 && trimmed == 0
	    && news->upto <= f->position.newest && news->anchor <= f->position.anchor)
		return true;
	do {
		struct store_news part = {
			.messages = news->messages + at,
			.erased = news->erased, .n_erased = news->n_erased,
			.forgets = forgets,
			.trimmed = trimmed,
		};

		end = part_end(news, at);
		part.n = end - at;
		part.newest = end == news->n ? news->upto : news->messages[end - 1].id;
		part.anchor = end == news->n ? news->anchor : news->messages[end - 1].id;
		for (n_forgets = 0; n_forgets < n_left && forgets[n_forgets].id <= part.newest; n_forgets++)
			;
		part.n_forgets = n_forgets;
		if (!take(f, &part))
			return false;
		forgets += n_forgets;
		n_left -= n_forgets;
		trimmed = 0;
		at = end;
	} while (at < news->n);
	return true;
}

/* note_progress finds out at what time the copy last had all that there was. */
static void
note_progress(struct follower *f, int64_t newest, mono_us asked_at)
{
	if (f->position.newest >= f->awaited)
		atomic_store(&f->complete_at, f->awaited_at);
	if (f->position.newest >= newest)
		atomic_store(&f->complete_at, asked_at);
	if (f->position.newest >= f->awaited) {
		f->awaited = newest;
		f->awaited_at = asked_at;
	}
}

static void
answer_first(struct follower *f, int outcome)
{
	if (atomic_load(&f->first_outcome) == UPSTREAM_AWAY) {
		atomic_store(&f->first_outcome, outcome);
		mailbox_wake(&f->first);
	}
}

/* follow reads once, and waits for something to come for wait_ms. */
static void
follow(struct follower *f, int wait_ms)
{
	struct upstream_news news = { 0 };
	int rc = upstream_read(f->log, f->position.newest, f->position.anchor, wait_ms, &news);

	/* Where rows are gone before they came here, some of them may have revoked or ended. */
	if (rc == 0 && (!f->has_exchanged || news.floor > f->position.newest)) {
		f->has_exchanged = revoked_exchange(f->log, f->store) && ended_exchange(f->log, f->store);
		if (!f->has_exchanged) {
			pause_ms(f, &f->again_ms);
			return;
		}
	}
	atomic_store(&f->is_up, rc == 0);
	if (rc != 0) {
		f->has_exchanged = false;
		if (rc == UPSTREAM_REFUSED)
			answer_first(f, rc);
		pause_ms(f, &f->again_ms);
		return;
	}
	f->again_ms = AGAIN_FIRST_MS;
	f->floor = news.floor;
	atomic_fetch_add(&f->n_refused, news.n_refused);
	/* Before the rows are taken: who waits for what the log never gave waits no longer
	 * because the copy is locked. */
	f->wiring.heard(f->wiring.context, news.newest, news.asked_at);
	atomic_store(&f->is_blank, false);
	answer_first(f, 0);
	if (take_news(f, &news))
		note_progress(f, news.newest, news.asked_at);
}

/* trim deletes a slice, where one is due, of what the log has no longer and nobody here
 * has to read any more. */
static void
trim(struct follower *f)
{
	mono_us began = clock_mono_us();
	int64_t sent = f->wiring.sent(f->wiring.context);
	int n;

	if (began < f->slice.next)
		return;
	/* Not before all of it was sent, or live streams would not see the row of a gap. */
	n = store_trim_copy(f->store, f->floor <= sent ? f->floor : 0,
	    atomic_load(&f->keep_for_s), slice_rows(&f->slice));
	if (n > 0)
		atomic_fetch_add(&f->n_trimmed, (uint64_t)n);
	slice_done(&f->slice, n, began);
}

/* read_wait_ms: until the next slice is due, if that is sooner. */
static int
read_wait_ms(const struct follower *f)
{
	mono_us left_ms = (f->slice.next - clock_mono_us()) / 1000;

	return left_ms < 0 ? 0 : left_ms < READ_WAIT_MS ? (int)left_ms + 1 : READ_WAIT_MS;
}

static void *
follower_run(void *arg)
{
	struct follower *f = arg;

	while (!atomic_load(&f->stopping) && !f->gone) {
		follow(f, read_wait_ms(f));
		if (!f->gone)
			trim(f);
	}
	/* What was acknowledged here is sent from here, as far as the log lets us. */
	while (!f->gone && atomic_load(&f->is_up)
	    && f->position.newest < f->wiring.seen(f->wiring.context)
	    && clock_mono_us() < atomic_load(&f->stop_at))
		follow(f, 20);
	atomic_store(&f->is_up, false);
	return NULL;
}

/* ---- what other threads call ---- */

void
follower_reload(struct follower *f, const struct conf *conf)
{
	atomic_store(&f->keep_for_s, conf->keep_for_s);
}

struct follower *
follower_start(const struct conf *conf, struct store *store, struct writeback *writeback,
    const struct node_wiring *wiring)
{
	struct follower *f = mem_zalloc(sizeof(*f));

	f->store = store;
	f->writeback = writeback;
	f->wiring = *wiring;
	if (store_position(store, &f->position) < 0) {
		store_close(store);
		free(f);
		return NULL;
	}
	f->log = upstream_open(conf);
	f->again_ms = AGAIN_FIRST_MS;
	f->awaited_at = clock_mono_us();
	slice_init(&f->slice);
	follower_reload(f, conf);
	atomic_store(&f->first_outcome, UPSTREAM_AWAY);
	atomic_store(&f->is_blank, f->position.newest == 0);
	atomic_store(&f->complete_at, clock_mono_us());
	mailbox_init(&f->wake);
	mailbox_init(&f->first);
	thread_start(&f->thread, "follower", follower_run, f);
	return f;
}

int
follower_wait(struct follower *f, int timeout_ms)
{
	mailbox_wait(&f->first, timeout_ms);
	return atomic_load(&f->first_outcome);
}

bool
follower_is_blank(struct follower *f)
{
	return atomic_load(&f->is_blank);
}

void
follower_count(struct follower *f, struct follower_counters *counters)
{
	*counters = (struct follower_counters){
		.is_up = atomic_load(&f->is_up),
		.is_failing = atomic_load(&f->is_failing),
		.lag_us = clock_mono_us() - atomic_load(&f->complete_at),
		.n_refused = atomic_load(&f->n_refused),
		.n_trimmed = atomic_load(&f->n_trimmed),
	};
	failures_read(&f->failures, counters->n_failures);
}

void
follower_stop(struct follower *f)
{
	atomic_store(&f->stop_at, clock_mono_in_ms(FOLLOWER_LAST_MS));
	atomic_store(&f->stopping, true);
	mailbox_wake(&f->wake);
	if (!atomic_load(&f->is_up))
		upstream_interrupt(f->log);
	pthread_join(f->thread, NULL);
	mailbox_free(&f->wake);
	mailbox_free(&f->first);
	upstream_close(f->log);
	store_close(f->store);
	free(f);
}
