/* Whose the messages are, in whatever order it becomes known. */

#include "tests/unit/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "app/store/origin.h"
#include "lib/thread.h"

static struct origin *origin;

static int
setup(void **state __attribute__((unused)))
{
	origin = origin_new();
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	origin_free(origin);
	return 0;
}

static void
read_ids(int64_t low, int64_t high)
{
	struct idruns ids = { 0 };

	idruns_add(&ids, low, high);
	origin_read(origin, &ids);
	idruns_free(&ids);
}

TEST(what_nobody_here_was_given_came_from_others)
{
	read_ids(1, 3);
	assert_int_equal(origin_n_foreign(origin), 3);
	read_ids(7, 7);
	assert_int_equal(origin_n_foreign(origin), 4);
}

TEST(what_was_given_before_it_is_read_is_ours)
{
	origin_begin(origin, ORIGIN_WRITER);
	origin_given(origin, 2, 4);
	origin_end(origin, ORIGIN_WRITER);
	read_ids(1, 5);
	assert_int_equal(origin_n_foreign(origin), 2);
}

TEST(what_is_read_before_its_publisher_knows_it_is_judged_when_he_does)
{
	read_ids(1, 1);
	origin_begin(origin, ORIGIN_WRITER);
	read_ids(2, 6);
	assert_int_equal(origin_n_foreign(origin), 1);
	origin_given(origin, 3, 4);
	assert_int_equal(origin_n_foreign(origin), 1);
	origin_end(origin, ORIGIN_WRITER);
	assert_int_equal(origin_n_foreign(origin), 4);
}

TEST(a_group_that_came_to_nothing_hides_nothing)
{
	origin_begin(origin, ORIGIN_WRITER);
	read_ids(1, 2);
	origin_end(origin, ORIGIN_WRITER);
	assert_int_equal(origin_n_foreign(origin), 2);
}

TEST(two_publishers_wait_for_each_other)
{
	origin_begin(origin, ORIGIN_FORWARDER);
	origin_begin(origin, ORIGIN_WRITER);
	origin_given(origin, 3, 3);
	origin_end(origin, ORIGIN_WRITER);
	/* 1 and 2 may be the forwarder's. */
	read_ids(1, 3);
	assert_int_equal(origin_n_foreign(origin), 0);
	origin_given(origin, 1, 1);
	origin_end(origin, ORIGIN_FORWARDER);
	assert_int_equal(origin_n_foreign(origin), 1);
}

TEST(an_old_id_that_is_told_again_changes_nothing)
{
	read_ids(1, 10);
	origin_begin(origin, ORIGIN_WRITER);
	origin_given(origin, 4, 4);
	origin_given(origin, 11, 11);
	origin_end(origin, ORIGIN_WRITER);
	read_ids(11, 12);
	assert_int_equal(origin_n_foreign(origin), 11);
}

/* A reader that is far behind while every second row is another program's. */
TEST(beyond_its_bound_it_is_no_longer_exact_but_bounded)
{
	enum { N = 50000 };

	for (int i = 1; i <= N; i++) {
		origin_begin(origin, ORIGIN_WRITER);
		origin_given(origin, 2 * i, 2 * i);
		origin_end(origin, ORIGIN_WRITER);
	}
	read_ids(1, 2 * N);
	assert_in_range(origin_n_foreign(origin), 4000, N);
	read_ids(2 * N + 1, 2 * N + 5);
	assert_in_range(origin_n_foreign(origin), 4005, N + 5);
}

TEST(nobody_need_ask)
{
	struct idruns ids = { 0 };

	origin_begin(NULL, ORIGIN_WRITER);
	origin_given(NULL, 1, 1);
	origin_end(NULL, ORIGIN_WRITER);
	idruns_add(&ids, 1, 1);
	origin_read(NULL, &ids);
	idruns_free(&ids);
	assert_int_equal(origin_n_foreign(NULL), 0);
	origin_free(NULL);
}

/* ---- with threads ---- */

enum { GROUPS = 20000 };
static _Atomic int64_t newest;    /* in a store that is this alone: rows up to it are there */
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool done;

static void *
publish(void *arg __attribute__((unused)))
{
	for (int i = 0; i < GROUPS; i++) {
		int64_t low;

		origin_begin(origin, ORIGIN_WRITER);
		pthread_mutex_lock(&write_lock);
		low = atomic_fetch_add(&newest, 3) + 1;
		pthread_mutex_unlock(&write_lock);
		origin_given(origin, low, low + 2);
		origin_end(origin, ORIGIN_WRITER);
	}
	return NULL;
}

static void *
publish_elsewhere(void *arg __attribute__((unused)))
{
	for (int i = 0; i < GROUPS; i++) {
		pthread_mutex_lock(&write_lock);
		atomic_fetch_add(&newest, 2);
		pthread_mutex_unlock(&write_lock);
	}
	return NULL;
}

static void *
read_all(void *arg __attribute__((unused)))
{
	int64_t last = 0, upto;
	uint64_t n = 0, before = 0;
	bool is_last;

	do {
		is_last = atomic_load(&done);
		upto = atomic_load(&newest);
		if (upto > last)
			read_ids(last + 1, upto);
		last = upto;
		n = origin_n_foreign(origin);
		if (n < before)
			abort();
		before = n;
	} while (!is_last);
	return NULL;
}

TEST(while_all_run_each_is_counted_once_and_never_taken_back)
{
	pthread_t reader, threads[2];

	atomic_store(&newest, 0);
	atomic_store(&done, false);
	thread_start(&reader, "reader", read_all, NULL);
	thread_start(&threads[0], "ours", publish, NULL);
	thread_start(&threads[1], "others", publish_elsewhere, NULL);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	atomic_store(&done, true);
	pthread_join(reader, NULL);
	assert_int_equal(origin_n_foreign(origin), 2 * GROUPS);
}

#define TEST_OF(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_OF(what_nobody_here_was_given_came_from_others),
		TEST_OF(what_was_given_before_it_is_read_is_ours),
		TEST_OF(what_is_read_before_its_publisher_knows_it_is_judged_when_he_does),
		TEST_OF(a_group_that_came_to_nothing_hides_nothing),
		TEST_OF(two_publishers_wait_for_each_other),
		TEST_OF(an_old_id_that_is_told_again_changes_nothing),
		TEST_OF(beyond_its_bound_it_is_no_longer_exact_but_bounded),
		TEST_OF(nobody_need_ask),
		TEST_OF(while_all_run_each_is_counted_once_and_never_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
