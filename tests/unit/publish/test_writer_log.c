/* The writer where it publishes to a log: a real Redis, which the test stops and starts.
 * Time that only has to pass is put forward. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/harness.h"
#include "tests/unit/redis.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/publish/submission.h"
#include "app/upstream/upstream.h"
#include "lib/mem.h"

enum { ASKERS_MAX = 16 };

static const char unknown[] =
    "it is not known whether the message was stored: send it again with the same key";

static struct conf conf;
static struct redis_server log_server;
static struct writer *writer;
static struct peer askers[ASKERS_MAX];
static size_t n_askers;
static _Atomic int64_t newest;
static _Atomic int n_seen;         /* groups that the writer has begun with */

/* ---- verbs ---- */

static void
take_id(void *context, int64_t id)
{
	if (context != &newest)
		abort();
	if (id > atomic_load(&newest))
		atomic_store(&newest, id);
}

static int64_t
seen(void *context)
{
	atomic_fetch_add(&n_seen, 1);
	return atomic_load((_Atomic int64_t *)context);
}

static int
start_with(bool keeps_wills)
{
	char *upstream;
	struct store *copy = NULL;

	redis_server_start(&log_server, NULL);
	upstream = mem_printf("upstream = %s", log_server.unix_url);
	conf_of(&conf, LIST(upstream));
	free(upstream);
	atomic_store(&newest, 0);
	n_askers = 0;
	if (keeps_wills) {
		copy = store_open(conf.store, STORE_COPY);
		assert_non_null(copy);
	}
	writer = writer_start_upstream(&conf, upstream_open(&conf), copy, NULL, seen, take_id, &newest);
	assert_non_null(writer);
	return 0;
}

static int
setup(void **state __attribute__((unused)))
{
	return start_with(false);
}

static int
setup_with_copy(void **state __attribute__((unused)))
{
	return start_with(true);
}

static int
teardown(void **state __attribute__((unused)))
{
	writer_stop(writer);
	while (n_askers > 0)
		hang_up(&askers[--n_askers]);
	conf_free(&conf);
	redis_server_free(&log_server);
	return 0;
}

static struct peer *
submit(const char *type, const char *body)
{
	struct peer *asker = &askers[n_askers++];
	struct reply reply = { .conn = conn_of(peer_pair(asker)), .request_id = 1 };
	struct publication p;

	assert_true(n_askers <= ASKERS_MAX);
	if (publication_parse(&p, "", type, body, strlen(body), 2 << 20) != 0)
		fail_msg("%s", p.error);
	assert_int_equal(submission_give(writer, &p, "u", &reply), 0);
	return asker;
}

static struct peer *
submit_form(const char *form)
{
	return submit("application/x-www-form-urlencoded", form);
}

/* is_writer_asleep: does its thread wait for something, as the kernel sees it? */
static bool
is_writer_asleep(void)
{
	char name[300], state = '?';
	DIR *tasks = opendir("/proc/self/task");

	assert_non_null(tasks);
	for (struct dirent *task; (task = readdir(tasks)) != NULL; ) {
		char *path = mem_printf("/proc/self/task/%s/stat", task->d_name);
		FILE *file = task->d_name[0] != '.' ? fopen(path, "r") : NULL;

		if (file != NULL && (fscanf(file, "%*d (%299[^)]) %c", name, &state) != 2
		    || strcmp(name, "writer") != 0))
			state = '?';
		if (file != NULL)
			fclose(file);
		free(path);
		if (state != '?')
			break;
	}
	closedir(tasks);
	return state == 'S';
}

/* submit_to_hanging submits to a log that hangs, and returns when it has been asked. */
static struct peer *
submit_to_hanging(const char *form)
{
	int before = atomic_load(&n_seen);
	struct peer *asker = submit_form(form);

	WAIT_FOR(atomic_load(&n_seen) > before && is_writer_asleep());
	return asker;
}

/* id_of returns the id of a reply `{"id":N}`. */
static int64_t
id_of(const char *reply)
{
	const char *at = strstr(reply, "{\"id\":");

	assert_non_null(at);
	return strtoll(at + 6, NULL, 10);
}

static long
log_length(void)
{
	return strtol(redis_cli(&log_server, LIST("XLEN", "rowcast")), NULL, 10);
}

/* is_silent: nobody is answered at this moment. */
static bool
is_silent(struct peer *asker)
{
	char byte;

	return recv(asker->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* ---- tests ---- */

TEST(a_message_is_answered_with_the_id_that_the_log_gave)
{
	int64_t first = id_of(expect_reply(submit_form("msg=a"), 201));
	int64_t second = id_of(expect_reply(submit_form("msg=b"), 201));
	struct writer_counters counters;

	assert_true(first > 0 && second > first);
	assert_int_equal(atomic_load(&newest), second);
	assert_int_equal(log_length(), 2);
	writer_count(writer, &counters);
	assert_int_equal(counters.n_committed, 2);
	assert_false(counters.failing);
}

TEST(lines_are_answered_with_all_their_ids_in_order)
{
	const char *reply = expect_reply(submit("application/x-ndjson",
	    "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n{\"msg\":\"c\"}\n"), 201);
	char *end;
	int64_t a, b, c;

	reply = strstr(reply, "{\"ids\":[");
	assert_non_null(reply);
	a = strtoll(reply + 8, &end, 10);
	b = strtoll(end + 1, &end, 10);
	c = strtoll(end + 1, &end, 10);
	assert_true(0 < a && a < b && b < c);
	assert_int_equal(log_length(), 3);
}

TEST(a_key_that_was_there_is_answered_with_its_id)
{
	int64_t id = id_of(expect_reply(submit_form("msg=a&key=k"), 201));

	assert_int_equal(id_of(expect_reply(submit_form("msg=b&key=k"), 200)), id);
	assert_int_equal(log_length(), 1);
}

TEST(ids_are_above_all_that_this_machine_has_seen)
{
	/* Half a day ahead of the clock. */
	int64_t ahead = ((int64_t)clock_wall_s() + 43200 - 1577836800) * 1000 * 4096;

	atomic_store(&newest, ahead);
	assert_true(id_of(expect_reply(submit_form("msg=a"), 201)) > ahead);
}

TEST(while_the_log_hangs_nobody_is_answered_until_ten_seconds_are_over)
{
	struct peer *asker, *later;
	const char *reply;

	expect_reply(submit_form("msg=a"), 201);
	redis_server_hang(&log_server);
	capture_begin();
	clock_stop();
	asker = submit_to_hanging("msg=b&key=k");
	clock_ahead_us += 9000000;
	later = submit_form("msg=c");
	assert_true(is_silent(asker));
	clock_ahead_us += 1100000;
	reply = expect_reply(asker, 503);
	expect_text(reply, unknown);
	expect_text(reply, "Retry-After: ");
	assert_true(is_silent(later));
	redis_server_wake(&log_server);
	expect_reply(later, 201);
	clock_go();
	/* The advice is good: it is there once, whether or not it was. */
	id_of(expect_reply(submit_form("msg=b&key=k"), 200));
	capture_end();
	assert_int_equal(log_length(), 3);
}

TEST(who_has_waited_behind_others_is_answered_when_his_time_is_over)
{
	struct peer *asker, *behind;

	expect_reply(submit_form("msg=a"), 201);
	redis_server_hang(&log_server);
	capture_begin();
	asker = submit_to_hanging("msg=b");
	behind = submit_form("msg=c");
	clock_ahead_us += 10100000;
	expect_text(expect_reply(asker, 503), unknown);
	/* It was not asked for. */
	expect_text(expect_reply(behind, 503), "nothing was stored: ");
	redis_server_wake(&log_server);
	capture_end();
	expect_reply(submit_form("msg=d"), 201);
}

TEST(where_the_log_is_away_nothing_is_stored_and_that_is_said)
{
	struct peer *asker;
	const char *reply;

	redis_server_kill(&log_server);
	capture_begin();
	asker = submit_form("msg=a");
	clock_ahead_us += 10100000;
	reply = expect_reply(asker, 503);
	expect_text(reply, "nothing was stored: ");
	expect_text(reply, "Retry-After: ");
	asker = submit_form("msg=b");
	redis_server_again(&log_server);
	/* It was not given up. */
	expect_reply(asker, 201);
	capture_end();
	assert_int_equal(log_length(), 1);
}

TEST(a_log_without_room_stores_nothing_and_that_is_said)
{
	expect_reply(submit_form("msg=a"), 201);
	redis_cli(&log_server, LIST("CONFIG", "SET", "maxmemory", "1"));
	capture_begin();
	expect_text(expect_reply(submit_form("msg=b"), 503), "nothing was stored: there is no room");
	capture_end();
	redis_cli(&log_server, LIST("CONFIG", "SET", "maxmemory", "0"));
	expect_reply(submit_form("msg=c"), 201);
	assert_int_equal(log_length(), 2);
}

/* ---- last wills, in the copy ---- */

struct asked {
	struct writer_order order;
	struct message message;
	int64_t id;
	_Atomic bool is_done;
};

static void
come_back(struct writer_order *order)
{
	struct asked *asked = order->context;

	atomic_store(&asked->is_done, true);
}

/* order begins one of a message; finish waits until it has come back. */
static void
order(struct asked *asked, const char *topic, enum store_will_change change)
{
	*asked = (struct asked){
		.order = {
			.append = {
				.messages = &asked->message, .n = topic != NULL, .publisher = "u",
				.will_change = change, .will = { writer_life(writer), 1, "t" },
			},
			.n_bytes = 1, .done = come_back, .context = asked,
		},
	};
	if (topic != NULL)
		asked->message = (struct message){
			.topic = mem_strdup(topic), .data = mem_strdup("x"), .data_len = 1,
		};
	assert_int_equal(writer_order(writer, &asked->order), 0);
}

static enum writer_fate
finish(struct asked *asked)
{
	WAIT_FOR(atomic_load(&asked->is_done));
	asked->id = asked->message.id;
	message_free(&asked->message);
	return asked->order.fate;
}

static int64_t
n_wills(void)
{
	sqlite3_stmt *statement;
	sqlite3 *foreign;
	int64_t n;

	assert_int_equal(sqlite3_open(conf.store + strlen("sqlite:"), &foreign), SQLITE_OK);
	sqlite3_busy_timeout(foreign, 10000);
	assert_int_equal(sqlite3_prepare_v2(foreign, "SELECT count(*) FROM rowcast_following", -1,
	    &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(foreign);
	return n;
}

TEST(a_will_stands_in_the_copy_while_its_messages_go_to_the_log)
{
	struct asked asked;

	order(&asked, "t", STORE_WILL_WRITE);
	assert_int_equal(finish(&asked), WRITER_STORED);
	assert_true(asked.id > 0);
	assert_int_equal(n_wills(), 1);
	assert_int_equal(log_length(), 1);
	order(&asked, NULL, STORE_WILL_REVOKE);
	assert_int_equal(finish(&asked), WRITER_STORED);
	assert_int_equal(n_wills(), 0);
	assert_int_equal(log_length(), 1);
}

/* Whether the log has it is not known: then it is better that it stands. */
TEST(a_will_stands_where_the_log_does_not_answer)
{
	struct asked asked;

	expect_reply(submit_form("msg=a"), 201);
	redis_server_hang(&log_server);
	capture_begin();
	order(&asked, "t", STORE_WILL_WRITE);
	WAIT_FOR(n_wills() == 1 && is_writer_asleep());
	clock_ahead_us += 10100000;
	assert_int_equal(finish(&asked), WRITER_FAILED);
	assert_int_equal(n_wills(), 1);
	redis_server_wake(&log_server);
	order(&asked, NULL, STORE_WILL_REVOKE);
	assert_int_equal(finish(&asked), WRITER_STORED);
	capture_end();
	assert_int_equal(n_wills(), 0);
}

TEST(what_has_no_will_in_the_copy_is_not_in_the_log_and_others_are)
{
	struct table copy = { .name = conf.store };
	struct sqlite3 *foreign = foreign_open(&copy);
	struct asked asked;
	struct peer *asker;

	expect_reply(submit_form("msg=a"), 201);
	foreign_run(foreign, "BEGIN IMMEDIATE");
	capture_begin();
	order(&asked, "t", STORE_WILL_WRITE);
	asker = submit_form("msg=b");
	assert_int_equal(finish(&asked), WRITER_FAILED);
	capture_end();
	assert_string_equal(asked.order.sentence,
	    "nothing was stored: the store cannot be written; see the log");
	expect_reply(asker, 201);
	foreign_run(foreign, "COMMIT");
	foreign_close(foreign);
	assert_int_equal(n_wills(), 0);
	assert_int_equal(log_length(), 2);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	LOG_TEST(a_message_is_answered_with_the_id_that_the_log_gave),
	LOG_TEST(lines_are_answered_with_all_their_ids_in_order),
	LOG_TEST(a_key_that_was_there_is_answered_with_its_id),
	LOG_TEST(ids_are_above_all_that_this_machine_has_seen),
	LOG_TEST(while_the_log_hangs_nobody_is_answered_until_ten_seconds_are_over),
	LOG_TEST(who_has_waited_behind_others_is_answered_when_his_time_is_over),
	LOG_TEST(where_the_log_is_away_nothing_is_stored_and_that_is_said),
	LOG_TEST(a_log_without_room_stores_nothing_and_that_is_said),
#define COPY_TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_copy, teardown)
	COPY_TEST(a_will_stands_in_the_copy_while_its_messages_go_to_the_log),
	COPY_TEST(a_will_stands_where_the_log_does_not_answer),
	COPY_TEST(what_has_no_will_in_the_copy_is_not_in_the_log_and_others_are),
};
RUN_TESTS(tests)
