/* Answers as bodies of POST /msg?follow=1, one connection each: lines of NDJSON that
 * are sent as they are made, and one answer with the ids of all when the body has ended.
 *
 * A body needs a length beforehand, as lighttpd wants one. It is a multiple of a line's,
 * so one that is written to its end ends properly, and the next body, once that one is
 * answered, goes on with the same answer; what ends earlier ends with rowcast.end. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/bench/http.h"
#include "tests/bench/loop.h"
#include "tests/bench/written.h"

enum {
	ROOM_BYTES = 64 << 10, /* unsent, with rate 0: more would only wait here */
	ANSWER_BYTES = 64 << 10
};

static const char end_line[] = "{\"event\":\"rowcast.end\",\"data\":\"{\\\"reason\\\":\\\"done\\\"}\"}\n";

struct bodies;

struct body {
	struct watch watch;  /* first: see loop.h */
	struct bodies *bodies;
	uint32_t answer;
	struct buf out;      /* what was not sent yet, from n_sent on */
	struct buf next;     /* lines of the next body, while this one has not been answered */
	size_t n_sent;
	size_t n_left;       /* of the length that was announced */
	bool is_blocked;     /* the socket takes no more for now */
	bool is_unsent;      /* among those to be flushed */
	bool is_ended;       /* with rowcast.end */
	uint32_t n_lines;    /* of this body, its end included */
	uint32_t n_ids;      /* in the answer */
	int64_t id;          /* being read */
	int64_t last_id;
	bool in_id;
	struct http http;
};

struct bodies {
	const struct options *options;
	struct written *written;
	struct body *bodies;     /* owned; options->answers of them */
	struct body **unsent;    /* owned; those with something to flush, n_unsent of them */
	uint32_t n_unsent;
	uint32_t n_open;         /* not acknowledged */
	size_t line, length;     /* bytes of each line, of each body */
};

static void
give_up(struct body *b, int status)
{
	struct written *w = b->bodies->written;

	w->refused += b->n_lines + b->next.len / b->bodies->line;
	b->next.len = 0;
	w->bad_status = status;
	b->n_lines = 0;
	b->bodies->n_open--;
	loop_close(&b->watch);
}

static void
push(struct body *b)
{
	while (b->n_sent < b->out.len) {
		ssize_t n = send(b->watch.fd, b->out.bytes + b->n_sent, b->out.len - b->n_sent, MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			if (!b->is_blocked)
				loop_watch_again(&b->watch, EPOLLIN | EPOLLOUT);
			b->is_blocked = true;
			return;
		}
		if (n == -1)
			return; /* what it says to that is to be read */
		b->n_sent += (size_t)n;
	}
	b->out.len = b->n_sent = 0;
	if (b->is_blocked)
		loop_watch_again(&b->watch, EPOLLIN);
	b->is_blocked = false;
}

/* begin sends the head of a body, and of what has waited for it as much as fits. */
static void
begin(struct body *b)
{
	const struct options *o = b->bodies->options;
	size_t n = b->next.len < b->bodies->length ? b->next.len : b->bodies->length;

	buf_add_str(&b->out, "POST ");
	template_add(&b->out, o, o->post.path, b->answer, NULL, 0);
	buf_printf(&b->out, " HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n", o->post.host, b->bodies->length);
	template_add(&b->out, o, o->post.headers.bytes, b->answer, NULL, 0);
	buf_add_str(&b->out, "\r\n");
	if (n > 0)
		buf_add(&b->out, b->next.bytes, n);
	b->next.len -= n;
	if (b->next.len > 0)
		memmove(b->next.bytes, b->next.bytes + n, b->next.len);
	b->n_left = b->bodies->length - n;
	b->n_lines = (uint32_t)(n / b->bodies->line);
	b->n_ids = 0;
	b->in_id = false;
	b->http = (struct http){ 0 };
	push(b);
}

static void body_ready(struct watch *w, uint32_t events);

static void
dial(struct body *b)
{
	const struct side *side = &b->bodies->options->post;
	const struct sockaddr_in *to = &side->addresses[b->answer % side->n_addresses];
	int on = 1;

	b->watch.ready = body_ready;
	b->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* It waits, so that no more come at a time than the server accepts. */
	if (b->watch.fd == -1 || connect(b->watch.fd, (const struct sockaddr *)to, sizeof *to) == -1)
		err(1, "connect to %s", side->host);
	setsockopt(b->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fcntl(b->watch.fd, F_SETFL, O_NONBLOCK) == -1)
		err(1, "fcntl");
	b->is_blocked = false;
	loop_watch(&b->watch, EPOLLIN);
	begin(b);
}

static void
take_id(struct body *b)
{
	b->in_id = false;
	b->n_ids++;
	if (b->id <= b->last_id)
		b->bodies->written->wrong_ids++;
	b->last_id = b->id;
	b->id = 0;
}

/* read_ids reads {"ids":[1,2,3]}: nothing else has digits in it. */
static void
read_ids(void *arg, const char *bytes, size_t n)
{
	struct body *b = arg;

	for (size_t k = 0; k < n; k++) {
		if (bytes[k] >= '0' && bytes[k] <= '9') {
			b->in_id = true;
			b->id = b->id * 10 + (bytes[k] - '0');
		} else if (b->in_id) {
			take_id(b);
		}
	}
}

/* answered is called when an answer is complete. */
static void
answered(struct body *b)
{
	bool goes_on = !b->is_ended && b->n_left == 0;

	if (b->http.status / 100 != 2 || (!b->is_ended && !goes_on)) {
		give_up(b, b->http.status);
		return;
	}
	b->bodies->written->wrong_ids += (uint64_t)llabs((long long)b->n_ids - (long long)b->n_lines);
	if (goes_on && !b->http.closing) {
		begin(b);
		return;
	}
	loop_close(&b->watch);
	if (goes_on)
		dial(b);
	else
		b->bodies->n_open--;
}

static void
body_ready(struct watch *watch, uint32_t events)
{
	static _Thread_local char answer[ANSWER_BYTES];
	struct body *b = (struct body *)watch;
	ssize_t n;

	if ((events & EPOLLOUT) != 0)
		push(b);
	if ((events & ~(uint32_t)EPOLLOUT) == 0)
		return;
	n = recv(b->watch.fd, answer, sizeof answer, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		http_feed(&b->http, answer, (size_t)n, read_ids, b);
	else if (http_ends_well(&b->http))
		b->http.state = HTTP_DONE;
	if (b->http.state == HTTP_DONE)
		answered(b);
	else if (n <= 0 || b->http.state == HTTP_BROKEN)
		give_up(b, b->http.status);
}

static void *
bodies_open(const struct options *o, struct written *w)
{
	struct bodies *all = mem_zalloc(sizeof *all);
	struct buf line = BUF_EMPTY;
	char *text = mem_zalloc(o->size);

	template_add(&line, o, o->body, 0, text, o->size);
	all->line = line.len + 1;
	all->length = o->length / all->line * all->line;
	buf_free(&line);
	free(text);
	all->options = o;
	all->written = w;
	all->bodies = mem_zalloc(o->answers * sizeof *all->bodies);
	all->unsent = mem_zalloc(o->answers * sizeof(struct body *));
	all->n_open = o->answers;
	for (uint32_t k = 0; k < o->answers; k++) {
		all->bodies[k].bodies = all;
		all->bodies[k].answer = k;
		dial(&all->bodies[k]);
	}
	return all;
}

static bool
has_room(void *of, uint32_t answer)
{
	struct bodies *all = of;
	const struct body *b = &all->bodies[answer];

	if (all->options->rate > 0)
		return true;
	return b->watch.fd != -1 && b->n_left > 0 && b->out.len - b->n_sent < ROOM_BYTES;
}

static void
added(struct body *b)
{
	b->n_lines++;
	if (!b->is_unsent)
		b->bodies->unsent[b->bodies->n_unsent++] = b;
	b->is_unsent = true;
}

static void
add(void *of, uint32_t answer, const char *text, size_t len)
{
	struct bodies *all = of;
	struct body *b = &all->bodies[answer];
	struct buf *out = b->n_left > 0 ? &b->out : &b->next;

	if (b->watch.fd == -1) {
		all->written->refused++;
		return;
	}
	template_add(out, all->options, all->options->body, answer, text, len);
	buf_add_char(out, '\n');
	if (b->n_left == 0)
		return;
	b->n_left -= all->line;
	added(b);
}

static void
flush(void *of)
{
	struct bodies *all = of;

	for (uint32_t k = 0; k < all->n_unsent; k++) {
		all->unsent[k]->is_unsent = false;
		if (all->unsent[k]->watch.fd != -1 && !all->unsent[k]->is_blocked)
			push(all->unsent[k]);
	}
	all->n_unsent = 0;
}

static void
wait_turn(void *of)
{
	(void)of;
	loop_turn(1);
}

static void
end_all(void *of)
{
	struct bodies *all = of;

	for (uint32_t k = 0; k < all->options->answers; k++) {
		struct body *b = &all->bodies[k];

		/* One that was just written to its length is answered first, and then the next
		 * one is nothing but the end. */
		while (b->watch.fd != -1 && b->n_left == 0)
			loop_turn(1);
		if (b->watch.fd == -1)
			continue;
		buf_add_str(&b->out, end_line);
		b->is_ended = true;
		added(b);
	}
}

static bool
is_acknowledged(void *of)
{
	return ((struct bodies *)of)->n_open == 0;
}

static void
bodies_close(void *of)
{
	struct bodies *all = of;

	for (uint32_t k = 0; k < all->options->answers; k++) {
		if (all->bodies[k].watch.fd != -1)
			give_up(&all->bodies[k], 0);
		buf_free(&all->bodies[k].out);
		buf_free(&all->bodies[k].next);
	}
	free(all->unsent);
	free(all->bodies);
	free(all);
}

const struct way way_follow = {
	.open = bodies_open, .has_room = has_room, .add = add, .flush = flush, .wait = wait_turn, .end = end_all,
	.is_acknowledged = is_acknowledged, .close = bodies_close,
};
