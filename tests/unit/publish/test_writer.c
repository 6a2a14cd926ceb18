/* The writer, in its thread, over a real store; the test's thread submits and reads
 * the answers. The function that it calls
 * after each commit is a gate: while it is closed the writer stands right behind
 * a commit, and what is submitted meanwhile waits together. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/harness.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "app/publish/submission.h"
#include "lib/mailbox.h"
#include "lib/mem.h"

enum { ASKERS_MAX = 80 };

static struct conf conf;
static struct table table;
static struct writer *writer;
static struct origin *origin;
static struct peer askers[ASKERS_MAX];
static size_t n_askers;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool closed;
	int n_waiting;       /* the writer, in the gate */
	int n_commits;
	int64_t id;          /* the highest of the last commit */
} gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, 0, 0 };

/* ---- verbs ---- */

static void
pass_gate(void *context, int64_t id)
{
	if (context != &gate)
		abort();
	pthread_mutex_lock(&gate.lock);
	gate.n_commits++;
	gate.id = id;
	gate.n_waiting++;
	pthread_cond_broadcast(&gate.changed);
	while (gate.closed)
		pthread_cond_wait(&gate.changed, &gate.lock);
	gate.n_waiting--;
	pthread_mutex_unlock(&gate.lock);
}

static void
open_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.closed = false;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
}

static void
wait_at_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.n_waiting == 0)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

/* begin starts a writer; the table has its store, and another for the test. */
static void
begin(const char *const lines[])
{
	conf_of(&conf, lines);
	table_open(&table);
	gate.closed = false;
	gate.n_commits = 0;
	n_askers = 0;
	origin = origin_new();
	writer = writer_start(&conf, store_open(table.name, STORE_OWNER), origin, pass_gate, &gate);
	assert_non_null(writer);
}

static void
end(void)
{
	writer_stop(writer);
	origin_free(origin);
	while (n_askers > 0)
		hang_up(&askers[--n_askers]);
	table_close(&table);
	conf_free(&conf);
}

/* parse makes a publication of a request's body. */
static struct publication
parse(const char *type, const char *body, size_t len)
{
	struct publication p;

	if (publication_parse(&p, "", type, body, len, 2 << 20) != 0)
		fail_msg("%s", p.error);
	return p;
}

/* submit_publication submits it, and returns the asker who waits for the reply. */
static struct peer *
submit_publication(struct publication p, const char *publisher)
{
	struct peer *asker = &askers[n_askers++];
	struct reply reply = { .conn = conn_of(peer_pair(asker)), .request_id = 1 };

	assert_true(n_askers <= ASKERS_MAX);
	assert_int_equal(submission_give(writer, &p, publisher, &reply), 0);
	assert_null(reply.conn);
	assert_int_equal(p.n, 0);
	return asker;
}

static struct peer *
submit_as(const char *publisher, const char *type, const char *body, size_t len)
{
	return submit_publication(parse(type, body, len), publisher);
}

/* submit_refused is for what only has to wait: the table refuses its first
 * message, and so does not have to store the others. */
static struct peer *
submit_refused(const char *type, const char *body, size_t len)
{
	struct publication p = parse(type, body, len);

	free(p.drafts[0].message.event);
	p.drafts[0].message.event = mem_strdup("line\nbreak");
	return submit_publication(p, "u");
}

static struct peer *
submit(const char *form)
{
	return submit_as("u", "application/x-www-form-urlencoded", form, strlen(form));
}

/* close_gate leaves the writer right behind a commit of its own. */
static void
close_gate(void)
{
	gate.closed = true;
	submit("msg=gate");
	wait_at_gate();
}

static struct writer_counters
counters(void)
{
	struct writer_counters now;

	writer_count(writer, &now);
	return now;
}

static bool
count_row(void *n, const struct message *m __attribute__((unused)))
{
	++*(size_t *)n;
	return true;
}

static size_t
count_rows(void)
{
	struct store_bounds bounds;
	int64_t upto = 0;
	size_t n = 0;

	do
		assert_int_equal(store_read(table.store, upto, NULL, count_row, &n, &bounds, &upto), 0);
	while (upto < bounds.newest);
	return n;
}

/* ndjson_of returns n lines. */
static struct buf
ndjson_of(size_t n)
{
	struct buf lines = BUF_EMPTY;

	while (n-- > 0)
		buf_add_str(&lines, "{\"msg\":\"x\"}\n");
	return lines;
}

/* only_failed: that is how often it has failed for that reason, and for none other. */
static bool
only_failed(enum failure failure, uint64_t n)
{
	struct writer_counters now = counters();

	for (size_t i = 0; i < FAILURES; i++)
		if (now.n_failures[i] != (i == (size_t)failure ? n : 0))
			return false;
	return true;
}

/* n_of_others returns how many of the first n rows are not the writer's, as it says. */
static uint64_t
n_of_others(int64_t n)
{
	struct idruns ids = { 0 };
	uint64_t n_others;

	idruns_add(&ids, 1, n);
	origin_read(origin, &ids);
	n_others = origin_n_foreign(origin);
	idruns_free(&ids);
	return n_others;
}

/* ---- answers ---- */

TEST(a_publication_is_answered_once_it_is_stored)
{
	struct peer *asker;

	begin(NULL);
	asker = submit("msg=one");
	expect_text(expect_reply(asker, 201), "\r\n\r\n{\"id\":1}");
	expect_closed(asker);
	assert_int_equal(count_rows(), 1);
	assert_int_equal(gate.n_commits, 1);
	asker = submit("msg=two");
	expect_text(expect_reply(asker, 201), "{\"id\":2}");
	assert_int_equal(counters().n_committed, 2);
	assert_int_equal(counters().commits.n, 2);
	assert_false(counters().failing);
	end();
}

TEST(lines_of_ndjson_are_answered_with_their_ids)
{
	static const char lines[] = "{\"msg\":\"a\"}\n{\"msg\":\"b\"}\n{\"msg\":\"c\"}\n";

	begin(NULL);
	expect_text(expect_reply(submit_as("u", "application/x-ndjson", lines, sizeof(lines) - 1),
	    201), "{\"ids\":[1,2,3]}");
	assert_int_equal(count_rows(), 3);
	end();
}

TEST(a_key_that_was_there_is_answered_with_its_id)
{
	begin(NULL);
	expect_text(expect_reply(submit("msg=a&key=k"), 201), "{\"id\":1}");
	expect_text(expect_reply(submit("msg=b&key=k"), 200), "{\"id\":1}");
	/* Another publisher's key is another key. */
	expect_reply(submit_as("v", "application/x-www-form-urlencoded", "msg=c&key=k", 11), 201);
	assert_int_equal(count_rows(), 2);
	assert_int_equal(counters().n_committed, 2);
	end();
}

TEST(the_highest_id_of_a_commit_is_told_before_the_answer)
{
	static const char lines[] = "{\"msg\":\"b\"}\n{\"msg\":\"c\"}\n{\"msg\":\"a\",\"key\":\"k\"}\n";

	begin(NULL);
	expect_reply(submit("msg=a&key=k"), 201);
	assert_int_equal(gate.id, 1);
	/* The last line has the first one's id. */
	expect_text(expect_reply(submit_as("u", "application/x-ndjson", lines, sizeof(lines) - 1),
	    201), "{\"ids\":[2,3,1]}");
	assert_int_equal(gate.id, 3);
	assert_int_equal(counters().n_committed, 3);  /* of the lines the two that are new */
	capture_begin();
	expect_reply(submit_refused("text/plain", "x", 1), 400);
	capture_end();
	assert_int_equal(gate.id, 0);
	assert_int_equal(counters().commits.n, 2);  /* nothing of the third was stored */
	end();
}

TEST(whose_the_rows_are_is_told_before_the_answer)
{
	static const char lines[] = "{\"msg\":\"4\"}\n{\"msg\":\"2\",\"key\":\"k\"}\n{\"msg\":\"5\"}\n";

	begin(NULL);
	table_run(&table, "INSERT INTO message(data) VALUES('1')");
	expect_reply(submit("msg=2&key=k"), 201);
	table_run(&table, "INSERT INTO message(data) VALUES('3')");
	expect_reply(submit_as("u", "application/x-ndjson", lines, sizeof(lines) - 1), 201);
	table_run(&table, "INSERT INTO message(data) VALUES('6')");
	assert_int_equal(n_of_others(6), 3);
	end();
}

TEST(what_is_being_committed_is_counted_as_waiting)
{
	begin(NULL);
	close_gate();
	submit("msg=1");
	submit("msg=2");
	assert_int_equal(counters().n_waiting, 3);
	open_gate();
	WAIT_FOR(counters().n_waiting == 0);
	end();
}

TEST(a_key_given_twice_in_one_group_is_stored_once)
{
	struct peer *first, *second;

	begin(NULL);
	close_gate();
	first = submit("msg=a&key=k");
	second = submit("msg=b&key=k");
	open_gate();
	expect_text(expect_reply(first, 201), "{\"id\":2}");
	expect_text(expect_reply(second, 200), "{\"id\":2}");
	assert_int_equal(gate.n_commits, 2);
	end();
}

TEST(what_the_table_refuses_is_answered_400_and_the_others_stand)
{
	size_t len = (1 << 20) + 1;
	char *text = mem_alloc(len);
	struct peer *before, *refused, *after;

	memset(text, 'x', len);
	begin(NULL);
	close_gate();
	before = submit("msg=before");
	refused = submit_as("u", "text/plain", text, len);
	after = submit("msg=after");
	capture_begin();
	open_gate();
	expect_text(expect_reply(before, 201), "{\"id\":2}");
	expect_text(expect_reply(refused, 400), "the table refuses the message");
	expect_text(expect_reply(after, 201), "{\"id\":3}");
	assert_says(capture_end(), "data must not be over 1 MiB");
	assert_int_equal(gate.n_commits, 2);
	assert_int_equal(count_rows(), 3);
	assert_int_equal(counters().n_committed, 3);
	assert_true(only_failed(FAILURE_REFUSED, 1));
	free(text);
	end();
}

/* In one group: what comes before an end stands, what comes after it does not, whole
 * publications of several lines included; and a key that is there is still known. */
TEST(what_comes_after_an_end_is_answered_409_and_the_others_stand)
{
	static const char mixed[] = "{\"msg\":\"x\",\"topic\":\"u\"}\n{\"msg\":\"y\",\"topic\":\"t\"}\n";
	static const char beyond[] = "{\"msg\":\"\",\"topic\":\"v\",\"event\":\"rowcast.end\"}\n"
	    "{\"msg\":\"x\",\"topic\":\"v\"}\n";
	struct peer *waiting[8];

	begin(NULL);
	for (int round = 0; round < 2; round++) {
		int n = 0;

		close_gate();
		waiting[n++] = submit(round == 0 ? "msg=a&topic=t&key=k" : "msg=again&topic=t&key=k");
		waiting[n++] = submit(round == 0 ? "msg=&topic=t&event=rowcast.end" : "msg=c&topic=t&event=rowcast.end");
		waiting[n++] = submit("msg=b&topic=t");
		waiting[n++] = submit_as("u", "application/x-ndjson", mixed, strlen(mixed));
		waiting[n++] = submit_as("u", "application/x-ndjson", beyond, strlen(beyond));
		waiting[n++] = submit("msg=c&topic=t&key=l");
		waiting[n++] = submit("msg=d&topic=v");
		waiting[n++] = submit("msg=d");
		capture_begin();
		open_gate();
		expect_text(expect_reply(waiting[0], round == 0 ? 201 : 200), "{\"id\":2}");
		if (round == 0)
			expect_text(expect_reply(waiting[1], 201), "{\"id\":3}");
		else
			expect_text(expect_reply(waiting[1], 409), "the topic has ended");
		for (int i = 2; i < 6; i++)
			expect_text(expect_reply(waiting[i], 409), "{\"error\":\"the topic has ended\"}");
		expect_reply(waiting[6], 201);
		expect_reply(waiting[7], 201);
		/* An application does so every day: that is no reason to write to the log. */
		assert_string_equal(capture_end(), "");
	}
	assert_false(counters().failing);
	assert_int_equal(count_rows(), 8);
	assert_int_equal(counters().n_committed, 8);
	end();
}

TEST(a_trigger_that_ends_the_transaction_refuses_its_own_publication_only)
{
	struct peer *waiting[5];

	begin(NULL);
	table_run(&table, "CREATE TRIGGER no BEFORE INSERT ON message WHEN NEW.data = 'bad'"
	    " BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END");
	close_gate();
	for (int i = 0; i < 5; i++)
		waiting[i] = submit(i == 1 || i == 3 ? "msg=bad" : "msg=good");
	capture_begin();
	open_gate();
	for (int i = 0; i < 5; i++)
		if (i == 1 || i == 3)
			expect_text(expect_reply(waiting[i], 400), "the table refuses the message");
		else
			expect_reply(waiting[i], 201);
	assert_says(capture_end(), "refused a message: not this one");
	assert_false(counters().failing);
	assert_int_equal(counters().n_committed, 4);
	assert_int_equal(count_rows(), 4);
	assert_true(only_failed(FAILURE_REFUSED, 2));
	end();
}

/* All of them at once, though they would have been several commits. */
TEST(a_table_that_stays_locked_is_answered_503_to_all_who_wait_and_nothing_is_stored)
{
	struct buf large = ndjson_of(WRITER_GROUP_MESSAGES);
	struct sqlite3 *foreign;
	struct peer *waiting[3];

	begin(NULL);
	foreign = foreign_open(&table);
	close_gate();
	foreign_run(foreign, "BEGIN IMMEDIATE");
	capture_begin();
	waiting[0] = submit("msg=locked out");
	waiting[1] = submit_as("u", "application/x-ndjson", large.bytes, large.len);
	waiting[2] = submit("msg=locked out too");
	open_gate();
	for (int i = 0; i < 3; i++)
		expect_text(expect_reply(waiting[i], 503), "another program keeps the store locked");
	assert_says(capture_end(), "locked by another program");
	assert_true(counters().failing);
	assert_true(only_failed(FAILURE_BUSY, 1));
	assert_int_equal(counters().commits.n, 1);  /* the one that the gate was closed behind */
	foreign_run(foreign, "COMMIT");
	/* Nobody has to publish for it to be known. */
	WAIT_FOR(!counters().failing);
	expect_reply(submit("msg=again"), 201);
	assert_false(counters().failing);
	assert_int_equal(count_rows(), 2);
	foreign_close(foreign);
	buf_free(&large);
	end();
}

/* ---- groups ---- */

TEST(what_waits_together_is_committed_together)
{
	enum { TOGETHER = 50 };
	struct peer *waiting[TOGETHER];

	begin(NULL);
	close_gate();
	for (int i = 0; i < TOGETHER; i++)
		waiting[i] = submit("msg=x");
	open_gate();
	for (int i = 0; i < TOGETHER; i++) {
		char *id = mem_printf("{\"id\":%d}", i + 2);

		expect_text(expect_reply(waiting[i], 201), id);
		free(id);
	}
	assert_int_equal(gate.n_commits, 2);
	assert_int_equal(counters().commits.n, 2);
	assert_int_equal(counters().n_committed, 1 + TOGETHER);
	end();
}

TEST(a_group_ends_at_its_bound_and_a_larger_publication_goes_alone)
{
	struct buf large = ndjson_of(WRITER_GROUP_MESSAGES + 1);
	struct buf half = ndjson_of(WRITER_GROUP_MESSAGES / 2);
	struct peer *waiting[5];

	begin(NULL);
	close_gate();
	waiting[0] = submit_as("u", "application/x-ndjson", half.bytes, half.len);
	waiting[1] = submit_as("u", "application/x-ndjson", half.bytes, half.len);
	waiting[2] = submit("msg=over the bound");
	waiting[3] = submit_as("u", "application/x-ndjson", large.bytes, large.len);
	waiting[4] = submit("msg=last");
	open_gate();
	for (int i = 0; i < 5; i++)
		expect_reply(waiting[i], 201);
	/* The gate's; two halves; the one; the large one; the last. */
	assert_int_equal(gate.n_commits, 5);
	assert_int_equal(count_rows(), 3 + 2 * WRITER_GROUP_MESSAGES + 1);
	buf_free(&large);
	buf_free(&half);
	end();
}

/* ---- the queue ---- */

/* expect_full: the writer takes nothing more, and leaves all with the caller. */
static void
expect_full(const char *type, const char *body, size_t len)
{
	struct peer asker;
	struct reply reply = { .conn = conn_of(peer_pair(&asker)), .request_id = 1 };
	struct publication p = parse(type, body, len);
	size_t n = p.n;

	assert_int_equal(submission_give(writer, &p, "u", &reply), WRITER_FULL);
	assert_non_null(reply.conn);
	assert_int_equal(p.n, n);
	reply_error(&reply, 503, NULL, "full");
	expect_text(expect_reply(&asker, 503), "full");
	publication_free(&p);
	hang_up(&asker);
}

TEST(beyond_so_many_messages_the_queue_is_full_and_empties_again)
{
	struct buf lines = ndjson_of(PUBLICATION_MAX_MESSAGES);
	struct buf rest = ndjson_of(PUBLICATION_MAX_MESSAGES - 1);
	size_t n = WRITER_QUEUE_MESSAGES / PUBLICATION_MAX_MESSAGES - 1;
	struct peer *last;

	begin(NULL);
	close_gate();  /* with one message, which counts until it is answered */
	for (size_t i = 0; i < n; i++)
		submit_refused("application/x-ndjson", lines.bytes, lines.len);
	expect_full("application/x-ndjson", lines.bytes, lines.len);
	last = submit_refused("application/x-ndjson", rest.bytes, rest.len);
	expect_full("text/plain", "x", 1);
	capture_begin();
	open_gate();
	expect_reply(last, 400);
	capture_end();
	expect_reply(submit("msg=x"), 201);
	buf_free(&lines);
	buf_free(&rest);
	end();
}

TEST(beyond_so_many_bytes_the_queue_is_full)
{
	size_t len = 1 << 20;
	char *text = mem_alloc(len);

	memset(text, 'x', len);
	begin(NULL);
	close_gate();
	for (int i = 0; i < WRITER_QUEUE_BYTES / (1 << 20) - 1; i++)
		submit_refused("text/plain", text, len);
	expect_full("text/plain", text, len);
	capture_begin();
	open_gate();
	end();
	capture_end();
	free(text);
}

/* ---- the end ---- */

/* ---- orders ---- */

/* An order of one message, and whether it has come back. */
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

/* order_one orders a message on the topic (NULL: none), and waits until it has come back. */
static enum writer_fate
order_one(struct asked *asked, const char *topic, const char *event, enum store_will_change change)
{
	*asked = (struct asked){
		.order = {
			.append = {
				.messages = &asked->message, .n = topic != NULL, .publisher = "u",
				.will_change = change, .will = { writer_life(writer), 1, "t" },
			},
			.n_bytes = topic != NULL, .done = come_back, .context = asked,
		},
	};
	if (topic != NULL)
		asked->message = (struct message){
			.topic = mem_strdup(topic),
			.event = event != NULL ? mem_strdup(event) : NULL,
			.data = mem_strdup("x"), .data_len = 1,
		};
	assert_int_equal(writer_order(writer, &asked->order), 0);
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

	assert_int_equal(sqlite3_open(table.name + strlen("sqlite:"), &foreign), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(foreign, "SELECT count(*) FROM rowcast_following", -1,
	    &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(foreign);
	return n;
}

TEST(an_order_comes_back_with_its_fate_and_its_ids)
{
	struct asked asked;

	begin(NULL);
	assert_true(writer_life(writer) != 0);
	assert_int_equal(order_one(&asked, "t", NULL, STORE_WILL_WRITE), WRITER_STORED);
	assert_int_equal(asked.id, 1);
	assert_int_equal(n_wills(), 1);
	assert_int_equal(counters().n_committed, 1);
	assert_int_equal(n_of_others(1), 0);
	assert_int_equal(order_one(&asked, "t", MESSAGE_EVENT_END, STORE_WILL_KEEP), WRITER_STORED);
	assert_int_equal(order_one(&asked, "t", NULL, STORE_WILL_REVOKE), WRITER_ENDED);
	assert_int_equal(n_wills(), 1);
	/* No message, but a will to be revoked. */
	assert_int_equal(order_one(&asked, NULL, NULL, STORE_WILL_REVOKE), WRITER_STORED);
	assert_int_equal(n_wills(), 0);
	capture_begin();
	assert_int_equal(order_one(&asked, "u", "line\nbreak", STORE_WILL_WRITE), WRITER_REFUSED);
	capture_end();
	assert_int_equal(n_wills(), 0);
	WAIT_FOR(counters().n_waiting == 0);
	end();
}

TEST(an_order_that_the_store_does_not_take_comes_back_with_a_sentence)
{
	struct sqlite3 *foreign;
	struct asked asked;

	begin(NULL);
	foreign = foreign_open(&table);
	foreign_run(foreign, "BEGIN IMMEDIATE");
	capture_begin();
	assert_int_equal(order_one(&asked, "t", NULL, STORE_WILL_WRITE), WRITER_FAILED);
	capture_end();
	expect_text(asked.order.sentence, "another program keeps the store locked");
	foreign_run(foreign, "COMMIT");
	foreign_close(foreign);
	/* The same order may be given again. */
	assert_int_equal(n_wills(), 0);
	assert_int_equal(order_one(&asked, "t", NULL, STORE_WILL_WRITE), WRITER_STORED);
	assert_int_equal(n_wills(), 1);
	end();
}

TEST(a_stop_commits_and_answers_what_was_submitted)
{
	enum { SUBMITTED = 40 };
	struct peer *waiting[SUBMITTED];

	begin(NULL);
	for (int i = 0; i < SUBMITTED; i++)
		waiting[i] = submit("msg=x");
	writer_stop(writer);
	origin_free(origin);
	for (int i = 0; i < SUBMITTED; i++)
		expect_reply(waiting[i], 201);
	assert_int_equal(count_rows(), SUBMITTED);
	while (n_askers > 0)
		hang_up(&askers[--n_askers]);
	table_close(&table);
	conf_free(&conf);
}

/* ---- retention ---- */

/* wait_for_oldest returns when the oldest row has that id. */
static void
wait_for_oldest(int64_t id)
{
	mono_us deadline = clock_mono_in_ms(PATIENCE_MS);
	struct mailbox never;
	struct store_bounds bounds;

	mailbox_init(&never);
	for (;;) {
		assert_int_equal(store_bounds(table.store, &bounds), 0);
		if (bounds.oldest >= id)
			break;
		assert_true(clock_mono_us() < deadline);
		store_wait(table.store, never.wake_fd);
	}
	assert_int_equal(bounds.oldest, id);
	mailbox_free(&never);
}

TEST(rows_beyond_keep_rows_are_deleted_when_there_is_nothing_else_to_do)
{
	struct buf lines = ndjson_of(1500);

	begin(LIST("keep_rows = 100"));
	expect_reply(submit_as("u", "application/x-ndjson", lines.bytes, lines.len), 201);
	wait_for_oldest(1401);
	assert_int_equal(count_rows(), 100);
	buf_free(&lines);
	end();
}

TEST(reloaded_retention_is_in_force_from_then_on)
{
	begin(LIST("keep_rows = 0", "keep_for = 0"));
	expect_reply(submit("msg=old"), 201);
	table_run(&table, "UPDATE message SET created_at = 1000");
	expect_reply(submit("msg=young"), 201);
	conf.keep_for_s = 3600;
	writer_reload(writer, &conf);
	wait_for_oldest(2);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_publication_is_answered_once_it_is_stored),
	cmocka_unit_test(lines_of_ndjson_are_answered_with_their_ids),
	cmocka_unit_test(a_key_that_was_there_is_answered_with_its_id),
	cmocka_unit_test(the_highest_id_of_a_commit_is_told_before_the_answer),
	cmocka_unit_test(whose_the_rows_are_is_told_before_the_answer),
	cmocka_unit_test(what_is_being_committed_is_counted_as_waiting),
	cmocka_unit_test(a_key_given_twice_in_one_group_is_stored_once),
	cmocka_unit_test(what_the_table_refuses_is_answered_400_and_the_others_stand),
	cmocka_unit_test(what_comes_after_an_end_is_answered_409_and_the_others_stand),
	cmocka_unit_test(a_trigger_that_ends_the_transaction_refuses_its_own_publication_only),
	cmocka_unit_test(a_table_that_stays_locked_is_answered_503_to_all_who_wait_and_nothing_is_stored),
	cmocka_unit_test(what_waits_together_is_committed_together),
	cmocka_unit_test(a_group_ends_at_its_bound_and_a_larger_publication_goes_alone),
	cmocka_unit_test(beyond_so_many_messages_the_queue_is_full_and_empties_again),
	cmocka_unit_test(beyond_so_many_bytes_the_queue_is_full),
	cmocka_unit_test(an_order_comes_back_with_its_fate_and_its_ids),
	cmocka_unit_test(an_order_that_the_store_does_not_take_comes_back_with_a_sentence),
	cmocka_unit_test(a_stop_commits_and_answers_what_was_submitted),
	cmocka_unit_test(rows_beyond_keep_rows_are_deleted_when_there_is_nothing_else_to_do),
	cmocka_unit_test(reloaded_retention_is_in_force_from_then_on),
};

RUN_TESTS(tests)
