#include "tests/bench/publisher.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/mem.h"

static char answer_buffer[64 * 1024];

void
crew_init(struct crew *c, const struct options *o, crew_answered *answered, void *arg)
{
	*c = (struct crew){ .options = o, .answered = answered, .arg = arg };
	c->publishers = mem_zalloc(o->n_publishers * sizeof *c->publishers);
	c->idle = mem_zalloc(o->n_publishers * sizeof(struct publisher *));
	for (uint32_t k = 0; k < o->n_publishers; k++) {
		c->publishers[k].watch.fd = -1;
		c->publishers[k].crew = c;
		c->idle[c->n_idle++] = &c->publishers[k];
	}
}

void
crew_free(struct crew *c)
{
	for (uint32_t k = 0; k < c->options->n_publishers; k++) {
		loop_close(&c->publishers[k].watch);
		buf_free(&c->publishers[k].out);
	}
	free(c->publishers);
	free(c->idle);
}

static void
finish(struct publisher *p, bool ok)
{
	struct crew *c = p->crew;

	p->is_busy = false;
	p->is_fresh = false;
	if (!ok) {
		c->refused += p->n;
		c->last_bad_status = p->http.status;
	}
	if (p->http.closing || !ok)
		loop_close(&p->watch);
	c->idle[c->n_idle++] = p;
	c->answered(c->arg, p, ok, clock_mono_us());
}

static void dial(struct publisher *p);

/* lost is called when the connection is gone. One that was idle, or that the
 * server closed just as the next request left (keep-alive ended), is dialled
 * anew; on a fresh one that is the answer: refused. */
static void
lost(struct publisher *p)
{
	loop_close(&p->watch);
	if (!p->is_busy)
		return;
	if (p->is_fresh || http_has_head(&p->http)) {
		finish(p, http_ends_well(&p->http) && p->http.status / 100 == 2);
		return;
	}
	p->crew->reconnected++;
	dial(p);
}

static void
push_out(struct publisher *p)
{
	while (p->n_sent < p->out.len) {
		ssize_t n = send(p->watch.fd, p->out.bytes + p->n_sent, p->out.len - p->n_sent, MSG_NOSIGNAL);

		if (n == -1 && (errno == EAGAIN || errno == ENOTCONN || errno == EINTR)) {
			loop_watch_again(&p->watch, EPOLLIN | EPOLLOUT);
			return;
		}
		if (n == -1) {
			lost(p);
			return;
		}
		p->n_sent += (size_t)n;
	}
}

static void
drop_body(void *arg, const char *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	(void)n;
}

static void
read_answer(struct publisher *p)
{
	ssize_t n = recv(p->watch.fd, answer_buffer, sizeof answer_buffer, 0);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || !p->is_busy) {
		lost(p);
		return;
	}
	http_feed(&p->http, answer_buffer, (size_t)n, drop_body, NULL);
	if (p->http.state == HTTP_BROKEN)
		lost(p);
	else if (p->http.state == HTTP_DONE)
		finish(p, p->http.status / 100 == 2);
}

static void
publisher_ready(struct watch *w, uint32_t events)
{
	struct publisher *p = (struct publisher *)w;

	if ((events & EPOLLOUT) != 0 && p->is_busy && p->n_sent < p->out.len) {
		push_out(p);
		if (p->watch.fd != -1 && p->n_sent == p->out.len)
			loop_watch_again(&p->watch, EPOLLIN);
	}
	if ((events & ~(uint32_t)EPOLLOUT) != 0 && p->watch.fd != -1)
		read_answer(p);
}

static void
dial(struct publisher *p)
{
	const struct side *side = &p->crew->options->post;
	const struct sockaddr_in *to = &side->addresses[(p - p->crew->publishers) % side->n_addresses];
	int on = 1;

	p->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->watch.fd == -1)
		err(1, "socket");
	p->watch.ready = publisher_ready;
	p->is_fresh = true;
	p->n_sent = 0;
	p->http = (struct http){ 0 };
	setsockopt(p->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(p->watch.fd, (const struct sockaddr *)to, sizeof *to) == -1 && errno != EINPROGRESS)
		err(1, "connect to %s", p->crew->options->post.host);
	loop_watch(&p->watch, EPOLLIN | EPOLLOUT);
}

void
crew_post(struct crew *c, uint32_t user, const struct buf *body, uint32_t first, uint32_t n, mono_us now)
{
	const struct options *o = c->options;
	struct publisher *p = c->idle[--c->n_idle];

	p->out.len = 0;
	buf_add_str(&p->out, "POST ");
	template_add(&p->out, o, o->post.path, user, NULL, 0);
	buf_printf(&p->out, " HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n", o->post.host, body->len);
	template_add(&p->out, o, o->post.headers.bytes, user, NULL, 0);
	buf_add_str(&p->out, "\r\n");
	buf_add(&p->out, body->bytes, body->len);
	p->is_busy = true;
	p->first = first;
	p->n = n;
	p->started = now;
	p->n_sent = 0;
	p->http = (struct http){ 0 };
	if (p->watch.fd == -1)
		dial(p);
	else
		push_out(p);
}
