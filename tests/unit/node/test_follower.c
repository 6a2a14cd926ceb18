/* The follower over a real Redis and real copies. The test's thread is whoever publishes,
 * and looks at the copy as any other program may. */

#include "tests/unit/node/machine.h"

#include <sys/resource.h>

#include "app/node/follower.h"

static struct redis_server log_server;
static struct machine machine;
static struct follower *follower;

/* ---- verbs ---- */

static int
setup(void **state __attribute__((unused)))
{
	redis_server_start(&log_server, NULL);
	machine_open(&machine, &log_server, "a");
	store_close(machine_store(&machine));
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	machine_close(&machine);
	redis_server_free(&log_server);
	return 0;
}

static void
begin(void)
{
	follower = follower_start(&machine.conf, machine_store(&machine), NULL, &machine.wiring);
	assert_non_null(follower);
}

static void
end(void)
{
	follower_stop(follower);
	follower = NULL;
}

/* add publishes n messages as redis-cli does, with the numbers from `first` on as data. */
static void
add(int first, int n)
{
	char *script = mem_printf("for i = %d, %d do redis.call('XADD', KEYS[1], '*', 'data', i) end",
	    first, first + n - 1);

	redis_cli(&log_server, LIST("EVAL", script, "1", "rowcast"));
	free(script);
}

static int64_t
count(void)
{
	return machine_ask_number(&machine, "SELECT count(*) FROM message");
}

/* expect_numbers: the copy holds the messages first to last, in the order of ids. */
static void
expect_numbers(int first, int last)
{
	char *text = machine_ask(&machine,
	    "SELECT group_concat(data, ' ') FROM (SELECT data FROM message ORDER BY id)");
	struct buf wanted = BUF_EMPTY;
	char *all;

	for (int i = first; i <= last; i++)
		buf_printf(&wanted, "%s%d", i > first ? " " : "", i);
	all = buf_take(&wanted);
	assert_string_equal(text, all);
	free(all);
	free(text);
}

/* The rows that readers see, gaps too. */
struct seen {
	size_t n;
	struct message rows[8];
};

static bool
see_row(void *context, const struct message *m)
{
	struct seen *seen = context;
	struct message *to = &seen->rows[seen->n++];

	*to = (struct message){ .id = m->id, .data = mem_strndup(m->data, m->data_len),
		.event = m->event != NULL ? mem_strdup(m->event) : NULL };
	return seen->n < 8;
}

static struct seen
read_copy(int64_t after, struct store_bounds *bounds)
{
	struct store *store = store_open(machine.conf.store, STORE_READER);
	struct seen seen = { 0 };
	int64_t upto;

	assert_non_null(store);
	assert_int_equal(store_read(store, after, NULL, see_row, &seen, bounds, &upto), 0);
	store_close(store);
	return seen;
}

static void
forget(struct seen *seen)
{
	for (size_t i = 0; i < seen->n; i++)
		message_free(&seen->rows[i]);
	seen->n = 0;
}

static struct follower_counters
counters(void)
{
	struct follower_counters c;

	follower_count(follower, &c);
	return c;
}

/* trim_log takes all but the newest n out of the log, as retention does. */
static void
trim_log(int n)
{
	struct upstream *log = upstream_open(&machine.conf);
	int64_t n_deleted;
	bool more;

	do
		assert_int_equal(upstream_trim(log, "a", 0, n, &n_deleted, &more), 0);
	while (more);
	upstream_close(log);
}

/* ---- tests ---- */

TEST(what_anybody_adds_to_the_log_comes_into_the_copy)
{
	begin();
	assert_int_equal(follower_wait(follower, PATIENCE_MS), 0);
	add(1, 3);
	WAIT_FOR(count() == 3);
	expect_numbers(1, 3);
	WAIT_FOR(atomic_load(&machine.followed)
	    == machine_ask_number(&machine, "SELECT max(id) FROM message"));
	WAIT_FOR(atomic_load(&machine.newest) == atomic_load(&machine.followed));
	assert_true(counters().is_up);
	assert_false(counters().is_failing);
	end();
}

TEST(more_than_one_transaction_should_hold_comes_in_order)
{
	add(1, 12000);
	begin();
	WAIT_FOR(count() == 12000);
	expect_numbers(1, 12000);
	end();
}

TEST(the_log_is_heard_of_though_nothing_happens)
{
	int n;

	begin();
	assert_int_equal(follower_wait(follower, PATIENCE_MS), 0);
	n = atomic_load(&machine.n_heard);
	WAIT_FOR(atomic_load(&machine.n_heard) >= n + 4);
	WAIT_FOR(counters().lag_us < 1000000);
	end();
}

TEST(a_follower_that_starts_again_reads_on_where_it_stood)
{
	begin();
	add(1, 10);
	WAIT_FOR(count() == 10);
	end();
	add(11, 10);
	begin();
	WAIT_FOR(count() == 20);
	end();
	expect_numbers(1, 20);
}

TEST(a_follower_that_is_killed_in_the_middle_leaves_nothing_out)
{
	enum { ALL = 60000 };

	add(1, ALL);
	for (int i = 1; i <= 5; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			begin();
			pause();
		}
		WAIT_FOR(count() > i * ALL / 10);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	begin();
	WAIT_FOR(count() == ALL);
	end();
	assert_int_equal(machine_ask_number(&machine, "SELECT count(DISTINCT data) FROM message"), ALL);
	assert_int_equal(machine_ask_number(&machine, "SELECT count(*) FROM message AS a WHERE"
	    " data + 0 <> (SELECT count(*) FROM message AS b WHERE b.id <= a.id) AND id % 97 = 0"), 0);
}

TEST(a_copy_that_is_behind_what_the_log_still_has_is_told_in_its_place)
{
	struct store_bounds bounds;
	struct seen seen;
	int64_t stood, next;
	char *json;

	begin();
	add(1, 2);
	WAIT_FOR(count() == 2);
	end();
	stood = atomic_load(&machine.followed);
	add(3, 10);
	trim_log(2);
	atomic_store(&machine.sent, 0);
	begin();
	WAIT_FOR(count() == 4);
	seen = read_copy(0, &bounds);
	assert_int_equal(seen.n, 5);
	assert_string_equal(seen.rows[1].data, "2");
	assert_string_equal(seen.rows[2].event, "rowcast.gap");
	next = seen.rows[2].id + 1;
	json = mem_printf("{\"reason\":\"expired\",\"requested\":\"%lld\",\"oldest\":%lld,"
	    "\"newest\":%lld}", (long long)stood, (long long)next, (long long)bounds.newest);
	assert_string_equal(seen.rows[2].data, json);
	assert_string_equal(seen.rows[3].data, "11");
	assert_true(seen.rows[3].id >= next);
	assert_int_equal(bounds.newest, seen.rows[4].id);
	/* It is told once. */
	add(13, 1);
	WAIT_FOR(count() == 5);
	end();
	forget(&seen);
	seen = read_copy(0, &bounds);
	assert_int_equal(seen.n, 6);
	forget(&seen);
	free(json);
}

TEST(a_copy_that_had_nothing_misses_nothing)
{
	struct store_bounds bounds;
	struct seen seen;

	add(1, 5);
	trim_log(2);
	begin();
	WAIT_FOR(count() == 2);
	seen = read_copy(0, &bounds);
	assert_int_equal(seen.n, 2);
	assert_null(seen.rows[0].event);
	assert_true(bounds.trimmed > 0 && bounds.trimmed < seen.rows[0].id);
	forget(&seen);
	end();
}

TEST(what_the_log_has_no_longer_goes_when_it_was_sent)
{
	begin();
	add(1, 5);
	WAIT_FOR(count() == 5);
	atomic_store(&machine.sent, 0);
	trim_log(2);
	/* A slice is due once a second: one that takes nothing is over when what has expired
	 * in the meantime is gone. */
	table_run(&machine.table, "UPDATE rowcast_copy SET expires_at = 1 WHERE data = '4'");
	WAIT_FOR(count() == 4);
	atomic_store(&machine.sent, INT64_MAX);
	WAIT_FOR(count() == 1);
	WAIT_FOR(counters().n_trimmed >= 4);  /* counted when it is committed */
	end();
	expect_numbers(5, 5);
}

TEST(an_erased_message_leaves_the_copy)
{
	char *text;

	begin();
	add(1, 3);
	WAIT_FOR(count() == 3);
	text = machine_ask(&machine, "SELECT id FROM message WHERE data = '2'");
	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "erase", text));
	WAIT_FOR(count() == 2);
	free(text);
	end();
	/* Also where it comes together with the message. */
	add(4, 1);
	begin();
	WAIT_FOR(count() == 3);
	end();
}

TEST(an_entry_that_is_no_message_is_passed_over_and_counted)
{
	begin();
	assert_int_equal(follower_wait(follower, PATIENCE_MS), 0);
	capture_begin();
	redis_cli(&log_server, LIST("XADD", "rowcast", "*", "user", "42"));
	add(1, 1);
	WAIT_FOR(count() == 1);
	WAIT_FOR(counters().n_refused == 1);
	capture_end();
	end();
}

TEST(a_copy_that_is_locked_misses_nothing)
{
	struct sqlite3 *foreign;

	begin();
	add(1, 1);
	WAIT_FOR(count() == 1);
	foreign = foreign_open(&machine.table);
	foreign_run(foreign, "BEGIN IMMEDIATE");
	capture_begin();
	add(2, 5);
	WAIT_FOR(counters().is_failing);
	foreign_run(foreign, "ROLLBACK");
	foreign_close(foreign);
	WAIT_FOR(count() == 6);
	WAIT_FOR(!counters().is_failing);
	capture_end();
	end();
	expect_numbers(1, 6);
}

TEST(a_copy_without_room_misses_nothing)
{
	struct rlimit limit, small;

	begin();
	add(1, 1);
	WAIT_FOR(count() == 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 1;
	capture_begin();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add(2, 2000);
	WAIT_FOR(counters().is_failing);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	WAIT_FOR(count() == 2001);
	WAIT_FOR(!counters().is_failing);
	capture_end();
	end();
	expect_numbers(1, 2001);
}

TEST(an_empty_copy_knows_no_id_until_the_log_is_heard_of)
{
	redis_server_stop(&log_server);
	capture_begin();
	begin();
	assert_int_equal(follower_wait(follower, 1), UPSTREAM_AWAY);
	assert_true(follower_is_blank(follower));
	assert_false(counters().is_up);
	redis_server_again(&log_server);
	assert_int_equal(follower_wait(follower, PATIENCE_MS), 0);
	capture_end();
	assert_false(follower_is_blank(follower));
	end();
}

TEST(a_log_that_is_away_and_comes_back_is_followed_on)
{
	begin();
	add(1, 3);
	WAIT_FOR(count() == 3);
	capture_begin();
	redis_server_hang(&log_server);
	WAIT_FOR(!counters().is_up);
	clock_ahead_us += 5000000;
	assert_true(counters().lag_us >= 5000000);
	redis_server_wake(&log_server);
	WAIT_FOR(counters().is_up);
	capture_end();
	add(4, 3);
	WAIT_FOR(count() == 6);
	WAIT_FOR(counters().lag_us < 1000000);
	end();
	expect_numbers(1, 6);
}

#define FOLLOWER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	FOLLOWER_TEST(what_anybody_adds_to_the_log_comes_into_the_copy),
	FOLLOWER_TEST(more_than_one_transaction_should_hold_comes_in_order),
	FOLLOWER_TEST(the_log_is_heard_of_though_nothing_happens),
	FOLLOWER_TEST(a_follower_that_starts_again_reads_on_where_it_stood),
	FOLLOWER_TEST(a_follower_that_is_killed_in_the_middle_leaves_nothing_out),
	FOLLOWER_TEST(a_copy_that_is_behind_what_the_log_still_has_is_told_in_its_place),
	FOLLOWER_TEST(a_copy_that_had_nothing_misses_nothing),
	FOLLOWER_TEST(what_the_log_has_no_longer_goes_when_it_was_sent),
	FOLLOWER_TEST(an_erased_message_leaves_the_copy),
	FOLLOWER_TEST(an_entry_that_is_no_message_is_passed_over_and_counted),
	FOLLOWER_TEST(a_copy_that_is_locked_misses_nothing),
	FOLLOWER_TEST(a_copy_without_room_misses_nothing),
	FOLLOWER_TEST(an_empty_copy_knows_no_id_until_the_log_is_heard_of),
	FOLLOWER_TEST(a_log_that_is_away_and_comes_back_is_followed_on),
};
RUN_TESTS(tests)
