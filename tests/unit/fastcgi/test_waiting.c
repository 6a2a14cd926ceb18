#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "app/fastcgi/waiting.h"

enum { MANY = 3, MS = 10 };

static struct waiting waiting;
static struct conn *conns[MANY];
static struct peer peers[MANY];

static void
begin(void)
{
	clock_stop();
	waiting_init(&waiting, epoll_create1(EPOLL_CLOEXEC));
	for (size_t i = 0; i < MANY; i++) {
		conns[i] = conn_open(peer_pair(&peers[i]), NULL);
		assert_true(waiting_start(&waiting, conns[i]));
	}
}

/* end closes all that wait. */
static void
end(void)
{
	waiting_free(&waiting);
	close(waiting.epoll_fd);
	for (size_t i = 0; i < MANY; i++) {
		expect_closed(&peers[i]);
		hang_up(&peers[i]);
	}
	clock_go();
}

static void
pass(int ms)
{
	atomic_fetch_add(&clock_ahead_us, (mono_us)ms * 1000);
}

TEST(epoll_tells_of_those_that_wait_and_of_no_others)
{
	struct epoll_event event;

	begin();
	assert_true(waiting_start(&waiting, conns[1]));  /* it does already */
	assert_int_equal(waiting.n_conns, MANY);
	waiting_stop(conns[1]);
	waiting_stop(conns[1]);
	assert_int_equal(waiting.n_conns, MANY - 1);
	say(&peers[1], "x", 1);
	assert_int_equal(epoll_wait(waiting.epoll_fd, &event, 1, 0), 0);
	assert_true(waiting_start(&waiting, conns[1]));
	assert_int_equal(epoll_wait(waiting.epoll_fd, &event, 1, 0), 1);
	assert_ptr_equal(event.data.ptr, conns[1]);
	end();
}

TEST(what_cannot_be_watched_is_closed)
{
	struct conn *conn;
	int fd;

	begin();
	fd = open(".", O_RDONLY | O_CLOEXEC);  /* EPERM */
	conn = conn_open(fd, NULL);
	assert_false(waiting_start(&waiting, conn));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(waiting.n_conns, MANY);
	end();
}

TEST(conns_are_due_in_their_order_and_at_once_before_all)
{
	begin();
	assert_null(waiting_due(&waiting));
	assert_int_equal(waiting_ms(&waiting, 500), 500);
	waiting_judge(conns[0], clock_mono_in_ms(MS));
	pass(MS / 2);
	waiting_judge(conns[1], clock_mono_in_ms(MS));
	assert_null(waiting_due(&waiting));
	assert_in_range(waiting_ms(&waiting, 500), MS / 2, MS / 2 + 1);
	pass(MS / 2);
	assert_ptr_equal(waiting_due(&waiting), conns[0]);
	assert_int_equal(waiting_ms(&waiting, 500), 0);
	waiting_judge(conns[2], 0);
	assert_ptr_equal(waiting_due(&waiting), conns[2]);
	waiting_judge_never(conns[2]);
	waiting_judge_never(conns[2]);
	assert_ptr_equal(waiting_due(&waiting), conns[0]);
	waiting_stop(conns[0]);
	assert_null(waiting_due(&waiting));
	pass(MS / 2);
	assert_ptr_equal(waiting_due(&waiting), conns[1]);
	waiting_judge(conns[1], clock_mono_in_ms(MS));  /* said anew */
	assert_null(waiting_due(&waiting));
	assert_true(waiting_start(&waiting, conns[0]));
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(epoll_tells_of_those_that_wait_and_of_no_others),
	cmocka_unit_test(what_cannot_be_watched_is_closed),
	cmocka_unit_test(conns_are_due_in_their_order_and_at_once_before_all),
};

RUN_TESTS(tests)
