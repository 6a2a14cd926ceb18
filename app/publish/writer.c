/* The writer's thread: it takes what was submitted, commits as much as makes a
 * group in one transaction, answers, and deletes a slice of what retention does not
 * keep. It alone uses the store's handle.
 *
 * Any thread may submit, count and reload: what they share with it is the mailbox
 * and the atomics in struct writer. What it needs of a request comes with the
 * write, so the thread that submitted never waits for a commit. */

#include "app/publish/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/store/slice.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	PROBE_MS = 1000,  /* after a commit that failed, between tries whether one would work */
};

/* One publication, from submit to answer. */
struct write {
	struct mail mail;
	struct publication publication;
	struct message *messages;  /* of the publication, in one array */
	char *publisher;
	struct reply reply;
	size_t n_bytes;
	struct append append;
};

struct writer {
	struct store *store;
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
		_Atomic uint64_t n_committed, n_commits, n_trimmed;
		_Atomic bool failing;
	} counters;
	pthread_t thread;
};

static void
write_free(struct write *w)
{
	publication_free(&w->publication);
	free(w->messages);
	free(w->publisher);
	free(w);
}

/* ---- answers ---- */

static void
answer_stored(struct write *w)
{
	struct buf json = BUF_EMPTY;
	char *text;

	if (w->publication.many) {
		buf_add_str(&json, "{\"ids\":[");
		for (size_t i = 0; i < w->append.n; i++)
			buf_printf(&json, "%s%lld", i > 0 ? "," : "", (long long)w->messages[i].id);
		buf_add_str(&json, "]}");
	} else {
		buf_printf(&json, "{\"id\":%lld}", (long long)w->messages[0].id);
	}
	text = buf_take(&json);
	reply_json(&w->reply, w->append.existed && !w->publication.many ? 200 : 201, NULL, text);
	free(text);
}

static void
answer_failed(struct write *w, int outcome)
{
	const char *sentence = outcome == STORE_BUSY
	    ? "nothing was stored: another program keeps the store locked; try again"
	    : outcome == STORE_FULL
	    ? "nothing was stored: there is no room left on the disk"
	    : outcome == STORE_REPLACED
	    ? "nothing was stored: the store's file was replaced or deleted; try again once"
	    " rowcast has started anew"
	    : "nothing was stored: the store cannot be written; see the log";

	reply_error(&w->reply, 503, "Retry-After: 1\r\n", sentence);
}

static void
answer(struct write *w, int outcome)
{
	if (!w->append.stored && !w->append.refused)
		answer_failed(w, outcome);
	else if (w->append.refused)
		reply_error(&w->reply, 400, NULL,
		    "nothing was stored: the table refuses the message; see the log");
	else
		answer_stored(w);
}

/* ---- commits ---- */

/* count_stored returns how many messages are in the table that were not before.
 * Of an append in which some keys were there already none is counted: which they
 * were is not known. */
static size_t
count_stored(struct append *const appends[], size_t n)
{
	size_t n_stored = 0;

	for (size_t i = 0; i < n; i++)
		if (appends[i]->stored && !appends[i]->existed)
			n_stored += appends[i]->n;
	return n_stored;
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

/* commit takes a run of writes off the list, as many as make a group, and
 * commits and answers them. It returns the rest of the list. Where the commit was
 * busy there is no rest: those behind in the list have waited for the lock as long
 * as the group has, and get the same answer. */
static struct mail *
commit(struct writer *writer, struct mail *mail)
{
	struct append *appends[WRITER_GROUP_MESSAGES];
	struct mail *first = mail, *rest, *next;
	size_t n = 0, n_messages = 0, n_answered = 0, n_bytes = 0, n_stored;
	int outcome;

	for (; mail != NULL; mail = mail->next) {
		struct write *w = CONTAINER_OF(mail, struct write, mail);

		if (n > 0 && n_messages + w->append.n > WRITER_GROUP_MESSAGES)
			break;
		appends[n++] = &w->append;
		n_messages += w->append.n;
	}
	rest = mail;
	outcome = store_append(writer->store, appends, n);
	writer->slice.n_came = n_messages;
	n_stored = count_stored(appends, n);
	atomic_store(&writer->counters.failing, outcome != 0);
	if (outcome == 0 || n_stored > 0) {
		/* Before the answers: they cost a system call each. */
		writer->committed(writer->context, highest_id(appends, n));
		atomic_fetch_add(&writer->counters.n_commits, 1);
		atomic_fetch_add(&writer->counters.n_committed, n_stored);
	}
	if (outcome == STORE_BUSY)
		rest = NULL;
	for (mail = first; mail != rest; mail = next) {
		struct write *w = CONTAINER_OF(mail, struct write, mail);

		next = mail->next;
		n_answered += w->append.n;
		n_bytes += w->n_bytes;
		answer(w, outcome);
		write_free(w);
	}
	if (outcome != 0) {
		writer->n_failed_bytes = n_bytes;
		writer->next_probe = clock_mono_us() + PROBE_MS * 1000;
	}
	atomic_fetch_sub(&writer->n_waiting, n_answered);
	atomic_fetch_sub(&writer->n_waiting_bytes, n_bytes);
	return rest;
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
		trim(writer);
		probe(writer);
		if (!last_round) {
			/* Retention looks at least as often as a probe is due. */
			mono_us wait = writer->slice.next - clock_mono_us();

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

struct writer *
writer_start(const struct conf *conf, struct store *store,
    writer_committed *committed, void *context)
{
	struct writer *writer = mem_zalloc(sizeof(*writer));

	writer->store = store;
	slice_init(&writer->slice);
	writer->committed = committed;
	writer->context = context;
	writer_reload(writer, conf);
	mailbox_init(&writer->submitted);
	thread_start(&writer->thread, "writer", writer_run, writer);
	return writer;
}

int
writer_submit(struct writer *writer, struct publication *p, const char *publisher,
    struct reply *reply)
{
	struct write *w;
	size_t n_bytes = 0;

	for (size_t i = 0; i < p->n; i++)
		n_bytes += p->drafts[i].message.data_len;
	if (atomic_fetch_add(&writer->n_waiting, p->n) + p->n > WRITER_QUEUE_MESSAGES) {
		atomic_fetch_sub(&writer->n_waiting, p->n);
		return WRITER_FULL;
	}
	if (atomic_fetch_add(&writer->n_waiting_bytes, n_bytes) + n_bytes > WRITER_QUEUE_BYTES) {
		atomic_fetch_sub(&writer->n_waiting, p->n);
		atomic_fetch_sub(&writer->n_waiting_bytes, n_bytes);
		return WRITER_FULL;
	}
	w = mem_zalloc(sizeof(*w));
	w->publication = *p;
	*p = (struct publication){ 0 };
	w->publisher = mem_strdup(publisher);
	w->reply = *reply;
	reply->conn = NULL;
	w->n_bytes = n_bytes;
	w->messages = mem_alloc(w->publication.n * sizeof(*w->messages));
	for (size_t i = 0; i < w->publication.n; i++)
		w->messages[i] = w->publication.drafts[i].message;
	w->append = (struct append){
		.messages = w->messages,
		.n = w->publication.n,
		.publisher = w->publisher,
	};
	mailbox_put(&writer->submitted, &w->mail);
	return 0;
}

void
writer_count(struct writer *writer, struct writer_counters *counters)
{
	*counters = (struct writer_counters){
		.n_committed = atomic_load(&writer->counters.n_committed),
		.n_commits = atomic_load(&writer->counters.n_commits),
		.n_trimmed = atomic_load(&writer->counters.n_trimmed),
		.failing = atomic_load(&writer->counters.failing),
	};
}

void
writer_stop(struct writer *writer)
{
	atomic_store(&writer->stopping, true);
	mailbox_wake(&writer->submitted);
	pthread_join(writer->thread, NULL);
	mailbox_free(&writer->submitted);
	store_close(writer->store);
	free(writer);
}
