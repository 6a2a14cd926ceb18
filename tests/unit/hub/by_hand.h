/* The hub by hand: its parts in one thread, the test's, without its loop, and
 * catch-up before a store with a gate. Streams are ends of socket pairs. */
#ifndef TESTS_UNIT_HUB_BY_HAND_H
#define TESTS_UNIT_HUB_BY_HAND_H

#include "tests/unit/hub/gate.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/heartbeat.h"
#include "app/hub/life.h"
#include "app/hub/replay.h"
#include "lib/fcgi.h"
#include "lib/mem.h"

enum { HEARTBEAT_US = 15000000, STREAMS_MAX = 1024 };

static struct hub_state hub;
static struct replay replay;
static int fds[STREAMS_MAX];   /* the web server's ends */
static size_t n_fds;

static inline void
begin(int64_t n_rows)
{
	gate_begin(n_rows);
	hub = (struct hub_state){ .now = 1000000 };
	atomic_store(&hub.limits.heartbeat_us, HEARTBEAT_US);
	ring_init(&hub.ring, 0);
	TAILQ_INIT(&hub.behind);
	TAILQ_INIT(&hub.ahead);
	TAILQ_INIT(&hub.closed);
	TAILQ_INIT(&hub.unproven);
	hub.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(replay_start(&replay, "the gate"), 0);
	n_fds = 0;
}

static inline void
end(void)
{
	for (size_t i = 0; i < hub.roster.n; i++)
		life_close(&hub, hub.roster.streams[i], STREAM_END_CLIENT);
	replay_forget(&replay, &hub);
	life_free_closed(&hub);
	gate_let_in(100);
	replay_stop(&replay);
	roster_free(&hub.roster);
	ring_free(&hub.ring);
	timers_free(&hub.timers);
	close(hub.epoll_fd);
	while (n_fds > 0)
		close(fds[--n_fds]);
}

static inline struct stream *
stream_of(const char *user, int64_t cursor, bool resumes)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup(user) });
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	s->fd = pair[0];
	s->request_id = 1;
	s->cursor = s->told = cursor;
	s->from_store = resumes;
	s->written_at = hub.now;
	fds[n_fds++] = pair[1];
	assert_int_equal(epoll_ctl(hub.epoll_fd, EPOLL_CTL_ADD, s->fd, &event), 0);
	roster_add(&hub.roster, s);
	tally_add(&hub.users, user);
	life_set_by_cursor(&hub, s);
	heartbeat_set(&hub, s);
	return s;
}

/* topic_of has the stream ask for a topic, too. */
static inline void
topic_of(struct stream *s, const char *topic)
{
	roster_remove(&hub.roster, s);
	s->filter.topics = mem_realloc(s->filter.topics, (s->filter.n_topics + 1) * sizeof(char *));
	s->filter.topics[s->filter.n_topics++] = mem_strdup(topic);
	roster_add(&hub.roster, s);
}

/* poll_upto has the stream end at that id, in that form. */
static inline void
poll_upto(struct stream *s, enum encoding encoding, int64_t upto)
{
	s->encoding = encoding;
	stream_until_new(s);
	s->until->upto = upto;
}

/* expect_over: the stream has ended, and the response with it. */
static inline void
expect_over(struct stream *s, int fd)
{
	char end[FCGI_END_BYTES + 1];

	assert_int_equal(s->state, STREAM_CLOSED);
	assert_int_equal(recv(fd, end, sizeof(end), MSG_DONTWAIT), FCGI_END_BYTES);
	assert_int_equal(recv(fd, end, sizeof(end), MSG_DONTWAIT), 0);
}

/* expect_written: one record with this content; NULL: nothing. */
static inline void
expect_written(int fd, const char *content)
{
	static char bytes[FCGI_HEADER_BYTES + FCGI_CONTENT_MAX + 1];
	size_t len = content != NULL ? strlen(content) : 0;
	ssize_t n = recv(fd, bytes, FCGI_HEADER_BYTES + len, MSG_DONTWAIT);

	if (content == NULL) {
		assert_int_equal(n, -1);
		return;
	}
	assert_true(n > FCGI_HEADER_BYTES);
	bytes[n] = '\0';
	assert_string_equal(bytes + FCGI_HEADER_BYTES, content);
	assert_int_equal((unsigned char)bytes[4] << 8 | (unsigned char)bytes[5], len);
}

/* fill leaves no room in the stream's socket; drain makes it again. */
static inline void
fill(struct stream *s)
{
	char filler[4096] = { 0 };

	while (send(s->fd, filler, sizeof(filler), MSG_DONTWAIT) > 0)
		;
	while (send(s->fd, filler, 1, MSG_DONTWAIT) > 0)
		;
}

static inline void
drain(int fd)
{
	char bytes[65536];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

#endif
