#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include "app/fastcgi/holdings.h"

enum { MAX = HOLDINGS_MAX_BYTES, USER_MAX = HOLDINGS_USER_MAX_BYTES, MANY = 8 };

static struct holdings holdings;
static struct holding held[MANY];

static void
hold(size_t i, const char *user, size_t n_bytes)
{
	holding_begin(&held[i], &holdings);
	if (user != NULL)
		holding_judged(&held[i], user);
	holding_set(&held[i], n_bytes);
}

/* end gives all up, which leaves nothing. */
static void
end(void)
{
	for (size_t i = 0; i < MANY; i++)
		holding_end(&held[i]);
	assert_int_equal(holdings.n_bytes, 0);
	assert_true(TAILQ_EMPTY(&holdings.accounts));
	assert_true(TAILQ_EMPTY(&holdings.nobodys));
	holdings_free(&holdings);
}

TEST(within_the_bounds_nobody_goes)
{
	holdings_init(&holdings);
	assert_null(holdings_excess(&holdings));
	hold(0, NULL, USER_MAX);
	hold(1, "a", USER_MAX);
	hold(2, "b", USER_MAX);
	hold(3, "c", USER_MAX);
	assert_int_equal(holdings.n_bytes, MAX);
	assert_null(holdings_excess(&holdings));
	end();
}

TEST(of_a_user_with_too_much_the_newest_goes)
{
	holdings_init(&holdings);
	hold(0, "a", USER_MAX / 2);
	hold(1, "b", USER_MAX / 2);
	hold(2, "a", USER_MAX / 4);
	hold(3, "a", USER_MAX / 4);
	assert_null(holdings_excess(&holdings));
	/* It is the newest that goes, though an older one has grown. */
	holding_set(&held[0], USER_MAX / 2 + 1);
	assert_ptr_equal(holdings_excess(&holdings), &held[3]);
	holding_end(&held[3]);
	assert_null(holdings_excess(&holdings));
	end();
}

TEST(in_all_the_oldest_that_is_nobodys_goes_first)
{
	holdings_init(&holdings);
	hold(0, "a", USER_MAX);
	hold(1, NULL, USER_MAX);
	hold(2, "b", USER_MAX);
	hold(3, NULL, USER_MAX);
	hold(4, "c", USER_MAX);
	assert_ptr_equal(holdings_excess(&holdings), &held[1]);
	holding_end(&held[1]);
	assert_null(holdings_excess(&holdings));
	hold(1, "d", USER_MAX);
	assert_ptr_equal(holdings_excess(&holdings), &held[3]);
	holding_end(&held[3]);
	assert_null(holdings_excess(&holdings));
	/* None is nobody's: of who has most, the newest. */
	holding_set(&held[2], USER_MAX - 1);
	hold(5, "e", 2);
	assert_ptr_equal(holdings_excess(&holdings)->account, held[0].account);
	end();
}

TEST(what_stays_counts_but_does_not_go)
{
	holdings_init(&holdings);
	hold(0, "a", USER_MAX);
	holding_stays(&held[0]);
	holding_stays(&held[0]);
	hold(1, "a", 1);
	assert_ptr_equal(holdings_excess(&holdings), &held[1]);
	holding_end(&held[1]);
	holding_set(&held[0], USER_MAX + 1);
	assert_null(holdings_excess(&holdings));
	hold(2, NULL, MAX);
	holding_stays(&held[2]);
	assert_null(holdings_excess(&holdings));
	end();
}

TEST(ending_twice_or_what_never_began_does_nothing)
{
	struct holding none = { 0 };

	holdings_init(&holdings);
	holding_end(&none);
	hold(0, "a", 7);
	hold(1, "a", 8);
	holding_end(&held[0]);
	holding_end(&held[0]);
	assert_int_equal(holdings.n_bytes, 8);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(within_the_bounds_nobody_goes),
	cmocka_unit_test(of_a_user_with_too_much_the_newest_goes),
	cmocka_unit_test(in_all_the_oldest_that_is_nobodys_goes_first),
	cmocka_unit_test(what_stays_counts_but_does_not_go),
	cmocka_unit_test(ending_twice_or_what_never_began_does_nothing),
};

RUN_TESTS(tests)
