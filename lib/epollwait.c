/* Waiting for epoll. The program may be built on a newer kernel than it runs on (a
 * container is), so which of the two calls there is shows when it is made. Once it is
 * known to be missing it is not tried again: the one flag is all that is shared. */

#include "lib/epollwait.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static _Atomic bool only_milliseconds;

/* is_missing: filters of system calls answer EPERM for a call that they are too old to
 * know (container runtimes; SystemCallErrorNumber= of systemd); epoll_pwait2 itself
 * never does. */
static bool
is_missing(int error)
{
	return error == ENOSYS || error == EPERM;
}

int
epollwait_us(int epoll_fd, struct epoll_event events[], int max_events, mono_us wait)
{
	mono_us wait_ms;

	if (!atomic_load_explicit(&only_milliseconds, memory_order_relaxed)) {
		struct timespec timeout = { wait / 1000000, wait % 1000000 * 1000 };
		int n = epoll_pwait2(epoll_fd, events, max_events, &timeout, NULL);

		if (n >= 0 || !is_missing(errno))
			return n;
		atomic_store_explicit(&only_milliseconds, true, memory_order_relaxed);
	}
	wait_ms = wait / 1000 + (wait % 1000 != 0);
	return epoll_wait(epoll_fd, events, max_events, wait_ms < INT_MAX ? (int)wait_ms : INT_MAX);
}
