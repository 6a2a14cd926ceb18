#include "tests/unit/check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "app/access/revocations.h"
#include "lib/thread.h"

TEST(nobody_is_revoked_at_first)
{
	struct revocations *r = revocations_new();

	assert_false(revocations_cover(r, "42", 0));
	assert_false(revocations_cover(r, "42", REVOCATIONS_NOT_ISSUED));
	revocations_free(r);
}

TEST(tokens_up_to_the_second_are_covered_and_those_of_no_known_time)
{
	struct revocations *r = revocations_new();

	assert_true(revocations_raise(r, "42", 1000));
	assert_true(revocations_cover(r, "42", 999));
	assert_true(revocations_cover(r, "42", 1000));
	assert_true(revocations_cover(r, "42", REVOCATIONS_NOT_ISSUED));
	assert_false(revocations_cover(r, "42", 1001));
	assert_false(revocations_cover(r, "4", 1000));
	assert_false(revocations_cover(r, "420", 1000));
	revocations_free(r);
}

TEST(the_latest_second_counts)
{
	struct revocations *r = revocations_new();

	assert_true(revocations_raise(r, "42", 1000));
	assert_false(revocations_raise(r, "42", 1000));
	assert_false(revocations_raise(r, "42", 500));
	assert_true(revocations_cover(r, "42", 1000));
	assert_true(revocations_raise(r, "42", 2000));
	assert_true(revocations_cover(r, "42", 2000));
	revocations_free(r);
}

TEST(there_may_be_many)
{
	enum { N = 20000 };
	struct revocations *r = revocations_new();
	char user[16];

	for (int i = 0; i < N; i++) {
		snprintf(user, sizeof(user), "%d", i);
		assert_true(revocations_raise(r, user, i));
	}
	for (int i = 0; i < N; i++) {
		snprintf(user, sizeof(user), "%d", i);
		assert_true(revocations_cover(r, user, i));
		assert_false(revocations_cover(r, user, i + 1));
	}
	revocations_free(r);
	revocations_free(NULL);
}

static _Atomic bool stop;

static void *
go_on_asking(void *r)
{
	while (!atomic_load(&stop))
		revocations_cover(r, "42", 0);
	return NULL;
}

TEST(what_one_thread_has_said_another_knows)
{
	enum { N = 5000, THREADS = 2 };
	struct revocations *r = revocations_new();
	pthread_t threads[THREADS];
	char user[16];

	for (int i = 0; i < THREADS; i++)
		thread_start(&threads[i], "asker", go_on_asking, r);
	for (int i = 0; i < N; i++) {
		snprintf(user, sizeof(user), "%d", i);
		revocations_raise(r, user, 1000);
		assert_true(revocations_cover(r, user, 1000));
	}
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	revocations_free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(nobody_is_revoked_at_first),
	cmocka_unit_test(tokens_up_to_the_second_are_covered_and_those_of_no_known_time),
	cmocka_unit_test(the_latest_second_counts),
	cmocka_unit_test(there_may_be_many),
	cmocka_unit_test(what_one_thread_has_said_another_knows),
};

RUN_TESTS(tests)
