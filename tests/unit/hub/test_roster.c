#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include "app/hub/roster.h"
#include "lib/mem.h"

static struct roster roster;

static struct stream *
listening(const char *user, const char *const topics[])
{
	struct filter filter = { .user = mem_strdup(user) };
	struct stream *s;

	filter.topics = mem_alloc(8 * sizeof(char *));
	for (; topics[filter.n_topics] != NULL; filter.n_topics++)
		filter.topics[filter.n_topics] = mem_strdup(topics[filter.n_topics]);
	s = stream_new(filter);
	roster_add(&roster, s);
	return s;
}

static void
leaves(struct stream *s)
{
	roster_remove(&roster, s);
	stream_free(s);
}

static bool
has(const struct listeners *listeners, const struct stream *s)
{
	size_t n = 0, found = 0;

	if (listeners == NULL)
		return false;
	for (const struct member *m = listeners->first; m != NULL; m = m->next, n++)
		found += m->stream == s;
	assert_int_equal(n, listeners->n);
	return found == 1;
}

TEST(streams_are_found_by_their_user_and_by_each_topic)
{
	struct stream *a = listening("a", LIST("x", "y")), *b = listening("b", LIST("y"));
	struct stream *again = listening("a", LIST(NULL));

	assert_int_equal(roster.n, 3);
	assert_int_equal(roster_user(&roster, "a")->n, 2);
	assert_true(has(roster_user(&roster, "a"), a));
	assert_true(has(roster_user(&roster, "a"), again));
	assert_true(has(roster_user(&roster, "b"), b));
	assert_true(has(roster_topic(&roster, "x"), a));
	assert_false(has(roster_topic(&roster, "x"), b));
	assert_true(has(roster_topic(&roster, "y"), a));
	assert_true(has(roster_topic(&roster, "y"), b));
	assert_false(has(roster_topic(&roster, "y"), again));
	assert_null(roster_user(&roster, "x"));
	assert_null(roster_topic(&roster, "a"));
	leaves(a);
	leaves(b);
	leaves(again);
	roster_free(&roster);
}

TEST(a_name_goes_with_its_last_listener)
{
	struct stream *a = listening("u", LIST("t")), *b = listening("u", LIST("t"));

	leaves(a);
	assert_true(has(roster_user(&roster, "u"), b));
	assert_true(has(roster_topic(&roster, "t"), b));
	leaves(b);
	assert_null(roster_user(&roster, "u"));
	assert_null(roster_topic(&roster, "t"));
	assert_int_equal(roster.users.n_used, 0);
	assert_int_equal(roster.topics.n_used, 0);
	roster_free(&roster);
}

TEST(any_order_of_coming_and_going_leaves_the_others_in_place)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	struct stream *there[100] = { NULL };

	dice_begin();
	for (int step = 0; step < 5000; step++) {
		size_t i = dice_throw(100), n = 0, n_users[5] = { 0 }, n_topics[5] = { 0 };

		if (there[i] != NULL) {
			leaves(there[i]);
			there[i] = NULL;
		} else {
			size_t first = dice_throw(5);

			there[i] = listening(names[dice_throw(5)], dice_throw(2) == 0
			    ? LIST(NULL) : LIST(names[first], names[(first + 1) % 5]));
		}
		for (i = 0; i < 100; i++) {
			if (there[i] == NULL)
				continue;
			n++;
			assert_ptr_equal(roster.streams[there[i]->place], there[i]);
			for (size_t name = 0; name < 5; name++) {
				n_users[name] += strcmp(there[i]->filter.user, names[name]) == 0;
				n_topics[name] += stream_wants_topic(there[i], names[name]);
			}
		}
		assert_int_equal(roster.n, n);
		for (size_t name = 0; name < 5; name++) {
			struct listeners *users = roster_user(&roster, names[name]);
			struct listeners *topics = roster_topic(&roster, names[name]);

			assert_int_equal(users != NULL ? users->n : 0, n_users[name]);
			assert_int_equal(topics != NULL ? topics->n : 0, n_topics[name]);
		}
	}
	for (size_t i = 0; i < 100; i++) {
		if (there[i] == NULL)
			continue;
		assert_true(has(roster_user(&roster, there[i]->filter.user), there[i]));
		leaves(there[i]);
	}
	assert_int_equal(roster.n, 0);
	roster_free(&roster);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(streams_are_found_by_their_user_and_by_each_topic),
	cmocka_unit_test(a_name_goes_with_its_last_listener),
	cmocka_unit_test(any_order_of_coming_and_going_leaves_the_others_in_place),
};

RUN_TESTS(tests)
