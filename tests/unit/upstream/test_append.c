#include "tests/unit/upstream/log.h"

#include "app/publish/publication.h"

static void
begin(void)
{
	foreign_do(foreign, LIST("FLUSHALL"));
	foreign_do(foreign, LIST("SCRIPT", "FLUSH"));
}

TEST(a_group_is_added_in_its_order_with_all_its_fields)
{
	struct upstream *log = log_open(&server, 0);
	struct message one[2] = { message_of("42", "first", NULL), message_of(NULL, "", "k") };
	struct message two[1] = { message_of(NULL, "a\r\nb\xff", NULL) };
	struct append a = { .messages = one, .n = 2, .publisher = "x/y" };
	struct append b = { .messages = two, .n = 1, .publisher = "z" };
	struct append *appends[] = { &a, &b };
	struct upstream_news news;

	begin();
	one[0].topic = (char[]){ "prices" };
	one[0].event = (char[]){ "order" };
	one[0].expiry = EXPIRY_AT(4000000000);
	assert_int_equal(upstream_append(log, appends, 2, 0, 0, soon()), 0);
	assert_true(a.stored && b.stored && !a.existed && !a.refused);
	assert_true(one[0].id < one[1].id && one[1].id < two[0].id);

	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	assert_int_equal(news.n, 3);
	assert_int_equal(news.messages[0].id, one[0].id);
	assert_string_equal(news.messages[0].user, "42");
	assert_string_equal(news.messages[0].topic, "prices");
	assert_string_equal(news.messages[0].event, "order");
	assert_string_equal(news.messages[0].data, "first");
	assert_int_equal(news.messages[0].expiry.at, 4000000000);
	assert_int_equal(news.messages[0].created_at, logid_time_ms(one[0].id) / 1000);
	assert_string_equal(news.messages[1].data, "");
	assert_string_equal(news.messages[1].key, "x%2Fy/k");
	assert_null(news.messages[1].user);
	assert_memory_equal(news.messages[2].data, "a\r\nb\xff", 6);
	assert_false(news.messages[2].expiry.ends);
	assert_int_equal(news.upto, two[0].id);
	assert_int_equal(news.anchor, two[0].id);
	assert_int_equal(news.newest, two[0].id);
	assert_int_equal(news.floor, 0);
	upstream_close(log);
}

TEST(ten_thousand_messages_are_one_group)
{
	enum { N = PUBLICATION_MAX_MESSAGES };
	struct upstream *log = log_open(&server, 0);
	struct message *messages = mem_zalloc(N * sizeof(messages[0]));
	struct append append = { .messages = messages, .n = N, .publisher = "p" };
	struct append *appends[] = { &append };

	begin();
	for (int i = 0; i < N; i++)
		messages[i] = message_of("u", "data", i % 2 ? "same" : NULL);
	assert_int_equal(upstream_append(log, appends, 1, 0, 0, soon()), 0);
	assert_true(append.existed);  /* the second that has the key, and all behind it */
	assert_int_equal(log_length(), N / 2 + 1);
	for (int i = 2; i < N; i++)
		assert_true(i % 2 ? messages[i].id == messages[1].id
		    : messages[i].id > messages[i - 2].id);
	free(messages);
	upstream_close(log);
}

TEST(a_key_that_is_there_gives_its_id_and_the_others_are_added)
{
	struct upstream *log = log_open(&server, 0);
	struct message first = message_of(NULL, "a", "k");
	struct message again[2] = { message_of(NULL, "b", "k"), message_of(NULL, "c", NULL) };
	struct append append = { .messages = again, .n = 2, .publisher = "p" };
	struct append *appends[] = { &append };
	struct message other = message_of(NULL, "d", "k");
	struct append of_other = { .messages = &other, .n = 1, .publisher = "q" };
	bool existed;
	char id[LOGID_TEXT_BYTES];

	begin();
	assert_int_equal(append_of(log, &first, &existed, 0, PATIENCE_MS), 0);
	assert_false(existed);
	assert_int_equal(upstream_append(log, appends, 1, 0, 0, soon()), 0);
	assert_true(append.existed);
	assert_int_equal(again[0].id, first.id);
	assert_true(again[1].id > first.id);
	appends[0] = &of_other;
	assert_int_equal(upstream_append(log, appends, 1, 0, 0, soon()), 0);
	assert_false(of_other.existed);
	assert_int_equal(log_length(), 3);

	foreign_do(foreign, LIST("XDEL", "rowcast", logid_write(id, first.id)));
	assert_int_equal(append_of(log, &again[0], &existed, 0, PATIENCE_MS), 0);
	assert_false(existed);
	assert_true(again[0].id > other.id);
	upstream_close(log);
}

TEST(no_id_is_at_or_below_what_this_machine_has_seen)
{
	struct upstream *log = log_open(&server, 0);
	struct upstream_news news;
	struct message m = message_of(NULL, "a", NULL);
	int64_t above;

	begin();
	above = must_append(log, "a") + 100000 * 4096;  /* its clock was ahead by 100 s */
	assert_int_equal(append_of(log, &m, NULL, above, PATIENCE_MS), 0);
	assert_true(m.id > above);
	/* Whoever has read this log up to `above` is told that it was another one. */
	assert_int_equal(upstream_read(log, above, above, 0, &news), 0);
	assert_true(news.floor > above);
	assert_int_equal(news.n, 1);
	assert_int_equal(news.messages[0].id, m.id);
	upstream_close(log);
}

TEST(ids_go_on_in_the_next_millisecond_where_the_sequence_ends)
{
	struct upstream *log = log_open(&server, 0);
	struct message m = message_of(NULL, "a", NULL);
	char last[LOGID_TEXT_BYTES];
	int64_t full = (must_append(log, "a") / 4096 + 3600 * 1000) * 4096 + 4094;

	begin();
	foreign_do(foreign, LIST("XADD", "rowcast", logid_write(last, full), "data", "x"));
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), 0);
	assert_int_equal(m.id, full + 1);
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), 0);
	assert_true(m.id > full + 1 && m.id <= full + 3);
	upstream_close(log);
}

TEST(what_a_reader_would_leave_out_is_refused_and_the_others_stand)
{
	struct upstream *log = log_open(&server, 0);
	struct message good = message_of(NULL, "a", NULL), bad = message_of("", "b", NULL);
	struct append a = { .messages = &bad, .n = 1, .publisher = "p" };
	struct append b = { .messages = &good, .n = 1, .publisher = "p" };
	struct append *appends[] = { &a, &b };

	begin();
	assert_int_equal(upstream_append(log, appends, 2, 0, 0, soon()), 0);
	assert_true(a.refused && !a.stored && b.stored && !b.refused);
	bad = message_of(NULL, "b", NULL);
	bad.event = (char[]){ "rowcast.gap" };
	assert_int_equal(upstream_append(log, appends, 1, 0, 0, soon()), 0);
	assert_true(a.refused);
	assert_int_equal(log_length(), 1);
	upstream_close(log);
}

TEST(a_script_that_redis_has_forgotten_is_loaded_again)
{
	struct upstream *log = log_open(&server, 0);

	begin();
	for (int i = 0; i < 3; i++) {
		must_append(log, "a");
		foreign_do(foreign, LIST("SCRIPT", "FLUSH"));
	}
	assert_int_equal(log_length(), 3);
	upstream_close(log);
}

TEST(without_room_nothing_is_stored)
{
	struct upstream *log = log_open(&server, 0);
	struct message m = message_of(NULL, "a", "k");

	begin();
	must_append(log, "a");
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "1"));
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), UPSTREAM_FULL);
	foreign_do(foreign, LIST("CONFIG", "SET", "maxmemory", "0"));
	assert_int_equal(log_length(), 1);
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), 0);
	upstream_close(log);
}

TEST(what_is_none_of_our_time_is_refused)
{
	struct upstream *log = log_open(&server, 0);
	struct message m = message_of(NULL, "a", NULL);
	struct upstream_news news;

	begin();
	foreign_do(foreign, LIST("XADD", "rowcast", "0-1", "data", "x"));
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), UPSTREAM_REFUSED);
	assert_int_equal(upstream_read(log, 0, 0, 0, &news), UPSTREAM_REFUSED);
	begin();
	foreign_do(foreign, LIST("XADD", "rowcast", "18446744073709551615-1", "data", "x"));
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), UPSTREAM_REFUSED);
	begin();
	foreign_do(foreign, LIST("SET", "rowcast", "x"));
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), UPSTREAM_REFUSED);
	upstream_close(log);
}

TEST(with_nobody_there_it_is_away_and_nothing_was_stored)
{
	struct redis_server gone;
	struct upstream *log;
	struct message m = message_of(NULL, "a", NULL);

	redis_server_start(&gone, NULL);
	log = log_open(&gone, 0);
	must_append(log, "a");
	redis_server_kill(&gone);
	assert_int_equal(append_of(log, &m, NULL, 0, 300), UPSTREAM_AWAY);
	upstream_close(log);
	redis_server_free(&gone);
}

TEST(a_primary_that_hangs_leaves_it_unknown_and_a_repeat_adds_nothing)
{
	struct redis_server hung;
	struct upstream *log;
	struct message m = message_of(NULL, "a", NULL);
	const char *key;

	redis_server_start(&hung, NULL);
	log = log_open(&hung, 0);
	must_append(log, "a");
	redis_server_hang(&hung);
	assert_int_equal(append_of(log, &m, NULL, 0, 300), UPSTREAM_UNKNOWN);
	redis_server_wake(&hung);
	must_append(log, "c");
	/* Both went out once; what lay in the socket is done, or was never seen. */
	key = redis_cli(&hung, LIST("XLEN", "rowcast"));
	assert_true(strcmp(key, "2") == 0 || strcmp(key, "3") == 0);
	upstream_close(log);
	redis_server_free(&hung);
}

TEST(a_group_whose_answer_was_lost_is_found_and_not_added_again)
{
	struct redis_server primary, replica;
	struct upstream *log;
	struct message m = message_of(NULL, "a", NULL);

	redis_server_start(&primary, NULL);
	redis_replica_start(&replica, &primary, NULL);
	log = log_open(&primary, 1);
	must_append(log, "a");
	redis_server_hang(&replica);
	/* Stored on the primary each time it is asked, had by nobody else. */
	assert_int_equal(append_of(log, &m, NULL, 0, 3000), UPSTREAM_UNKNOWN);
	redis_cli_says(&primary, "2", LIST("XLEN", "rowcast"));
	redis_server_wake(&replica);
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), 0);
	redis_cli_says(&primary, "3", LIST("XLEN", "rowcast"));
	upstream_close(log);
	redis_server_free(&replica);
	redis_server_free(&primary);
}

TEST(with_too_few_replicas_for_redis_itself_nothing_is_stored)
{
	struct redis_server primary;
	struct upstream *log;
	struct message m = message_of(NULL, "a", NULL);

	redis_server_start(&primary, LIST("min-replicas-to-write 1"));
	log = log_open(&primary, 1);
	assert_int_equal(append_of(log, &m, NULL, 0, 1000), UPSTREAM_AWAY);
	redis_cli_says(&primary, "0", LIST("EXISTS", "rowcast"));
	upstream_close(log);
	redis_server_free(&primary);
}

/* What rowcast-upstream(7) promises to suffice. */
TEST(the_permissions_of_the_manual_suffice)
{
	struct redis_server strict;
	struct upstream *log;
	struct upstream_news news;
	struct message m = message_of(NULL, "a", "k");
	struct outgoing rows[2] = { { .number = 1, .once = "0123456789abcdef0123456789abcdef" },
		{ .number = 2, .once = "1123456789abcdef0123456789abcdef" } };
	int64_t n_deleted;
	size_t n_dropped;
	bool more;

	redis_server_start(&strict, LIST("user default on nopass ~rowcast ~{rowcast}:* -@all +xadd"
	    " +xread +xrange +xdel +xinfo|stream +xinfo|groups +xtrim +xsetid +xgroup|create"
	    " +xgroup|setid +get +set +pexpire +evalsha +script|load +wait +ping +role +time +auth +select"
	    " +info"));
	log = log_open(&strict, 0);
	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), 0);
	assert_int_equal(append_of(log, &m, NULL, m.id + 4096 * 1000, PATIENCE_MS), 0);
	rows[0].message = message_of(NULL, "b", "k2");
	rows[1].erase = m.id;
	assert_int_equal(upstream_forward(log, rows, 2, 0, 0, &n_dropped, NULL), 0);
	rows[0].once = "2123456789abcdef0123456789abcdef";
	assert_int_equal(upstream_forward(log, rows, 1, 0, 0, &n_dropped, NULL), 0);
	assert_int_equal(upstream_read(log, 0, 0, 0, &news), 0);
	assert_int_equal(upstream_read(log, news.upto + 4096 * 5000, news.anchor, 0, &news), 0);
	assert_int_equal(upstream_trim(log, "n", 0, 1, &n_deleted, &more), 0);
	upstream_close(log);
	redis_server_free(&strict);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_group_is_added_in_its_order_with_all_its_fields),
		cmocka_unit_test(ten_thousand_messages_are_one_group),
		cmocka_unit_test(a_key_that_is_there_gives_its_id_and_the_others_are_added),
		cmocka_unit_test(no_id_is_at_or_below_what_this_machine_has_seen),
		cmocka_unit_test(ids_go_on_in_the_next_millisecond_where_the_sequence_ends),
		cmocka_unit_test(what_a_reader_would_leave_out_is_refused_and_the_others_stand),
		cmocka_unit_test(a_script_that_redis_has_forgotten_is_loaded_again),
		cmocka_unit_test(without_room_nothing_is_stored),
		cmocka_unit_test(what_is_none_of_our_time_is_refused),
		cmocka_unit_test(with_nobody_there_it_is_away_and_nothing_was_stored),
		cmocka_unit_test(a_primary_that_hangs_leaves_it_unknown_and_a_repeat_adds_nothing),
		cmocka_unit_test(a_group_whose_answer_was_lost_is_found_and_not_added_again),
		cmocka_unit_test(with_too_few_replicas_for_redis_itself_nothing_is_stored),
		cmocka_unit_test(the_permissions_of_the_manual_suffice),
	};

	return cmocka_run_group_tests(tests, log_start, log_stop);
}
