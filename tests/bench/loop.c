#include "tests/bench/loop.h"

#include <err.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LOOP_BATCH = 256 }; /* events a turn; picked so that publishers, who share the turn, never wait long */

static _Thread_local int epoll_fd = -1;

void
loop_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd == -1)
		err(1, "epoll_create1");
}

void
loop_end(void)
{
	close(epoll_fd);
	epoll_fd = -1;
}

static void
control(int op, struct watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	if (epoll_ctl(epoll_fd, op, w->fd, &event) == -1)
		err(1, "epoll_ctl");
}

void
loop_watch(struct watch *w, uint32_t events)
{
	control(EPOLL_CTL_ADD, w, events);
}

void
loop_watch_again(struct watch *w, uint32_t events)
{
	control(EPOLL_CTL_MOD, w, events);
}

void
loop_close(struct watch *w)
{
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
}

void
loop_turn(int timeout_ms)
{
	struct epoll_event events[LOOP_BATCH];
	int n = epoll_wait(epoll_fd, events, LOOP_BATCH, timeout_ms);

	if (n == -1 && errno != EINTR)
		err(1, "epoll_wait");
	for (int k = 0; k < n; k++) {
		struct watch *w = events[k].data.ptr;

		/* One that was closed and opened anew in this turn sees an
		 * event of its former life: its recv() then says EAGAIN. */
		if (w->fd != -1)
			w->ready(w, events[k].events);
	}
}
