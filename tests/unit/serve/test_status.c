/* What a rowcast says of itself, when all is well and when its table is not. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <inttypes.h>
#include <jansson.h>
#include <unistd.h>

#include "app/serve/status.h"
#include "lib/clock.h"
#include "lib/mem.h"

static struct rowcast rowcast;
static struct table table;   /* the same one; without a handle of its own */
static char *bearer;

static int
setup(void **state __attribute__((unused)))
{
	rowcast_start(&rowcast, LIST("workers = 2"));
	table.name = rowcast.conf.store;
	bearer = bearer_of(&rowcast, "u", "rowcast:admin");
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	free(bearer);
	rowcast_stop(&rowcast);
	return 0;
}

static const char *
asked(int status, const char *method, const char *path, const char *body)
{
	return fetch(&rowcast, status, LIST("REQUEST_METHOD", method, "SCRIPT_NAME", path,
	    "CONTENT_TYPE", body != NULL ? "text/plain" : "", "HTTP_AUTHORIZATION", bearer), body);
}

static const char *
body_of(const char *reply)
{
	return strstr(reply, "\r\n\r\n") + 4;
}

/* ---- health ---- */

static void
is_healthy(void)
{
	assert_string_equal(body_of(asked(200, "GET", "/healthz", NULL)), "ok");
}

/* tail_becomes waits for the tail's own look at the table. Until it has come, an
 * answer may still tell of what stood there before. */
static void
tail_becomes(bool failing)
{
	tail_committed(rowcast.service.tail, 0);
	WAIT_FOR(tail_is_failing(rowcast.service.tail) == failing);
}

TEST(who_can_read_and_has_committed_is_healthy)
{
	is_healthy();
	asked(201, "POST", "/msg", "a message");
	is_healthy();
}

TEST(a_table_that_cannot_be_read_is_told_until_it_can)
{
	struct peer stream;

	capture_begin();
	table_run(&table, "ALTER TABLE message RENAME TO taken_away");
	tail_becomes(true);
	expect_text(asked(503, "GET", "/healthz", NULL),
	    "{\"error\":\"the store cannot be read; see the log\"}");
	/* A browser comes back after nothing but 200, and others after a status. */
	for (int i = 0; i < 2; i++) {
		call(&rowcast, &stream);
		say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
		    "HTTP_AUTHORIZATION", bearer, "HTTP_ACCEPT", "text/event-stream",
		    i == 0 ? "HTTP_LAST_EVENT_ID" : "HTTP_COOKIE", "0"), NULL);
		expect_head(&stream);
		expect_start(&stream, i == 0 ? 0 : 1);
		expect_end(&stream);
		hang_up(&stream);
	}
	call(&rowcast, &stream);
	say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer, "HTTP_ACCEPT", "text/event-stream",
	    "HTTP_LAST_EVENT_ID", "none"), NULL);
	expect_head(&stream);
	expect_text(next_block(&stream), "retry: ");
	expect_end(&stream);
	hang_up(&stream);
	call(&rowcast, &stream);
	say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	expect_text(expect_reply(&stream, 503), "Retry-After: ");
	hang_up(&stream);
	/* The counters are told all the same. */
	asked(200, "GET", "/metrics", NULL);
	asked(200, "GET", "/status", NULL);
	table_run(&table, "ALTER TABLE taken_away RENAME TO message");
	tail_becomes(false);
	is_healthy();
	assert_says(capture_end(), "its first and last id cannot be read: no such table: message");
}

TEST(a_commit_that_failed_is_told_until_one_succeeds)
{
	capture_begin();
	table_run(&table, "ALTER TABLE message RENAME COLUMN key TO renamed");
	expect_text(asked(503, "POST", "/msg", "lost"),
	    "{\"error\":\"nothing was stored: the store cannot be written; see the log\"}");
	expect_text(asked(503, "GET", "/healthz", NULL),
	    "{\"error\":\"the last commit did not succeed; see the log\"}");
	expect_text(asked(200, "GET", "/status", NULL), "\"last_commit_failed\":1,");
	table_run(&table, "ALTER TABLE message RENAME COLUMN renamed TO key");
	expect_text(asked(503, "GET", "/healthz", NULL), "the last commit");
	asked(201, "POST", "/msg", "stored");
	is_healthy();
	expect_text(asked(200, "GET", "/status", NULL), "\"last_commit_failed\":0,");
	assert_says(capture_end(), "a message cannot be stored: ");
}

/* ---- counters ---- */

static int64_t
number_of(const json_t *status, const char *name)
{
	const json_t *value = json_object_get(status, name);

	if (!json_is_integer(value))
		fail_msg("no number %s", name);
	return json_integer_value(value);
}

static json_t *
status_now(void)
{
	json_t *status = json_loads(body_of(asked(200, "GET", "/status", NULL)), 0, NULL);

	assert_non_null(status);
	return status;
}

static int64_t
told_now(const char *name)
{
	json_t *status = status_now();
	int64_t value = number_of(status, name);

	json_decref(status);
	return value;
}

/* wait_for asks until it has the value: what was sent is counted just after it has left,
 * and who has hung up when that is seen. */
static void
wait_for(const char *name, int64_t value)
{
	WAIT_FOR(told_now(name) == value);
}

TEST(what_happens_is_counted)
{
	int64_t newest = told_now("newest_id");
	json_t *before, *after;
	struct peer stream;

	/* The messages of the tests above may be committed and not read yet. */
	wait_for("sent_id", newest);
	before = status_now();
	call(&rowcast, &stream);
	say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	expect_head(&stream);
	expect_start(&stream, newest);
	asked(201, "POST", "/msg", "counted");
	table_run(&table, "INSERT INTO message(data) VALUES('of another program')");
	expect_message(&stream, newest + 1, "counted");
	expect_message(&stream, newest + 2, "of another program");
	wait_for("deliveries_total", number_of(before, "deliveries_total") + 2);
	after = status_now();
	assert_int_equal(number_of(after, "messages_read_total"),
	    number_of(before, "messages_read_total") + 2);
	assert_int_equal(number_of(after, "streams"), number_of(before, "streams") + 1);
	assert_int_equal(number_of(after, "streams_joined_total"),
	    number_of(before, "streams_joined_total") + 1);
	assert_int_equal(number_of(after, "messages_committed_total"),
	    number_of(before, "messages_committed_total") + 1);
	assert_int_equal(number_of(after, "newest_id"), newest + 2);
	assert_int_equal(number_of(after, "sent_id"), newest + 2);
	hang_up(&stream);
	wait_for("streams", number_of(before, "streams"));
	json_decref(before);
	json_decref(after);
}

TEST(the_status_says_who_when_and_how_large)
{
	json_t *status = status_now();
	int64_t wal = number_of(status, "store_wal_bytes"), time_ms = number_of(status, "time_ms");

	assert_string_equal(json_string_value(json_object_get(status, "node")), rowcast.conf.node);
	assert_in_range(time_ms, (clock_wall_s() - 60) * 1000, (clock_wall_s() + 1) * 1000);
	assert_true(number_of(status, "store_db_bytes") >= 4096);
	json_decref(status);
	table_run(&table, "INSERT INTO message(data) VALUES(replace(hex(zeroblob(100000)), '0', 'x'))");
	assert_true(told_now("store_wal_bytes") >= wal + 200000);
	assert_true(told_now("time_ms") >= time_ms);
}

TEST(the_lag_of_each_delivery_is_counted_but_not_of_replays)
{
	int64_t before = told_now("delivery_lag_count"), newest = told_now("newest_id"), last = 0;
	char id[32];
	json_t *status;
	struct peer live, late;

	call(&rowcast, &live);
	say_request(&live, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	expect_head(&live);
	expect_start(&live, newest);
	asked(201, "POST", "/msg", "one");
	table_run(&table, "INSERT INTO message(data) VALUES('two')");
	expect_message(&live, newest + 1, "one");
	expect_message(&live, newest + 2, "two");
	WAIT_FOR(told_now("delivery_lag_count") == before + 2);

	snprintf(id, sizeof(id), "%" PRId64, newest);
	call(&rowcast, &late);
	say_request(&late, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer, "HTTP_LAST_EVENT_ID", id), NULL);
	expect_head(&late);
	expect_start(&late, newest);
	expect_message(&late, newest + 1, "one");
	expect_message(&late, newest + 2, "two");
	asked(201, "POST", "/msg", "three");
	expect_message(&live, newest + 3, "three");
	expect_message(&late, newest + 3, "three");
	/* One more of the live stream; of the other it is not known whether it was a replay. */
	WAIT_FOR(told_now("delivery_lag_count") >= before + 3);
	assert_in_range(told_now("delivery_lag_count"), before + 3, before + 4);

	status = status_now();
	for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "delivery_lag_upto_%" PRId64 "us", histogram_bounds[i]);
		assert_true(number_of(status, name) >= last);
		last = number_of(status, name);
	}
	assert_true(number_of(status, "delivery_lag_count") >= last);
	assert_true(number_of(status, "delivery_lag_sum_us") > 0);
	json_decref(status);
	hang_up(&late);
	hang_up(&live);
	WAIT_FOR(told_now("streams") == 0);
	assert_int_equal(told_now("users"), 0);
}

/* Scripts rely on these; there may be more. */
TEST(the_status_keeps_its_names)
{
	static const char *const names[] = {
		"time_ms", "streams", "streams_joined_total", "streams_refused_total", "messages_read_total",
		"deliveries_total", "gaps_total", "messages_committed_total", "commits_total",
		"messages_trimmed_total", "last_commit_failed", "oldest_id", "newest_id", "sent_id", "users",
		"uptime_seconds", "delivery_lag_upto_100us", "delivery_lag_upto_10000000us",
		"delivery_lag_count", "delivery_lag_sum_us", "store_db_bytes", "store_wal_bytes",
		"allocated_bytes",
	};
	json_t *status = status_now();

	assert_string_equal(json_string_value(json_object_get(status, "version")), PACKAGE_VERSION);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		number_of(status, names[i]);
	/* Not less than what the test itself holds. */
	assert_true(number_of(status, "allocated_bytes") >= 1000);
	json_decref(status);
}

/* ---- for those who watch ---- */

/* watch opens a stream of what rowcast tells of itself. */
static void
watch(struct peer *peer)
{
	call(&rowcast, peer);
	say_request(peer, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "QUERY_STRING", "topic=rowcast.status&cursor=off", "HTTP_ACCEPT", "text/event-stream",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	expect_head(peer);
	assert_string_equal(next_block(peer), ":");
}

static size_t
n_watchers(void)
{
	struct hub_counters counters;

	hub_count(rowcast.service.hub, &counters);
	return counters.n_watchers;
}

static int64_t
newest(void)
{
	return tail_newest(rowcast.service.tail);
}

static int64_t
sent(void)
{
	struct hub_counters counters;

	hub_count(rowcast.service.hub, &counters);
	return counters.sent;
}

/* told returns the numbers of the next message to a watcher. */
static json_t *
told(struct peer *peer)
{
	const char *block, *data;
	json_t *numbers;

	while ((block = next_block(peer)) != NULL && strcmp(block, ":") == 0)
		;
	assert_non_null(block);
	data = strstr(block, "\ndata: ");
	assert_non_null(data);
	assert_null(strstr(block, "event:"));
	numbers = json_loads(data + strlen("\ndata: "), 0, NULL);
	assert_true(json_is_object(numbers));
	return numbers;
}

TEST(nobody_is_told_where_nobody_watches)
{
	int64_t before = newest();

	status_publish(&rowcast.service);
	assert_int_equal(n_watchers(), 0);
	asked(201, "POST", "/msg", "a message");
	assert_int_equal(newest(), before + 1);
}

TEST(who_watches_is_told_the_numbers_of_the_status_and_whose_they_are)
{
	uint64_t n_committed, n_after;
	struct writer_counters writer;
	json_t *numbers, *status;
	struct peer peer;
	const char *name;
	json_t *value;

	writer_count(rowcast.service.writer, &writer);
	n_committed = writer.n_committed;
	watch(&peer);
	WAIT_FOR(n_watchers() == 1);
	status_publish(&rowcast.service);
	numbers = told(&peer);
	status = json_loads(body_of(asked(200, "GET", "/status", NULL)), 0, NULL);
	json_object_foreach(status, name, value)
		assert_int_equal(json_typeof(json_object_get(numbers, name)), json_typeof(value));
	assert_int_equal(json_integer_value(json_object_get(numbers, "watchers")), 1);
	assert_string_equal(json_string_value(json_object_get(numbers, "node")), rowcast.conf.node);
	assert_int_equal(json_integer_value(json_object_get(numbers, "process")), getpid());
	assert_in_range(json_integer_value(json_object_get(numbers, "time")), clock_wall_s() - 60,
	    clock_wall_s());
	json_decref(status);
	json_decref(numbers);
	/* It is no message of anybody's, and stands for a moment only. */
	writer_count(rowcast.service.writer, &writer);
	n_after = writer.n_committed;
	assert_int_equal(n_after, n_committed);
	table_run(&table, "CREATE TEMP TABLE t(n CHECK (n)); INSERT INTO t SELECT count(*) > 0 AND"
	    " min(expires_at BETWEEN created_at + 1 AND created_at + 10) FROM message"
	    " WHERE topic = 'rowcast.status'");
	hang_up(&peer);
	WAIT_FOR(n_watchers() == 0);
}

/* Each of them says that nobody watches there, so they do not keep each other going. */
TEST(who_is_watched_elsewhere_tells_until_nobody_is)
{
	int64_t before;

	atomic_fetch_add(&clock_ahead_us, TAIL_WATCHED_MS * 1000);
	before = newest();
	table_run(&table, "INSERT INTO message(topic, data) VALUES('rowcast.status',"
	    " '{\"watchers\":0,\"node\":\"b\"}'), ('rowcast.status', '{\"node\":\"b\"}'),"
	    " ('rowcast.stat', '{\"watchers\":1,}'), ('rowcast.status', '')");
	WAIT_FOR(sent() == before + 4);  /* so the tail has read them */
	assert_false(tail_is_watched(rowcast.service.tail));
	table_run(&table, "INSERT INTO message(topic, data) VALUES('rowcast.status',"
	    " '{\"watchers\":12,\"node\":\"b\"}')");
	WAIT_FOR(tail_is_watched(rowcast.service.tail));
	before = newest();
	status_publish(&rowcast.service);
	WAIT_FOR(newest() == before + 1);
	atomic_fetch_add(&clock_ahead_us, TAIL_WATCHED_MS * 1000);
	assert_false(tail_is_watched(rowcast.service.tail));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_can_read_and_has_committed_is_healthy),
	cmocka_unit_test(a_table_that_cannot_be_read_is_told_until_it_can),
	cmocka_unit_test(a_commit_that_failed_is_told_until_one_succeeds),
	cmocka_unit_test(what_happens_is_counted),
	cmocka_unit_test(the_status_says_who_when_and_how_large),
	cmocka_unit_test(the_lag_of_each_delivery_is_counted_but_not_of_replays),
	cmocka_unit_test(the_status_keeps_its_names),
	cmocka_unit_test(nobody_is_told_where_nobody_watches),
	cmocka_unit_test(who_watches_is_told_the_numbers_of_the_status_and_whose_they_are),
	cmocka_unit_test(who_is_watched_elsewhere_tells_until_nobody_is),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, setup, teardown);
}
