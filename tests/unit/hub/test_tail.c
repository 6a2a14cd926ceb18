/* The tail in its thread, between a real store and a real hub; what it does is
 * seen by a stream. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <stdatomic.h>
#include <unistd.h>

#include "app/hub/hub.h"
#include "app/hub/tail.h"
#include "lib/clock.h"
#include "lib/mem.h"

static struct conf conf;
static struct table table;
static struct hub *hub;
static struct tail *tail;
static struct sqlite3 *foreign;
static struct peer peer;

/* join gives the hub a stream that has seen everything up to the cursor. */
static void
join(int64_t cursor)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup("u") });

	s->cursor = s->told = cursor;
	s->cursor_form = STREAM_CURSOR_OFF;
	s->reply = (struct reply){ .conn = conn_of(peer_pair(&peer)), .request_id = 1 };
	reply_stream_head(&s->reply, &s->unsent, "text/event-stream", NULL);
	hub_join(hub, s, false);
	expect_head(&peer);
}

static void
begin(void)
{
	conf_of(&conf, NULL);
	table_open(&table);
	foreign = foreign_open(&table);
	hub = hub_start(&conf, table.name, 0);
	assert_non_null(hub);
	tail = tail_start(table.name, 0, hub, NULL, NULL);
	assert_non_null(tail);
	join(0);
}

static void
end(void)
{
	tail_stop(tail);
	hub_stop(hub);
	expect_end(&peer);
	hang_up(&peer);
	foreign_close(foreign);
	table_close(&table);
	conf_free(&conf);
}

TEST(own_commits_arrive_when_the_tail_is_told)
{
	begin();
	for (int i = 1; i <= 20; i++) {
		assert_int_equal(commit(&table, "u", NULL, "own"), i);
		tail_committed(tail, i);
		expect_message(&peer, i, "own");
	}
	end();
}

TEST(foreign_commits_arrive_unasked)
{
	begin();
	for (int i = 1; i <= 20; i++) {
		foreign_run(foreign, "INSERT INTO message(data) VALUES('foreign')");
		expect_message(&peer, i, "foreign");
	}
	end();
}

TEST(own_and_foreign_commits_arrive_in_the_order_of_their_ids)
{
	begin();
	for (int i = 0; i < 100; i++) {
		if (i % 3 == 0) {
			tail_committed(tail, commit(&table, NULL, NULL, "own"));
		} else {
			foreign_run(foreign, "INSERT INTO message(data) VALUES('foreign')");
		}
	}
	for (int i = 0; i < 100; i++)
		expect_message(&peer, i + 1, i % 3 == 0 ? "own" : "foreign");
	end();
}

TEST(what_is_not_committed_yet_or_rolled_back_does_not_arrive)
{
	begin();
	foreign_run(foreign, "BEGIN; INSERT INTO message(data) VALUES('rolled back')");
	tail_committed(tail, 0);
	foreign_run(foreign, "ROLLBACK");
	foreign_run(foreign, "BEGIN; INSERT INTO message(data) VALUES('one');"
	    " INSERT INTO message(data) VALUES('two')");
	tail_committed(tail, 0);
	foreign_run(foreign, "SAVEPOINT s; INSERT INTO message(data) VALUES('not'); ROLLBACK TO s");
	foreign_run(foreign, "COMMIT");
	expect_message(&peer, 1, "one");
	expect_message(&peer, 2, "two");
	end();
}

TEST(a_transaction_of_many_rows_arrives_whole)
{
	begin();
	foreign_run(foreign, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 10000) INSERT INTO message(data) SELECT 'row' FROM n");
	for (int i = 1; i <= 10000; i++)
		expect_message(&peer, i, "row");
	end();
}

TEST(rows_that_are_gone_before_the_tail_looks_are_passed_over)
{
	begin();
	foreign_run(foreign, "BEGIN; INSERT INTO message(data) VALUES('one');"
	    " INSERT INTO message(data) VALUES('two');"
	    " INSERT INTO message(data, expires_at) VALUES('three', 1);"
	    " DELETE FROM message WHERE data = 'one'; COMMIT");
	expect_message(&peer, 2, "two");
	foreign_run(foreign, "INSERT INTO message(data) VALUES('four')");
	expect_message(&peer, 4, "four");
	end();
}

static bool
was_said(const char *part)
{
	char said[CAPTURE_BYTES];
	ssize_t n = pread(STDERR_FILENO, said, sizeof(said) - 1, 0);

	said[n > 0 ? n : 0] = '\0';
	return strstr(said, part) != NULL;
}

TEST(rows_that_cannot_be_read_for_a_while_arrive_when_they_can)
{
	begin();
	foreign_run(foreign, "INSERT INTO message(data) VALUES('one')");
	expect_message(&peer, 1, "one");
	capture_begin();
	foreign_run(foreign, "ALTER TABLE message RENAME COLUMN event TO renamed");
	foreign_run(foreign, "INSERT INTO message(data) VALUES('two')");
	WAIT_FOR(was_said("its messages cannot be read: no such column: event"));
	foreign_run(foreign, "INSERT INTO message(data) VALUES('three')");
	expect_nothing(&peer);
	foreign_run(foreign, "ALTER TABLE message RENAME COLUMN renamed TO event");
	expect_message(&peer, 2, "two");
	expect_message(&peer, 3, "three");
	capture_end();
	foreign_run(foreign, "INSERT INTO message(data) VALUES('four')");
	expect_message(&peer, 4, "four");
	end();
}

TEST(a_tail_begins_above_what_it_is_told)
{
	conf_of(&conf, NULL);
	table_open(&table);
	foreign = foreign_open(&table);
	for (int i = 0; i < 3; i++)
		commit(&table, NULL, NULL, "before");
	hub = hub_start(&conf, table.name, 3);
	tail = tail_start(table.name, 3, hub, NULL, NULL);
	join(3);
	tail_committed(tail, commit(&table, NULL, NULL, "after"));
	expect_message(&peer, 4, "after");
	end();
}

TEST(a_stop_reads_what_was_committed_before)
{
	for (int i = 0; i < 20; i++) {
		begin();
		commit(&table, NULL, NULL, "the tail is not told of it");
		tail_stop(tail);
		hub_stop(hub);
		expect_message(&peer, 1, "the tail is not told of it");
		expect_end(&peer);
		hang_up(&peer);
		foreign_close(foreign);
		table_close(&table);
		conf_free(&conf);
	}
}

static _Atomic int n_lost;

static void
count_lost(void)
{
	atomic_fetch_add(&n_lost, 1);
}

static bool
was_lost(void)
{
	return atomic_load(&n_lost) > 0;
}

TEST(a_store_that_is_taken_away_is_told_once_and_what_it_had_is_sent)
{
	const char *path;
	char *moved;

	conf_of(&conf, NULL);
	table_open(&table);
	foreign = foreign_open(&table);
	path = table.name + strlen("sqlite:");
	moved = mem_printf("%s-moved", path);
	hub = hub_start(&conf, table.name, 0);
	tail = tail_start(table.name, 0, hub, NULL, count_lost);
	join(0);
	commit(&table, NULL, NULL, "stored");
	capture_begin();
	assert_int_equal(rename(path, moved), 0);
	WAIT_FOR(was_lost());
	expect_message(&peer, 1, "stored");
	for (int i = 0; i < 10; i++)
		tail_committed(tail, 0);
	tail_stop(tail);
	assert_says(capture_end(), "was deleted, moved or replaced while it was open");
	assert_int_equal(atomic_load(&n_lost), 1);
	hub_stop(hub);
	expect_end(&peer);
	hang_up(&peer);
	foreign_close(foreign);
	capture_begin();
	table_close(&table);
	capture_end();
	unlink(moved);
	free(moved);
	conf_free(&conf);
}

TEST(a_tail_that_cannot_read_says_so_and_goes_on_when_it_can)
{
	begin();
	capture_begin();
	foreign_run(foreign, "ALTER TABLE message RENAME TO away");
	WAIT_FOR(tail_is_failing(tail));
	foreign_run(foreign, "ALTER TABLE away RENAME TO message;"
	    " INSERT INTO message(data) VALUES('back')");
	tail_committed(tail, 0);
	expect_message(&peer, 1, "back");
	WAIT_FOR(!tail_is_failing(tail));
	assert_says(capture_end(), "no such table");
	end();
}

/* ---- what it knows of the store ---- */

static struct store_bounds
bounds(void)
{
	struct store_bounds now;

	tail_bounds(tail, &now);
	return now;
}

static bool
bounds_are(int64_t oldest, int64_t newest)
{
	return bounds().oldest == oldest && bounds().newest == newest;
}

TEST(the_bounds_are_known_from_the_start)
{
	conf_of(&conf, NULL);
	table_open(&table);
	foreign = foreign_open(&table);
	for (int i = 0; i < 3; i++)
		commit(&table, NULL, NULL, "before");
	foreign_run(foreign, "DELETE FROM message WHERE id = 1");
	hub = hub_start(&conf, table.name, 3);
	tail = tail_start(table.name, 3, hub, NULL, NULL);
	assert_true(bounds_are(2, 3));
	join(3);
	end();
}

TEST(the_bounds_follow_whoever_commits_and_whoever_deletes)
{
	begin();
	assert_true(bounds_are(1, 0));
	foreign_run(foreign, "INSERT INTO message(data) VALUES('one'), ('two'), ('three')");
	WAIT_FOR(bounds_are(1, 3));
	assert_int_equal(store_trim(table.store, 0, 1, 100), 2);
	WAIT_FOR(bounds_are(3, 3));
	foreign_run(foreign, "DELETE FROM message");
	WAIT_FOR(bounds_are(4, 3));
	for (int i = 1; i <= 3; i++)
		expect_message(&peer, i, i == 1 ? "one" : i == 2 ? "two" : "three");
	end();
}

/* Whether the tail has been awake since or not. */
TEST(what_another_program_has_committed_is_the_newest_at_once)
{
	begin();
	for (int i = 1; i <= 200; i++) {
		foreign_run(foreign, "INSERT INTO message(data) VALUES('foreign')");
		if (i % 2 == 0)
			tail_look(tail);  /* by whom it is known that there was a commit, and no more */
		assert_int_equal(tail_newest(tail), i);
	}
	for (int i = 1; i <= 200; i++)
		expect_message(&peer, i, "foreign");
	end();
}

/* Who was answered 201 and then opens a stream stands above its own message. */
TEST(what_this_process_has_committed_is_the_newest_at_once)
{
	begin();
	for (int i = 1; i <= 20; i++) {
		int64_t id = commit(&table, "u", NULL, "own");

		tail_committed(tail, id);
		assert_int_equal(bounds().newest, id);
		tail_committed(tail, id - 1);
		tail_committed(tail, 0);
		assert_int_equal(bounds().newest, id);
		expect_message(&peer, i, "own");
	}
	end();
}

TEST(the_bounds_before_stand_while_the_store_cannot_be_read)
{
	begin();
	foreign_run(foreign, "INSERT INTO message(data) VALUES('one')");
	WAIT_FOR(bounds_are(1, 1));
	capture_begin();
	foreign_run(foreign, "ALTER TABLE message RENAME TO away");
	WAIT_FOR(tail_is_failing(tail));
	assert_true(bounds_are(1, 1));
	foreign_run(foreign, "ALTER TABLE away RENAME TO message");
	/* Nobody tells it: it tries again by itself. */
	WAIT_FOR(!tail_is_failing(tail));
	capture_end();
	expect_message(&peer, 1, "one");
	end();
}

TEST(without_a_store_there_is_no_tail)
{
	char *path = path_in_folder("nothing.db"), *name = mem_printf("sqlite:%s", path);

	capture_begin();
	assert_null(tail_start(name, 0, NULL, NULL, NULL));
	assert_says(capture_end(), "nothing.db");
	free(name);
	free(path);
}

/* ---- what it comes too late for ---- */

/* begin_trimmed begins with a live stream that has everything up to 3, rows up to 10,
 * of which retention has kept keep_rows, and a tail that has read none above 3. */
static void
begin_trimmed(int64_t keep_rows)
{
	conf_of(&conf, NULL);
	table_open(&table);
	foreign = foreign_open(&table);
	for (int i = 1; i <= 10; i++)
		commit(&table, NULL, NULL, "row");
	while (store_trim(table.store, 0, keep_rows, 100) > 0)
		;
	hub = hub_start(&conf, table.name, 3);
	join(3);
	tail = tail_start(table.name, 3, hub, NULL, NULL);
}

TEST(rows_that_retention_deletes_before_they_are_read_are_a_gap)
{
	struct hub_counters now;

	begin_trimmed(2);
	expect_event(&peer, "id: 8\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"3\",\"oldest\":9,\"newest\":10}");
	expect_message(&peer, 9, "row");
	expect_message(&peer, 10, "row");
	foreign_run(foreign, "INSERT INTO message(data) VALUES('told once')");
	expect_message(&peer, 11, "told once");
	/* The gap is told to a live stream, and is no message. */
	WAIT_FOR((hub_count(hub, &now), now.n_delivered == 3));
	assert_int_equal(now.n_read, 3);
	assert_int_equal(now.n_gaps[GAP_EXPIRED], 1);
	assert_int_equal(now.lag.n, 3);
	assert_int_equal(now.n_replayed, 0);
	end();
}

TEST(rows_that_retention_deletes_after_they_were_read_are_none)
{
	begin_trimmed(7);
	for (int i = 4; i <= 10; i++)
		expect_message(&peer, i, "row");
	assert_int_equal(store_trim(table.store, 0, 1, 100), 6);
	foreign_run(foreign, "INSERT INTO message(data) VALUES('next')");
	expect_message(&peer, 11, "next");
	end();
}

TEST(where_all_are_gone_the_gap_alone_is_told)
{
	conf_of(&conf, NULL);
	table_open(&table);
	foreign = foreign_open(&table);
	for (int i = 1; i <= 10; i++)
		commit(&table, NULL, NULL, "row");
	while (store_trim(table.store, 0, 1, 100) > 0)
		;
	foreign_run(foreign, "DELETE FROM message");
	hub = hub_start(&conf, table.name, 3);
	join(3);
	tail = tail_start(table.name, 3, hub, NULL, NULL);
	expect_event(&peer, "id: 10\nevent: rowcast.gap\n"
	    "data: {\"reason\":\"expired\",\"requested\":\"3\",\"oldest\":11,\"newest\":10}");
	foreign_run(foreign, "INSERT INTO message(data) VALUES('next')");
	expect_message(&peer, 11, "next");
	end();
}

TEST(what_was_heard_of_the_log_is_the_newest_and_nothing_else)
{
	struct hub_counters counters;

	begin();
	foreign_run(foreign, "INSERT INTO message(data) VALUES('one')");
	expect_message(&peer, 1, "one");
	tail_heard(tail, 7);
	assert_int_equal(tail_newest(tail), 7);
	assert_int_equal(bounds().newest, 7);
	tail_heard(tail, 5);
	assert_int_equal(tail_newest(tail), 7);
	foreign_run(foreign, "INSERT INTO message(data) VALUES('two')");
	expect_message(&peer, 2, "two");
	hub_count(hub, &counters);
	assert_true(counters.sent <= 2);
	assert_int_equal(tail_newest(tail), 7);
	end();
}

/* ---- forms ---- */

/* Two more streams, one in each form. */
static struct peer peers[2];

static void
join_as(struct peer *into, enum encoding encoding, int64_t cursor)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup("v") });

	s->encoding = encoding;
	hub_want(hub, s);
	s->cursor = s->told = cursor;
	s->cursor_form = STREAM_CURSOR_OFF;
	s->reply = (struct reply){ .conn = conn_of(peer_pair(into)), .request_id = 1 };
	reply_stream_head(&s->reply, &s->unsent, "text/event-stream", NULL);
	hub_join(hub, s, false);
	expect_head(into);
}

TEST(a_form_is_wanted_for_as_long_as_a_stream_is_there_that_wants_it)
{
	begin();
	assert_int_equal(hub_wanted(hub), ENCODING_BIT(ENCODING_PLAIN));
	join_as(&peers[0], ENCODING_JSON, 0);
	join_as(&peers[1], ENCODING_JSON, 0);
	assert_int_equal(hub_wanted(hub), 3);
	hang_up(&peers[0]);
	commit(&table, NULL, NULL, "one");
	tail_committed(tail, 1);
	expect_text(next_block(&peers[1]), "id: 1\ndata: {\"id\":1,\"data\":\"one\",\"created_at\":");
	expect_message(&peer, 1, "one");
	hang_up(&peers[1]);
	WAIT_FOR(hub_wanted(hub) == ENCODING_BIT(ENCODING_PLAIN));
	end();
}

/* Whoever comes and goes, and whichever blocks have which forms. */
TEST(streams_of_both_forms_get_every_row_once_while_others_come_and_go)
{
	enum { ROWS = 400 };

	dice_begin();
	begin();
	join_as(&peers[0], ENCODING_JSON, 0);
	for (int64_t id = 1; id <= ROWS; id++) {
		char data[16];

		snprintf(data, sizeof(data), "%d", (int)id);
		if (dice_throw(2))
			assert_int_equal(commit(&table, NULL, NULL, data), id);
		else
			foreign_run(foreign, "INSERT INTO message(data) SELECT coalesce(max(id), 0) + 1 FROM message");
		tail_committed(tail, id);
		if (dice_throw(4) == 0) {
			char start[64];

			/* As events.c does: counted first, and then it begins above the newest. */
			join_as(&peers[1], dice_throw(2) ? ENCODING_JSON : ENCODING_PLAIN, tail_newest(tail));
			if (dice_throw(2) && id < ROWS) {
				assert_int_equal(commit(&table, NULL, NULL, "next"), ++id);
				tail_committed(tail, id);
				snprintf(start, sizeof(start), "id: %d\n", (int)id);
				expect_text(next_block(&peers[1]), start);
			}
			hang_up(&peers[1]);
		}
		if (dice_throw(8) == 0) {
			/* Comes back where it was, when nobody has wanted its form meanwhile perhaps. */
			int64_t seen = 0;

			while (seen < id) {
				const char *block = next_block(&peers[0]);

				assert_int_equal(atoll(block + 4), seen == 0 ? atoll(block + 4) : seen + 1);
				seen = atoll(block + 4);
			}
			hang_up(&peers[0]);
			join_as(&peers[0], ENCODING_JSON, id);
		}
	}
	for (int64_t id = 1; id <= ROWS; id++) {
		char start[64];

		snprintf(start, sizeof(start), "id: %d\ndata: ", (int)id);
		expect_text(next_block(&peer), start);
	}
	hang_up(&peers[0]);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_form_is_wanted_for_as_long_as_a_stream_is_there_that_wants_it),
	cmocka_unit_test(streams_of_both_forms_get_every_row_once_while_others_come_and_go),
	cmocka_unit_test(own_commits_arrive_when_the_tail_is_told),
	cmocka_unit_test(foreign_commits_arrive_unasked),
	cmocka_unit_test(own_and_foreign_commits_arrive_in_the_order_of_their_ids),
	cmocka_unit_test(what_is_not_committed_yet_or_rolled_back_does_not_arrive),
	cmocka_unit_test(a_transaction_of_many_rows_arrives_whole),
	cmocka_unit_test(rows_that_are_gone_before_the_tail_looks_are_passed_over),
	cmocka_unit_test(rows_that_cannot_be_read_for_a_while_arrive_when_they_can),
	cmocka_unit_test(a_tail_begins_above_what_it_is_told),
	cmocka_unit_test(a_stop_reads_what_was_committed_before),
	cmocka_unit_test(a_store_that_is_taken_away_is_told_once_and_what_it_had_is_sent),
	cmocka_unit_test(a_tail_that_cannot_read_says_so_and_goes_on_when_it_can),
	cmocka_unit_test(the_bounds_are_known_from_the_start),
	cmocka_unit_test(the_bounds_follow_whoever_commits_and_whoever_deletes),
	cmocka_unit_test(what_another_program_has_committed_is_the_newest_at_once),
	cmocka_unit_test(what_this_process_has_committed_is_the_newest_at_once),
	cmocka_unit_test(the_bounds_before_stand_while_the_store_cannot_be_read),
	cmocka_unit_test(rows_that_retention_deletes_before_they_are_read_are_a_gap),
	cmocka_unit_test(rows_that_retention_deletes_after_they_were_read_are_none),
	cmocka_unit_test(where_all_are_gone_the_gap_alone_is_told),
	cmocka_unit_test(what_was_heard_of_the_log_is_the_newest_and_nothing_else),
	cmocka_unit_test(without_a_store_there_is_no_tail),
};

RUN_TESTS(tests)
