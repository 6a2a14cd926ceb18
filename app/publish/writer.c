/* The writer's thread: it takes what was submitted, commits as much as makes a
 * group in one transaction, answers, and deletes a slice of what retention does not
 * keep. It alone uses the store's handle.
 *
 * Where it publishes to a log that several machines share, it differs in what a
 * `struct sink` says. There a group may take long, while the log is away or nobody knows
 * whether it has the group: at most until the oldest of it has waited WRITER_PATIENCE_MS.
 * Whoever has waited that long behind it is answered too, without having been asked for.
 *
 * Any thread may submit, count and reload: what they share with it is the mailbox
 * and the atomics in struct writer. What it needs of a request comes with the
 * order, so the thread that submitted never waits for a commit. */

#include "app/publish/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/store/slice.h"
#include "app/upstream/upstream.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	PROBE_MS = 1000,       /* after a commit that failed, between tries whether one would work */
};

/* Where the writer commits to. */
struct sink {
	mono_us patience;            /* how long who publishes waits; 0: as long as append does */

	/* append commits the group, whose oldest order has waited since then. 0, or an
	 * outcome for which `sentence` says what is to be answered. */
	int (*append)(struct writer *writer, struct append *appends[], size_t n, mono_us since);
	const char *(*sentence)(int outcome);

	enum failure (*failure)(int outcome);

	/* is_for_all: are those behind in the queue to get the same answer? */
	bool (*is_for_all)(int outcome);

	void (*tend)(struct writer *writer);   /* after each round, once a second at least */
	mono_us (*next)(struct writer *writer); /* when it has something to tend */
	void (*close)(struct writer *writer);
};

struct writer {
	const struct sink *sink;
	struct store *store;         /* beside a log the copy, or NULL */
	struct upstream *log;        /* NULL: the store is the sink */
	int64_t life;
	writer_seen *seen;
	struct origin *origin;       /* lent, or NULL */
	struct mailbox submitted;
	writer_committed *committed;
	void *context;
	_Atomic size_t n_waiting, n_waiting_bytes;  /* messages; of what is submitted */
	_Atomic int64_t keep_for_s, keep_rows;
	_Atomic bool stopping;
	struct slice slice;          /* of retention */
	mono_us next_probe;          /* while failing */
	size_t n_failed_bytes;       /* of the last commit that failed */
	struct {
		_Atomic uint64_t n_committed, n_trimmed;
		struct histogram commits;
		struct failures failures;
		_Atomic bool failing;
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
		failures_add(&writer->counters.failures, writer->sink->failure(outcome));
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

/* is_over: has the order waited as long as the sink lets it? */
static bool
is_over(const struct writer *writer, const struct writer_order *order, mono_us now)
{
	return writer->sink->patience > 0 && now - order->submitted_at >= writer->sink->patience;
}

/* commit takes a run of orders off the list, as many as make a group, and
 * commits and answers them. It returns the rest of the list. Where the commit was
 * busy there is no rest: those behind in the list have waited for the lock as long
 * as the group has, and get the same answer. Those that have waited too long make a
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
	outcome = writer->sink->append(writer, appends, n, oldest->submitted_at);
	writer->slice.n_came = n_messages;
	stored = has_stored(appends, n);
	atomic_store(&writer->counters.failing, outcome != 0);
	/* Before the answers: they cost a system call each. */
	if (outcome == 0 || stored)
		writer->committed(writer->context, highest_id(appends, n));
	tell_origin(writer, appends, n);
	origin_end(writer->origin, ORIGIN_WRITER);
	if (stored)
		histogram_add(&writer->counters.commits, clock_mono_us() - now, 1);
	count(writer, first, rest, outcome);
	if (writer->sink->is_for_all(outcome))
		rest = NULL;
	for (mail = first; mail != rest; mail = next) {
		struct writer_order *order = order_of(mail);

		next = mail->next;
		n_answered += order->append.n;
		n_bytes += order->n_bytes;
		order->fate = fate_of(&order->append);
		order->sentence = order->fate == WRITER_FAILED ? writer->sink->sentence(outcome) : NULL;
		order->done(order);
	}
	if (outcome != 0) {
		writer->n_failed_bytes = n_bytes;
		writer->next_probe = clock_mono_us() + PROBE_MS * 1000;
	}
	atomic_fetch_sub(&writer->n_waiting, n_answered);
	atomic_fetch_sub(&writer->n_waiting_bytes, n_bytes);
	return rest;
}

/* ---- the store as the sink ---- */

static int
table_append(struct writer *writer, struct append *appends[], size_t n,
    mono_us since __attribute__((unused)))
{
	return store_append(writer->store, appends, n);
}

static const char *
table_sentence(int outcome)
{
	return outcome == STORE_BUSY
	    ? "nothing was stored: another program keeps the store locked; try again"
	    : outcome == STORE_FULL
	    ? "nothing was stored: there is no room left on the disk"
	    : outcome == STORE_REPLACED
	    ? "nothing was stored: the store's file was replaced or deleted; try again once"
	    " rowcast has started anew"
	    : "nothing was stored: the store cannot be written; see the log";
}

static enum failure
table_failure(int outcome)
{
	return failure_of(outcome);
}

static bool
table_is_for_all(int outcome)
{
	return outcome == STORE_BUSY;
}

static void
trim(struct writer *writer)
{
	mono_us began = clock_mono_us();
	int n;

	if (began < writer->slice.next)
		return;
	n = store_trim(writer->store, atomic_load(&writer->keep_for_s),
	    atomic_load(&writer->keep_rows), slice_rows(&writer->slice));
	if (n > 0)
		atomic_fetch_add(&writer->counters.n_trimmed, (uint64_t)n);
	slice_done(&writer->slice, n, began);
}

/* probe finds out whether a commit that failed would work now, so that nobody has to
 * publish for /healthz to be right. */
static void
probe(struct writer *writer)
{
	if (!atomic_load(&writer->counters.failing) || clock_mono_us() < writer->next_probe)
		return;
	if (store_probe(writer->store, writer->n_failed_bytes) == 0)
		atomic_store(&writer->counters.failing, false);
	writer->next_probe = clock_mono_us() + PROBE_MS * 1000;
}

/* Retention looks at least as often as a probe is due. */
static void
table_tend(struct writer *writer)
{
	trim(writer);
	probe(writer);
}

static mono_us
table_next(struct writer *writer)
{
	return writer->slice.next;
}

static void
table_close(struct writer *writer)
{
	store_close(writer->store);
}

static const struct sink table_sink = {
	0, table_append, table_sentence, table_failure, table_is_for_all, table_tend, table_next, table_close,
};

/* ---- a log as the sink ---- */

/* change_wills does in the copy what the appends of that kind say of wills. 0; else they
 * are not there, and logged. */
static int
change_wills(struct writer *writer, struct append *const appends[], size_t n,
    enum store_will_change change)
{
	struct append *changes[WRITER_GROUP_MESSAGES];
	size_t n_changes = 0;

	for (size_t i = 0; i < n; i++)
		if (appends[i]->will_change == change
		    && (change == STORE_WILL_WRITE || appends[i]->stored))
			changes[n_changes++] = appends[i];
	return n_changes > 0 ? store_write_wills(writer->store, changes, n_changes) : 0;
}

/* take_out moves those that write a will out of the group, and returns how many are left:
 * what has no will here must not be in the log. They are neither stored nor refused. */
static size_t
take_out(struct append *appends[], size_t n)
{
	size_t n_left = 0;

	for (size_t i = 0; i < n; i++) {
		struct append *append = appends[i];

		if (append->will_change == STORE_WILL_WRITE)
			append->existed = append->refused = append->ended = append->stored = false;
		else
			appends[n_left++] = append;
	}
	return n_left;
}

/* A will is written before the messages are in the log, and revoked after they are: what may
 * go wrong in between leaves an end that comes too often, and the log takes only one. */
static int
log_append(struct writer *writer, struct append *appends[], size_t n, mono_us since)
{
	mono_us until = since + writer->sink->patience;
	struct append *group[WRITER_GROUP_MESSAGES];
	int outcome;

	/* The log may be there again, but who asks now has given up or is about to. */
	if (clock_mono_us() >= until)
		return UPSTREAM_AWAY;
	memcpy(group, appends, n * sizeof(group[0]));
	if (change_wills(writer, group, n, STORE_WILL_WRITE) != 0)
		n = take_out(group, n);
	outcome = upstream_append(writer->log, group, n, writer->seen(writer->context),
	    atomic_load(&writer->keep_for_s), until);
	change_wills(writer, group, n, STORE_WILL_REVOKE);
	return outcome;
}

static const char *
log_sentence(int outcome)
{
	return outcome == UPSTREAM_UNKNOWN
	    ? "it is not known whether the message was stored: send it again with the same key"
	    : outcome == UPSTREAM_FULL
	    ? "nothing was stored: there is no room left in the log that the machines share"
	    : outcome == UPSTREAM_REFUSED
	    ? "nothing was stored: the log that the machines share does not take it; see rowcast's"
	    " own log"
	    : outcome == 0  /* the copy has not taken its will */
	    ? "nothing was stored: the store cannot be written; see the log"
	    : "nothing was stored: the log that the machines share cannot be reached; try again";
}

static enum failure
log_failure(int outcome)
{
	return outcome == UPSTREAM_FULL ? FAILURE_FULL
	    : outcome == UPSTREAM_REFUSED ? FAILURE_REFUSED : FAILURE_ERROR;
}

static bool
log_is_for_all(int outcome __attribute__((unused)))
{
	return false;
}

static void
log_tend(struct writer *writer __attribute__((unused)))
{
}

static mono_us
log_next(struct writer *writer __attribute__((unused)))
{
	return clock_mono_us() + PROBE_MS * 1000;
}

static void
log_close(struct writer *writer)
{
	upstream_close(writer->log);
	store_close(writer->store);
}

static const struct sink log_sink = {
	(mono_us)WRITER_PATIENCE_MS * 1000, log_append, log_sentence, log_failure, log_is_for_all,
	log_tend, log_next, log_close,
};

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
		writer->sink->tend(writer);
		if (!last_round) {
			mono_us wait = writer->sink->next(writer) - clock_mono_us();

			mailbox_wait(&writer->submitted, wait > 0 ? (int)(wait / 1000) + 1 : 0);
		}
	}
}

/* ---- what other threads call ---- */

void
writer_reload(struct writer *writer, const struct conf *conf)
{
	atomic_store(&writer->keep_for_s, conf->keep_for_s);
	atomic_store(&writer->keep_rows, conf->keep_rows);
}

/* start starts a writer that has its sink. */
static struct writer *
start(struct writer *writer, const struct conf *conf, struct origin *origin,
    writer_committed *committed, void *context)
{
	slice_init(&writer->slice);
	writer->life = writer->store != NULL ? store_live(writer->store) : 0;
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
	struct writer *writer = mem_zalloc(sizeof(*writer));

	writer->sink = &table_sink;
	writer->store = store;
	return start(writer, conf, origin, committed, context);
}

struct writer *
writer_start_upstream(const struct conf *conf, struct upstream *log, struct store *copy,
    struct origin *origin, writer_seen *seen, writer_committed *committed, void *context)
{
	struct writer *writer = mem_zalloc(sizeof(*writer));

	writer->sink = &log_sink;
	writer->log = log;
	writer->store = copy;
	writer->seen = seen;
	return start(writer, conf, origin, committed, context);
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
		.n_trimmed = atomic_load(&writer->counters.n_trimmed),
		.n_waiting = atomic_load(&writer->n_waiting),
		.keep_rows = atomic_load(&writer->keep_rows),
		.failing = atomic_load(&writer->counters.failing),
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
	writer->sink->close(writer);
	free(writer);
}
