/* The hub's loop, and what the outside may ask of it. One epoll loop owns all
 * streams: each turn closes those that were hung up on, admits those that want to
 * join (admission.c), ends those that somebody wants to be gone (dismissal.c), sends live ones what is new (news.c), judges those that stand
 * above it (ahead.c), lets the others read on from their cursors (replay.c), and does what is due by time (heartbeat.c).
 * What states a stream has, and how it comes from one to another, life.c says.
 *
 * Whatever a turn does for one user is bounded, and goes on in the next.
 *
 * hub_run and all that it calls are the hub's thread, which alone touches streams.
 * Other threads call what stands under "the outside", and that touches no more
 * than the inbox of the news, what was heard of the log, the tally of users, the
 * mailboxes `joining` and `asking`, and what is atomic. */

#include "app/hub/hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/hub/admission.h"
#include "app/hub/ahead.h"
#include "app/hub/dismissal.h"
#include "app/hub/heartbeat.h"
#include "app/hub/hub_state.h"
#include "app/hub/life.h"
#include "app/hub/news.h"
#include "app/hub/replay.h"
#include "lib/epollwait.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	EVENTS_MAX = 256,
	IDLE_WAIT_MS = 60000,     /* the longest that the loop sleeps with nothing to do */
};

struct hub {
	/* What other threads reach. */
	struct mailbox joining;      /* streams; also wakes the loop for news and to stop */
	struct mailbox asking;       /* questions of census.h */
	_Atomic size_t n_asking;     /* and how many were not answered yet */
	_Atomic bool stopping;
	struct news news;
	struct ahead ahead;
	struct dismissal dismissal;

	/* The thread's own. */
	pthread_t thread;
	struct hub_state state;
	struct admission admission;
	struct replay replay;
	struct mail *questions;      /* taken from `asking`, linked by next */
};

/* ---- the loop ---- */

/* wait_us returns how long the loop may sleep. */
static mono_us
wait_us(struct hub *hub)
{
	const struct hub_state *state = &hub->state;
	mono_us until = state->now + IDLE_WAIT_MS * 1000;
	struct timer *first = timers_first(&state->timers);

	if (!TAILQ_EMPTY(&state->behind) || !dismissal_is_done(&hub->dismissal)
	    || hub->questions != NULL)
		return 0;
	if (first != NULL && first->due < until)
		until = first->due;
	until = admission_due(&hub->admission, state, until);
	until = news_due(&hub->news, state, until);
	return until > state->now ? until - state->now : 0;
}

static void
take_event(struct hub *hub, struct stream *s, uint32_t events)
{
	struct hub_state *state = &hub->state;
	int outcome;

	if (s->state == STREAM_CLOSED)
		return;
	/* A request whose STDIN has ended sends nothing more but ABORT_REQUEST
	 * (FastCGI 5.4), or its connection's end: either way it is over. */
	if (s->state == STREAM_JOINING) {
		admission_hung_up(&hub->admission, state, s);
	} else if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		life_close(state, s, STREAM_END_CLIENT);
	} else if (s->state == STREAM_BLOCKED) {
		outcome = stream_flush(s, state->now);
		if (outcome != STREAM_FULL)
			life_after_write(state, s, outcome);
	}
}

/* free_closed lets go of the streams that were closed, and of the work that was
 * asked for them, and calls those who wait for their places. */
static void
free_closed(struct hub *hub)
{
	replay_forget(&hub->replay, &hub->state);
	admission_call(&hub->admission, &hub->state);
	life_free_closed(&hub->state);
}

/* answer_one answers the first question, if any. One a turn: each costs some tenths of a
 * millisecond at most, and messages wait for it. */
static void
answer_one(struct hub *hub)
{
	struct mail *first;

	if (hub->questions == NULL)
		hub->questions = mailbox_take(&hub->asking);
	first = hub->questions;
	if (first == NULL)
		return;
	hub->questions = first->next;
	atomic_fetch_sub(&hub->n_asking, 1);
	census_answer(CONTAINER_OF(first, struct census, mail), &hub->state);
}

/* drain ends all streams. Each is told its own delay, so that they do not all
 * come back in the same moment. */
static void
drain(struct hub *hub)
{
	struct hub_state *state = &hub->state;

	while (atomic_load(&hub->n_asking) > 0)
		answer_one(hub);
	news_run_all(&hub->news, state);
	admission_run(&hub->admission, state, mailbox_take(&hub->joining));
	admission_stop(&hub->admission, state);
	for (size_t i = 0; i < state->roster.n; i++)
		dismissal_send_away(state, state->roster.streams[i], STREAM_END_DRAIN);
	free_closed(hub);
}

static void
watch_mailbox(struct hub *hub, struct mailbox *box)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = box };

	if (epoll_ctl(hub->state.epoll_fd, EPOLL_CTL_ADD, box->wake_fd, &event) < 0)
		fatal("hub: epoll_ctl");
}

static bool
is_mailbox(const struct hub *hub, const void *watched)
{
	return watched == &hub->joining || watched == &hub->asking
	    || watched == &hub->replay.pages || watched == &hub->dismissal.ordered;
}

/* count_watchers: whether anybody wants to see what rowcast tells of itself every second,
 * serve.c asks. */
static void
count_watchers(struct hub_state *state)
{
	const struct listeners *watchers = roster_topic(&state->roster, MESSAGE_TOPIC_STATUS);

	atomic_store_explicit(&state->counters.n_watchers, watchers != NULL ? watchers->n : 0,
	    memory_order_relaxed);
}

static void *
hub_run(void *arg)
{
	struct hub *hub = arg;
	struct hub_state *state = &hub->state;
	struct epoll_event events[EVENTS_MAX];
	struct mail *orders;

	watch_mailbox(hub, &hub->joining);
	watch_mailbox(hub, &hub->asking);
	watch_mailbox(hub, &hub->replay.pages);
	watch_mailbox(hub, &hub->dismissal.ordered);
	state->now = clock_mono_us();
	while (!atomic_load(&hub->stopping)) {
		int n = epollwait_us(state->epoll_fd, events, EVENTS_MAX, wait_us(hub));

		state->now = clock_mono_us();
		for (int i = 0; i < n; i++)
			if (!is_mailbox(hub, events[i].data.ptr))
				take_event(hub, events[i].data.ptr, events[i].events);
		free_closed(hub);  /* their places are free for those that join now */
		orders = mailbox_take(&hub->dismissal.ordered);
		admission_run(&hub->admission, state, mailbox_take(&hub->joining));
		dismissal_take(&hub->dismissal, state, orders);
		dismissal_run(&hub->dismissal, state);
		news_run(&hub->news, state);
		ahead_run(&hub->ahead, state);
		replay_run(&hub->replay, state);
		heartbeat_run(state);
		free_closed(hub);
		count_watchers(state);
		answer_one(hub);  /* now that no stream in the roster is closed */
	}
	drain(hub);
	return NULL;
}

/* ---- the outside ---- */

void
hub_reload(struct hub *hub, const struct conf *conf)
{
	atomic_store(&hub->state.limits.heartbeat_us, conf->heartbeat_ms * 1000);
	atomic_store(&hub->state.limits.retry_min_ms, conf->retry.min_ms);
	atomic_store(&hub->state.limits.retry_max_ms, conf->retry.max_ms);
	atomic_store(&hub->state.limits.max_streams, conf->max_streams);
	atomic_store(&hub->state.limits.max_streams_per_user, conf->max_streams_per_user);
}

/* max_descriptors returns the number that a stream's descriptor stays below. */
static size_t
max_descriptors(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	return files.rlim_cur > 2 * HUB_SPARE_DESCRIPTORS
	    ? files.rlim_cur - HUB_SPARE_DESCRIPTORS : files.rlim_cur / 2;
}

struct hub *
hub_start(const struct conf *conf, const char *store_name, int64_t sent)
{
	struct hub *hub = mem_zalloc(sizeof(*hub));
	struct hub_state *state = &hub->state;

	hub_reload(hub, conf);
	state->limits.max_descriptors = max_descriptors();
	state->sent = state->sending = sent;
	atomic_store(&state->counters.sent, sent);
	ring_init(&state->ring, sent);
	TAILQ_INIT(&state->behind);
	TAILQ_INIT(&state->ahead);
	TAILQ_INIT(&state->closed);
	TAILQ_INIT(&state->unproven);
	admission_init(&hub->admission);
	dismissal_init(&hub->dismissal);
	state->revocations = revocations_new();
	state->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (state->epoll_fd < 0)
		fatal("hub: epoll_create1");
	mailbox_init(&hub->joining);
	mailbox_init(&hub->asking);
	news_init(&hub->news, &hub->joining, sent);
	ahead_init(&hub->ahead);
	if (replay_start(&hub->replay, store_name) < 0)
		return NULL;  /* the program is about to end */
	thread_start(&hub->thread, "hub", hub_run, hub);
	return hub;
}

void
hub_publish(struct hub *hub, struct block *block)
{
	news_put(&hub->news, block);
}

void
hub_want(struct hub *hub, struct stream *s)
{
	s->counted = &hub->state.counters.n_wanting[s->encoding];
	atomic_fetch_add(s->counted, 1);
}

unsigned
hub_wanted(const struct hub *hub)
{
	unsigned wanted = 0;

	for (size_t i = 0; i < ENCODINGS; i++)
		if (atomic_load(&hub->state.counters.n_wanting[i]) > 0)
			wanted |= ENCODING_BIT(i);
	return wanted;
}

void
hub_join(struct hub *hub, struct stream *s, bool resumes)
{
	if (s->counted == NULL && !stream_is_poll(s))
		hub_want(hub, s);
	s->from_store = resumes;
	/* One whose id is none, or that has none, begins at an id of ours. */
	s->joined_at = resumes && s->invalid_id == NULL && s->start == NULL ? clock_mono_us() : 0;
	mailbox_put(&hub->joining, &s->mail);
}

void
hub_kick(struct hub *hub, const char *user)
{
	dismissal_kick(&hub->dismissal, user);
}

void
hub_revoke(struct hub *hub, const char *user, wall_s until)
{
	if (revocations_raise(hub->state.revocations, user, until))
		dismissal_revoke(&hub->dismissal, user);
}

struct revocations *
hub_revocations(struct hub *hub)
{
	return hub->state.revocations;
}

void
hub_heard(struct hub *hub, int64_t newest, mono_us asked_at)
{
	ahead_hear(&hub->ahead, newest, asked_at);
	/* Who comes to wait in this moment is judged by what is heard next. */
	if (atomic_load(&hub->state.counters.n_unproven) > 0)
		mailbox_wake(&hub->joining);
}

void
hub_count(struct hub *hub, struct hub_counters *counters)
{
	*counters = (struct hub_counters){
		.n_streams = atomic_load(&hub->state.counters.n_streams),
		.n_behind = atomic_load(&hub->state.counters.n_behind),
		.n_joined = atomic_load(&hub->state.counters.n_joined),
		.n_read = atomic_load(&hub->state.counters.n_read),
		.n_delivered = atomic_load(&hub->state.counters.n_delivered),
		.n_replayed = atomic_load(&hub->state.counters.n_replayed),
		.n_revoked = atomic_load(&hub->state.counters.n_revoked),
		.n_watchers = atomic_load(&hub->state.counters.n_watchers),
		.sent = atomic_load(&hub->state.counters.sent),
	};
	for (size_t i = 0; i < STREAM_ENDS; i++)
		counters->n_ends[i] = atomic_load(&hub->state.counters.n_ends[i]);
	for (size_t i = 0; i < STREAM_REFUSALS; i++)
		counters->n_refused[i] = atomic_load(&hub->state.counters.n_refused[i]);
	for (size_t i = 0; i < GAPS; i++)
		counters->n_gaps[i] = atomic_load(&hub->state.counters.n_gaps[i]);
	histogram_read(&hub->state.lag, &counters->lag);
	counters->max_streams = atomic_load(&hub->state.limits.max_streams);
	counters->max_streams_per_user = atomic_load(&hub->state.limits.max_streams_per_user);
}

struct tally *
hub_users(struct hub *hub)
{
	return &hub->state.users;
}

int
hub_ask(struct hub *hub, struct census *census)
{
	if (atomic_fetch_add(&hub->n_asking, 1) >= HUB_QUESTIONS_MAX) {
		atomic_fetch_sub(&hub->n_asking, 1);
		return HUB_CROWDED;
	}
	mailbox_put(&hub->asking, &census->mail);
	return 0;
}

void
hub_stop(struct hub *hub)
{
	atomic_store(&hub->stopping, true);
	mailbox_wake(&hub->joining);
	pthread_join(hub->thread, NULL);
	replay_stop(&hub->replay);
	roster_free(&hub->state.roster);
	ring_free(&hub->state.ring);
	timers_free(&hub->state.timers);
	close(hub->state.epoll_fd);
	news_free(&hub->news);
	ahead_free(&hub->ahead);
	dismissal_free(&hub->dismissal);
	revocations_free(hub->state.revocations);
	mailbox_free(&hub->joining);
	mailbox_free(&hub->asking);
	free(hub);
}
