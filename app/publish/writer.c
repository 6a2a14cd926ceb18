/* The writer's thread: it takes what was submitted, commits as much as makes a
 * group in one go, to the sink that it was started with, answers, and lets the sink do
 * what it has to do besides.
 *
 * Where the sink is a log that several machines share, who publishes waits for it at most
 * WRITER_PATIENCE_MS, and so does the group whose oldest order that is. Whoever has waited
 * that long behind it is answered too, without having been asked for.
 *
 * Any thread may submit, count and reload: what they share with it is the mailbox
 * and the atomics in struct writer and struct sink. What it needs of a request comes with
 * the order, so the thread that submitted never waits for a commit. */

#include "app/publish/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app/publish/sink.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

_Static_assert((int)WRITER_GROUP_MESSAGES <= (int)SINK_GROUP, "a group has as many appends at most");

struct writer {
	struct sink *sink;
	mono_us patience;            /* how long who publishes waits; 0: as long as the sink does */
	int64_t life;
	struct origin *origin;       /* lent, or NULL */
	struct mailbox submitted;
	writer_committed *committed;
	void *context;
	_Atomic size_t n_waiting, n_waiting_bytes;  /* messages; of what is submitted */
	_Atomic bool stopping;
	struct {
		_Atomic uint64_t n_committed;
		struct histogram commits;
		struct failures failures;
	} counters;
	pthread_t thread;
};

static struct writer_order *
order_of(struct mail *mail)
{
	return CONTAINER_OF(mail, struct writer_order, mail);
}

/* ---- commits ---- */

static enum writer_fate
fate_of(const struct append *append)
{
	if (!append->stored && !append->refused)
		return WRITER_FAILED;
	return append->ended ? WRITER_ENDED : append->refused ? WRITER_REFUSED : WRITER_STORED;
}

/* has_stored: is any of it in the table, or was it refused all of it? */
static bool
has_stored(struct append *const appends[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (appends[i]->stored)
			return true;
	return false;
}

/* count counts a run of orders, the outcome of which is known: the messages that are in
 * the table and were not before, but for rowcast's own. */
static void
count(struct writer *writer, struct mail *first, const struct mail *rest, int outcome)
{
	size_t n_stored = 0;

	for (struct mail *mail = first; mail != rest; mail = mail->next) {
		const struct writer_order *order = order_of(mail);

		if (order->append.stored && !order->is_own)
			n_stored += order->append.n - order->append.n_existed;
		/* Who goes on after an end is answered; nobody need look into it. */
		if (order->append.refused && !order->append.ended)
			failures_add(&writer->counters.failures, FAILURE_REFUSED);
	}
	atomic_fetch_add(&writer->counters.n_committed, n_stored);
	if (outcome != 0)
		failures_add(&writer->counters.failures, sink_failure(writer->sink, outcome));
}

/* tell_origin tells which messages were published here. A key that was there already has
 * an old id, or that of a message that is ours, too. */
static void
tell_origin(struct writer *writer, struct append *const appends[], size_t n)
{
	int64_t low = 0, high = -1;

	if (writer->origin == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t m = 0; appends[i]->stored && m < appends[i]->n; m++) {
			int64_t id = appends[i]->messages[m].id;

			if (id == high + 1 && high != -1) {
				high = id;
				continue;
			}
			if (high != -1)
				origin_given(writer->origin, low, high);
			low = high = id;
		}
	if (high != -1)
		origin_given(writer->origin, low, high);
}

/* highest_id returns 0 where all were refused. Where a key was there already the
 * id is an old one, so the last need not be the highest. */
static int64_t
highest_id(struct append *const appends[], size_t n)
{
	int64_t highest = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t m = 0; !appends[i]->refused && m < appends[i]->n; m++)
			if (appends[i]->messages[m].id > highest)
				highest = appends[i]->messages[m].id;
	return highest;
}

/* is_over: has the order waited as long as it may? */
static bool
is_over(const struct writer *writer, const struct writer_order *order, mono_us now)
{
	return writer->patience > 0 && now - order->submitted_at >= writer->patience;
}

/* commit takes a run of orders off the list, as many as make a group, and
 * commits and answers them. It returns the rest of the list; there is none where the sink
 * says that those behind get the same answer. Those that have waited too long make a
 * group of their own, which is only answered. */
static struct mail *
commit(struct writer *writer, struct mail *mail)
{
	struct append *appends[WRITER_GROUP_MESSAGES];
	struct mail *first = mail, *rest, *next;
	struct writer_order *oldest = order_of(first);
	size_t n = 0, n_messages = 0, n_answered = 0, n_bytes = 0;
	mono_us now = clock_mono_us();
	bool stored;
	int outcome;

	for (; mail != NULL; mail = mail->next) {
		struct writer_order *order = order_of(mail);

		/* There is room for so many orders, and some have no message. */
		if (n > 0 && (n_messages + order->append.n > WRITER_GROUP_MESSAGES
		    || n == WRITER_GROUP_MESSAGES
		    || is_over(writer, order, now) != is_over(writer, oldest, now)))
			break;
		appends[n++] = &order->append;
		n_messages += order->append.n;
	}
	rest = mail;
	origin_begin(writer->origin, ORIGIN_WRITER);
	outcome = sink_append(writer->sink, appends, n, oldest->submitted_at + writer->patience);
	stored = has_stored(appends, n);
	/* Before the answers: they cost a system call each. */
	if (outcome == 0 || stored)
		writer->committed(writer->context, highest_id(appends, n));
	tell_origin(writer, appends, n);
	origin_end(writer->origin, ORIGIN_WRITER);
	if (stored)
		histogram_add(&writer->counters.commits, clock_mono_us() - now, 1);
	count(writer, first, rest, outcome);
	if (sink_is_for_all(writer->sink, outcome))
		rest = NULL;
	for (mail = first; mail != rest; mail = next) {
		struct writer_order *order = order_of(mail);

		next = mail->next;
		n_answered += order->append.n;
		n_bytes += order->n_bytes;
		order->fate = fate_of(&order->append);
		order->sentence = order->fate == WRITER_FAILED
		    ? sink_sentence(writer->sink, outcome) : NULL;
		order->done(order);
	}
	atomic_fetch_sub(&writer->n_waiting, n_answered);
	atomic_fetch_sub(&writer->n_waiting_bytes, n_bytes);
	return rest;
}

/* ---- the thread ---- */

static void *
writer_run(void *arg)
{
	struct writer *writer = arg;

	for (;;) {
		/* Asked before taking: what was submitted before the stop is taken. */
		bool last_round = atomic_load(&writer->stopping);
		struct mail *mail = mailbox_take(&writer->submitted);

		if (mail == NULL && last_round)
			return NULL;
		while (mail != NULL)
			mail = commit(writer, mail);
		sink_tend(writer->sink);
		if (!last_round) {
			mono_us wait = sink_next(writer->sink) - clock_mono_us();

			mailbox_wait(&writer->submitted, wait > 0 ? (int)(wait / 1000) + 1 : 0);
		}
	}
}

/* ---- what other threads call ---- */

void
writer_reload(struct writer *writer, const struct conf *conf)
{
	sink_reload(writer->sink, conf);
}

/* start takes the sink. life: that of its wills; 0: it writes none. */
static struct writer *
start(const struct conf *conf, struct sink *sink, mono_us patience, int64_t life,
    struct origin *origin, writer_committed *committed, void *context)
{
	struct writer *writer = mem_zalloc(sizeof(*writer));

	writer->sink = sink;
	writer->patience = patience;
	writer->life = life;
	writer->origin = origin;
	writer->committed = committed;
	writer->context = context;
	writer_reload(writer, conf);
	mailbox_init(&writer->submitted);
	thread_start(&writer->thread, "writer", writer_run, writer);
	return writer;
}

struct writer *
writer_start(const struct conf *conf, struct store *store, struct origin *origin,
    writer_committed *committed, void *context)
{
	int64_t life = store_live(store);

	return start(conf, sink_table(store), 0, life, origin, committed, context);
}

struct writer *
writer_start_upstream(const struct conf *conf, struct upstream *log, struct store *copy,
    struct origin *origin, writer_seen *seen, writer_committed *committed, void *context)
{
	int64_t life = copy != NULL ? store_live(copy) : 0;

	return start(conf, sink_log(log, copy, seen, context), (mono_us)WRITER_PATIENCE_MS * 1000,
	    life, origin, committed, context);
}

int64_t
writer_life(const struct writer *writer)
{
	return writer->life;
}

int
writer_order(struct writer *writer, struct writer_order *order)
{
	size_t n = order->append.n;

	if (atomic_fetch_add(&writer->n_waiting, n) + n > WRITER_QUEUE_MESSAGES) {
		atomic_fetch_sub(&writer->n_waiting, n);
		return WRITER_FULL;
	}
	if (atomic_fetch_add(&writer->n_waiting_bytes, order->n_bytes) + order->n_bytes
	    > WRITER_QUEUE_BYTES) {
		atomic_fetch_sub(&writer->n_waiting, n);
		atomic_fetch_sub(&writer->n_waiting_bytes, order->n_bytes);
		return WRITER_FULL;
	}
	order->append.existed = order->append.stored = false;
	order->append.refused = order->append.ended = false;
	order->submitted_at = clock_mono_us();
	mailbox_put(&writer->submitted, &order->mail);
	return 0;
}

void
writer_count(struct writer *writer, struct writer_counters *counters)
{
	*counters = (struct writer_counters){
		.n_committed = atomic_load(&writer->counters.n_committed),
		.n_trimmed = atomic_load(&writer->sink->n_trimmed),
		.n_waiting = atomic_load(&writer->n_waiting),
		.keep_rows = atomic_load(&writer->sink->keep_rows),
		.failing = atomic_load(&writer->sink->failing),
	};
	histogram_read(&writer->counters.commits, &counters->commits);
	failures_read(&writer->counters.failures, counters->n_failures);
}

void
writer_stop(struct writer *writer)
{
	atomic_store(&writer->stopping, true);
	mailbox_wake(&writer->submitted);
	pthread_join(writer->thread, NULL);
	mailbox_free(&writer->submitted);
	sink_close(writer->sink);
	free(writer);
}
