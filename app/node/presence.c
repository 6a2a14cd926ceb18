/* The thread of presence. It beats: every UPSTREAM_BEAT_MS, and before it answers, it
 * tells the log which users' streams have changed since. After a call that failed nobody
 * knows what the log knows, so it begins anew with all of them, page by page; so it does
 * where the log says that it has forgotten us.
 *
 * It alone uses the handle of the log. Questions wait in a mailbox, so that no thread
 * that serves requests waits for the log; while that is away they are answered at once
 * from what is known here, but for the first, which notices. */

#include "app/node/presence.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "app/upstream/upstream.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	BATCH_USERS = 1000,     /* in one call: Redis stands still for some ms */
	BATCHES = 100,          /* of changes in one beat; what is left comes with the next */
	AWAY_RETRY_MS = 1000,   /* between two tries to reach a log that is away */
};

struct asking {
	struct mail mail;
	struct audience_question question;
	struct reply reply;
};

struct presence {
	struct mailbox asked;
	_Atomic size_t n_asked, n_nodes;
	_Atomic bool stopping;
	pthread_t thread;

	/* The thread's own. */
	struct upstream *log;
	struct tally *users;
	char *node, *copy;
	bool is_away;
	bool is_known;          /* the log knows of all our users but those that have changed */
	mono_us next_beat;

	/* A batch of users, which pass by row after row. */
	struct buf names;       /* each ended by NUL */
	size_t n_streams[BATCH_USERS], n;
	struct upstream_user batch[BATCH_USERS];
};

/* ---- beats ---- */

static void
add_row(void *context, const char *name, size_t n)
{
	struct presence *presence = context;

	buf_add(&presence->names, name, strlen(name) + 1);
	presence->n_streams[presence->n++] = n;
}

/* send_batch returns the upstream_outcome; *last, where it is not NULL, is the last
 * user, which the caller frees. */
static int
send_batch(struct presence *presence, bool is_first, char **last)
{
	struct upstream_user *users = presence->batch;
	const char *name = presence->names.bytes;
	size_t n = presence->n;
	int outcome;

	for (size_t i = 0; i < n; i++, name += strlen(name) + 1)
		users[i] = (struct upstream_user){ name, presence->n_streams[i] };
	outcome = upstream_beat(presence->log, presence->node, presence->copy, users, n, is_first);
	if (last != NULL) {
		free(*last);
		*last = n > 0 ? mem_strdup(users[n - 1].user) : NULL;
	}
	buf_free(&presence->names);
	presence->n = 0;
	return outcome;
}

/* send_all tells the log of all users. Those that change meanwhile are noted. */
static int
send_all(struct presence *presence)
{
	bool is_first = true;
	char *after = NULL;
	int outcome;
	size_t n;

	while (tally_take_changed(presence->users, BATCH_USERS, NULL, NULL) == BATCH_USERS)
		;
	do {
		n = tally_page(presence->users, after, BATCH_USERS, add_row, presence);
		outcome = send_batch(presence, is_first, &after);
		is_first = false;
	} while (outcome == 0 && n == BATCH_USERS);
	free(after);
	return outcome;
}

static int
send_changes(struct presence *presence)
{
	size_t n, n_batches = 0;
	int outcome;

	do {
		n = tally_take_changed(presence->users, BATCH_USERS, add_row, presence);
		outcome = send_batch(presence, false, NULL);
	} while (outcome == 0 && n == BATCH_USERS && ++n_batches < BATCHES);
	return outcome;
}

/* beat returns the upstream_outcome. */
static int
beat(struct presence *presence)
{
	int outcome = UPSTREAM_UNKNOWN;

	if (presence->is_known)
		outcome = send_changes(presence);
	/* The log has forgotten us, or may have: that is soon found out. */
	if (outcome == UPSTREAM_UNKNOWN)
		outcome = send_all(presence);
	presence->is_known = outcome == 0;
	presence->is_away = outcome != 0;
	presence->next_beat = clock_mono_us()
	    + (outcome == 0 ? UPSTREAM_BEAT_MS : AWAY_RETRY_MS) * 1000;
	return outcome;
}

static void
count_nodes(struct presence *presence)
{
	const struct upstream_node *nodes;
	size_t n = 1;

	if (!presence->is_away && upstream_nodes(presence->log, &nodes, &n, NULL) != 0)
		n = 1;
	atomic_store(&presence->n_nodes, n > 0 ? n : 1);
}

/* ---- answers ---- */

static void
tell(struct presence *presence, const struct audience_question *question, struct buf *json)
{
	if (!presence->is_away && audience_everywhere(json, question, presence->log) == 0)
		return;
	/* The next beat finds out whether it is back. */
	presence->is_away = true;
	audience_here(json, question, presence->users, presence->node, true);
}

static void
answer(struct presence *presence, struct asking *asking, struct buf *total)
{
	struct buf own = BUF_EMPTY, *json = &own;

	/* To count all users costs the log the most: once for all who ask together. */
	if (asking->question.kind == AUDIENCE_TOTAL)
		json = total;
	if (json->len == 0)
		tell(presence, &asking->question, json);
	reply_send(&asking->reply, 200, NULL, "application/json", json->bytes, json->len);
	buf_free(&own);
	audience_question_free(&asking->question);
	free(asking);
	atomic_fetch_sub(&presence->n_asked, 1);
}

static void
answer_all(struct presence *presence, struct mail *mail)
{
	struct buf total = BUF_EMPTY;
	struct mail *next;

	/* What has happened here before somebody asks is in the answer. */
	if (mail != NULL && !presence->is_away)
		beat(presence);
	for (; mail != NULL; mail = next) {
		next = mail->next;
		answer(presence, CONTAINER_OF(mail, struct asking, mail), &total);
	}
	buf_free(&total);
}

static void *
presence_run(void *arg)
{
	struct presence *presence = arg;

	for (;;) {
		/* Asked before taking: who asked before the stop is answered. */
		bool last_round = atomic_load(&presence->stopping);
		mono_us wait;

		answer_all(presence, mailbox_take(&presence->asked));
		if (last_round)
			break;
		if (clock_mono_us() >= presence->next_beat) {
			beat(presence);
			count_nodes(presence);
		}
		wait = presence->next_beat - clock_mono_us();
		mailbox_wait(&presence->asked, wait > 0 ? (int)(wait / 1000) + 1 : 0);
	}
	if (!presence->is_away)
		upstream_leave(presence->log, presence->node, presence->copy);
	return NULL;
}

/* ---- what other threads call ---- */

static void
presence_free(struct presence *presence)
{
	tally_unwatch(presence->users);
	upstream_close(presence->log);
	free(presence->node);
	free(presence->copy);
	free(presence);
}

struct presence *
presence_start(const struct conf *conf, const char *copy, struct tally *users)
{
	struct presence *presence = mem_zalloc(sizeof(*presence));

	presence->log = upstream_open(conf);
	presence->users = users;
	presence->node = mem_strdup(conf->node);
	presence->copy = mem_strdup(copy);
	tally_watch(users);
	if (presence->log == NULL || beat(presence) == UPSTREAM_REFUSED) {
		presence_free(presence);
		return NULL;
	}
	count_nodes(presence);
	mailbox_init(&presence->asked);
	thread_start(&presence->thread, "presence", presence_run, presence);
	return presence;
}

int
presence_ask(struct presence *presence, struct audience_question *question,
    struct reply *reply)
{
	struct asking *asking;

	if (atomic_fetch_add(&presence->n_asked, 1) >= PRESENCE_QUESTIONS_MAX) {
		atomic_fetch_sub(&presence->n_asked, 1);
		return PRESENCE_FULL;
	}
	asking = mem_zalloc(sizeof(*asking));
	asking->question = *question;
	*question = (struct audience_question){ 0 };
	asking->reply = *reply;
	reply->conn = NULL;
	mailbox_put(&presence->asked, &asking->mail);
	return 0;
}

size_t
presence_n_nodes(const struct presence *presence)
{
	return atomic_load(&presence->n_nodes);
}

void
presence_stop(struct presence *presence)
{
	atomic_store(&presence->stopping, true);
	mailbox_wake(&presence->asked);
	pthread_join(presence->thread, NULL);
	mailbox_free(&presence->asked);
	presence_free(presence);
}
