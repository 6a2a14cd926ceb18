#include "tests/bench/swarm.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/mem.h"

enum {
	READ_BYTES = 256 * 1024, /* one recv(); as much as a socket usually holds */
	PER_SOURCE = 8000        /* streams from one 127.0.0.x: ports do not run out */
};

static char read_buffer[READ_BYTES];

void
swarm_init(struct swarm *s, const struct options *o, uint32_t window, swarm_take *take, void *arg)
{
	*s = (struct swarm){ .options = o, .take = take, .take_arg = arg, .window = 1024 };
	while (s->window < window)
		s->window *= 2;
	s->tries_left = o->n_streams * 3 + 100;
	s->streams = mem_zalloc((o->n_streams + 1) * sizeof *s->streams);
	s->seen = mem_zalloc(((size_t)o->n_streams * (s->window / 64) + 1) * sizeof *s->seen);
	for (uint32_t i = 0; i < o->n_streams; i++) {
		s->streams[i].watch.fd = -1;
		s->streams[i].swarm = s;
		s->streams[i].index = i;
		s->streams[i].seen = s->seen + (size_t)i * (s->window / 64);
		s->streams[i].last_id = -1;
		s->streams[i].newest = o->answers > 0 ? i % o->answers : 0;
	}
}

void
swarm_take_by(struct swarm *s, swarm_take *take)
{
	s->take = take;
}

void
swarm_free(struct swarm *s)
{
	swarm_cut(s);
	free(s->streams);
	free(s->seen);
}

/* is_first notes a number and says whether it came for the first time. The
 * bits are a window that ends at the newest number; what has left it counts as
 * seen, as nobody asks for numbers that old. */
static bool
is_first(struct stream *st, uint32_t number)
{
	uint32_t size = st->swarm->window;
	uint64_t *word = &st->seen[(number & (size - 1)) / 64];
	uint64_t bit = (uint64_t)1 << (number & 63);

	if (number > st->newest) {
		if (number - st->newest >= size)
			memset(st->seen, 0, size / 8);
		else
			for (uint32_t k = st->newest + 1; k <= number; k++)
				st->seen[(k & (size - 1)) / 64] &= ~((uint64_t)1 << (k & 63));
		st->newest = number;
	} else if (st->newest - number >= size || (*word & bit) != 0) {
		return false;
	}
	*word |= bit;
	return true;
}

/* is_next is is_first for the tokens of an answer, whose numbers are `answers` apart: none
 * comes after one that is newer, and none after the end. */
static bool
is_next(struct stream *st, uint32_t number)
{
	struct swarm *s = st->swarm;
	uint32_t answers = s->options->answers;

	if (number % answers != st->index % answers || st->is_over) {
		s->misdelivered++;
		return false;
	}
	if (number < st->newest) {
		s->duplicates++;
		return false;
	}
	st->newest = number + answers;
	return true;
}

/* is_new says whether a message is one to be counted, and counts what is wrong with it
 * otherwise. */
static bool
is_new(struct stream *st, uint32_t number)
{
	if (st->swarm->options->answers > 0)
		return is_next(st, number);
	if (is_first(st, number))
		return true;
	st->swarm->duplicates++;
	return false;
}

static void
take_event(void *arg, const struct sse_event *e)
{
	struct stream *st = arg;
	struct swarm *s = st->swarm;

	if (e->is_told)
		s->told++;
	if (e->has_message && e->number >= s->options->first) {
		if (e->has_id && e->id <= st->last_id)
			s->out_of_order++;
		if (is_new(st, e->number)) {
			st->n_messages++;
			s->take(s->take_arg, st, e->number, e->sent, s->read_at);
		}
	}
	st->is_over |= e->is_end;
	if (e->has_id)
		st->last_id = e->id;
}

static void
take_body(void *arg, const char *bytes, size_t n)
{
	struct stream *st = arg;

	sse_feed(&st->sse, bytes, n, take_event, st);
}

/* leave ends a stream that the server ended or never began. */
static void
leave(struct stream *st)
{
	struct swarm *s = st->swarm;

	if (st->state == STREAM_OPEN) {
		s->n_open--;
		s->ended += !st->is_over;
	} else if (st->state != STREAM_CLOSED) {
		s->n_opening--;
		s->retried++;
		if (s->tries_left-- == 0)
			errx(1, "stream %u and others could not be opened: %s (status %d)", st->index,
			    strerror(errno), st->http.status);
	}
	if (st->index < s->next)
		s->next = st->index; /* while opening: again, in its turn */
	st->state = STREAM_CLOSED;
	loop_close(&st->watch);
}

static void
send_request(struct stream *st)
{
	struct swarm *s = st->swarm;
	const struct options *o = s->options;
	static struct buf out; /* kept for the next one */
	int error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(st->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 || error != 0) {
		errno = error;
		leave(st);
		return;
	}
	out.len = 0;
	buf_add_str(&out, "GET ");
	template_add(&out, o, o->get.path, st->index, NULL, 0);
	buf_printf(&out, " HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n", o->get.host);
	template_add(&out, o, o->get.headers.bytes, st->index, NULL, 0);
	if (s->resumes && st->last_id >= 0)
		buf_printf(&out, "Last-Event-ID: %lld\r\n", (long long)st->last_id);
	buf_add_str(&out, "\r\n");
	/* A new socket has room for it at once. */
	if (send(st->watch.fd, out.bytes, out.len, MSG_NOSIGNAL) != (ssize_t)out.len) {
		leave(st);
		return;
	}
	st->state = STREAM_ASKING;
	loop_watch_again(&st->watch, EPOLLIN);
}

static void
read_stream(struct stream *st)
{
	struct swarm *s = st->swarm;
	ssize_t n = recv(st->watch.fd, read_buffer, sizeof read_buffer, 0);

	if (n <= 0) {
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		leave(st);
		return;
	}
	s->bytes += (uint64_t)n;
	s->read_at = clock_mono_us();
	http_feed(&st->http, read_buffer, (size_t)n, take_body, st);
	if (st->state == STREAM_ASKING && http_has_head(&st->http) && st->http.status == 200) {
		st->state = STREAM_OPEN;
		s->n_opening--;
		s->n_open++;
	}
	if (st->http.state >= HTTP_DONE || (http_has_head(&st->http) && st->http.status != 200))
		leave(st);
}

static void
stream_ready(struct watch *w, uint32_t events)
{
	struct stream *st = (struct stream *)w;

	(void)events;
	if (st->state == STREAM_CONNECTING)
		send_request(st);
	else
		read_stream(st);
}

static void
open_stream(struct stream *st)
{
	struct swarm *s = st->swarm;
	const struct side *side = &s->options->get;
	const struct sockaddr_in *to = &side->addresses[st->index % side->n_addresses];
	int on = 1;

	st->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (st->watch.fd == -1)
		err(1, "socket");
	st->watch.ready = stream_ready;
	if (st->index >= PER_SOURCE) {
		struct sockaddr_in from = { .sin_family = AF_INET };

		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + st->index / PER_SOURCE);
		setsockopt(st->watch.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
		if (bind(st->watch.fd, (const struct sockaddr *)&from, sizeof from) == -1)
			err(1, "bind");
	}
	st->http = (struct http){ 0 };
	st->sse = (struct sse){ 0 };
	st->state = STREAM_CONNECTING;
	s->n_opening++;
	if (connect(st->watch.fd, (const struct sockaddr *)to, sizeof *to) == -1 && errno != EINPROGRESS) {
		leave(st);
		return;
	}
	loop_watch(&st->watch, EPOLLOUT);
}

void
swarm_open_begin(struct swarm *s)
{
	s->next = 0;
	swarm_open_more(s);
}

bool
swarm_open_more(struct swarm *s)
{
	while (s->n_opening < s->options->opening && s->next < s->options->n_streams) {
		struct stream *st = &s->streams[s->next++];

		if (st->state == STREAM_CLOSED)
			open_stream(st);
	}
	return s->n_open == s->options->n_streams;
}

mono_us
swarm_open_all(struct swarm *s, double max_s)
{
	mono_us start = clock_mono_us();

	swarm_open_begin(s);
	while (!swarm_open_more(s)) {
		loop_turn(10);
		if (clock_mono_us() - start > (mono_us)(max_s * 1e6))
			errx(1, "only %u of %u streams were open after %.0f s", s->n_open,
			    s->options->n_streams, max_s);
	}
	return clock_mono_us() - start;
}

void
swarm_rewind(struct swarm *s, int64_t id)
{
	s->resumes = true;
	memset(s->seen, 0, (size_t)s->options->n_streams * (s->window / 8));
	for (uint32_t i = 0; i < s->options->n_streams; i++) {
		s->streams[i].newest = 0;
		s->streams[i].last_id = id;
	}
}

void
swarm_cut(struct swarm *s)
{
	for (uint32_t i = 0; i < s->options->n_streams; i++) {
		s->streams[i].state = STREAM_CLOSED;
		loop_close(&s->streams[i].watch);
	}
	s->n_open = s->n_opening = 0;
}
