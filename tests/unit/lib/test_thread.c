#include "tests/unit/check.h"
#include "tests/unit/fault.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "lib/mailbox.h"
#include "lib/thread.h"

static void *
wait_to_be_woken(void *box)
{
	struct pollfd p = { .fd = ((struct mailbox *)box)->wake_fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, -1), 1);
	return box;
}

TEST(a_thread_runs_with_its_argument_under_its_name)
{
	struct mailbox box;
	pthread_t thread;
	char name[16];
	void *returned;

	mailbox_init(&box);
	thread_start(&thread, "fifteen letters", wait_to_be_woken, &box);
	assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
	assert_string_equal(name, "fifteen letters");
	mailbox_wake(&box);
	assert_int_equal(pthread_join(thread, &returned), 0);
	assert_ptr_equal(returned, &box);
	mailbox_free(&box);
}

static void *
mask_of_this_thread(void *set)
{
	pthread_sigmask(SIG_BLOCK, NULL, set);
	return NULL;
}

/* main waits for signals: no other thread may take one. */
TEST(a_thread_has_the_signal_mask_of_who_starts_it)
{
	sigset_t before, blocked, seen;
	pthread_t thread;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	thread_start(&thread, "test", mask_of_this_thread, &seen);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_true(sigismember(&seen, SIGTERM));
	assert_false(sigismember(&seen, SIGINT));
}

static void
start_in_vain(void)
{
	pthread_t thread;

	refuse(SYS_clone3, EAGAIN);
	refuse(SYS_clone, EAGAIN);
	thread_start(&thread, "test", mask_of_this_thread, NULL);
}

TEST(where_no_thread_is_to_be_had_the_process_says_so_and_ends)
{
	ends(start_in_vain, EXIT_1,
	    "error: test: thread cannot be started: Resource temporarily unavailable\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_thread_runs_with_its_argument_under_its_name),
	cmocka_unit_test(a_thread_has_the_signal_mask_of_who_starts_it),
	cmocka_unit_test(where_no_thread_is_to_be_had_the_process_says_so_and_ends),
};

RUN_TESTS(tests)
