/* The forwarder's thread: read a batch from the head of the outbox, bring it to the log,
 * delete it from the outbox. Where it is not known whether the log has it, or the process
 * ends before it is deleted, the same rows are asked for again, and the log knows them by
 * what is random in each (`once`).
 *
 * A batch is a copy of its rows, so that no read transaction is open while the log is
 * waited for, which would let the -wal grow; and it is small, so that an outbox of an
 * hour costs no more memory than one of a second. The head of the outbox is read again
 * for each batch.
 *
 * By some rows others are refused: by keys, and by ends of topics. Such a batch stays in
 * the outbox until the copy has it. Else there would be a moment in which this machine
 * knows of neither, and takes a row that the log then drops. */

#include "app/node/forwarder.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "app/upstream/upstream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	AGAIN_FIRST_MS = 20,  /* after what failed; then twice as long each time */
	AGAIN_LAST_MS = 1000,
	TELL_DROPPED_S = 60,  /* between two lines of the log about them */
	/* Between two looks at an outbox that was empty: each commit of the follower wakes
	 * us, and brings nothing. Who inserts after a while of silence does not wait. */
	LOOK_AGAIN_MS = 2,
	/* A batch waits no longer for the copy: what the log said that it has, a failover may
	 * have lost, and then nothing that high may come for a while. */
	COPY_WAIT_MS = 5000,
};

struct batch {
	struct outgoing rows[FORWARDER_BATCH_ROWS];  /* n of them; the messages' strings are owned */
	char *once[FORWARDER_BATCH_ROWS];            /* owned: their `once` */
	size_t n, n_bytes;
	bool refuses;                 /* others, by a key or an end among its rows */
	int64_t newest;               /* of its messages, once the log has them; 0: none */
};

struct forwarder {
	struct store *store;
	struct upstream *log;
	struct node_wiring wiring;
	struct mailbox wake;          /* for its descriptor only: it is time to stop */
	struct batch batch;           /* the thread's own, and the next */
	struct idruns ids;            /* of its messages in the log */
	int again_ms;
	uint64_t n_told;              /* dropped messages that the log has been told of */
	mono_us tell_at;
	_Atomic bool stopping, is_stuck;
	_Atomic mono_us stop_at;
	_Atomic int64_t keep_for_s, n_waiting;
	_Atomic uint64_t n_forwarded, n_messages, n_dropped;
	pthread_t thread;
};

/* ---- a batch ---- */

static char *
copy(const char *text)
{
	return text != NULL ? mem_strdup(text) : NULL;
}

/* add_row is a store_outgoing_row. */
static bool
add_row(void *context, const struct outgoing *row)
{
	struct batch *batch = context;
	struct outgoing *to = &batch->rows[batch->n];

	/* What comes after this row is read with the next batch. */
	if (batch->n > 0 && batch->n_bytes + row->message.data_len > FORWARDER_BATCH_BYTES)
		return false;
	*to = *row;
	to->once = batch->once[batch->n] = mem_strdup(row->once);
	to->message.user = copy(row->message.user);
	to->message.topic = copy(row->message.topic);
	to->message.event = copy(row->message.event);
	to->message.key = copy(row->message.key);
	to->message.data = NULL;
	if (row->message.data != NULL)
		to->message.data = mem_strndup(row->message.data, row->message.data_len);
	batch->n_bytes += row->message.data_len;
	batch->refuses |= row->message.key != NULL || message_is_end(&row->message);
	return ++batch->n < FORWARDER_BATCH_ROWS;
}

static void
batch_empty(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++) {
		free(batch->once[i]);
		message_free(&batch->rows[i].message);
	}
	batch->n = batch->n_bytes = 0;
	batch->refuses = false;
	batch->newest = 0;
}

/* ---- the thread ---- */

static void
count_waiting(struct forwarder *f)
{
	int64_t n = store_count_outbox(f->store);

	if (n >= 0)
		atomic_store(&f->n_waiting, n);
}

/* pause_again waits, twice as long as the time before. */
static void
pause_again(struct forwarder *f)
{
	atomic_store(&f->is_stuck, true);
	count_waiting(f);  /* others go on inserting */
	mailbox_wait(&f->wake, f->again_ms);
	f->again_ms = f->again_ms * 2 < AGAIN_LAST_MS ? f->again_ms * 2 : AGAIN_LAST_MS;
}

static void
go_on(struct forwarder *f)
{
	atomic_store(&f->is_stuck, false);
	f->again_ms = AGAIN_FIRST_MS;
}

static void
tell_dropped(struct forwarder *f)
{
	uint64_t n = atomic_load(&f->n_dropped) - f->n_told;
	mono_us now = clock_mono_us();

	if (n == 0 || now < f->tell_at)
		return;
	log_warnx("node: %llu messages that were inserted here were dropped: others have their"
	    " keys, or their topics had ended", (unsigned long long)n);
	f->n_told += n;
	f->tell_at = now + (mono_us)TELL_DROPPED_S * 1000000;
}

/* has_time: may another call begin? While it runs, always; at the stop, what is there
 * is tried once. */
static bool
has_time(struct forwarder *f)
{
	return !atomic_load(&f->stopping)
	    || (!atomic_load(&f->is_stuck) && clock_mono_us() < atomic_load(&f->stop_at));
}

/* take_ids notes which of the log's messages are ours. */
static void
take_ids(struct forwarder *f)
{
	for (size_t i = 0; i < f->ids.n; i++) {
		origin_given(f->wiring.origin, f->ids.runs[i].low, f->ids.runs[i].high);
		f->batch.newest = f->ids.runs[i].high;
	}
	atomic_fetch_add(&f->n_messages, idruns_count(&f->ids, INT64_MAX));
	idruns_clear(&f->ids);
}

/* bring brings the batch to the log. false: it is to stop before that. */
static bool
bring(struct forwarder *f)
{
	while (has_time(f)) {
		size_t n_dropped = 0;
		int rc = upstream_forward(f->log, f->batch.rows, f->batch.n,
		    f->wiring.seen(f->wiring.context), atomic_load(&f->keep_for_s), &n_dropped, &f->ids);

		if (rc == 0) {
			go_on(f);
			atomic_fetch_add(&f->n_forwarded, f->batch.n);
			take_ids(f);
			atomic_fetch_add(&f->n_dropped, n_dropped);
			tell_dropped(f);
			return true;
		}
		pause_again(f);
	}
	return false;
}

/* forward does it as one group: whether the log has it may be known only after several
 * tries, and meanwhile its messages are read. */
static bool
forward(struct forwarder *f)
{
	bool done;

	origin_begin(f->wiring.origin, ORIGIN_FORWARDER);
	done = bring(f);
	origin_end(f->wiring.origin, ORIGIN_FORWARDER);
	return done;
}

static bool
copy_is_behind(struct forwarder *f)
{
	struct store_position position;

	return store_position(f->store, &position) == 0 && position.newest < f->batch.newest;
}

static void
await_copy(struct forwarder *f)
{
	mono_us until = clock_mono_in_ms(COPY_WAIT_MS);

	while (copy_is_behind(f) && !atomic_load(&f->stopping) && clock_mono_us() < until)
		store_wait(f->store, f->wake.wake_fd);
}

/* empty deletes the batch from the outbox. false: it could not before the stop, or never
 * will; the log knows the rows when they are brought again. */
static bool
empty(struct forwarder *f)
{
	int64_t last = f->batch.rows[f->batch.n - 1].number;
	int rc;

	if (f->batch.refuses)
		await_copy(f);
	while ((rc = store_empty_outbox(f->store, last)) != 0) {
		if (rc == STORE_REPLACED || atomic_load(&f->stopping))
			return false;
		pause_again(f);
	}
	go_on(f);
	return true;
}

/* pass_on brings one batch to the log, if there is one, and sets *more: another may
 * follow at once. false: nothing more can be done with this store. */
static bool
pass_on(struct forwarder *f, bool *more)
{
	int rc = store_read_outbox(f->store, add_row, &f->batch);
	bool done = rc == 0 && f->batch.n > 0 && forward(f) && empty(f);

	*more = done;
	if (rc == 0 && f->batch.n == 0)
		atomic_store(&f->n_waiting, 0);
	else
		count_waiting(f);
	batch_empty(&f->batch);
	if (rc < 0)
		pause_again(f);
	return rc != STORE_REPLACED;
}

static void *
forwarder_run(void *arg)
{
	struct forwarder *f = arg;
	bool more;

	for (;;) {
		/* Asked before reading: what was inserted before the stop is tried. */
		bool last_round = atomic_load(&f->stopping);

		do {
			if (!pass_on(f, &more))
				return NULL;  /* the tail notices too, and ends the process */
		} while (more && has_time(f));
		if (last_round)
			return NULL;
		mailbox_wait(&f->wake, LOOK_AGAIN_MS);
		store_wait(f->store, f->wake.wake_fd);
	}
}

/* ---- what other threads call ---- */

void
forwarder_reload(struct forwarder *f, const struct conf *conf)
{
	atomic_store(&f->keep_for_s, conf->keep_for_s);
}

struct forwarder *
forwarder_start(const struct conf *conf, struct store *store, const struct node_wiring *wiring)
{
	struct forwarder *f = mem_zalloc(sizeof(*f));

	f->store = store;
	f->log = upstream_open(conf);
	f->wiring = *wiring;
	f->again_ms = AGAIN_FIRST_MS;
	count_waiting(f);
	forwarder_reload(f, conf);
	mailbox_init(&f->wake);
	thread_start(&f->thread, "forwarder", forwarder_run, f);
	return f;
}

void
forwarder_count(struct forwarder *f, struct forwarder_counters *counters)
{
	*counters = (struct forwarder_counters){
		.n_waiting = atomic_load(&f->n_waiting),
		.n_forwarded = atomic_load(&f->n_forwarded),
		.n_messages = atomic_load(&f->n_messages),
		.n_dropped = atomic_load(&f->n_dropped),
	};
}

void
forwarder_stop(struct forwarder *f)
{
	atomic_store(&f->stop_at, clock_mono_in_ms(FORWARDER_LAST_MS));
	atomic_store(&f->stopping, true);
	mailbox_wake(&f->wake);
	if (atomic_load(&f->is_stuck))
		upstream_interrupt(f->log);
	pthread_join(f->thread, NULL);
	mailbox_free(&f->wake);
	upstream_close(f->log);
	store_close(f->store);
	idruns_free(&f->ids);
	free(f);
}
