/* The thread that follows bodies. All of struct following is its own; others reach only
 * `arrived`, a mailbox, and n_bodies. The writer gives orders back by two more mailboxes.
 *
 * A body is taken a step further whenever something has come of it, what was ordered for it
 * has come back, or it has waited in line. A step reads a little, orders what was read
 * unless an order is under way, and ends the body when all of it is done: so no body keeps
 * the others for longer than FOLLOWING_TURN_BYTES take to be parsed. While one batch is being
 * committed the next is read, and then no more: the peer waits in its socket.
 *
 * A body ends in one of these ways, once all that was read is stored:
 *   it has ended its topic, or come to its own end       the ids
 *   somebody else has ended the topic                    409
 *   it was refused, broke off, was silent, or we stop    the last will, then why
 * What is left of it then intake throws away (conn_keep). */

#include "app/publish/following.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/publish/body.h"
#include "app/publish/ending.h"
#include "app/publish/following_state.h"
#include "app/publish/storing.h"
#include "lib/epollwait.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	EVENTS_MAX = 64,
	/* Between looks for the wills of who has ended meanwhile: where there are others', and
	 * where there were none. Two processes may share the store for good. */
	LOOK_MS = 1000,
	LOOK_IDLY_MS = 10000,
	DESCRIPTORS_PART = 4,
};

/* ---- a step ---- */

static void
step(struct body *body)
{
	bool wants;

	if (body->is_answering) {
		ending_answer(body);
		return;
	}
	if (body->waits_for_will)
		return;
	if (body->watched != 0)
		body_receive(body, &body->content);
	body_parse(body);
	storing_order(body);
	body_hold(body);
	if (!body->is_ordered && body->is_read && body->flying.n == 0 && body->followed.batch.n == 0) {
		ending_begin(body);
		return;
	}
	if (body_has_content(body) && body_has_room(body))
		body_run(body);
	wants = body->end == BODY_COMES && !body_has_content(body) && body_has_room(body);
	body_watch(body, wants ? EPOLLIN : 0);
	if (wants)
		body_be_due(body, body->following->bounds.silence_ms);
	else
		timers_clear(&body->following->timers, &body->timer);
}

/* be_late: neither the body nor the answer goes on. */
static void
be_late(struct body *body)
{
	timers_clear(&body->following->timers, &body->timer);
	if (body->is_answering) {
		ending_give_up(body);
		return;
	}
	body->end = BODY_SILENT;
	body_run(body);
}

/* ---- the loop ---- */

static void
begin_body(struct following *following, struct body *body)
{
	struct conn *conn = body->reply.conn;

	TAILQ_INSERT_TAIL(&following->bodies, body, link);
	body->will.life = writer_life(following->writer);
	body->will.number = ++following->n_given;
	body->will.topic = body->followed.topic;
	holding_begin(&body->holding, &following->holdings);
	holding_judged(&body->holding, body->user);
	body->end = conn->arrival != NULL ? BODY_COMES : BODY_WHOLE;
	body_run(body);
}

/* hold_to_bounds ends bodies whose messages do not end, and take too much. */
static void
hold_to_bounds(struct following *following)
{
	struct holding *holding;

	while ((holding = holdings_excess(&following->holdings)) != NULL) {
		struct body *body = CONTAINER_OF(holding, struct body, holding);

		holding_end(holding);
		followed_refuse(&body->followed, 503, "too many large messages are on their way at once:"
		    " what came before is stored, and the topic has ended as aborted");
		body_run(body);
	}
}

static void
take_will(void *context, const struct store_will *will)
{
	struct following *following = context;

	wills_carry_out(&following->wills, will->topic, true, will, NULL);
}

/* look_for_wills carries out what others have left. */
static void
look_for_wills(struct following *following)
{
	int n_alive;

	/* Those that are under way would be found again. */
	if (following->store == NULL || clock_mono_us() < following->next_look
	    || !wills_are_done(&following->wills))
		return;
	n_alive = store_read_wills(following->store, writer_life(following->writer), take_will,
	    following);
	following->next_look = clock_mono_us()
	    + (mono_us)(n_alive == 0 ? LOOK_IDLY_MS : LOOK_MS) * 1000;
}

static void
run_some(struct following *following)
{
	struct body *last = TAILQ_LAST(&following->running, body_list), *body;
	bool is_last = last == NULL;

	/* Who is to run again comes behind the last. */
	while (!is_last) {
		body = TAILQ_FIRST(&following->running);
		is_last = body == last;
		TAILQ_REMOVE(&following->running, body, run_link);
		body->is_running = false;
		step(body);
	}
}

static void
run_timers(struct following *following)
{
	struct timer *timer;

	while ((timer = timers_first(&following->timers)) != NULL && timer->due <= clock_mono_us())
		be_late(CONTAINER_OF(timer, struct body, timer));
}

/* wait_us returns for how long there is nothing to do. */
static mono_us
wait_us(const struct following *following)
{
	const struct timer *timer = timers_first(&following->timers);
	mono_us next = wills_next(&following->wills), now = clock_mono_us();

	if (!TAILQ_EMPTY(&following->running))
		return 0;
	if (timer != NULL && timer->due < next)
		next = timer->due;
	if (following->store != NULL && following->next_look < next
	    && wills_are_done(&following->wills))
		next = following->next_look;
	if (following->full_until != 0 && following->full_until < next)
		next = following->full_until;
	if (next == INT64_MAX)
		return (mono_us)LOOK_MS * 1000;
	return next > now ? next - now : 0;
}

static void
hear(struct following *following)
{
	struct mail *mail, *next;
	struct body *body;

	for (mail = mailbox_take(&following->stored); mail != NULL; mail = next) {
		next = mail->next;
		storing_hear(storing_body(mail));
	}
	while ((body = wills_hear(&following->wills)) != NULL)
		ending_hear_will(body);
	for (mail = mailbox_take(&following->arrived); mail != NULL; mail = next) {
		next = mail->next;
		begin_body(following, CONTAINER_OF(mail, struct body, mail));
	}
}

/* break_off ends those that are still coming. */
static void
break_off(struct following *following)
{
	struct body *body;

	following->next_look = INT64_MAX;
	TAILQ_FOREACH(body, &following->bodies, link) {
		if (body->end != BODY_COMES || body->is_answering || body->waits_for_will)
			continue;
		body_watch(body, 0);
		body->end = BODY_STOPPED;
		body_run(body);
	}
}

static bool
is_done(const struct following *following)
{
	return TAILQ_EMPTY(&following->bodies) && !wills_are_ordered(&following->wills);
}

static void *
following_run(void *arg)
{
	struct following *following = arg;
	bool stopping = false;

	while (!stopping || !is_done(following)) {
		struct epoll_event events[EVENTS_MAX];
		int n = epollwait_us(following->epoll_fd, events, EVENTS_MAX, wait_us(following));

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr != NULL)
				body_run(events[i].data.ptr);
		stopping = atomic_load(&following->stopping);
		hear(following);
		if (stopping)
			break_off(following);
		else
			look_for_wills(following);
		storing_go_on(following);
		run_some(following);
		hold_to_bounds(following);
		run_timers(following);
		wills_retry(&following->wills);
	}
	return NULL;
}

/* ---- what other threads call ---- */

static void
watch_mailbox(struct following *following, struct mailbox *box)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	if (epoll_ctl(following->epoll_fd, EPOLL_CTL_ADD, box->wake_fd, &event) < 0)
		fatal("following: epoll_ctl");
}

static struct following_bounds
bounds_of(const struct following_bounds *given)
{
	struct following_bounds bounds = given != NULL ? *given : (struct following_bounds){ 0 };
	struct rlimit files;

	if (bounds.silence_ms == 0)
		bounds.silence_ms = FOLLOWING_SILENCE_MS;
	if (bounds.max_messages == 0)
		bounds.max_messages = FOLLOWING_MAX_MESSAGES;
	if (bounds.max_bodies == 0) {
		bounds.max_bodies = FOLLOWING_MAX_BODIES;
		if (getrlimit(RLIMIT_NOFILE, &files) == 0
		    && files.rlim_cur / DESCRIPTORS_PART < bounds.max_bodies)
			bounds.max_bodies = files.rlim_cur / DESCRIPTORS_PART;
	}
	return bounds;
}

struct following *
following_start(struct writer *writer, const char *store_name,
    const struct following_bounds *bounds)
{
	struct following *following = mem_zalloc(sizeof(*following));

	following->writer = writer;
	following->bounds = bounds_of(bounds);
	following->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (following->epoll_fd < 0)
		fatal("following: no descriptors");
	mailbox_init(&following->arrived);
	mailbox_init(&following->stored);
	wills_init(&following->wills, writer);
	TAILQ_INIT(&following->bodies);
	TAILQ_INIT(&following->running);
	TAILQ_INIT(&following->in_line);
	holdings_init(&following->holdings);
	following->bytes = mem_alloc(FOLLOWING_TURN_BYTES);
	watch_mailbox(following, &following->arrived);
	watch_mailbox(following, &following->stored);
	watch_mailbox(following, &following->wills.done);
	if (store_name != NULL)
		following->store = store_open(store_name, STORE_READER);
	look_for_wills(following);
	thread_start(&following->thread, "following", following_run, following);
	return following;
}

int
following_take(struct following *following, const struct following_request *request,
    struct buf *body_so_far, struct reply *reply)
{
	struct body *body;

	if (atomic_fetch_add(&following->n_bodies, 1) >= following->bounds.max_bodies) {
		atomic_fetch_sub(&following->n_bodies, 1);
		return FOLLOWING_CROWDED;
	}
	body = mem_zalloc(sizeof(*body));
	body->following = following;
	body->user = mem_strdup(request->user);
	followed_init(&body->followed, request->form, request->topic, request->max_message_bytes,
	    following->bounds.max_messages);
	body->content = *body_so_far;
	*body_so_far = BUF_EMPTY;
	body->reply = *reply;
	reply->conn = NULL;
	mailbox_put(&following->arrived, &body->mail);
	return 0;
}

size_t
following_count(struct following *following)
{
	return atomic_load(&following->n_bodies);
}

void
following_stop(struct following *following)
{
	atomic_store(&following->stopping, true);
	mailbox_wake(&following->arrived);
	pthread_join(following->thread, NULL);
	store_close(following->store);
	wills_free(&following->wills);
	mailbox_free(&following->arrived);
	mailbox_free(&following->stored);
	holdings_free(&following->holdings);
	timers_free(&following->timers);
	close(following->epoll_fd);
	free(following->bytes);
	free(following);
}
