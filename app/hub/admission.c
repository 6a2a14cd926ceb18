/* Which streams may join, and what the others are told: one that is over a limit
 * is answered and forgotten; one that is admitted gets the head of its response,
 * is watched by epoll, entered in the roster, and stands at its cursor, wherever
 * that is. Runs in the hub's thread. Touches the stream that joins, and the
 * roster; the streams already there only by way of heartbeat_probe.
 *
 * A page that is reloaded leaves a stream behind of which nobody knows yet that it
 * is dead: the web server notices when it is written to for the second time. So a
 * newcomer whose user has all the streams that one may have is not refused at
 * once: these are written to, twice, and it waits, first come first served, for
 * one of them to be gone. It is watched by epoll meanwhile, so that one that
 * leaves keeps nobody from waiting. A user may have as many waiting as open. */

#include "app/hub/admission.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "app/access/verdict.h"
#include "app/hub/heartbeat.h"
#include "app/hub/life.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/sse.h"

/* What a stream over the limits is told to wait: a server that is full empties
 * slowly; a user's dead streams are found within seconds. */
enum {
	FULL_RETRY_MIN_MS = 10000, FULL_RETRY_MAX_MS = 30000,
	USER_RETRY_MIN_MS = 1000, USER_RETRY_MAX_MS = 2000,
};

struct newcomers {
	char *user;                  /* owned */
	struct stream_list streams;  /* in the order they came */
	size_t n;
	bool is_called;              /* in admission->called */
	TAILQ_ENTRY(newcomers) link;
};

/* refuse answers a stream over a limit. Browsers give up for good after any
 * status but 200, so to them it is an event; with the id that the stream would
 * have started from, so that it misses nothing when it comes back. But one whose
 * own id was invalid keeps it: it is to be told the gap then. And one whose start is to
 * be looked for has it looked for then. */
static void
refuse(struct stream *s, int status, const char *reason,
    int64_t retry_min_ms, int64_t retry_max_ms)
{
	int64_t retry_ms = random_between(retry_min_ms, retry_max_ms);

	if (s->accepts_events && s->encoding != ENCODING_LIST) {
		struct buf event = BUF_EMPTY, data = BUF_EMPTY;

		buf_printf(&data, "{\"reason\":\"%s\"}", reason);
		if (encoding_is_sse(s->encoding))
			sse_retry(&event, retry_ms);
		encoding_tell(s->encoding, &event, "rowcast.busy",
		    s->invalid_id == NULL && s->start == NULL ? s->cursor : ENCODING_NO_ID, &data);
		reply_event(&s->reply, encoding_type(s->encoding), NULL, &event);
		buf_free(&data);
		buf_free(&event);
	} else {
		reply_retry(&s->reply, status, retry_ms, reason);
	}
	stream_free(s);
}

/* is_revoked: was the token revoked since the request's thread judged it? Asked in the
 * moment before the stream is in the roster, where dismissal.c finds it. */
static bool
is_revoked(const struct hub_state *hub, const struct stream *s)
{
	return revocations_cover(hub->revocations, s->filter.user, s->issued_at);
}

static void
refuse_revoked(struct hub_state *hub, struct stream *s)
{
	HUB_COUNT(hub, n_revoked, 1);
	verdict_refuse(VERDICT_REVOKED, &s->reply);
	stream_free(s);
}

/* admit sends what the worker prepared and enters the stream everywhere. */
static void
admit(struct hub_state *hub, struct stream *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = s };
	struct buf head = s->unsent;

	s->unsent = BUF_EMPTY;
	s->request_id = s->reply.request_id;
	s->return_to = s->reply.keep ? s->reply.conn->return_to : NULL;
	s->fd = conn_detach(s->reply.conn);
	s->reply.conn = NULL;
	if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0) {
		log_warn("hub: a stream cannot be watched");
		stream_free(s);
	} else {
		s->number = ++hub->n_admitted;
		s->since = clock_wall_s();
		roster_add(&hub->roster, s);
		tally_add(&hub->users, s->filter.user);
		HUB_COUNT(hub, n_streams, 1);
		HUB_COUNT(hub, n_joined, 1);
		reply_count(&s->reply, 200);
		life_after_write(hub, s, stream_write_buf(s, &head, hub->now));
		if (s->state != STREAM_CLOSED)
			heartbeat_set(hub, s);
	}
	buf_free(&head);
}

/* ---- waiting ---- */

static struct newcomers *
newcomers_of(struct admission *admission, const char *user)
{
	struct newcomers *newcomers = hash_get(&admission->users, user);

	if (newcomers == NULL) {
		newcomers = mem_zalloc(sizeof(*newcomers));
		newcomers->user = mem_strdup(user);
		TAILQ_INIT(&newcomers->streams);
		hash_put(&admission->users, newcomers->user, newcomers);
	}
	return newcomers;
}

static void
call(struct admission *admission, struct newcomers *newcomers)
{
	if (newcomers->is_called)
		return;
	newcomers->is_called = true;
	TAILQ_INSERT_TAIL(&admission->called, newcomers, link);
}

/* begin_waiting: false where the stream cannot be watched. */
static bool
begin_waiting(struct admission *admission, struct hub_state *hub, struct stream *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.ptr = s };
	struct newcomers *newcomers;

	if (epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, s->reply.conn->fd, &event) < 0)
		return false;
	newcomers = newcomers_of(admission, s->filter.user);
	TAILQ_INSERT_TAIL(&newcomers->streams, s, link);
	newcomers->n++;
	admission->n_waiting++;
	timers_set(&admission->deadlines, &s->timer, hub->now + ADMISSION_WAIT_MS * 1000);
	return true;
}

/* end_waiting leaves the stream as it came; the newcomers are gone with their last. */
static void
end_waiting(struct admission *admission, struct hub_state *hub, struct stream *s)
{
	struct newcomers *newcomers = hash_get(&admission->users, s->filter.user);

	epoll_ctl(hub->epoll_fd, EPOLL_CTL_DEL, s->reply.conn->fd, NULL);
	timers_clear(&admission->deadlines, &s->timer);
	TAILQ_REMOVE(&newcomers->streams, s, link);
	admission->n_waiting--;
	if (--newcomers->n > 0)
		return;
	if (newcomers->is_called)
		TAILQ_REMOVE(&admission->called, newcomers, link);
	hash_remove(&admission->users, newcomers->user);
	free(newcomers->user);
	free(newcomers);
}

/* ---- who may ---- */

static size_t
max_per_user(const struct hub_state *hub)
{
	return atomic_load(&hub->limits.max_streams_per_user);
}

static bool
user_has_room(const struct hub_state *hub, const char *user)
{
	const struct listeners *listeners = roster_user(&hub->roster, user);

	return listeners == NULL || listeners->n < max_per_user(hub);
}

static bool
has_max_streams(const struct hub_state *hub)
{
	return hub->roster.n >= atomic_load(&hub->limits.max_streams);
}

static bool
server_is_full(const struct hub_state *hub, const struct stream *s)
{
	return has_max_streams(hub)
	    || (size_t)s->reply.conn->fd >= hub->limits.max_descriptors;
}

static void
refuse_full(struct hub_state *hub, struct stream *s)
{
	HUB_COUNT(hub, n_refused[has_max_streams(hub) ? STREAM_REFUSED_MAX_STREAMS
	    : STREAM_REFUSED_DESCRIPTORS], 1);
	refuse(s, 503, "the server has as many streams as it may hold", FULL_RETRY_MIN_MS,
	    FULL_RETRY_MAX_MS);
}

static void
refuse_user(struct hub_state *hub, struct stream *s)
{
	HUB_COUNT(hub, n_refused[STREAM_REFUSED_MAX_STREAMS_PER_USER], 1);
	refuse(s, 429, "this user has as many streams as one may hold", USER_RETRY_MIN_MS,
	    USER_RETRY_MAX_MS);
}

/* judge admits the stream or refuses it; is_late: others of its user wait. */
static void
judge(struct hub_state *hub, struct stream *s, bool is_late)
{
	if (is_revoked(hub, s))
		refuse_revoked(hub, s);
	else if (server_is_full(hub, s))
		refuse_full(hub, s);
	else if (is_late || !user_has_room(hub, s->filter.user))
		refuse_user(hub, s);
	else
		admit(hub, s);
}

/* receive is for a stream that has just come. It waits where nothing but streams
 * of its own user, or others of that user who wait already, stand in the way. */
static void
receive(struct admission *admission, struct hub_state *hub, struct stream *s)
{
	struct newcomers *others = hash_get(&admission->users, s->filter.user);
	bool may_wait = others != NULL
	    ? others->n < max_per_user(hub) : !user_has_room(hub, s->filter.user);
	struct listeners *listeners;

	if (!may_wait || is_revoked(hub, s) || server_is_full(hub, s)
	    || admission->n_waiting == ADMISSION_MAX_WAITING
	    || !begin_waiting(admission, hub, s)) {
		judge(hub, s, others != NULL);
		return;
	}
	listeners = roster_user(&hub->roster, s->filter.user);
	if (listeners != NULL)
		heartbeat_probe(hub, listeners);
	if (others != NULL)
		call(admission, others);  /* the limits may have changed */
}

static void
admit_called(struct admission *admission, struct hub_state *hub)
{
	struct newcomers *newcomers;

	while ((newcomers = TAILQ_FIRST(&admission->called)) != NULL) {
		struct stream *s = TAILQ_FIRST(&newcomers->streams);

		if (user_has_room(hub, newcomers->user)) {
			end_waiting(admission, hub, s);
			judge(hub, s, false);
		} else {
			TAILQ_REMOVE(&admission->called, newcomers, link);
			newcomers->is_called = false;
		}
	}
}

void
admission_init(struct admission *admission)
{
	*admission = (struct admission){ 0 };
	TAILQ_INIT(&admission->called);
}

void
admission_run(struct admission *admission, struct hub_state *hub, struct mail *joining)
{
	struct mail *mail, *next;
	struct timer *timer;

	for (mail = joining; mail != NULL; mail = next) {
		next = mail->next;
		receive(admission, hub, CONTAINER_OF(mail, struct stream, mail));
	}
	admit_called(admission, hub);
	while ((timer = timers_first(&admission->deadlines)) != NULL && timer->due <= hub->now) {
		struct stream *s = CONTAINER_OF(timer, struct stream, timer);

		end_waiting(admission, hub, s);
		judge(hub, s, false);
	}
}

void
admission_call(struct admission *admission, struct hub_state *hub)
{
	struct stream *s;

	if (admission->n_waiting == 0)
		return;
	TAILQ_FOREACH(s, &hub->closed, link) {
		struct newcomers *newcomers = hash_get(&admission->users, s->filter.user);

		if (newcomers != NULL)
			call(admission, newcomers);
	}
}

void
admission_hung_up(struct admission *admission, struct hub_state *hub, struct stream *s)
{
	end_waiting(admission, hub, s);
	stream_free(s);
}

mono_us
admission_due(const struct admission *admission, const struct hub_state *hub, mono_us latest)
{
	const struct timer *first = timers_first(&admission->deadlines);

	if (!TAILQ_EMPTY(&admission->called))
		return hub->now;
	return first != NULL && first->due < latest ? first->due : latest;
}

void
admission_stop(struct admission *admission, struct hub_state *hub)
{
	struct timer *timer;

	while ((timer = timers_first(&admission->deadlines)) != NULL) {
		struct stream *s = CONTAINER_OF(timer, struct stream, timer);

		end_waiting(admission, hub, s);
		refuse(s, 503, "the server is stopping", USER_RETRY_MIN_MS, USER_RETRY_MAX_MS);
	}
	timers_free(&admission->deadlines);
	hash_free(&admission->users);
}
