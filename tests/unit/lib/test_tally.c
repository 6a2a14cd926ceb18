#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/tally.h"
#include "lib/thread.h"

static void
write_down(void *context, const char *name, size_t n)
{
	struct buf *out = context;

	buf_printf(out, "%s%s:%zu", out->len > 0 ? " " : "", name, n);
}

static void
page_is(struct tally *tally, const char *after, size_t max, const char *expected)
{
	struct buf out = BUF_EMPTY;
	char *text;

	tally_page(tally, after, max, write_down, &out);
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
}

static void
changed_are(struct tally *tally, size_t max, const char *expected)
{
	struct buf out = BUF_EMPTY;
	char *text;

	tally_take_changed(tally, max, write_down, &out);
	text = buf_take(&out);
	assert_string_equal(text, expected);
	free(text);
}

TEST(names_are_counted_and_told_in_the_order_of_their_bytes)
{
	static const char *const names[] = { "b", "a", "ab", "\xc3\xa9", "B", "b", "a\x01", "b" };
	struct tally tally = { 0 };
	size_t n_names;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		tally_add(&tally, names[i]);
	page_is(&tally, NULL, 100, "B:1 a:1 a\x01:1 ab:1 b:3 \xc3\xa9:1");
	assert_int_equal(tally_total(&tally, &n_names), 8);
	assert_int_equal(n_names, 6);
	assert_int_equal(tally_of(&tally, "b"), 3);
	assert_int_equal(tally_of(&tally, "c"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		tally_remove(&tally, names[i]);
	page_is(&tally, NULL, 100, "");
	assert_int_equal(tally_total(&tally, &n_names), 0);
	assert_int_equal(n_names, 0);
}

TEST(pages_follow_each_other_whether_their_last_name_is_still_there_or_not)
{
	struct tally tally = { 0 };

	for (const char *name = "acegi"; *name != '\0'; name++)
		tally_add(&tally, (char[]){ *name, '\0' });
	page_is(&tally, NULL, 2, "a:1 c:1");
	page_is(&tally, "c", 2, "e:1 g:1");
	tally_remove(&tally, "g");
	page_is(&tally, "g", 2, "i:1");
	page_is(&tally, "i", 2, "");
	page_is(&tally, "d", 1, "e:1");
	page_is(&tally, "", 1, "a:1");
	for (const char *name = "acei"; *name != '\0'; name++)
		tally_remove(&tally, (char[]){ *name, '\0' });
}

TEST(changes_are_noted_from_the_watch_on_each_once_with_what_is_there_now)
{
	struct tally tally = { 0 };

	tally_add(&tally, "before");
	tally_watch(&tally);
	changed_are(&tally, 10, "");
	tally_add(&tally, "b");
	tally_add(&tally, "a");
	tally_add(&tally, "b");
	tally_remove(&tally, "before");
	page_is(&tally, NULL, 10, "a:1 b:2");
	changed_are(&tally, 2, "b:2 a:1");
	changed_are(&tally, 2, "before:0");
	changed_are(&tally, 2, "");
	tally_remove(&tally, "a");
	tally_add(&tally, "a");
	tally_add(&tally, "c");
	tally_remove(&tally, "c");
	changed_are(&tally, 10, "a:1 c:0");
	tally_remove(&tally, "a");
	tally_remove(&tally, "b");
	tally_remove(&tally, "b");
	assert_int_equal(tally_take_changed(&tally, 10, NULL, NULL), 2);
	changed_are(&tally, 10, "");
	tally_add(&tally, "a");
	tally_add(&tally, "b");
	tally_remove(&tally, "b");
	tally_unwatch(&tally);
	page_is(&tally, NULL, 10, "a:1");
	tally_remove(&tally, "a");
	tally_watch(&tally);
	changed_are(&tally, 10, "");
}

/* ---- against an array ---- */

enum { NAMES = 300, STEPS = 30000 };

static struct {
	size_t n[NAMES], told[NAMES];  /* and what changes have told of them */
} model;

static char *
name_of(size_t i)
{
	static char name[16];

	snprintf(name, sizeof(name), "%03zu", i);
	return name;
}

static void
check_next(void *context, const char *name, size_t n)
{
	size_t *at = context;

	while (model.n[*at] == 0)
		(*at)++;
	assert_int_equal(strtoul(name, NULL, 10), *at);
	assert_int_equal(n, model.n[*at]);
	(*at)++;
}

static void
take_told(void *context __attribute__((unused)), const char *name, size_t n)
{
	model.told[strtoul(name, NULL, 10)] = n;
}

TEST(whatever_comes_and_goes_it_is_what_a_plain_array_would_say)
{
	struct tally tally = { 0 };
	size_t total = 0, n_names = 0, told_names;

	dice_begin();
	tally_watch(&tally);
	for (int step = 0; step < STEPS; step++) {
		size_t i = dice_throw(dice_throw(2) == 0 ? NAMES : NAMES / 20);

		if (model.n[i] > 0 && dice_throw(2) == 0) {
			tally_remove(&tally, name_of(i));
			n_names -= --model.n[i] == 0;
			total--;
		} else {
			tally_add(&tally, name_of(i));
			n_names += model.n[i]++ == 0;
			total++;
		}
		if (dice_throw(50) == 0)
			tally_take_changed(&tally, 1 + dice_throw(40), take_told, NULL);
		if (dice_throw(100) == 0) {
			size_t after = dice_throw(NAMES), max = dice_throw(100), at = after + 1;

			tally_page(&tally, name_of(after), max, check_next, &at);
			at = 0;
			assert_int_equal(tally_page(&tally, NULL, NAMES, check_next, &at), n_names);
		}
		assert_int_equal(tally_of(&tally, name_of(i)), model.n[i]);
	}
	assert_int_equal(tally_total(&tally, &told_names), total);
	assert_int_equal(told_names, n_names);
	while (tally_take_changed(&tally, 7, take_told, NULL) > 0)
		;
	for (size_t i = 0; i < NAMES; i++) {
		assert_int_equal(model.told[i], model.n[i]);
		while (model.n[i]-- > 0)
			tally_remove(&tally, name_of(i));
	}
	tally_unwatch(&tally);
}

/* ---- from two threads ---- */

static struct tally shared;
static _Atomic bool is_over;

static void
count_names(void *context, const char *name __attribute__((unused)), size_t n)
{
	assert_true(n > 0);
	++*(size_t *)context;
}

static void *
read_pages(void *arg __attribute__((unused)))
{
	while (!atomic_load(&is_over)) {
		size_t n = 0, n_names;

		tally_page(&shared, NULL, 1000, count_names, &n);
		assert_true(n <= NAMES);
		tally_total(&shared, &n_names);
		tally_take_changed(&shared, 10, take_told, NULL);
	}
	return NULL;
}

TEST(one_thread_reads_while_another_counts)
{
	pthread_t thread;

	tally_watch(&shared);
	thread_start(&thread, "reader", read_pages, NULL);
	for (int i = 0; i < 20; i++) {
		for (size_t name = 0; name < NAMES; name++)
			tally_add(&shared, name_of(name));
		for (size_t name = 0; name < NAMES; name++)
			tally_remove(&shared, name_of(name));
	}
	atomic_store(&is_over, true);
	pthread_join(thread, NULL);
	tally_unwatch(&shared);
	page_is(&shared, NULL, 1, "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(names_are_counted_and_told_in_the_order_of_their_bytes),
	cmocka_unit_test(pages_follow_each_other_whether_their_last_name_is_still_there_or_not),
	cmocka_unit_test(changes_are_noted_from_the_watch_on_each_once_with_what_is_there_now),
	cmocka_unit_test(whatever_comes_and_goes_it_is_what_a_plain_array_would_say),
	cmocka_unit_test(one_thread_reads_while_another_counts),
};

RUN_TESTS(tests)
