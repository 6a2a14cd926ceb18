/* The thread that writes a copy back into its file, with a real copy, whose follower is
 * the thread of the test. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/harness.h"

#include <sys/stat.h>
#include <unistd.h>

#include "app/node/writeback.h"
#include "lib/mem.h"

static char *path, *name;
static struct store *store;
static struct writeback *writeback;
static int64_t newest;

static int
setup(void **state __attribute__((unused)))
{
	static int number;
	char *file = mem_printf("written-%d.db", number++);
	struct store *second;

	path = path_in_folder(file);
	name = mem_printf("sqlite:%s", path);
	free(file);
	store = store_open(name, STORE_COPY);
	second = store_open(name, STORE_COPY);
	assert_non_null(store);
	assert_non_null(second);
	writeback = writeback_start(second);
	newest = 0;
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	writeback_stop(writeback);
	store_close(store);
	free(path);
	free(name);
	return 0;
}

/* follow follows rows of 1 MiB, each in a commit of its own, as a follower does. */
static void
follow(int n)
{
	static char data[1 << 20];
	struct message m = { .data = data, .data_len = sizeof(data) };

	memset(data, 'x', sizeof(data));
	for (int i = 0; i < n; i++) {
		struct store_news news = { .messages = &m, .n = 1 };

		m.id = news.newest = news.anchor = ++newest;
		assert_int_equal(store_follow(store, &news, NULL), 0);
		writeback_note(writeback, store_beside(store));
	}
}

/* in_file: of the rows, about so many bytes are in the file itself. */
static int64_t
in_file(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

TEST(what_is_little_is_left_and_what_is_much_is_written_back_and_again)
{
	const int enough = WRITEBACK_BYTES >> 20;

	follow(enough / 2);
	assert_true(in_file() < 1 << 20);
	for (int round = 1; round <= 3; round++) {
		int64_t before = newest;

		follow(enough);
		WAIT_FOR(in_file() >= before << 20);
	}
}

TEST(a_stop_waits_for_nothing_and_leaves_what_there_is)
{
	struct store_bounds bounds;

	follow(3);
	writeback_stop(writeback);
	assert_int_equal(store_bounds(store, &bounds), 0);
	assert_int_equal(bounds.newest, newest);
	writeback = writeback_start(store_open(name, STORE_COPY));
}

#define WRITEBACK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	WRITEBACK_TEST(what_is_little_is_left_and_what_is_much_is_written_back_and_again),
	WRITEBACK_TEST(a_stop_waits_for_nothing_and_leaves_what_there_is),
};

RUN_TESTS(tests)
