#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "lib/epollwait.h"

enum { WAIT_US = 300, LONG_US = 60 * 1000 * 1000 };

static int epoll_fd, event_fd;

static void
begin(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	event_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(epoll_fd >= 0 && event_fd >= 0);
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, event_fd, &event), 0);
}

static void
end(void)
{
	close(event_fd);
	close(epoll_fd);
}

/* What a child checks: its parent sees the line on stderr. */
#define MUST(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "line %d: " #what "\n", __LINE__); \
			leave(2); \
		} \
	} while (0)

/* waits waits at least as long as it is told and says what there is; it takes a whole
 * millisecond where that is the least that there is. */
static void
waits(mono_us at_least)
{
	const uint64_t one = 1;
	struct epoll_event events[2];
	uint64_t taken;

	for (int i = 0; i < 3; i++) {
		mono_us before = clock_mono_us();

		MUST(epollwait_us(epoll_fd, events, 2, WAIT_US) == 0);
		MUST(clock_mono_us() - before >= at_least);
		MUST(epollwait_us(epoll_fd, events, 2, 0) == 0);
	}
	MUST(write(event_fd, &one, sizeof(one)) == sizeof(one));
	MUST(epollwait_us(epoll_fd, events, 2, LONG_US) == 1);
	MUST(events[0].events == EPOLLIN);
	MUST(epollwait_us(epoll_fd, events, 2, INT64_MAX) == 1);
	MUST(read(event_fd, &taken, sizeof(taken)) == sizeof(taken));
	MUST(epollwait_us(-1, events, 2, WAIT_US) == -1 && errno == EBADF);
}

static void
as_the_kernel_has_it(void)
{
	waits(WAIT_US);
}

static void
on_an_older_kernel(void)
{
	refuse(SYS_epoll_pwait2, ENOSYS);
	waits(1000);
	/* It is not called again, or that would be the answer. */
	refuse(SYS_epoll_pwait2, EINVAL);
	waits(1000);
}

static void
under_a_filter_that_does_not_know_it(void)
{
	refuse(SYS_epoll_pwait2, EPERM);
	waits(1000);
	refuse(SYS_epoll_pwait2, EINVAL);
	waits(1000);
}

TEST(a_wait_lasts_and_ends_with_an_event)
{
	begin();
	ends(as_the_kernel_has_it, 0, "");
	end();
}

TEST(without_epoll_pwait2_a_wait_is_rounded_up_to_milliseconds)
{
	begin();
	ends(on_an_older_kernel, 0, "");
	ends(under_a_filter_that_does_not_know_it, 0, "");
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_wait_lasts_and_ends_with_an_event),
	cmocka_unit_test(without_epoll_pwait2_a_wait_is_rounded_up_to_milliseconds),
};

RUN_TESTS(tests)
