/* The thread that follows bodies. All of struct following is its own; others reach only
 * `arrived`, a mailbox, and n_bodies. The writer gives orders back by two more mailboxes.
 *
 * A body is taken a step further whenever something has come of it, what was ordered for it
 * has come back, or it has waited in line. A step reads a little, orders what was read
 * unless an order is under way, and ends the body when all of it is done: so no body keeps
 * the others for longer than TURN_BYTES take to be parsed. While one batch is being
 * committed the next is read, and then no more: the peer waits in its socket.
 *
 * A body ends in one of these ways, once all that was read is stored:
 *   it has ended its topic, or come to its own end       the ids
 *   somebody else has ended the topic                    409
 *   it was refused, broke off, was silent, or we stop    the last will, then why
 * What is left of it then intake throws away (conn_keep). */

#include "app/publish/following.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/fastcgi/arrival.h"
#include "app/fastcgi/holdings.h"
#include "app/publish/idanswer.h"
#include "app/publish/wills.h"
#include "lib/clock.h"
#include "lib/epollwait.h"
#include "lib/idlist.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"
#include "lib/timers.h"

enum {
	EVENTS_MAX = 64,
	TURN_BYTES = 16 << 10,    /* read and parsed of one body in one step */
	SLICE_BYTES = 4 << 10,    /* parsed before it is looked whether the batch is full */
	FULL_MS = 10,             /* after the writer took no more; picked, not tuned */
	LOOK_MS = 1000,           /* between looks for the wills of who has ended meanwhile */
	DESCRIPTORS_PART = 4,
};

/* How the body has come to its end. */
enum body_end {
	BODY_COMES,      /* it has not */
	BODY_WHOLE,
	BODY_CUT,
	BODY_SILENT,
	BODY_STOPPED,    /* by us */
};

struct body {
	struct mail mail;
	struct following *following;
	TAILQ_ENTRY(body) link, run_link, line_link;
	bool is_running;             /* in the list of those that are taken a step further */
	bool is_in_line;             /* until others' orders are done */
	uint32_t watched;            /* for these events; 0: epoll does not know it */
	struct timer timer;
	struct holding holding;

	struct reply reply;
	char *user;
	struct buf content;          /* of the body, not parsed */
	size_t content_at;           /* what of it is */
	enum body_end end;
	bool is_read;                /* all of it is parsed, or will not be */
	struct followed followed;

	struct batch flying;         /* what is being stored, from its message number `from` on */
	size_t from;
	bool one_by_one;             /* since together they were refused */
	struct writer_order order;
	bool is_ordered;
	bool is_of_ended;            /* the topic was ended by somebody else */

	struct store_will will;
	bool is_willed;              /* that stands in the store */
	bool waits_for_will;         /* that it is carried out */

	struct idlist ids;
	struct idanswer answer;
	bool is_answering;
};

TAILQ_HEAD(body_list, body);

struct following {
	struct writer *writer;       /* lent */
	struct following_bounds bounds;
	int epoll_fd;
	struct mailbox arrived, stored;
	struct wills wills;
	struct store *store;         /* that may have wills of others; NULL: it has none */
	mono_us next_look;
	struct body_list bodies, running, in_line;
	mono_us full_until;          /* the writer is asked again then; 0: it takes orders */
	struct timers timers;
	struct holdings holdings;    /* of messages that have not ended */
	size_t n_ordered, n_ordered_bytes;  /* messages */
	size_t n_read_bytes;
	int64_t n_given;             /* numbers of wills */
	unsigned char *bytes;        /* TURN_BYTES to read into */
	_Atomic size_t n_bodies;
	_Atomic bool stopping;
	pthread_t thread;
};

static void
run(struct body *body)
{
	if (body->is_running)
		return;
	body->is_running = true;
	TAILQ_INSERT_TAIL(&body->following->running, body, run_link);
}

/* ---- waiting for the peer ---- */

static void
watch(struct body *body, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = body };
	int epoll_fd = body->following->epoll_fd, fd = body->reply.conn->fd;

	if (body->watched == events)
		return;
	/* What nobody waits for may not be in it: that the peer is gone it tells in any case. */
	if (events == 0)
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(epoll_fd, body->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) < 0)
		fatal("following: epoll_ctl");
	body->watched = events;
}

static void
be_due(struct body *body, int ms)
{
	timers_set(&body->following->timers, &body->timer, clock_mono_us() + (mono_us)ms * 1000);
}

/* ---- what is read ---- */

/* count_read counts what the batch holds now, and held before. */
static void
count_read(struct body *body, size_t before)
{
	body->following->n_read_bytes += body->followed.batch.n_bytes - before;
}

static bool
has_room(const struct body *body)
{
	const struct batch *batch = &body->followed.batch;

	if (followed_is_over(&body->followed))
		return false;
	return batch->n == 0 || (batch->n < FOLLOWING_BATCH_MESSAGES
	    && batch->n_bytes < FOLLOWING_BATCH_BYTES
	    && body->following->n_read_bytes < FOLLOWING_READ_BYTES);
}

static bool
has_content(const struct body *body)
{
	return body->content_at < body->content.len;
}

/* parse parses what has come, as far as there is room. */
static void
parse(struct body *body)
{
	size_t before = body->followed.batch.n_bytes;

	for (size_t n, done = 0; has_content(body) && has_room(body) && done < TURN_BYTES; done += n) {
		n = body->content.len - body->content_at;
		if (n > SLICE_BYTES)
			n = SLICE_BYTES;
		followed_read(&body->followed, body->content.bytes + body->content_at, n);
		body->content_at += n;
	}
	if (followed_is_over(&body->followed) || !has_content(body)) {
		buf_free(&body->content);
		body->content_at = 0;
	}
	if (!body->is_read && !has_content(body) && body->end == BODY_WHOLE)
		followed_end(&body->followed);
	if (followed_is_over(&body->followed) || (!has_content(body) && body->end != BODY_COMES))
		body->is_read = true;
	count_read(body, before);
}

/* take_in takes bytes of the connection in: the content of STDIN is the body. */
static void
take_in(struct body *body, const unsigned char *bytes, size_t n, struct buf *content)
{
	struct conn *conn = body->reply.conn;

	while (n > 0 && body->end == BODY_COMES) {
		size_t taken = fcgi_scan(&conn->arrival->scan, bytes, n, content);

		bytes += taken;
		n -= taken;
		switch (conn->arrival->scan.state) {
		case FCGI_SCAN_PARTIAL:
		case FCGI_SCAN_BODY:
			break;
		case FCGI_SCAN_WHOLE:
			body->end = BODY_WHOLE;
			break;
		case FCGI_SCAN_ABORTED:
		case FCGI_SCAN_BAD:
			body->end = BODY_CUT;
		}
	}
	if (body->end == BODY_COMES)
		return;
	if (body->end == BODY_WHOLE) {
		arrival_free(conn->arrival);
		conn->arrival = NULL;
	}
	/* A request behind it is lost: the connection's end tells its peer. */
	if (n > 0) {
		conn->followed = true;
		body->reply.keep = false;
	}
}

/* receive reads what has come; content NULL: to throw it away. */
static void
receive(struct body *body, struct buf *content)
{
	ssize_t n = recv(body->reply.conn->fd, body->following->bytes, TURN_BYTES, MSG_DONTWAIT);

	if (n > 0)
		take_in(body, body->following->bytes, (size_t)n, content);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		body->end = BODY_CUT;
}

/* hold counts the message that has not ended. */
static void
hold(struct body *body)
{
	size_t n = followed_holds(&body->followed);

	if (body->holding.holdings != NULL && body->holding.n_bytes != n)
		holding_set(&body->holding, n);
}

/* ---- what is stored ---- */

static struct body *
body_of(struct mail *mail)
{
	struct writer_order *order = CONTAINER_OF(mail, struct writer_order, mail);

	return CONTAINER_OF(order, struct body, order);
}

static void
stored(struct writer_order *order)
{
	mailbox_put(order->context, &order->mail);
}

/* completes: is that which is ordered now the last of a body that owes its topic nothing
 * more? */
static bool
completes(const struct body *body, size_t n)
{
	return body->is_read && body->followed.status == 0 && body->from + n == body->flying.n
	    && body->followed.batch.n == 0
	    && (body->followed.has_ended || body->end == BODY_WHOLE);
}

static enum store_will_change
will_change(const struct body *body, size_t n)
{
	if (completes(body, n))
		return body->is_willed ? STORE_WILL_REVOKE : STORE_WILL_KEEP;
	return body->is_willed || body->will.life == 0 ? STORE_WILL_KEEP : STORE_WILL_WRITE;
}

static void
stand_in_line(struct body *body)
{
	if (body->is_in_line)
		return;
	body->is_in_line = true;
	TAILQ_INSERT_TAIL(&body->following->in_line, body, line_link);
}

static void
drop_unstored(struct body *body)
{
	size_t before = body->followed.batch.n_bytes;

	batch_free(&body->flying);
	batch_free(&body->followed.batch);
	count_read(body, before);
	body->from = 0;
}

/* commit orders what was read, if nothing is ordered. */
static void
commit(struct body *body)
{
	struct following *following = body->following;
	size_t n, n_bytes = 0;

	if (body->is_ordered || body->is_in_line)
		return;
	if (body->flying.n == 0) {
		size_t before = body->followed.batch.n_bytes;

		body->flying = body->followed.batch;
		body->followed.batch = (struct batch){ 0 };
		body->from = 0;
		body->one_by_one = false;
		count_read(body, before);
	}
	if (body->flying.n == 0)
		return;
	n = body->one_by_one ? 1 : body->flying.n;
	for (size_t i = body->from; i < body->from + n; i++)
		n_bytes += body->flying.messages[i].data_len;
	if (following->full_until != 0 || (following->n_ordered > 0
	    && (following->n_ordered + n > FOLLOWING_ORDERED_MESSAGES
	    || following->n_ordered_bytes + n_bytes > FOLLOWING_ORDERED_BYTES))) {
		stand_in_line(body);
		return;
	}
	body->order = (struct writer_order){
		.append = {
			.messages = body->flying.messages + body->from, .n = n,
			.publisher = body->user,
			.will_change = will_change(body, n), .will = body->will,
		},
		.n_bytes = n_bytes,
		.done = stored,
		.context = &following->stored,
	};
	if (writer_order(following->writer, &body->order) != 0) {
		following->full_until = clock_mono_us() + FULL_MS * 1000;
		stand_in_line(body);
		return;
	}
	body->is_ordered = true;
	following->n_ordered += n;
	following->n_ordered_bytes += n_bytes;
}

/* hear_stored goes on with what has come back from the writer. */
static void
hear_stored(struct body *body)
{
	struct following *following = body->following;
	const struct append *append = &body->order.append;

	body->is_ordered = false;
	following->n_ordered -= append->n;
	following->n_ordered_bytes -= body->order.n_bytes;
	switch (body->order.fate) {
	case WRITER_STORED:
		for (size_t i = 0; i < append->n; i++)
			idlist_add(&body->ids, append->messages[i].id);
		if (append->will_change != STORE_WILL_KEEP)
			body->is_willed = append->will_change == STORE_WILL_WRITE;
		body->from += append->n;
		if (body->from == body->flying.n) {
			batch_free(&body->flying);
			body->from = 0;
		}
		break;
	case WRITER_ENDED:
		followed_refuse(&body->followed, 409, "the topic has ended");
		body->is_of_ended = true;
		break;
	case WRITER_REFUSED:
		if (append->n > 1)
			body->one_by_one = true;
		else
			followed_refuse(&body->followed, FIELD_BAD, "line %zu: the table refuses the"
			    " message; see the log", body->flying.lines[body->from]);
		break;
	case WRITER_FAILED:
		/* Of a log it is not known whether it was written. */
		body->is_willed |= append->will_change == STORE_WILL_WRITE;
		followed_refuse(&body->followed, 503, "%s", body->order.sentence);
	}
	if (body->order.fate != WRITER_STORED && !(body->order.fate == WRITER_REFUSED
	    && body->one_by_one && append->n > 1))
		drop_unstored(body);
	run(body);
}

/* ---- the end of a body ---- */

static void
free_body(struct body *body)
{
	struct following *following = body->following;

	timers_clear(&following->timers, &body->timer);
	if (body->is_running)
		TAILQ_REMOVE(&following->running, body, run_link);
	if (body->is_in_line)
		TAILQ_REMOVE(&following->in_line, body, line_link);
	TAILQ_REMOVE(&following->bodies, body, link);
	drop_unstored(body);
	holding_end(&body->holding);
	buf_free(&body->content);
	followed_free(&body->followed);
	idlist_free(&body->ids);
	idanswer_free(&body->answer);
	free(body->user);
	free(body);
	atomic_fetch_sub(&following->n_bodies, 1);
}

/* part is before the connection is given up; where the body still comes, intake has it then. */
static void
part(struct body *body)
{
	watch(body, 0);
	body->reply.conn->deadline = clock_mono_us() + (mono_us)FOLLOWING_LINGER_MS * 1000;
}

/* refuse answers that the body came to nothing, and frees it. */
static void
refuse(struct body *body)
{
	struct reply *reply = &body->reply;
	int status = body->followed.status;

	part(body);
	if (body->end == BODY_CUT)
		reply_drop(reply);
	else if (status == 503)
		reply_error(reply, 503, "Retry-After: 1\r\n", body->followed.error);
	else
		reply_error(reply, status, NULL, body->followed.error);
	free_body(body);
}

/* answer sends the ids on, and frees the body when that is over. */
static void
answer(struct body *body)
{
	struct reply *reply = &body->reply;
	bool comes = body->end == BODY_COMES;
	size_t before = body->answer.reader.at + body->answer.at;

	/* A peer may read nothing before it has written all. */
	if (comes && body->watched != 0)
		receive(body, NULL);
	switch (body->end == BODY_CUT ? IDANSWER_BROKEN : idanswer_send(&body->answer, reply, &body->ids)) {
	case IDANSWER_SENT:
		part(body);
		reply_done(reply, true);
		free_body(body);
		return;
	case IDANSWER_BROKEN:
		watch(body, 0);
		reply_done(reply, false);
		free_body(body);
		return;
	case IDANSWER_MORE:
		run(body);
		break;
	case IDANSWER_FULL:
		break;
	}
	watch(body, EPOLLOUT | (body->end == BODY_COMES ? EPOLLIN : 0));
	if (before != body->answer.reader.at + body->answer.at || body->timer.place == 0)
		be_due(body, FOLLOWING_ANSWER_MS);
}

static void
begin_answer(struct body *body)
{
	watch(body, 0);
	timers_clear(&body->following->timers, &body->timer);
	idanswer_begin(&body->answer, &body->reply, &body->ids);
	body->is_answering = true;
	answer(body);
}

/* say_why words a refusal by the way in which the body has come to its end. */
static void
say_why(struct body *body)
{
	if (body->end == BODY_SILENT)
		followed_refuse(&body->followed, 408, "nothing of the body came for too long: what came"
		    " before is stored, and the topic has ended as aborted");
	else
		followed_refuse(&body->followed, 503, "rowcast is being stopped: what came before is"
		    " stored, and the topic has ended as aborted");
}

/* finish ends a body of which all is stored that will be. */
static void
finish(struct body *body)
{
	struct following *following = body->following;
	const struct store_will *will = body->is_willed ? &body->will : NULL;
	bool is_good = body->followed.status == 0
	    && (body->followed.has_ended || body->end == BODY_WHOLE);

	holding_end(&body->holding);
	if (!is_good)
		say_why(body);
	if ((is_good || body->is_of_ended) && will == NULL) {
		if (is_good)
			begin_answer(body);
		else
			refuse(body);
		return;
	}
	watch(body, 0);
	timers_clear(&following->timers, &body->timer);
	body->waits_for_will = true;
	wills_carry_out(&following->wills, body->followed.topic, !is_good && !body->is_of_ended, will,
	    body);
}

/* hear_will answers a body whose will is carried out, or was tried to be: it will be. */
static void
hear_will(struct body *body)
{
	body->waits_for_will = body->is_willed = false;
	if (body->followed.status == 0)
		begin_answer(body);
	else
		refuse(body);
}

/* ---- a step ---- */

static void
step(struct body *body)
{
	bool wants;

	if (body->is_answering) {
		answer(body);
		return;
	}
	if (body->waits_for_will)
		return;
	if (body->watched != 0)
		receive(body, &body->content);
	parse(body);
	commit(body);
	hold(body);
	if (!body->is_ordered && body->is_read && body->flying.n == 0 && body->followed.batch.n == 0) {
		finish(body);
		return;
	}
	if (has_content(body) && has_room(body))
		run(body);
	wants = body->end == BODY_COMES && !has_content(body) && has_room(body);
	watch(body, wants ? EPOLLIN : 0);
	if (wants)
		be_due(body, body->following->bounds.silence_ms);
	else
		timers_clear(&body->following->timers, &body->timer);
}

/* be_late: neither the body nor the answer goes on. */
static void
be_late(struct body *body)
{
	timers_clear(&body->following->timers, &body->timer);
	if (body->is_answering) {
		watch(body, 0);
		reply_done(&body->reply, false);
		free_body(body);
		return;
	}
	body->end = BODY_SILENT;
	run(body);
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
	run(body);
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
		run(body);
	}
}

static void
take_will(void *context, const struct store_will *will)
{
	struct following *following = context;

	wills_carry_out(&following->wills, will->topic, true, will, NULL);
}

/* look_for_wills carries out what others have left, and looks again while others live. */
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
	following->next_look = clock_mono_us() + LOOK_MS * 1000;
	if (n_alive == 0) {
		store_close(following->store);
		following->store = NULL;
	}
}

/* go_on_in_line lets those try again that wait for others' orders; who has to wait on is in
 * line again, in the same order. */
static void
go_on_in_line(struct following *following)
{
	struct body_list line = TAILQ_HEAD_INITIALIZER(line);
	struct body *body;

	if (following->full_until != 0) {
		if (clock_mono_us() < following->full_until)
			return;
		following->full_until = 0;
	} else if (following->n_ordered >= FOLLOWING_ORDERED_MESSAGES / 2) {
		return;
	}
	TAILQ_CONCAT(&line, &following->in_line, line_link);
	while ((body = TAILQ_FIRST(&line)) != NULL) {
		TAILQ_REMOVE(&line, body, line_link);
		body->is_in_line = false;
		commit(body);
		if (!body->is_in_line)
			run(body);
	}
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
	if (following->store != NULL && following->next_look < next)
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
		hear_stored(body_of(mail));
	}
	while ((body = wills_hear(&following->wills)) != NULL)
		hear_will(body);
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

	TAILQ_FOREACH(body, &following->bodies, link) {
		if (body->end != BODY_COMES || body->is_answering || body->waits_for_will)
			continue;
		watch(body, 0);
		body->end = BODY_STOPPED;
		run(body);
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
				run(events[i].data.ptr);
		stopping = atomic_load(&following->stopping);
		hear(following);
		if (stopping)
			break_off(following);
		else
			look_for_wills(following);
		go_on_in_line(following);
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
	following->bytes = mem_alloc(TURN_BYTES);
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
