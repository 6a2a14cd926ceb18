/* One epoll loop owns all streams. A live stream has been sent everything up to
 * hub->sent; a round (round.c) sends all of them what is new. Any other stream
 * stands at its own cursor and reads on from there until it is live:
 *
 *                             the socket is full
 *     JOINING ──► BEHIND ◄─────────────────────────► BLOCKED
 *                 │ ▲  │                                ▲
 *          older  │ │  │ at hub->sent                   │ the socket is full
 *        than the ▼ │  ▼                                │
 *     ring:  PAGING ┘  LIVE ────────────────────────────┘
 *
 * (AHEAD is LIVE a moment before the hub knows of the stream's newest message.)
 * Replays, slow readers and joining all are this one act. A stream that comes
 * back with a Last-Event-ID reads the store first even where the ring would do,
 * or the hub is yet to hear of the rows (from_store): one that was deleted
 * meanwhile is still in the ring, or on its way there, and must not be replayed.
 * The first page that reaches the store's end ends that.
 *
 * Between two rounds the hub leaves the web server time; how much, pace.c says. */

#include "app/hub/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/hub/hub_state.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/sse.h"
#include "lib/thread.h"

enum {
	EVENTS_MAX = 256,
	IDLE_WAIT_MS = 60000,     /* the loop looks around this often with nothing to do */
};

/* ---- a stream's life ---- */

void
hub_set_state(struct hub *hub, struct stream *s, enum stream_state state)
{
	if (s->list != NULL)
		TAILQ_REMOVE(s->list, s, link);
	s->state = state;
	s->list = state == STREAM_BEHIND ? &hub->behind
	    : state == STREAM_AHEAD ? &hub->ahead
	    : state == STREAM_CLOSED ? &hub->closed : NULL;
	if (s->list != NULL)
		TAILQ_INSERT_TAIL(s->list, s, link);
}

/* settle puts a stream that can be written where its cursor says: live, ahead
 * or behind; behind, too, where it has to read the store. */
static void
settle(struct hub *hub, struct stream *s)
{
	hub_set_state(hub, s, s->from_store || s->cursor < hub->sent ? STREAM_BEHIND
	    : s->cursor > hub->sent ? STREAM_AHEAD : STREAM_LIVE);
}

/* The roster is not touched: whoever goes through it may call this. */
void
hub_close(struct hub *hub, struct stream *s)
{
	if (s->state == STREAM_CLOSED)
		return;
	hub_set_state(hub, s, STREAM_CLOSED);
	stream_end(s);
	timers_clear(&hub->timers, &s->timer);
}

static void
watch_writable(struct hub *hub, struct stream *s, bool wanted)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0),
		.data.ptr = s,
	};

	if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_MOD, s->fd, &event) < 0)
		log_warn("hub: a stream cannot be watched");
}

void
hub_after_write(struct hub *hub, struct stream *s, int outcome)
{
	if (outcome == STREAM_GONE) {
		hub_close(hub, s);
	} else if (outcome == STREAM_FULL) {
		if (s->state != STREAM_BLOCKED)
			watch_writable(hub, s, true);
		hub_set_state(hub, s, STREAM_BLOCKED);
	} else {
		if (s->state == STREAM_BLOCKED)
			watch_writable(hub, s, false);
		settle(hub, s);
	}
}

int64_t
hub_position(const struct hub *hub, const struct stream *s)
{
	return s->state == STREAM_LIVE ? hub->sent : s->cursor;
}

/* free_closed comes when nothing of this turn points to a stream any more. One
 * that catch-up still has a page of is freed when the page is back. */
static void
free_closed(struct hub *hub)
{
	struct stream *s;

	while ((s = TAILQ_FIRST(&hub->closed)) != NULL) {
		TAILQ_REMOVE(&hub->closed, s, link);
		s->list = NULL;
		roster_remove(&hub->roster, s);
		HUB_COUNT(hub, n_streams, -1);
		if (!s->page_out)
			stream_free(s);
	}
}

/* ---- what is new ---- */

static bool
inbox_is_empty(struct hub *hub)
{
	bool empty;

	pthread_mutex_lock(&hub->inbox_lock);
	empty = hub->inbox_first == NULL;
	pthread_mutex_unlock(&hub->inbox_lock);
	return empty;
}

static void
take_inbox(struct hub *hub)
{
	struct mail *mail, *next;

	pthread_mutex_lock(&hub->inbox_lock);
	mail = hub->inbox_first;
	hub->inbox_first = NULL;
	hub->inbox_last = &hub->inbox_first;
	hub->inbox_bytes = 0;
	pthread_cond_signal(&hub->inbox_taken);
	pthread_mutex_unlock(&hub->inbox_lock);
	for (; mail != NULL; mail = next) {
		next = mail->next;
		ring_add(&hub->ring, CONTAINER_OF(mail, struct block, mail));
	}
}

static void
trouble(void *hub, struct stream *s, int outcome)
{
	hub_after_write(hub, s, outcome);
}

/* send_news runs a round where there is something new and the pace allows. */
static void
send_news(struct hub *hub)
{
	struct round_tally tally;
	struct stream *s, *next;

	if (hub->ring.top == hub->sent && inbox_is_empty(hub))
		return;
	if (!pace_allows(&hub->pace, &hub->roster, hub->now))
		return;
	if (hub->ring.top == hub->sent)
		take_inbox(hub);
	tally = round_run(hub->round, &hub->roster, &hub->ring, &hub->sent, hub->now, trouble, hub);
	atomic_store_explicit(&hub->counters.sent, hub->sent, memory_order_relaxed);
	HUB_COUNT(hub, n_delivered, tally.n_delivered);
	pace_took(&hub->pace, tally.n_written, hub->now);
	for (s = TAILQ_FIRST(&hub->ahead); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->cursor <= hub->sent)
			settle(hub, s);
	}
	ring_forget(&hub->ring, hub->sent);
}

/* ---- the loop ---- */

/* wait_us returns how long the loop may sleep. */
static mono_us
wait_us(struct hub *hub)
{
	mono_us until = hub->now + IDLE_WAIT_MS * 1000;
	struct timer *first = timers_first(&hub->timers);

	if (!TAILQ_EMPTY(&hub->behind))
		return 0;
	if (first != NULL && first->due < until)
		until = first->due;
	if ((hub->ring.top > hub->sent || !inbox_is_empty(hub)) && hub->pace.next_round < until)
		until = hub->pace.next_round;
	return until > hub->now ? until - hub->now : 0;
}

static void
take_event(struct hub *hub, struct stream *s, uint32_t events)
{
	int outcome;

	if (s->state == STREAM_CLOSED)
		return;
	/* A request whose STDIN has ended sends nothing more but ABORT_REQUEST
	 * (FastCGI 5.4), or its connection's end: either way it is over. */
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		hub_close(hub, s);
	} else if (s->state == STREAM_BLOCKED) {
		outcome = stream_flush(s, hub->now);
		if (outcome != STREAM_FULL)
			hub_after_write(hub, s, outcome);
	}
}

/* drain ends all streams. Each is told its own delay, so that they do not all
 * come back in the same moment; but for those whose socket is full, which resume
 * from what they were last told. */
static void
drain(struct hub *hub)
{
	do {
		hub->pace = PACE_INITIAL;  /* no time to wait for anybody */
		send_news(hub);
	} while (hub->ring.top > hub->sent || !inbox_is_empty(hub));
	admission_run(hub);
	for (size_t i = 0; i < hub->roster.n; i++) {
		struct stream *s = hub->roster.streams[i];
		int64_t upto = hub_position(hub, s);
		struct buf bytes = BUF_EMPTY;

		if (s->state != STREAM_CLOSED && s->state != STREAM_BLOCKED && !s->cursor_off) {
			sse_retry(&bytes, random_between(hub->limits.retry_min_ms,
			    hub->limits.retry_max_ms));
			if (upto > s->told)
				sse_id(&bytes, upto);
			buf_add_char(&bytes, '\n');
			if (stream_write_buf(s, &bytes, hub->now) != 0) {
				/* It is closed anyway. */
			}
			buf_free(&bytes);
		}
		hub_close(hub, s);
	}
	free_closed(hub);
}

static void
watch_mailbox(struct hub *hub, struct mailbox *box)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = box };

	if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, box->wake_fd, &event) < 0)
		fatal("hub: epoll_ctl");
}

static void *
hub_run(void *arg)
{
	struct hub *hub = arg;
	struct epoll_event events[EVENTS_MAX];

	watch_mailbox(hub, &hub->joining);
	watch_mailbox(hub, &hub->pages);
	hub->now = clock_mono_us();
	while (!atomic_load(&hub->stopping)) {
		mono_us wait = wait_us(hub);
		struct timespec timeout = { wait / 1000000, wait % 1000000 * 1000 };
		int n = epoll_pwait2(hub->epoll_fd, events, EVENTS_MAX, &timeout, NULL);

		hub->now = clock_mono_us();
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr != &hub->joining && events[i].data.ptr != &hub->pages)
				take_event(hub, events[i].data.ptr, events[i].events);
		free_closed(hub);  /* their places are free for those that join now */
		admission_run(hub);
		send_news(hub);
		replay_run(hub);
		heartbeat_run(hub);
		free_closed(hub);
	}
	drain(hub);
	return NULL;
}

/* ---- the outside ---- */

void
hub_reload(struct hub *hub, const struct conf *conf)
{
	atomic_store(&hub->limits.heartbeat_us, conf->heartbeat_ms * 1000);
	atomic_store(&hub->limits.retry_min_ms, conf->retry_min_ms);
	atomic_store(&hub->limits.retry_max_ms, conf->retry_max_ms);
	atomic_store(&hub->limits.max_streams, conf->max_streams);
	atomic_store(&hub->limits.max_streams_per_user, conf->max_streams_per_user);
}

struct hub *
hub_start(const struct conf *conf, const char *store_name, int64_t sent)
{
	struct hub *hub = mem_zalloc(sizeof(*hub));
	struct rlimit files;

	hub_reload(hub, conf);
	hub->sent = sent;
	atomic_store(&hub->counters.sent, sent);
	hub->pace = PACE_INITIAL;
	ring_init(&hub->ring, sent);
	TAILQ_INIT(&hub->behind);
	TAILQ_INIT(&hub->ahead);
	TAILQ_INIT(&hub->closed);
	hub->inbox_last = &hub->inbox_first;
	getrlimit(RLIMIT_NOFILE, &files);
	hub->max_descriptors = files.rlim_cur > 2 * HUB_SPARE_DESCRIPTORS
	    ? files.rlim_cur - HUB_SPARE_DESCRIPTORS : files.rlim_cur / 2;
	hub->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (hub->epoll_fd < 0)
		fatal("hub: epoll_create1");
	mailbox_init(&hub->joining);
	mailbox_init(&hub->pages);
	pthread_mutex_init(&hub->inbox_lock, NULL);
	pthread_cond_init(&hub->inbox_taken, NULL);
	hub->round = round_new();
	hub->catchup = catchup_start(store_name, &hub->pages);
	if (hub->catchup == NULL)
		return NULL;  /* the program is about to end */
	thread_start(&hub->thread, "hub", hub_run, hub);
	return hub;
}

void
hub_publish(struct hub *hub, struct block *block)
{
	bool was_empty;

	pthread_mutex_lock(&hub->inbox_lock);
	while (hub->inbox_bytes > HUB_INBOX_BYTES)
		pthread_cond_wait(&hub->inbox_taken, &hub->inbox_lock);
	was_empty = hub->inbox_first == NULL;
	block->mail.next = NULL;
	*hub->inbox_last = &block->mail;
	hub->inbox_last = &block->mail.next;
	hub->inbox_bytes += block_size(block);
	pthread_mutex_unlock(&hub->inbox_lock);
	if (was_empty)
		mailbox_wake(&hub->joining);
}

void
hub_join(struct hub *hub, struct stream *s, bool resumes)
{
	s->from_store = resumes;
	mailbox_put(&hub->joining, &s->mail);
}

void
hub_count(struct hub *hub, struct hub_counters *counters)
{
	*counters = (struct hub_counters){
		.n_streams = atomic_load(&hub->counters.n_streams),
		.n_joined = atomic_load(&hub->counters.n_joined),
		.n_refused = atomic_load(&hub->counters.n_refused),
		.n_delivered = atomic_load(&hub->counters.n_delivered),
		.n_gaps = atomic_load(&hub->counters.n_gaps),
		.sent = atomic_load(&hub->counters.sent),
	};
}

void
hub_stop(struct hub *hub)
{
	struct mail *mail, *next;

	atomic_store(&hub->stopping, true);
	mailbox_wake(&hub->joining);
	pthread_join(hub->thread, NULL);
	catchup_stop(hub->catchup);
	for (mail = mailbox_take(&hub->pages); mail != NULL; mail = next) {
		struct page *page = CONTAINER_OF(mail, struct page, mail);

		next = mail->next;
		stream_free(page->stream);  /* closed by drain; only the page held it */
		page_free(page);
	}
	roster_free(&hub->roster);
	ring_free(&hub->ring);
	round_free(hub->round);
	timers_free(&hub->timers);
	mailbox_free(&hub->joining);
	mailbox_free(&hub->pages);
	pthread_cond_destroy(&hub->inbox_taken);
	pthread_mutex_destroy(&hub->inbox_lock);
	close(hub->epoll_fd);
	free(hub);
}
