#include "tests/unit/upstream/log.h"

#include <pthread.h>

static void
begin(void)
{
	foreign_do(foreign, LIST("FLUSHALL"));
}

/* A copy that follows. */
struct copy {
	struct upstream *log;
	struct upstream_news news;
	int64_t after, anchor;
};

static struct copy
copy_of(const struct redis_server *of, int n_replicas)
{
	return (struct copy){ .log = log_open(of, n_replicas) };
}

/* follow reads once, again where a machine without time for it has given the log up; where
 * it is told of a gap, that is news.floor > the position before. */
static bool
follow(struct copy *copy)
{
	int64_t before = copy->after;
	int outcome;

	WAIT_FOR((outcome = upstream_read(copy->log, copy->after, copy->anchor, 0, &copy->news))
	    != UPSTREAM_AWAY);
	assert_int_equal(outcome, 0);
	assert_true(copy->news.upto >= copy->after && copy->news.upto >= copy->news.floor);
	assert_true(copy->news.newest >= copy->news.upto);
	for (size_t i = 0; i < copy->news.n; i++)
		assert_true(copy->news.messages[i].id > copy->after
		    && copy->news.messages[i].id > copy->news.floor
		    && copy->news.messages[i].id <= copy->news.upto);
	copy->after = copy->news.upto;
	copy->anchor = copy->news.anchor;
	return copy->news.floor > before;
}

static void
follow_to_the_end(struct copy *copy)
{
	do
		follow(copy);
	while (copy->news.n > 0);
}

static void
expect_data(const struct copy *copy, size_t i, const char *data)
{
	assert_true(i < copy->news.n);
	assert_string_equal(copy->news.messages[i].data, data);
}

TEST(an_empty_log_is_made_with_its_bookkeeping)
{
	struct copy copy = copy_of(&server, 0);

	begin();
	assert_false(follow(&copy));
	assert_int_equal(copy.news.n, 0);
	assert_int_equal(copy.news.floor, 0);
	assert_int_equal(copy.news.newest, 0);
	assert_int_equal(foreign_number(foreign, LIST("EXISTS", "rowcast")), 1);
	assert_true(FOREIGN_ADD(foreign, "data", "a") > 0);
	assert_false(follow(&copy));
	assert_int_equal(copy.news.n, 1);
	upstream_close(copy.log);
}

TEST(what_anybody_adds_is_a_message)
{
	struct copy copy = copy_of(&server, 0);
	int64_t id;

	begin();
	follow(&copy);
	id = FOREIGN_ADD(foreign, "colour", "red", "user", "42", "colour", "blue", "data", "hello");
	follow(&copy);
	assert_int_equal(copy.news.n, 1);
	assert_int_equal(copy.news.n_refused, 0);
	assert_int_equal(copy.news.messages[0].id, id);
	assert_string_equal(copy.news.messages[0].user, "42");
	expect_data(&copy, 0, "hello");
	upstream_close(copy.log);
}

TEST(what_would_break_a_stream_is_left_out)
{
	struct copy copy = copy_of(&server, 0);
	char *large = mem_zalloc((1 << 20) + 2), *name = mem_zalloc(257), *key = mem_zalloc(2000);
	size_t with_nul[] = { 4, 7, 1, 4, 3 };
	struct redis_value *answer;

	memset(large, 'x', (1 << 20) + 1);
	memset(name, 'n', 256);
	memset(key, 'k', 1999);
	begin();
	follow(&copy);
	FOREIGN_ADD(foreign, "user", "42");
	FOREIGN_ADD(foreign, "data", large);
	FOREIGN_ADD(foreign, "data", "x", "event", "a\nb");
	FOREIGN_ADD(foreign, "data", "x", "event", "a\rb");
	FOREIGN_ADD(foreign, "data", "x", "event", name);
	FOREIGN_ADD(foreign, "data", "x", "event", "error");
	FOREIGN_ADD(foreign, "data", "x", "event", "open");
	FOREIGN_ADD(foreign, "data", "x", "event", "rowcast.gap");
	FOREIGN_ADD(foreign, "data", "x", "user", "");
	FOREIGN_ADD(foreign, "data", "x", "topic", "");
	FOREIGN_ADD(foreign, "data", "x", "user", name);
	FOREIGN_ADD(foreign, "data", "x", "topic", name);
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "soon");
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "");
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "0");
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "-5");
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "1.5");
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "4102444801");
	FOREIGN_ADD(foreign, "data", "x", "expires_at", "99999999999999999999");
	FOREIGN_ADD(foreign, "data", "x", "data", "y");
	FOREIGN_ADD(foreign, "data", "x", "user", "1", "user", "1");
	FOREIGN_ADD(foreign, "erase", "soon");
	FOREIGN_ADD(foreign, "erase", "0");
	FOREIGN_ADD(foreign, "erase", "7", "user", "42");
	redis_send(foreign, 5, (const char *const[]){ "XADD", "rowcast", "*", "data", "a\0b" }, with_nul);
	answer = redis_receive(foreign, soon());
	assert_int_equal(redis_kind(answer), REDIS_TEXT);
	redis_value_free(answer);
	with_nul[3] = 4;
	redis_send(foreign, 7, (const char *const[]){ "XADD", "rowcast", "*", "data", "abc", "user", "a\0b" },
	    (const size_t[]){ 4, 7, 1, 4, 3, 4, 3 });
	redis_value_free(redis_receive(foreign, soon()));
	follow(&copy);
	assert_int_equal(copy.news.n, 0);
	assert_int_equal(copy.news.n_erased, 0);
	assert_true(copy.news.n_refused >= 16);
	for (size_t n = copy.news.n_refused; n < 26; n += copy.news.n_refused) {
		follow(&copy);
		assert_int_equal(copy.news.n, 0);
		assert_true(copy.news.n_refused > 0);
	}
	follow(&copy);
	assert_int_equal(copy.news.n_refused, 0);

	large[1 << 20] = name[255] = '\0';
	FOREIGN_ADD(foreign, "data", large, "user", name, "topic", name, "event", name,
	    "expires_at", "4102444800", "key", key);
	FOREIGN_ADD(foreign, "data", "");
	FOREIGN_ADD(foreign, "erase", "7");
	follow(&copy);
	if (copy.news.n < 2) {
		assert_int_equal(copy.news.n, 1);
		assert_null(copy.news.messages[0].key);
		assert_int_equal(copy.news.messages[0].data_len, 1 << 20);
		follow(&copy);
	}
	follow_to_the_end(&copy);
	free(large);
	free(name);
	free(key);
	upstream_close(copy.log);
}

TEST(an_erasure_names_a_message)
{
	struct copy copy = copy_of(&server, 0);

	begin();
	FOREIGN_ADD(foreign, "erase", "123456789");
	FOREIGN_ADD(foreign, "erase", "5", "data", "but a message");
	follow(&copy);
	assert_int_equal(copy.news.n_erased, 1);
	assert_int_equal(copy.news.erased[0], 123456789);
	assert_int_equal(copy.news.n, 1);
	upstream_close(copy.log);
}

TEST(ids_without_a_number_are_left_out_and_passed)
{
	enum { N = 3000 };
	struct copy copy = copy_of(&server, 0);
	int64_t ms = clock_wall_us() / 1000 + 600000;  /* Redis's own must not come later meanwhile */
	size_t n = 0, n_refused = 0;
	char id[64];

	begin();
	follow(&copy);
	for (int i = 0; i < N; i++) {
		snprintf(id, sizeof(id), "%lld-%d", (long long)ms, 3000 + i);
		foreign_do(foreign, LIST("XADD", "rowcast", id, "data", "x"));
	}
	do {
		assert_false(follow(&copy));
		n += copy.news.n;
		n_refused += copy.news.n_refused;
	} while (copy.news.n + copy.news.n_refused > 0);
	assert_int_equal(n, 1096);
	assert_int_equal(n_refused, N - 1096);
	/* And it is healed. */
	assert_int_equal(FOREIGN_ADD(foreign, "data", "x") % 4096, 1);
	follow(&copy);
	assert_int_equal(copy.news.n, 1);
	upstream_close(copy.log);
}

TEST(a_deleted_key_is_noticed_though_others_have_published_since)
{
	struct copy copy = copy_of(&server, 0), other = copy_of(&server, 0);

	begin();
	FOREIGN_ADD(foreign, "data", "a");
	FOREIGN_ADD(foreign, "data", "b");
	follow_to_the_end(&copy);
	follow_to_the_end(&other);
	FOREIGN_ADD(foreign, "data", "lost");
	foreign_do(foreign, LIST("DEL", "rowcast"));
	await_next_ms(copy.after);
	FOREIGN_ADD(foreign, "data", "c");
	assert_true(follow(&copy));
	assert_true(follow(&other));
	assert_false(follow(&copy));
	assert_false(follow(&other));
	FOREIGN_ADD(foreign, "data", "d");
	assert_false(follow(&copy));
	assert_false(follow(&other));
	expect_data(&copy, 0, "d");
	expect_data(&other, 0, "d");
	upstream_close(copy.log);
	upstream_close(other.log);
}

TEST(an_older_data_set_is_noticed_once_whoever_notices)
{
	struct copy copy = copy_of(&server, 0), other = copy_of(&server, 0);
	int64_t floor;

	begin();
	FOREIGN_ADD(foreign, "data", "a");
	follow_to_the_end(&copy);
	follow_to_the_end(&other);
	foreign_do(foreign, LIST("COPY", "rowcast", "backup"));
	FOREIGN_ADD(foreign, "data", "b");
	follow_to_the_end(&copy);  /* the other one has not read b */
	foreign_do(foreign, LIST("RENAME", "backup", "rowcast"));
	await_next_ms(copy.after);
	FOREIGN_ADD(foreign, "data", "c");
	follow(&other);            /* and sees c of the other history */
	assert_true(follow(&copy));
	floor = copy.news.floor;
	assert_true(follow(&other));
	assert_int_equal(other.news.floor, floor);
	FOREIGN_ADD(foreign, "data", "d");
	assert_false(follow(&copy));
	assert_false(follow(&other));
	expect_data(&copy, 0, "d");
	expect_data(&other, 0, "d");
	assert_int_equal(other.news.floor, floor);
	upstream_close(copy.log);
	upstream_close(other.log);
}

TEST(a_log_that_gives_lower_ids_goes_on_above_what_was_read)
{
	struct copy copy = copy_of(&server, 0);
	int64_t read_before;

	begin();
	FOREIGN_ADD(foreign, "data", "a");
	follow_to_the_end(&copy);
	foreign_do(foreign, LIST("FLUSHALL"));
	copy.after = read_before = copy.after + 3600 * INT64_C(4096000);  /* an hour ahead */
	assert_true(follow(&copy));
	assert_true(FOREIGN_ADD(foreign, "data", "b") > read_before);
	assert_false(follow(&copy));
	expect_data(&copy, 0, "b");
	upstream_close(copy.log);
}

TEST(what_a_foreign_hand_trims_is_a_gap_for_who_has_not_read_it)
{
	struct copy copy = copy_of(&server, 0), late = copy_of(&server, 0);

	begin();
	FOREIGN_ADD(foreign, "data", "a");
	follow_to_the_end(&copy);
	follow_to_the_end(&late);
	for (int i = 0; i < 10; i++)
		FOREIGN_ADD(foreign, "data", "b");
	follow_to_the_end(&copy);
	foreign_do(foreign, LIST("XTRIM", "rowcast", "MAXLEN", "3"));
	assert_false(follow(&copy));
	assert_true(follow(&late));
	assert_int_equal(late.news.n, 3);
	FOREIGN_ADD(foreign, "data", "c");
	foreign_do(foreign, LIST("XTRIM", "rowcast", "MAXLEN", "0"));
	assert_true(follow(&copy));
	foreign_do(foreign, LIST("XADD", "rowcast", "MAXLEN", "1", "*", "data", "d"));
	assert_false(follow(&copy));
	expect_data(&copy, 0, "d");
	upstream_close(copy.log);
	upstream_close(late.log);
}

TEST(a_message_that_somebody_deletes_is_no_gap)
{
	struct copy copy = copy_of(&server, 0);
	char id[LOGID_TEXT_BYTES];
	int64_t newest;

	begin();
	FOREIGN_ADD(foreign, "data", "a");
	newest = FOREIGN_ADD(foreign, "data", "b");
	follow_to_the_end(&copy);
	foreign_do(foreign, LIST("XDEL", "rowcast", logid_write(id, newest)));
	assert_false(follow(&copy));
	FOREIGN_ADD(foreign, "data", "c");
	assert_false(follow(&copy));
	expect_data(&copy, 0, "c");
	upstream_close(copy.log);
}

TEST(who_comes_first_is_told_where_the_log_begins)
{
	struct copy old = copy_of(&server, 0), fresh = copy_of(&server, 0);

	begin();
	for (int i = 0; i < 5; i++)
		FOREIGN_ADD(foreign, "data", "a");
	follow_to_the_end(&old);
	foreign_do(foreign, LIST("XTRIM", "rowcast", "MAXLEN", "2"));
	follow(&fresh);
	assert_int_equal(fresh.news.n, 2);
	assert_int_equal(fresh.news.floor, fresh.news.messages[0].id - 1);
	assert_int_equal(fresh.news.newest, old.news.newest);
	upstream_close(old.log);
	upstream_close(fresh.log);
}

TEST(an_answer_is_about_a_mebibyte)
{
	struct copy copy = copy_of(&server, 0);
	char *data = mem_zalloc(100001);
	size_t n = 0;

	begin();
	memset(data, 'x', 100000);
	for (int i = 0; i < 60; i++)
		FOREIGN_ADD(foreign, "data", data);
	follow(&copy);
	assert_int_equal(copy.news.n, 16);
	for (n = 16; n < 60; n += copy.news.n) {
		follow(&copy);
		assert_in_range(copy.news.n, 1, 11);
	}
	for (int i = 0; i < 3000; i++)
		FOREIGN_ADD(foreign, "data", "x");
	for (n = 0; n < 3000; n += copy.news.n)
		follow(&copy);
	FOREIGN_ADD(foreign, "data", "x");
	free(data);
	upstream_close(copy.log);
}

TEST(it_waits_where_there_is_nothing_and_returns_when_there_is)
{
	struct copy copy = copy_of(&server, 0);
	mono_us before;

	begin();
	follow(&copy);
	before = clock_mono_us();
	assert_int_equal(upstream_read(copy.log, copy.after, copy.anchor, 50, &copy.news), 0);
	assert_true(clock_mono_us() - before >= 50000);
	assert_int_equal(copy.news.n, 0);
	assert_true(copy.news.asked_at >= before);
	upstream_close(copy.log);
}

TEST(a_forgotten_script_is_loaded_again)
{
	struct copy copy = copy_of(&server, 0);

	begin();
	for (int i = 0; i < 3; i++) {
		foreign_do(foreign, LIST("SCRIPT", "FLUSH"));
		FOREIGN_ADD(foreign, "data", "x");
		follow(&copy);
		assert_int_equal(copy.news.n, 1);
	}
	upstream_close(copy.log);
}

TEST(without_room_it_is_read_and_mended_all_the_same)
{
	struct copy copy = copy_of(&server, 0);

	begin();
	FOREIGN_ADD(foreign, "data", "x");
	follow(&copy);
	FOREIGN_ADD(foreign, "data", "y");
	foreign_do(foreign, LIST("DEL", "rowcast"));
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "1"));
	assert_true(follow(&copy));
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "0"));
	upstream_close(copy.log);
}

/* ---- replicas ---- */

struct reading {
	struct copy *copy;
	int outcome;
	_Atomic bool is_done;
};

static void *
read_on(void *context)
{
	struct reading *reading = context;
	struct copy *copy = reading->copy;

	do
		reading->outcome = upstream_read(copy->log, copy->after, copy->anchor, 1000, &copy->news);
	while (reading->outcome == 0 && copy->news.n == 0);
	reading->is_done = true;
	return NULL;
}

TEST(nothing_is_read_before_the_replicas_have_it)
{
	struct redis_server primary, replica;
	struct copy copy;
	struct redis *program;
	struct reading reading;
	pthread_t thread;

	redis_server_start(&primary, NULL);
	redis_replica_start(&replica, &primary, NULL);
	program = foreign_program(&primary);
	copy = copy_of(&primary, 1);
	follow(&copy);
	redis_server_hang(&replica);
	FOREIGN_ADD(program, "data", "ghost");
	/* It is on the primary, and would be gone with it. */
	assert_int_equal(upstream_read(copy.log, copy.after, copy.anchor, 0, &copy.news), UPSTREAM_AWAY);
	reading = (struct reading){ .copy = &copy };
	assert_int_equal(pthread_create(&thread, NULL, read_on, &reading), 0);
	assert_false(reading.is_done);
	redis_server_wake(&replica);
	pthread_join(thread, NULL);
	while (reading.outcome != 0 || copy.news.n == 0)
		reading.outcome = upstream_read(copy.log, copy.after, copy.anchor, 0, &copy.news);
	assert_int_equal(copy.news.n, 1);
	expect_data(&copy, 0, "ghost");
	upstream_close(copy.log);
	redis_free(program);
	redis_server_free(&replica);
	redis_server_free(&primary);
}

TEST(what_only_a_lost_primary_had_is_never_shown)
{
	struct redis_server primary, replica;
	struct copy copy;
	struct redis *program;

	redis_server_start(&primary, NULL);
	redis_replica_start(&replica, &primary, NULL);
	program = foreign_program(&primary);
	copy = copy_of(&primary, 1);
	FOREIGN_ADD(program, "data", "a");
	follow(&copy);
	assert_int_equal(copy.news.n, 1);
	redis_server_hang(&replica);
	FOREIGN_ADD(program, "data", "ghost");
	assert_int_equal(upstream_read(copy.log, copy.after, copy.anchor, 0, &copy.news), UPSTREAM_AWAY);
	redis_server_kill(&primary);
	upstream_close(copy.log);
	redis_free(program);

	redis_server_wake(&replica);
	redis_cli_says(&replica, "OK", LIST("REPLICAOF", "NO", "ONE"));
	program = foreign_program(&replica);
	copy.log = log_open(&replica, 0);
	assert_false(follow(&copy));
	assert_true(copy.news.n == 0 || strcmp(copy.news.messages[0].data, "ghost") == 0);
	upstream_close(copy.log);
	redis_free(program);
	redis_server_free(&replica);
	redis_server_free(&primary);
}

static void *
interrupt_it(void *context)
{
	upstream_interrupt(context);
	return NULL;
}

TEST(a_read_that_waits_can_be_interrupted)
{
	struct copy copy = copy_of(&server, 0);
	pthread_t thread;

	begin();
	follow(&copy);
	assert_int_equal(pthread_create(&thread, NULL, interrupt_it, copy.log), 0);
	assert_int_equal(upstream_read(copy.log, copy.after, copy.anchor, 10 * PATIENCE_MS, &copy.news),
	    UPSTREAM_AWAY);
	pthread_join(thread, NULL);
	upstream_close(copy.log);
}

static int
start(void **state __attribute__((unused)))
{
	redis_server_start(&server, LIST("proto-max-bulk-len 512mb"));
	foreign = foreign_program(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_log_is_made_with_its_bookkeeping),
		cmocka_unit_test(what_anybody_adds_is_a_message),
		cmocka_unit_test(what_would_break_a_stream_is_left_out),
		cmocka_unit_test(an_erasure_names_a_message),
		cmocka_unit_test(ids_without_a_number_are_left_out_and_passed),
		cmocka_unit_test(a_deleted_key_is_noticed_though_others_have_published_since),
		cmocka_unit_test(an_older_data_set_is_noticed_once_whoever_notices),
		cmocka_unit_test(a_log_that_gives_lower_ids_goes_on_above_what_was_read),
		cmocka_unit_test(what_a_foreign_hand_trims_is_a_gap_for_who_has_not_read_it),
		cmocka_unit_test(a_message_that_somebody_deletes_is_no_gap),
		cmocka_unit_test(who_comes_first_is_told_where_the_log_begins),
		cmocka_unit_test(an_answer_is_about_a_mebibyte),
		cmocka_unit_test(it_waits_where_there_is_nothing_and_returns_when_there_is),
		cmocka_unit_test(a_forgotten_script_is_loaded_again),
		cmocka_unit_test(without_room_it_is_read_and_mended_all_the_same),
		cmocka_unit_test(nothing_is_read_before_the_replicas_have_it),
		cmocka_unit_test(what_only_a_lost_primary_had_is_never_shown),
		cmocka_unit_test(a_read_that_waits_can_be_interrupted),
	};

	return cmocka_run_group_tests(tests, start, log_stop);
}
