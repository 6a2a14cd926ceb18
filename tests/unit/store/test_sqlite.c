/* The SQLite store: the contract of store.h, and what is promised to those who open
 * the file themselves, who are played by another connection of this process. One
 * thread, but for the tests that start more; each test has a new file. */

#include "tests/unit/store/connection.h"
#include "tests/unit/store/contract.h"
#include "tests/unit/store/search.h"

#include "tests/unit/fault.h"

#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <sched.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "app/store/sqlite/place.h"

extern char **environ;

static char path[128];
static sqlite3 *foreign;       /* another program's connection */

/* ---- the file ---- */

/* file_of returns the path of the file with this suffix. */
static const char *
file_of(const char *suffix)
{
	static char name[160];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return name;
}

/* new_file leaves an empty file, which is an empty database, at path. */
static const char *
new_file(void)
{
	static char name[160];

	snprintf(path, sizeof(path), "%s", capture_file("store.db", "", 0, 0600));
	unlink(file_of("-wal"));
	unlink(file_of("-shm"));
	snprintf(name, sizeof(name), "sqlite:%s", path);
	return name;
}

struct content {
	char *bytes;
	size_t len;
};

static struct content
content_of(const char *name)
{
	struct content c = { NULL, 0 };
	struct stat st;
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	c.len = (size_t)st.st_size;
	c.bytes = mem_alloc(c.len + 1);
	assert_int_equal(read(fd, c.bytes, c.len), c.len);
	close(fd);
	return c;
}

/* ---- verbs of the other program ---- */

/* does: the foreign connection can run this. */
static void
does(const char *sql)
{
	char *error = NULL;

	if (sqlite3_exec(foreign, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
}

/* is_told: it cannot, and hears this sentence. */
static void
is_told(const char *sql, const char *sentence)
{
	char *error = NULL;

	if (sqlite3_exec(foreign, sql, NULL, NULL, &error) == SQLITE_OK)
		fail_msg("%s: was done", sql);
	if (strstr(error, sentence) == NULL)
		fail_msg("%s: \"%s\" instead of \"%s\"", sql, error, sentence);
	sqlite3_free(error);
}

static int64_t
number(const char *sql)
{
	sqlite3_stmt *statement;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(foreign, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return n;
}

static void
foreign_open(void)
{
	assert_int_equal(sqlite3_open(path, &foreign), SQLITE_OK);
	sqlite3_busy_timeout(foreign, 10000);
}

static void
foreign_close(void)
{
	assert_int_equal(sqlite3_close(foreign), SQLITE_OK);
	foreign = NULL;
}

/* open_both opens the store and a foreign connection, for most tests here. */
static int
open_both(void **state)
{
	int rc;

	connections_note();
	rc = contract_open(state);
	connections_ignore();
	foreign_open();
	return rc;
}

static int
close_both(void **state)
{
	/* A test that failed may have left something open. */
	sqlite3_close_v2(foreign);
	foreign = NULL;
	return contract_close(state);
}

/* begin_anew leaves the foreign connection on a new file, and no store yet. */
static void
begin_anew(void)
{
	store_close(contract_store);
	contract_store = NULL;
	foreign_close();
	contract_name = new_file();
	foreign_open();
}

/* ---- searching ---- */

static struct store *
search_handle(void)
{
	return contract_store;
}

static void
search_put(struct search_row *rows, size_t n)
{
	sqlite3_stmt *insert;

	does("BEGIN IMMEDIATE");
	assert_int_equal(sqlite3_prepare_v2(foreign, "INSERT INTO message(user, topic, created_at,"
	    " expires_at, data) VALUES(?1, ?2, ?3, iif(?4, 1, NULL), 'x')", -1, &insert, NULL), SQLITE_OK);
	for (size_t i = 0; i < n; i++) {
		sqlite3_bind_text(insert, 1, rows[i].user, -1, SQLITE_STATIC);
		sqlite3_bind_text(insert, 2, rows[i].topic, -1, SQLITE_STATIC);
		sqlite3_bind_int64(insert, 3, rows[i].created_at);
		sqlite3_bind_int(insert, 4, rows[i].expired);
		assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
		sqlite3_reset(insert);
		rows[i].id = sqlite3_last_insert_rowid(foreign);
	}
	sqlite3_finalize(insert);
	does("COMMIT");
}

/* search_put_far_apart puts rows for users nobody asks for, each in a segment of its own, and
 * one for user 1 in each of these. */
static void
search_put_far_apart(int n, int first, int second)
{
	char *sql = mem_printf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
	    " INSERT INTO message(id, user, data) SELECT i * 2048 + 7, iif(i IN (%d, %d), '1', 'x' || i), 'x'"
	    " FROM n", n, first, second);

	does(sql);
	free(sql);
}

/* What is looked at follows from what is found, not from what is there. What one reading, or
 * one step of a search, may look at is bounded, so how many there are says how much it was. */
TEST(who_looks_for_few_among_many_looks_at_few)
{
	enum { SEGMENTS = 20000, BEFORE = SEGMENTS / STORE_SCAN_MAX, AFTER = SEGMENTS / STORE_SCAN_MAX + 3 };
	static char names[32][16], *topics[32];
	struct filter one = { .user = search_users[0] }, many = { .user = search_users[0], .topics = topics, .n_topics = 32 };
	size_t n;

	for (int i = 0; i < 32; i++) {
		snprintf(names[i], sizeof(names[i]), "no/%d", i);
		topics[i] = names[i];
	}
	search_put_far_apart(SEGMENTS, 100, SEGMENTS / 2);
	search_read(0, &one);
	assert_int_equal(search_n_ids, 2);
	assert_true(search_n_steps > 10 * BEFORE);
	for (n = 0; store_learn(search_handle()); n++)
		;
	assert_int_equal(n, SEGMENTS - 1);  /* the last one may get more */
	search_read(0, &one);
	assert_int_equal(search_n_ids, 2);
	assert_true(search_n_steps <= AFTER);
	search_read(0, &many);
	assert_int_equal(search_n_ids, 2);
	assert_true(search_n_steps <= 20 * AFTER);
	assert_int_equal(search_for(0, 20, &one), 100 * 2048 + 6);
	assert_int_equal(search_for(0, 1, &one), SEGMENTS / 2 * 2048 + 6);
	/* It stays right as rows come, and go. */
	does("INSERT INTO message(user, data) VALUES('1', 'x')");
	assert_int_equal(search_for(0, 1, &one), SEGMENTS * 2048 + 7);
	does("DELETE FROM message WHERE id < 2048 * 15000");
	search_read(0, &one);
	assert_int_equal(search_n_ids, 1);
	assert_int_equal(search_for(0, 20, &one), SEGMENTS * 2048 + 7);
	does("INSERT INTO message(id, user, data) VALUES(2048 * 50000, '1', 'x'), (2048 * 50001, '1', 'x')");
	while (store_learn(search_handle()))
		;
	search_read(0, &one);
	assert_int_equal(search_n_ids, 3);
	assert_int_equal(search_for(0, 3, &one), SEGMENTS * 2048 + 7);
}

static void
search_drop(int64_t id)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "DELETE FROM message WHERE id = %" PRId64, id);
	does(sql);
}

/* What retention notes and deletes. */
static void
search_trim(int64_t upto)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "BEGIN; DELETE FROM message WHERE id <= %" PRId64 "; UPDATE rowcast_state"
	    " SET trimmed = max(trimmed, %" PRId64 "); COMMIT", upto, upto);
	does(sql);
}

/* ---- what the table refuses, and in which words ---- */

#define ID_MAX INT64_C(9007199254740991)
#define ID_TOO_LOW "id must be above the highest ever given, or streams would miss the row"

TEST(only_data_is_required)
{
	does("INSERT INTO message(data) VALUES('hello')");
	does("INSERT INTO message(user, data) VALUES(42, 17)");
	read_all();
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.last.user, "42");
	assert_string_equal(seen.last.data, "17");
	assert_int_equal(number("SELECT count(*) FROM message"
	    " WHERE created_at BETWEEN strftime('%s', 'now') - 60 AND strftime('%s', 'now') + 60"), 2);
	is_told("INSERT INTO message(user) VALUES('42')", "NOT NULL constraint failed: message.data");
	is_told("INSERT INTO message(data) VALUES(NULL)", "NOT NULL constraint failed: message.data");
}

TEST(an_id_is_not_above_the_highest_ever_given)
{
	is_told("INSERT INTO message(id, data) VALUES(0, 'a')", ID_TOO_LOW);
	is_told("INSERT INTO message(id, data) VALUES(-1, 'a')", ID_TOO_LOW);
	does("INSERT INTO message(id, data) VALUES(10, 'a')");
	does("INSERT INTO message(data) VALUES('b')");
	is_told("INSERT INTO message(id, data) VALUES(5, 'c')", ID_TOO_LOW);
	is_told("INSERT INTO message(rowid, data) VALUES(5, 'c')", ID_TOO_LOW);
	is_told("INSERT OR IGNORE INTO message(id, data) VALUES(5, 'c')", ID_TOO_LOW);
	is_told("INSERT OR REPLACE INTO message(id, data) VALUES(5, 'c')", ID_TOO_LOW);
	does("DELETE FROM message");
	is_told("INSERT INTO message(id, data) VALUES(11, 'c')", ID_TOO_LOW);
	does("INSERT INTO message(id, data) VALUES(12, 'c')");
	does("INSERT INTO message(data) VALUES('d')");
	assert_int_equal(number("SELECT max(id) FROM message"), 13);
}

TEST(an_existing_row_is_not_replaced)
{
	does("INSERT INTO message(data) VALUES('a')");
	is_told("INSERT INTO message(id, data) VALUES(1, 'b')", ID_TOO_LOW);
	is_told("INSERT INTO message(rowid, data) VALUES(1, 'b')", ID_TOO_LOW);
	is_told("INSERT OR IGNORE INTO message(id, data) VALUES(1, 'b')", ID_TOO_LOW);
	is_told("INSERT OR REPLACE INTO message(id, data) VALUES(1, 'b')", ID_TOO_LOW);
	is_told("REPLACE INTO message(id, data) VALUES(1, 'b')", ID_TOO_LOW);
	assert_int_equal(number("SELECT count(*) FROM message WHERE data = 'a'"), 1);
}

TEST(rows_of_one_statement_become_visible_together_so_any_order_will_do)
{
	does("INSERT INTO message(id, data) VALUES(9, 'a'), (3, 'b'), (5, 'c')");
	holds(3);
	assert_int_equal(seen.ids[0], 3);
	assert_int_equal(seen.bounds.newest, 9);
	is_told("INSERT INTO message(id, data) VALUES(7, 'd')", ID_TOO_LOW);
	is_told("INSERT INTO message(id, data) VALUES(12, 'd'), (9, 'e')", ID_TOO_LOW);
	is_told("INSERT INTO message(id, data) VALUES(12, 'd'), (12, 'e')", ID_TOO_LOW);
	holds(3);
}

TEST(an_id_does_not_change_by_any_of_its_names)
{
	static const char *const names[] = { "id", "ID", "rowid", "_rowid_", "oid" };

	does("INSERT INTO message(data) VALUES('a')");
	does("INSERT INTO message(data) VALUES('b')");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char sql[128];

		snprintf(sql, sizeof(sql), "UPDATE message SET %s = 99 WHERE id = 1", names[i]);
		is_told(sql, "id of a message cannot change");
		snprintf(sql, sizeof(sql), "UPDATE message SET data = 'c', %s = id + 5", names[i]);
		is_told(sql, "id of a message cannot change");
		snprintf(sql, sizeof(sql), "UPDATE message SET %s = id", names[i]);
		does(sql);
	}
	is_told("INSERT INTO message(id, data) VALUES(1, 'x')"
	    " ON CONFLICT(id) DO UPDATE SET id = 50", ID_TOO_LOW);
	holds(2);
	assert_int_equal(seen.ids[1], 2);
}

TEST(an_event_holds_no_line_break)
{
	static const char sentence[] = "event must be text without a line break";

	is_told("INSERT INTO message(event, data) VALUES('a' || char(10), 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES(char(13) || 'b', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES('a' || char(13, 10) || 'b', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES('a' || char(0) || 'b', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES(x'61', 'x')", sentence);
	does("INSERT INTO message(event, data) VALUES('a b: c', 'x')");
	holds(1);
}

TEST(data_is_text_without_u_0000)
{
	static const char sentence[] = "data must be text without U+0000";

	is_told("INSERT INTO message(data) VALUES(x'6162')", sentence);
	is_told("INSERT INTO message(data) VALUES(char(0))", sentence);
	is_told("INSERT INTO message(data) VALUES('a' || char(0) || 'b')", sentence);
	is_told("INSERT INTO message(data) VALUES('a' || char(0))", sentence);
	does("INSERT INTO message(data) VALUES('')");
	holds(1);
}

TEST(data_is_not_over_1_mib_counted_in_bytes)
{
	static const char sentence[] = "data must not be over 1 MiB";

	does("INSERT INTO message(data) VALUES(replace(hex(zeroblob(524288)), '0', 'x'))");
	is_told("INSERT INTO message(data)"
	    " VALUES(replace(hex(zeroblob(524288)), '0', 'x') || 'y')", sentence);
	is_told("INSERT INTO message(data)"
	    " VALUES(replace(hex(zeroblob(262145)), '0', char(233)))", sentence);
	holds(1);
	assert_int_equal(seen.last.data_len, 1 << 20);
}

TEST(users_and_topics_are_names)
{
	static const char *const columns[] = { "user", "topic" };

	for (size_t i = 0; i < 2; i++) {
		static const char *const values[] = { "''", "x'61'", "char(0)", "'a' || char(0) || 'b'" };
		char sql[128], sentence[128];

		snprintf(sentence, sizeof(sentence), "%s must be NULL or text, not empty and without U+0000",
		    columns[i]);
		for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
			snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES(%s, 'x')",
			    columns[i], values[j]);
			is_told(sql, sentence);
		}
		snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES('ok', 'x')", columns[i]);
		does(sql);
	}
	holds(2);
}

TEST(times_are_unix_seconds)
{
	static const char expires[] = "expires_at must be NULL or a number of Unix seconds";
	static const char created[] = "created_at must be a number of Unix seconds";

	is_told("INSERT INTO message(data, expires_at) VALUES('a', '2030-01-01')", expires);
	is_told("INSERT INTO message(data, expires_at) VALUES('a', datetime('now'))", expires);
	is_told("INSERT INTO message(data, expires_at) VALUES('a', 1.5)", expires);
	is_told("INSERT INTO message(data, expires_at) VALUES('a', x'01')", expires);
	is_told("INSERT INTO message(data, created_at) VALUES('a', 'now')", created);
	is_told("INSERT INTO message(data, created_at) VALUES('a', NULL)", "NOT NULL");
	does("INSERT INTO message(data, expires_at) VALUES('a', '4102444800')");
	does("INSERT INTO message(data, expires_at) VALUES('a', strftime('%s', 'now', '+1 hour'))");
	does("INSERT INTO message(data, created_at) VALUES('a', 1)");
	holds(3);
}

/* 2^53 - 1 is the highest that a browser can tell from the next. */
TEST(an_id_is_exact_in_a_browser)
{
	static const char sentence[] = "id would be above 2^53 - 1, where browsers cannot tell one"
	    " from the next: leave id out; where it was left out, begin a new file";

	is_told("INSERT INTO message(id, data) VALUES(9007199254740992, 'a')", sentence);
	is_told("INSERT INTO message(id, data) VALUES(9223372036854775807, 'a')", sentence);
	is_told("INSERT OR REPLACE INTO message(rowid, data) VALUES(9223372036854775807, 'a')", sentence);
	is_told("INSERT INTO message(id, data) VALUES(1, 'a'), (9007199254740992, 'a')", sentence);
	/* None of them has spoilt anything. */
	bounds_are(1, 0);
	assert_int_equal(add(NULL, NULL, "a"), 1);
	does("INSERT INTO message(id, data) VALUES(9007199254740991, 'the last')");
	is_told("INSERT INTO message(data) VALUES('one too many')", sentence);
	is_told("INSERT INTO message(id, data) VALUES(5, 'b')", ID_TOO_LOW);
	bounds_are(1, 9007199254740991);
}

TEST(names_are_at_most_255_bytes)
{
	static const char *const columns[] = { "user", "topic", "event" };

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		char sql[200], sentence[80];

		snprintf(sentence, sizeof(sentence), "%s must not be over 255 bytes", columns[i]);
		snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES(substr(replace("
		    "hex(zeroblob(128)), '0', 'x'), 1, 255), 'x')", columns[i]);
		does(sql);
		snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES(replace("
		    "hex(zeroblob(128)), '0', 'x'), 'x')", columns[i]);
		is_told(sql, sentence);
		/* Bytes, not characters. */
		snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES(replace("
		    "hex(zeroblob(64)), '0', char(233)), 'x')", columns[i]);
		is_told(sql, sentence);
	}
	holds(3);
}

/* insert_bound inserts a row whose column is bound as floating point, as some
 * drivers do with every number, and returns what SQLite says. */
static const char *
insert_bound(const char *column, double number_bound)
{
	sqlite3_stmt *statement;
	char sql[80];

	snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES(?1, 'x')", column);
	assert_int_equal(sqlite3_prepare_v2(foreign, sql, -1, &statement, NULL), SQLITE_OK);
	sqlite3_bind_double(statement, 1, number_bound);
	sqlite3_step(statement);
	sqlite3_finalize(statement);
	return sqlite3_errmsg(foreign);
}

TEST(a_whole_number_bound_as_floating_point_names_nobody)
{
	static const double whole[] = { 42, 0, -3, 1, 10, 100, 1e9, 4294967296., 999999999999999., 1e15,
	    1.5e15, 9007199254740992., 9007199254740993., 123456789012345678., 1e18, 9.3e18, -1e15, 1e100,
	    1.7e308 };
	static const double parts[] = { 7.5, -0.5, 1e-5, 0.1, 3.14159, 1e-300, 123456789.125 };
	static const char *const names[] = { "42", "7.5", "v1.0", "10.0.0.1", "1e5", "1e+15", ".0", "1.",
	    "00.0", "042.0", "42.00", "+42.0", " 42.0", "42.0 ", "-", "-.0", "1.0e15", "1.0e+15x", "1.10",
	    "2024-01-01", "1.0.0", "3.0-beta", "x42.0", "\xc3\xa4.0", "0x1.0", "Inf", "-Inf" };
	static const char *const columns[] = { "user", "topic" };
	size_t n = 0;

	for (size_t c = 0; c < 2; c++) {
		char sentence[120];

		snprintf(sentence, sizeof(sentence), "%s is a whole number that was bound as floating"
		    " point (42.0 is not 42): bind it as text or as an integer", columns[c]);
		for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
			assert_string_equal(insert_bound(columns[c], whole[i]), sentence);
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++, n++)
			assert_string_equal(insert_bound(columns[c], parts[i]), "not an error");
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++, n++) {
			char sql[120];

			snprintf(sql, sizeof(sql), "INSERT INTO message(%s, data) VALUES('%s', 'x')",
			    columns[c], names[i]);
			does(sql);
		}
	}
	/* An event is no name of anybody. */
	does("INSERT INTO message(event, data) VALUES('42.0', 'x')");
	holds(n + 1);
}

TEST(events_of_browsers_and_of_the_server_are_refused)
{
	static const char sentence[] = "event must not be error, open or begin with rowcast.";

	is_told("INSERT INTO message(event, data) VALUES('error', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES('open', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES('rowcast.', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES('rowcast.gap', 'x')", sentence);
	is_told("INSERT INTO message(event, data) VALUES('rowcast.' || char(233), 'x')", sentence);
	does("INSERT INTO message(event, data) VALUES('Error', 'x'), ('errors', 'x'), ('opened', 'x'),"
	    " ('rowcast', 'x'), ('rowcast/x', 'x'), ('rowcast-', 'x'), ('rowcasts.x', 'x'),"
	    " ('Rowcast.x', 'x'), ('message', 'x')");
	holds(9);
}

TEST(times_are_seconds_of_this_century)
{
	static const char *const columns[] = { "created_at", "expires_at" };
	static const char *const wrong[] = { "0", "-1", "4102444801", "1700000000000",
	    "9223372036854775807" };

	for (size_t c = 0; c < 2; c++) {
		char sql[120], sentence[80];

		snprintf(sentence, sizeof(sentence), "%s must be Unix seconds, from 1 to the year 2100"
		    " (not milliseconds)", columns[c]);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			snprintf(sql, sizeof(sql), "INSERT INTO message(data, %s) VALUES('x', %s)",
			    columns[c], wrong[i]);
			is_told(sql, sentence);
		}
		snprintf(sql, sizeof(sql), "INSERT INTO message(data, %s) VALUES('x', 1), ('y', 4102444800)",
		    columns[c]);
		does(sql);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			snprintf(sql, sizeof(sql), "UPDATE message SET %s = %s", columns[c], wrong[i]);
			is_told(sql, sentence);
		}
	}
	assert_int_equal(number("SELECT count(*) FROM message"), 4);
}

TEST(a_published_message_does_not_change)
{
	static const char sentence[] = "a published message cannot change: delete it and insert another";

	does("INSERT INTO message(user, topic, event, data, key) VALUES('u', 't', 'e', 'd', 'k')");
	is_told("UPDATE message SET user = 'v'", sentence);
	is_told("UPDATE message SET user = NULL", sentence);
	is_told("UPDATE message SET topic = 'T'", sentence);
	is_told("UPDATE message SET event = NULL", sentence);
	is_told("UPDATE message SET data = 'D'", sentence);
	is_told("UPDATE message SET expires_at = 5, data = 'D'", sentence);
	is_told("UPDATE OR REPLACE message SET data = 'D'", sentence);
	is_told("UPDATE OR IGNORE message SET data = 'D'", sentence);
	is_told("INSERT INTO message(data, key) VALUES('D', 'k')"
	    " ON CONFLICT(key) DO UPDATE SET data = excluded.data", sentence);
	does("UPDATE message SET data = data, user = 'u'");  /* which changes nothing */
	does("UPDATE message SET expires_at = 4102444800, key = 'other'");
	does("UPDATE message SET expires_at = NULL, key = NULL, created_at = 1");
	does("UPDATE message SET key = 'k'");
	does("INSERT INTO message(data, key) VALUES('D', 'k')"
	    " ON CONFLICT(key) DO UPDATE SET expires_at = 4102444800");
	/* A row that takes another's place has an id of its own. */
	does("INSERT OR REPLACE INTO message(data, key) VALUES('new', 'k')");
	holds(1);
	assert_string_equal(seen.last.data, "new");
}

TEST(a_key_is_unique)
{
	struct message m = message_with_key("k", "a");

	append_to(contract_store, "p", &m, 1);
	is_told("INSERT INTO message(data, key) SELECT 'b', key FROM message", "UNIQUE");
	does("INSERT INTO message(data, key) VALUES('b', 'k')");
	holds(2);
}

TEST(a_refusal_is_logged_with_its_sentence)
{
	struct message m = message_with_event("a\nb", "x");

	capture_begin();
	assert_true(append_to(contract_store, "p", &m, 1).refused);
	assert_says(capture_end(), "refused a message: CHECK constraint failed:"
	    " event must be text without a line break\n");
}

/* ---- what other programs commit ---- */

/* shell runs sql in the sqlite3 shell, another process, and skips the test
 * where there is none. */
static void
shell(const char *sql)
{
	union { const char *lent; char *text; } words[] = {
		{ "sqlite3" }, { "-cmd" }, { ".timeout 10000" }, { path }, { sql },
	};
	char *argv[6] = { NULL };
	pid_t child;
	int status, rc;

	for (size_t i = 0; i < 5; i++)
		argv[i] = words[i].text;
	rc = posix_spawnp(&child, "sqlite3", NULL, NULL, argv, environ);
	if (rc == ENOENT) {
		print_message("# the sqlite3 shell is missing: apt-get install sqlite3\n");
		skip();
	}
	assert_int_equal(rc, 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

TEST(a_row_of_another_process_ends_the_wait)
{
	struct store *reader = open_as(STORE_READER);

	for (int64_t id = 1; id <= 3; id++) {
		read_from(reader, 0, NULL, 0);
		store_wait(reader, contract_wake);
		shell("INSERT INTO message(user, data) VALUES('42', 'hello')");
		wait_until(reader, id - 1);
		assert_int_equal(seen.ids[0], id);
		assert_string_equal(seen.last.user, "42");
	}
	store_close(reader);
}

static void *
insert_by_shell(void *arg)
{
	union { const char *lent; char *text; } words[] = {
		{ "sqlite3" }, { path }, { "INSERT INTO message(data) VALUES('hello')" },
	};
	char *argv[] = { words[0].text, words[1].text, words[2].text, NULL };
	pid_t child;
	int status;

	if (posix_spawnp(&child, "sqlite3", NULL, NULL, argv, environ) != 0
	    || waitpid(child, &status, 0) != child || status != 0)
		return arg;
	return NULL;
}

TEST(a_row_of_another_process_ends_a_wait_that_is_under_way)
{
	struct store *reader = open_as(STORE_READER);
	pthread_t thread;
	void *failed;

	shell("SELECT 1 WHERE 0");
	thread_start(&thread, "shell", insert_by_shell, reader);
	wait_until(reader, 0);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_string_equal(seen.last.data, "hello");
	store_close(reader);
}

TEST(a_row_is_noticed_after_the_log_was_emptied_and_the_file_rewritten)
{
	struct store *reader = open_as(STORE_READER);
	struct stat st;

	add(NULL, NULL, "a");
	wait_until(reader, 0);
	does("PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(stat(file_of("-wal"), &st), 0);
	assert_int_equal(st.st_size, 0);
	does("INSERT INTO message(data) VALUES('b')");
	wait_until(reader, 1);
	assert_string_equal(seen.last.data, "b");
	does("VACUUM");
	does("INSERT INTO message(data) VALUES('c')");
	wait_until(reader, 2);
	assert_string_equal(seen.last.data, "c");
	store_close(reader);
}

/* The last to close removes the log; who opens next makes a new one. */
TEST(a_row_is_noticed_in_a_log_that_is_another_file_than_before)
{
	struct store *reader;
	struct stat st;

	add(NULL, NULL, "a");
	foreign_close();
	store_close(contract_store);
	contract_store = NULL;
	assert_int_equal(stat(file_of("-wal"), &st), -1);
	reader = open_as(STORE_READER);
	read_from(reader, 0, NULL, 0);
	store_wait(reader, contract_wake);
	foreign_open();
	does("INSERT INTO message(data) VALUES('b')");
	wait_until(reader, 1);
	assert_string_equal(seen.last.data, "b");
	store_close(reader);
}

TEST(a_row_that_is_rolled_back_was_never_there)
{
	does("BEGIN");
	does("INSERT INTO message(data) VALUES('a')");
	holds(0);
	does("ROLLBACK");
	holds(0);
	bounds_are(1, 0);
	does("BEGIN");
	does("INSERT INTO message(data) VALUES('b')");
	does("COMMIT");
	holds(1);
	assert_int_equal(seen.ids[0], 1);
}

TEST(a_deleted_row_is_never_read_again_nor_is_its_id_given)
{
	add(NULL, NULL, "a");
	add(NULL, NULL, "secret");
	does("DELETE FROM message WHERE data = 'secret'");
	holds(1);
	bounds_are(1, 2);
	assert_int_equal(add(NULL, NULL, "b"), 3);
	does("DELETE FROM message");
	bounds_are(4, 3);
	does("INSERT INTO message(data) VALUES('c')");
	bounds_are(4, 4);
}

TEST(a_file_in_utf_16_is_read_in_utf_8)
{
	begin_anew();
	does("PRAGMA encoding = 'UTF-16le'; CREATE TABLE orders(id INTEGER PRIMARY KEY)");
	contract_store = open_as(STORE_OWNER);
	does("INSERT INTO message(user, data) VALUES('42', char(233, 128512))");
	read_all();
	assert_string_equal(seen.last.user, "42");
	assert_string_equal(seen.last.data, "\xc3\xa9\xf0\x9f\x98\x80");
	assert_int_equal(seen.last.data_len, 6);
}

/* commit_before_rows commits a row when the store is about to read rows, and so
 * has read the bounds. */
static int
commit_before_rows(unsigned type, void *context, void *statement, void *text)
{
	bool *done = context;

	(void)type;
	(void)statement;
	if (!*done && strncmp(text, "SELECT id, user", 15) == 0) {
		*done = true;
		does("INSERT INTO message(data) VALUES('between')");
	}
	return 0;
}

TEST(a_row_committed_between_bounds_and_rows_belongs_to_the_next_read)
{
	bool done = false;

	add(NULL, NULL, "a");
	sqlite3_trace_v2(connection_newest, SQLITE_TRACE_STMT, commit_before_rows, &done);
	read_all();
	assert_true(done);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.upto, 1);
	assert_int_equal(seen.bounds.newest, 1);
	read_from(contract_store, seen.upto, NULL, 0);
	assert_string_equal(seen.last.data, "between");
}

/* ---- when the store cannot ---- */

static struct message two[2];
static struct append *
two_to_append(void)
{
	static struct append a;

	two[0] = message_of(NULL, NULL, "a");
	two[1] = message_of(NULL, NULL, "b");
	a = (struct append){ .messages = two, .n = 2, .publisher = "p" };
	return &a;
}

TEST(a_store_locked_by_another_program_is_busy_and_then_as_before)
{
	struct append *appends[] = { two_to_append() };
	mono_us began, shortest = INT64_MAX;

	does("BEGIN IMMEDIATE");
	does("INSERT INTO message(data) VALUES('theirs')");
	/* Before it a slice of retention, which must not wait as long; a busy machine may
	 * make one look so. */
	for (int i = 0; i < 20 && shortest >= 1500000; i++) {
		began = clock_mono_us();
		assert_int_equal(store_trim(contract_store, 0, 0, 100), -1);
		if (clock_mono_us() - began < shortest)
			shortest = clock_mono_us() - began;
	}
	assert_true(shortest < 1500000);
	capture_begin();
	began = clock_mono_us();
	assert_int_equal(store_append(contract_store, appends, 1), STORE_BUSY);
	assert_true(clock_mono_us() - began > 1500000);
	assert_says(capture_end(), "locked by another program for over 2000 ms\n");
	/* Readers never wait. */
	holds(0);
	does("COMMIT");
	holds(1);
	assert_int_equal(store_append(contract_store, appends, 1), 0);
	holds(3);
}

TEST(a_trim_that_finds_the_store_locked_says_nothing_and_does_nothing)
{
	add_many(20, EXPIRY_AT(1));
	does("BEGIN IMMEDIATE");
	capture_begin();
	assert_int_equal(store_trim(contract_store, 0, 0, 100), -1);
	assert_string_equal(capture_end(), "");
	does("COMMIT");
	assert_int_equal(store_trim(contract_store, 0, 0, 100), 20);
}

TEST(a_full_disk_stores_nothing_of_the_whole_call)
{
	struct message small = message_of(NULL, NULL, "small"), big = small;
	struct append a = { .messages = &small, .n = 1, .publisher = "p" };
	struct append b = { .messages = &big, .n = 1, .publisher = "p" };
	struct append *appends[] = { &a, &b };
	char *data = mem_zalloc(200001);
	char sql[64];

	memset(data, 'x', 200000);
	big.data = data;
	big.data_len = 200000;
	add(NULL, NULL, "before");
	/* The bound belongs to a connection: to the store's own. */
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %" PRId64, number("PRAGMA page_count"));
	assert_int_equal(sqlite3_exec(connection_newest, sql, NULL, NULL, NULL), SQLITE_OK);
	capture_begin();
	assert_int_equal(store_append(contract_store, appends, 2), STORE_FULL);
	assert_says(capture_end(), "a message cannot be stored: no room on the disk\n");
	holds(1);
	bounds_are(1, 1);
	/* What needs no more room is taken, and all is once there is some. */
	assert_int_equal(add(NULL, NULL, "small"), 2);
	assert_int_equal(sqlite3_exec(connection_newest, "PRAGMA max_page_count = 100000", NULL, NULL,
	    NULL), SQLITE_OK);
	assert_int_equal(store_append(contract_store, appends, 2), 0);
	holds(4);
	free(data);
}

TEST(a_table_that_is_gone_is_a_fault_that_is_logged)
{
	struct append *appends[] = { two_to_append() };
	struct store_bounds bounds;
	int64_t upto;

	does("DROP TABLE message");
	capture_begin();
	assert_int_equal(store_append(contract_store, appends, 1), -1);
	assert_says(capture_end(), "a message cannot be stored: no such table");
	capture_begin();
	assert_int_equal(store_bounds(contract_store, &bounds), -1);
	assert_says(capture_end(), "no such table");
	/* The same again is no news. */
	capture_begin();
	assert_int_equal(store_read(contract_store, 0, NULL, note_row, &seen, &bounds, &upto), -1);
	assert_string_equal(capture_end(), "");
	capture_begin();
	assert_int_equal(store_trim(contract_store, 1, 1, 1), -1);
	assert_says(capture_end(), "old messages cannot be deleted: no such table");
}

/* An application's trigger may refuse by any of SQLite's ways; ROLLBACK takes the whole
 * transaction along. Whichever it is, and wherever the offenders are: the others stand. */
TEST(a_trigger_refuses_its_own_append_and_no_other)
{
	enum { N = 40, N_SETS = 7 };
	static const char *const ways[] = { "ROLLBACK", "FAIL", "ABORT" };
	static const char *const sets[N_SETS] = { "i = 0", "i = 20", "i = 39", "i IN (0, 39)",
	    "i IN (5, 6, 7)", "i % 2 = 0", "1" };

	for (size_t w = 0; w < 3; w++)
		for (size_t k = 0; k < N_SETS; k++) {
			struct message messages[N];
			struct append appends[N], *all[N];
			char texts[N][16], sql[300];
			size_t n = 0;
			int64_t before = number("SELECT coalesce(max(id), 0) FROM message");

			snprintf(sql, sizeof(sql), "CREATE TRIGGER no AFTER INSERT ON message WHEN"
			    " (SELECT %s FROM (SELECT CAST(NEW.data AS INTEGER) AS i)) BEGIN"
			    " SELECT RAISE(%s, 'not this one'); END", sets[k], ways[w]);
			does(sql);
			for (int i = 0; i < N; i++) {
				snprintf(texts[i], sizeof(texts[i]), "%d", i);
				messages[i] = message_of(NULL, NULL, texts[i]);
				appends[i] = (struct append){ .messages = &messages[i], .n = 1, .publisher = "p" };
				all[i] = &appends[i];
			}
			capture_begin();
			assert_int_equal(store_append(contract_store, all, N), 0);
			assert_says(capture_end(), "refused a message: not this one");
			read_from(contract_store, before, NULL, 0);
			for (int i = 0; i < N; i++) {
				bool bad;

				snprintf(sql, sizeof(sql), "SELECT %s FROM (SELECT %d AS i)", sets[k], i);
				bad = number(sql) != 0;
				assert_int_equal(appends[i].refused, bad);
				assert_int_equal(appends[i].stored, !bad);
				if (!bad)
					assert_int_equal(messages[i].id, seen.ids[n++]);
			}
			assert_int_equal(seen.n, n);
			does("DROP TRIGGER no");
		}
}

static int n_statements;

static int
count_inserts(unsigned type, void *context, void *statement, void *text)
{
	(void)type;
	(void)context;
	(void)statement;
	n_statements += strncmp(text, "INSERT INTO message", 19) == 0;
	return 0;
}

TEST(refusals_that_end_the_transaction_cost_in_proportion)
{
	enum { N = 1000 };
	struct message messages[N];
	struct append appends[N], *all[N];

	does("CREATE TRIGGER no AFTER INSERT ON message WHEN NEW.user = 'bad' BEGIN"
	    " SELECT RAISE(ROLLBACK, 'not this one'); END");
	for (int i = 0; i < N; i++) {
		messages[i] = message_of(i % 10 == 9 ? "bad" : NULL, NULL, "x");
		appends[i] = (struct append){ .messages = &messages[i], .n = 1, .publisher = "p" };
		all[i] = &appends[i];
	}
	n_statements = 0;
	sqlite3_trace_v2(connection_newest, SQLITE_TRACE_STMT, count_inserts, NULL);
	capture_begin();
	assert_int_equal(store_append(contract_store, all, N), 0);
	capture_end();
	sqlite3_trace_v2(connection_newest, 0, NULL, NULL);
	holds(N - N / 10);
	assert_true(n_statements < 3 * N);
}

static _Atomic bool loader_has_it;
static _Atomic int n_loaded;

/* A bulk loader of short transactions has the lock nearly all the time, but lets go
 * of it often. */
static void *
load_in_bulk(void *arg)
{
	_Atomic bool *stop = arg;
	sqlite3 *db;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		return arg;
	sqlite3_busy_timeout(db, 10000);
	while (!atomic_load(stop)) {
		if (sqlite3_exec(db, "BEGIN IMMEDIATE; INSERT INTO message(data) VALUES('bulk')", NULL, NULL,
		    NULL) != SQLITE_OK)
			break;
		atomic_store(&loader_has_it, true);
		usleep(5000);
		atomic_store(&loader_has_it, false);
		sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
		atomic_fetch_add(&n_loaded, 1);
		usleep(150);
	}
	sqlite3_close(db);
	return NULL;
}

TEST(a_bulk_loader_of_short_transactions_keeps_nobody_out)
{
	_Atomic bool stop = false;
	pthread_t thread;
	mono_us worst = 0;
	void *failed;

	thread_start(&thread, "loader", load_in_bulk, &stop);
	for (int i = 0; i < 20; i++) {
		struct append *appends[] = { two_to_append() };
		mono_us began, took;
		int outcome, n_before;

		/* In the two seconds that we wait it lets go several hundred times, unless
		 * the machine is busy: that is no fault of ours. */
		do {
			while (!atomic_load(&loader_has_it))
				sched_yield();
			n_before = atomic_load(&n_loaded);
			began = clock_mono_us();
			outcome = store_append(contract_store, appends, 1);
		} while (outcome == STORE_BUSY && atomic_load(&n_loaded) - n_before < 250);
		assert_int_equal(outcome, 0);
		took = clock_mono_us() - began;
		if (took > worst)
			worst = took;
	}
	atomic_store(&stop, true);
	pthread_join(thread, &failed);
	assert_null(failed);
	print_message("# the longest wait was %d ms\n", (int)(worst / 1000));
}

TEST(a_probe_says_whether_a_commit_would_work_and_leaves_nothing)
{
	char sql[64];

	assert_int_equal(store_probe(contract_store, 0), 0);
	assert_int_equal(store_probe(contract_store, 100 << 20), 0);
	assert_int_equal(number("SELECT count(*) FROM rowcast_state WHERE room IS NULL"), 1);
	holds(0);
	does("PRAGMA incremental_vacuum; VACUUM; BEGIN IMMEDIATE");
	assert_int_equal(store_probe(contract_store, 0), STORE_BUSY);
	does("COMMIT");
	snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %" PRId64, number("PRAGMA page_count") + 2);
	assert_int_equal(sqlite3_exec(connection_newest, sql, NULL, NULL, NULL), SQLITE_OK);
	/* As much as was refused, or it would say that all is well. */
	assert_int_equal(store_probe(contract_store, 100000), STORE_FULL);
	assert_int_equal(store_probe(contract_store, 100), 0);
	assert_int_equal(number("SELECT count(*) FROM rowcast_state WHERE room IS NULL"), 1);
	unlink(file_of("-shm"));
	capture_begin();
	assert_int_equal(store_probe(contract_store, 100), STORE_REPLACED);
	capture_end();
}

/* ---- a store that is taken away ---- */

/* is_replaced: neither an append nor a read takes this for the store that was
 * opened, and each says so once. The rows that were stored before are read. */
static void
is_replaced(struct store *reader, size_t n_before, const char *sentence)
{
	struct append *appends[] = { two_to_append() };

	for (int i = 0; i < 2; i++) {
		const char *log;

		capture_begin();
		assert_int_equal(store_append(contract_store, appends, 1), STORE_REPLACED);
		log = capture_end();
		if (i == 0) {
			assert_says(log, path);
			assert_says(log, sentence);
		} else {
			assert_string_equal(log, "");
		}
		message_free(&seen.last);
		seen.n = seen.most = 0;
		capture_begin();
		store_wait(reader, contract_wake);
		assert_int_equal(store_read(reader, 0, NULL, note_row, &seen, &seen.bounds,
		    &seen.upto), STORE_REPLACED);
		log = capture_end();
		if (i == 0)
			assert_says(log, sentence);
		else
			assert_string_equal(log, "");
		assert_int_equal(seen.n, n_before);
		assert_int_equal(seen.upto, n_before);
	}
}

/* close_all closes what is open, as a program that ends does. */
static void
close_all(struct store *reader)
{
	store_close(reader);
	store_close(contract_store);
	contract_store = NULL;
	foreign_close();
}

/* n_rows_in asks a program that knows nothing of any of this. */
static int64_t
n_rows_in(const char *name)
{
	int64_t n;

	assert_int_equal(sqlite3_open(name, &foreign), SQLITE_OK);
	n = number("SELECT count(*) FROM message");
	assert_int_equal(number("SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
	foreign_close();
	return n;
}

TEST(a_deleted_file_takes_no_more_messages)
{
	struct store *reader = open_as(STORE_READER);

	add_many(3, EXPIRY_NEVER);
	assert_int_equal(unlink(path), 0);
	is_replaced(reader, 3, "was deleted, moved or replaced while it was open");
	close_all(reader);
	/* What has the name next begins from nothing. */
	contract_store = open_as(STORE_OWNER);
	foreign_open();
	bounds_are(1, 0);
	assert_int_equal(add(NULL, NULL, "new"), 1);
}

TEST(a_file_that_is_moved_away_takes_its_last_messages_along)
{
	const char *moved = capture_file("moved.db", "", 0, 0600);
	struct store *reader = open_as(STORE_READER);
	struct stat st;

	add_many(3, EXPIRY_NEVER);
	assert_int_equal(rename(path, moved), 0);
	is_replaced(reader, 3, "was deleted, moved or replaced while it was open");
	close_all(reader);
	assert_int_equal(stat(file_of("-wal"), &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(n_rows_in(moved), 3);
	foreign_open();
}

static void *
move_away(void *moved)
{
	return rename(path, moved) == 0 ? NULL : moved;
}

TEST(a_file_that_is_moved_between_two_looks_is_no_link_that_was_turned)
{
	char *moved = mem_strdup(capture_file("moved.db", "", 0, 0600));

	for (int i = 0; i < 200; i++) {
		enum place_change change;
		pthread_t thread;
		void *failed;

		assert_int_equal(pthread_create(&thread, NULL, move_away, moved), 0);
		while ((change = place_look(contract_store)) == PLACE_SAME)
			;
		pthread_join(thread, &failed);
		assert_null(failed);
		assert_int_equal(change, PLACE_MOVED);
		assert_int_equal(rename(moved, path), 0);
		assert_int_equal(place_look(contract_store), PLACE_SAME);
	}
	free(moved);
}

TEST(another_file_in_its_place_is_left_as_it_is)
{
	const char *other = capture_file("other.db", "", 0, 0600);
	struct store *reader = open_as(STORE_READER);
	struct content before, after;
	char sql[256];

	add_many(3, EXPIRY_NEVER);
	unlink(other);
	does("INSERT INTO message(data) VALUES('four')");
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", other);
	does(sql);
	add_many(3, EXPIRY_NEVER);
	before = content_of(other);
	assert_int_equal(rename(other, path), 0);
	is_replaced(reader, 7, "was deleted, moved or replaced while it was open");
	close_all(reader);
	after = content_of(path);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.bytes, before.bytes, before.len);
	free(before.bytes);
	free(after.bytes);
	/* Nothing of the old one's -wal comes over it. */
	assert_int_equal(n_rows_in(path), 4);
	contract_store = open_as(STORE_OWNER);
	foreign_open();
	assert_int_equal(add(NULL, NULL, "five"), 5);
}

TEST(without_its_wal_a_store_takes_no_more_messages_and_keeps_those_it_has)
{
	struct store *reader = open_as(STORE_READER);

	add_many(3, EXPIRY_NEVER);
	assert_int_equal(unlink(file_of("-wal")), 0);
	is_replaced(reader, 3, "had its -wal deleted or replaced while it was open");
	close_all(reader);
	assert_int_equal(n_rows_in(path), 3);
	foreign_open();
}

/* restore puts the content of another file into this one, as .restore does: the
 * file stays, and so do those who have it open. */
static void
restore(const char *from)
{
	sqlite3_backup *backup;
	sqlite3 *source;

	assert_int_equal(sqlite3_open(from, &source), SQLITE_OK);
	backup = sqlite3_backup_init(foreign, "main", source, "main");
	assert_non_null(backup);
	assert_int_equal(sqlite3_backup_step(backup, -1), SQLITE_DONE);
	assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
	sqlite3_close(source);
}

TEST(a_backup_restored_in_place_is_noticed_by_its_ids)
{
	const char *backup = capture_file("backup.db", "", 0, 0600);
	struct store *reader = open_as(STORE_READER);
	char sql[256];
	int64_t upto;

	add_many(3, EXPIRY_NEVER);
	unlink(backup);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", backup);
	does(sql);
	add_many(3, EXPIRY_NEVER);
	read_from(reader, 0, NULL, 0);
	assert_int_equal(seen.n, 6);
	restore(backup);
	capture_begin();
	store_wait(reader, contract_wake);
	assert_int_equal(store_read(reader, 6, NULL, note_row, &seen, &seen.bounds, &upto),
	    STORE_REPLACED);
	assert_says(capture_end(), "got an older state, from a backup perhaps, while it was open");
	assert_int_equal(upto, 6);
	store_close(reader);
	holds(3);
}

TEST(what_sqlite_does_with_its_files_by_itself_replaces_nothing)
{
	static const char *const statements[] = { "PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM",
	    "REINDEX", "PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(RESTART)" };
	struct store *reader = open_as(STORE_READER);

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		does(statements[i]);
		add(NULL, NULL, "own");
		does("INSERT INTO message(data) VALUES('foreign')");
		store_wait(reader, contract_wake);
		read_from(reader, 0, NULL, 0);
		assert_int_equal(seen.n, 2 * (i + 1));
		foreign_close();
		foreign_open();
	}
	/* Nobody can take the -wal away from those who have the file open. */
	is_told("PRAGMA journal_mode = DELETE", "locked");
	store_close(reader);
}

static void
is_not_opened(const char *name, enum store_access access, const char *why)
{
	capture_begin();
	assert_null(store_open(name, access));
	assert_says(capture_end(), why);
}

/* ---- which file it is ---- */

/* A program of its own that has the file open: SQLite's locks are between processes. */
struct program {
	pid_t pid;
	FILE *in, *out;
};

/* program_says runs SQL in it and returns the last line of what it prints, errors too;
 * good until the next call. */
static const char *
program_says(struct program *p, const char *sql)
{
	static char last[256];
	char line[256];

	fprintf(p->in, "%s;\n.print =\n", sql);
	fflush(p->in);
	last[0] = '\0';
	while (fgets(line, sizeof(line), p->out) != NULL && strcmp(line, "=\n") != 0)
		snprintf(last, sizeof(last), "%s", line);
	last[strcspn(last, "\n")] = '\0';
	return last;
}

static struct program
program_start(const char *file)
{
	union { const char *lent; char *text; } words[] = { { "sqlite3" }, { "-cmd" },
	    { ".timeout 10000" }, { file } };
	char *argv[] = { words[0].text, words[1].text, words[2].text, words[3].text, NULL };
	posix_spawn_file_actions_t actions;
	struct program p;
	int in[2], out[2], rc;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
	rc = posix_spawnp(&p.pid, "sqlite3", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	p.in = fdopen(in[1], "w");
	p.out = fdopen(out[0], "r");
	if (rc == ENOENT) {
		fclose(p.in);
		fclose(p.out);
		print_message("# the sqlite3 shell is missing: apt-get install sqlite3\n");
		skip();
	}
	assert_int_equal(rc, 0);
	return p;
}

static void
program_end(struct program *p)
{
	int status;

	fclose(p->in);
	fclose(p->out);
	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
}

static const char *
name_of(const char *file)
{
	static char name[256];

	snprintf(name, sizeof(name), "sqlite:%s", file);
	return name;
}

TEST(a_file_with_a_second_name_is_refused)
{
	static const char *const suffixes[] = { "", "-wal" };
	struct store_look look;
	char second[160];

	add(NULL, NULL, "a");
	snprintf(second, sizeof(second), "%s.second", path);
	for (size_t i = 0; i < 2; i++) {
		unlink(second);
		assert_int_equal(link(file_of(suffixes[i]), second), 0);
		is_not_opened(contract_name, STORE_OWNER, "has a second name (a hard link)");
		is_not_opened(contract_name, STORE_READER, "has a second name (a hard link)");
		if (i == 0)
			is_not_opened(name_of(second), STORE_OWNER, "has a second name (a hard link)");
		capture_begin();
		assert_int_equal(store_look(contract_name, STORE_OWNER, &look), -1);
		assert_says(capture_end(), "has a second name (a hard link)");
	}
	unlink(second);
	store_close(open_as(STORE_READER));
}

/* In a child with mounts of its own. */
static void
open_what_is_mounted(void)
{
	char other[160];

	snprintf(other, sizeof(other), "%s.mounted", path);
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
	    || mount(path, other, NULL, MS_BIND, NULL) != 0) {
		fputs("is mounted by itself: not tried, only root may mount\n", stderr);
		leave(0);
	}
	if (store_open(name_of(other), STORE_READER) != NULL)
		leave(1);
	/* The same file under its own name is as ever. */
	if (store_open(name_of(path), STORE_READER) == NULL)
		leave(2);
}

TEST(a_file_that_is_mounted_by_itself_is_refused)
{
	add(NULL, NULL, "a");
	ends(open_what_is_mounted, 0, "is mounted by itself");
	unlink(file_of(".mounted"));
}

TEST(links_of_files_and_folders_are_followed)
{
	char folder[160], by_folder[200], by_file[160];
	struct store *reader;

	snprintf(folder, sizeof(folder), "%s.folder", path);
	snprintf(by_file, sizeof(by_file), "%s.link", path);
	snprintf(by_folder, sizeof(by_folder), "%s/%s", folder, strrchr(path, '/') + 1);
	assert_int_equal(symlink(dirname(strdupa(path)), folder), 0);
	assert_int_equal(symlink(path, by_file), 0);
	for (int i = 0; i < 2; i++) {
		contract_name = name_of(i == 0 ? by_folder : by_file);
		reader = open_as(STORE_READER);
		read_from(reader, 0, NULL, 0);
		store_wait(reader, contract_wake);  /* returns for what was there */
		for (int k = 0; k < 3; k++) {
			mono_us began;
			int64_t id = add(NULL, NULL, "own");

			wait_until(reader, id - 1);
			began = clock_mono_us();
			does("INSERT INTO message(data) VALUES('foreign')");
			wait_until(reader, id);
			assert_int_equal(seen.ids[0], id + 1);
			print_message("# by a link: %d us\n", (int)(clock_mono_us() - began));
		}
		store_close(reader);
	}
	contract_name = name_of(path);
	unlink(folder);
	unlink(by_file);
}

/* by_link opens the store by a link, and leaves in `link` its name. */
static void
by_link(char link[160])
{
	store_close(contract_store);
	snprintf(link, 160, "%s.link", path);
	unlink(link);
	assert_int_equal(symlink(path, link), 0);
	contract_store = store_open(name_of(link), STORE_OWNER);
	assert_non_null(contract_store);
}

TEST(a_link_that_is_turned_takes_no_more_messages)
{
	const char *other = capture_file("other.db", "", 0, 0600);
	char link[160], turned[170];
	struct store *reader;

	by_link(link);
	reader = store_open(name_of(link), STORE_READER);
	add_many(3, EXPIRY_NEVER);
	does("INSERT INTO message(data) VALUES('four')");
	snprintf(turned, sizeof(turned), "%s.new", link);
	assert_int_equal(symlink(other, turned), 0);
	assert_int_equal(rename(turned, link), 0);
	is_replaced(reader, 4, "became the name of another file (a link was turned) while it was open");
	/* Who still has the old one goes on with it. */
	does("INSERT INTO message(data) VALUES('five')");
	close_all(reader);
	assert_int_equal(n_rows_in(path), 5);
	unlink(link);
	foreign_open();
}

/* The others' new -shm knows nothing of ours: written back over theirs, their rows
 * would be lost. */
TEST(without_its_shm_a_store_overwrites_nothing)
{
	for (int close_first = 0; close_first < 2; close_first++) {
		struct program other;
		struct store *reader;

		if (close_first)
			foreign_open();
		begin_anew();
		contract_store = open_as(STORE_OWNER);
		reader = open_as(STORE_READER);
		add_many(3, EXPIRY_NEVER);
		assert_int_equal(unlink(file_of("-shm")), 0);
		other = program_start(path);
		assert_string_equal(program_says(&other, "SELECT count(*) FROM message"), "3");
		program_says(&other, "INSERT INTO message(data) VALUES('theirs')");
		is_replaced(reader, 3, "had its -shm deleted or replaced while it was open");
		if (close_first)
			program_end(&other);
		/* This test's own connection has the old -shm too, and is no part of the store. */
		sqlite3_db_config(foreign, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
		close_all(reader);
		if (!close_first) {
			program_says(&other, "INSERT INTO message(data) VALUES('theirs')");
			assert_string_equal(program_says(&other, "SELECT max(id) FROM message"), "5");
			assert_string_equal(program_says(&other, "PRAGMA integrity_check"), "ok");
			program_end(&other);
		}
		assert_int_equal(n_rows_in(path), close_first ? 4 : 5);
	}
	foreign_open();
}

TEST(without_its_wal_a_store_leaves_the_one_that_another_program_made)
{
	struct store *reader = open_as(STORE_READER);
	struct content before, after;
	const char *log;

	add_many(3, EXPIRY_NEVER);
	assert_int_equal(unlink(file_of("-wal")), 0);
	assert_int_equal(rename(capture_file("wal", "theirs, whatever it is", 22, 0600), file_of("-wal")), 0);
	before = content_of(path);
	is_replaced(reader, 3, "had its -wal deleted or replaced while it was open");
	sqlite3_db_config(foreign, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	capture_begin();
	close_all(reader);
	log = capture_end();
	assert_says(log, "another program works with files that came later");
	after = content_of(path);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.bytes, before.bytes, before.len);
	free(before.bytes);
	free(after.bytes);
	after = content_of(file_of("-wal"));
	assert_int_equal(after.len, 22);
	free(after.bytes);
	unlink(file_of("-wal"));
	foreign_open();
}

/* Another program has opened the new file with our -wal before we noticed. */
TEST(another_file_that_is_in_use_is_left_alone)
{
	const char *other = capture_file("other.db", "", 0, 0600);
	struct store *reader = open_as(STORE_READER);
	struct content before, after;
	struct program program;
	char sql[256];

	add_many(3, EXPIRY_NEVER);
	unlink(other);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", other);
	does(sql);
	assert_int_equal(rename(other, path), 0);
	program = program_start(path);
	program_says(&program, "PRAGMA journal_mode; SELECT count(*) FROM message");
	before = content_of(file_of("-wal"));
	is_replaced(reader, 3, "was deleted, moved or replaced while it was open");
	sqlite3_db_config(foreign, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	capture_begin();
	close_all(reader);
	assert_says(capture_end(), "another program works with files that came later");
	after = content_of(file_of("-wal"));
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.bytes, before.bytes, before.len);
	free(before.bytes);
	free(after.bytes);
	program_end(&program);
	foreign_open();
}

TEST(a_folder_that_is_renamed_takes_its_last_messages_along)
{
	char folder[160], renamed[170], file[200], moved[200];
	struct store *reader;

	snprintf(folder, sizeof(folder), "%s.folder", path);
	snprintf(renamed, sizeof(renamed), "%s.renamed", folder);
	snprintf(file, sizeof(file), "%s/r.db", folder);
	snprintf(moved, sizeof(moved), "%s/r.db", renamed);
	assert_int_equal(mkdir(folder, 0700), 0);
	store_close(contract_store);
	contract_store = store_open(name_of(file), STORE_OWNER);
	reader = store_open(name_of(file), STORE_READER);
	add_many(3, EXPIRY_NEVER);
	assert_int_equal(rename(folder, renamed), 0);
	is_replaced(reader, 3, "was deleted, moved or replaced while it was open");
	close_all(reader);
	assert_int_equal(n_rows_in(moved), 3);
	unlink(moved);
	strcat(moved, "-wal");
	unlink(moved);
	memcpy(strrchr(moved, '-'), "-shm", 5);
	unlink(moved);
	assert_int_equal(rmdir(renamed), 0);
	foreign_open();
}

/* modes_are: of the file and what lies beside it. */
static void
modes_are(const char *file, mode_t mode)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < 3; i++) {
		char name[200];
		struct stat st;

		snprintf(name, sizeof(name), "%s%s", file, suffixes[i]);
		assert_int_equal(stat(name, &st), 0);
		assert_int_equal(st.st_mode & 07777, mode);
	}
}

TEST(a_new_file_is_for_its_owner_and_group_whatever_the_umask)
{
	static const mode_t masks[] = { 0, 022, 027, 077, 0777 };
	char link[160];

	snprintf(link, sizeof(link), "%s.link", path);
	for (size_t i = 0; i < 2 * sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t before;

		store_close(contract_store);
		foreign_close();
		new_file();
		unlink(path);
		unlink(link);
		assert_int_equal(symlink(path, link), 0);
		before = umask(masks[i / 2]);
		/* By a link that leads nowhere yet, too. */
		contract_store = store_open(name_of(i % 2 ? link : path), STORE_OWNER);
		umask(before);
		assert_non_null(contract_store);
		modes_are(path, 0660);
		foreign_open();
	}
	store_close(contract_store);
	contract_store = NULL;
	unlink(link);
}

/* One that is there keeps the mode that somebody gave it. */
TEST(a_file_that_is_there_keeps_its_mode)
{
	store_close(contract_store);
	assert_int_equal(chmod(path, 0640), 0);
	contract_store = store_open(name_of(path), STORE_OWNER);
	assert_non_null(contract_store);
	modes_are(path, 0640);
}

static void
open_as_nobody(void)
{
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		abort();
	if (store_open(contract_name, STORE_OWNER) != NULL)
		leave(1);
}

TEST(a_file_that_cannot_be_written_is_refused_with_whose_it_is)
{
	char folder[160];

	foreign_close();
	store_close(contract_store);
	contract_store = NULL;
	assert_int_equal(chmod(path, 0444), 0);
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (geteuid() == 0) {
		assert_int_equal(chmod(folder, 0711), 0);
		ends(open_as_nobody, 0, ": cannot be read and written: Permission denied: it belongs to"
		    " root:root with mode 0444, and this is nobody: `chgrp nogroup /");
		assert_int_equal(chmod(folder, 0700), 0);
	} else {
		is_not_opened(contract_name, STORE_OWNER, ": cannot be read and written: Permission denied: it belongs to ");
	}
	assert_int_equal(chmod(path, 0600), 0);
	foreign_open();
}

/* opens_in_vain: nobody, who is in this group alone, opens it for that, and hears these
 * words. */
static struct {
	enum store_access access;
	gid_t group;
} attempt;

static void
open_in_vain(void)
{
	if (setgroups(0, NULL) < 0 || setgid(attempt.group) < 0 || setuid(65534) < 0)
		abort();
	if (store_open(contract_name, attempt.access) != NULL)
		leave(1);
}

static void
opens_in_vain(enum store_access access, gid_t group, const char *words)
{
	attempt.access = access;
	attempt.group = group;
	ends(open_in_vain, 0, words);
}

static void
let(const char *name, gid_t group, mode_t mode)
{
	assert_int_equal(chown(name, 0, group), 0);
	assert_int_equal(chmod(name, mode), 0);
}

TEST(what_is_in_the_way_of_another_user_is_told_with_the_command_that_helps)
{
	static const enum store_access all[] = { STORE_OWNER, STORE_COPY, STORE_READER };
	const gid_t ours = 12345;
	char folder[160];

	if (geteuid() != 0)
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	for (size_t i = 0; i < 3; i++) {
		/* While the store is open here, with its -wal and -shm. */
		let(folder, ours, 02770);
		opens_in_vain(all[i], 65534, " cannot be entered: Permission denied: it belongs to root:12345"
		    " with mode 2770, and this is nobody: `usermod -aG 12345 nobody`, and log in again\n");
		let(folder, 0, 0711);
		let(path, ours, 0660);
		opens_in_vain(all[i], 65534, "store.db: cannot be read");
		opens_in_vain(all[i], 65534, ": it belongs to root:12345 with mode 0660, and this is nobody:"
		    " `usermod -aG 12345 nobody`, and log in again\n");
		let(path, ours, 0600);
		opens_in_vain(all[i], ours, all[i] == STORE_READER ? ": `chmod g+r /" : ": `chmod g+rw /");
		opens_in_vain(all[i], ours, "store.db*`\n");
		let(path, ours, 0660);
		let(file_of("-wal"), 0, 0600);
		opens_in_vain(all[i], ours, "store.db-wal: cannot be read");
		let(file_of("-wal"), ours, 0660);
		let(file_of("-shm"), ours, 0660);
	}
	/* Nobody has it open: they would have to be made. */
	foreign_close();
	store_close(contract_store);
	contract_store = NULL;
	for (size_t i = 0; i < 3; i++) {
		opens_in_vain(all[i], ours, " cannot be written: Permission denied: it belongs to root:root with"
		    " mode 0711, and this is nobody: `chgrp 12345 /");
		opens_in_vain(all[i], ours, " (SQLite makes and deletes files beside the database)\n");
	}
	let(path, 0, 0600);
	let(folder, 0, 0700);
	foreign_open();
}

/* Who publishes while the store is open elsewhere need not be able to write the folder. */
static void
publish_as_nobody(void)
{
	struct message message = { .data = (char []){ "x" }, .data_len = 1 };
	struct append append = { .messages = &message, .n = 1, .publisher = "" };
	struct append *appends[] = { &append };
	struct store *store;

	if (setgroups(0, NULL) < 0 || setgid(12345) < 0 || setuid(65534) < 0)
		abort();
	store = store_open(contract_name, STORE_OWNER);
	if (store == NULL || store_append(store, appends, 1) != 0)
		leave(1);
	store_close(store);
}

TEST(who_may_write_the_files_publishes_while_another_has_them_open)
{
	char folder[160];

	if (geteuid() != 0)
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	let(folder, 0, 0711);
	let(path, 12345, 0660);
	let(file_of("-wal"), 12345, 0660);
	let(file_of("-shm"), 12345, 0660);
	ends(publish_as_nobody, 0, "");
	holds(1);
	let(folder, 0, 0700);
}

TEST(a_look_says_what_there_is)
{
	struct store_look look;
	char folder[160];

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	for (int i = 0; i < 3; i++)
		add(NULL, NULL, "a");
	does("DELETE FROM message WHERE id = 2");
	assert_int_equal(chmod(folder, 02770), 0);
	assert_int_equal(store_look(contract_name, STORE_OWNER, &look), 0);
	assert_true(look.exists);
	assert_false(look.has_unread);
	assert_int_equal(look.n_rows, 2);
	assert_int_equal(look.bounds.oldest, 1);
	assert_int_equal(look.bounds.newest, 3);
	assert_int_equal(look.version, look.version_made);
	assert_true(look.bytes.db > 0 && look.bytes.wal > 0);
	assert_null(look.network);
	assert_string_equal(look.folder, folder);
	assert_true(look.is_shared && look.hands_group_on);
	assert_int_equal(chmod(folder, 0770), 0);
	assert_int_equal(store_look(contract_name, STORE_OWNER, &look), 0);
	assert_true(look.is_shared && !look.hands_group_on);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(store_look(contract_name, STORE_OWNER, &look), 0);
	assert_false(look.is_shared);
	foreign_close();
	store_close(contract_store);
	contract_store = NULL;
	assert_int_equal(store_look(new_file(), STORE_OWNER, &look), 0);
	assert_true(look.exists);
	assert_int_equal(look.version, 0);
	unlink(path);
	assert_int_equal(store_look(contract_name, STORE_OWNER, &look), 0);
	assert_false(look.exists);
	foreign_open();
}

/* ---- retention by age ---- */

/* add_rows adds n rows by one statement of the other program, dated by that SQL. */
static void
add_rows(int n, const char *created_at)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < %d) INSERT INTO message(data, created_at) SELECT 'x', %s FROM n",
	    n, created_at);
	does(sql);
}

TEST(rows_older_than_the_bound_go_from_the_oldest_on)
{
	for (int age = 90; age > 0; age -= 10) {
		char sql[128];

		snprintf(sql, sizeof(sql), "INSERT INTO message(data, created_at)"
		    " VALUES('x', strftime('%%s', 'now') - %d)", age * 1000);
		does(sql);
	}
	assert_int_equal(store_trim(contract_store, 100000, 0, 100), 0);
	assert_int_equal(store_trim(contract_store, 65000, 0, 2), 2);
	assert_int_equal(store_trim(contract_store, 65000, 0, 2), 1);
	assert_int_equal(store_trim(contract_store, 65000, 0, 2), 0);
	bounds_are(4, 9);
	assert_int_equal(store_trim(contract_store, 45000, 0, 100), 2);
	bounds_are(6, 9);
	assert_int_equal(store_trim(contract_store, 5000, 0, 100), 4);
	bounds_are(10, 9);
}

TEST(rows_erased_by_hand_are_not_trimmed)
{
	add_rows(10, "strftime('%s', 'now')");
	does("DELETE FROM message WHERE id < 6");
	trimmed_is(0);
	does("UPDATE message SET created_at = 1 WHERE id = 6");
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 1);
	trimmed_is(6);
	does("DELETE FROM message");
	trimmed_is(6);
	bounds_are(11, 10);
}

/* A gap in the middle would be one that no cursor shows. */
TEST(an_old_row_behind_a_younger_one_stays)
{
	does("INSERT INTO message(data, created_at) VALUES('a', 1), ('b', strftime('%s', 'now')),"
	    " ('c', 1), ('d', 1)");
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 1);
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 0);
	bounds_are(2, 4);
	holds(3);
}

/* A clock ran ahead for a while: what came then has no age that could be known. */
TEST(a_row_dated_in_the_future_goes_with_the_next_that_is_not)
{
	does("INSERT INTO message(data, created_at) VALUES('a', 1), ('b', 4102444800), ('c', 1),"
	    " ('d', 4102444800), ('e', strftime('%s', 'now')), ('f', 4102444800), ('g', 1)");
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 3);
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 0);
	bounds_are(4, 7);
	does("UPDATE message SET created_at = 1 WHERE data = 'e'");
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 4);
	bounds_are(8, 7);
}

TEST(a_long_run_of_rows_dated_in_the_future_is_passed_over_in_slices)
{
	int n, slices = 0;

	add_rows(250, "4102444800");
	does("INSERT INTO message(data, created_at) VALUES('a', 1), ('b', strftime('%s', 'now'))");
	while ((n = store_trim(contract_store, 1000, 0, 100)) == 0 && slices < 10)
		slices++;
	assert_int_equal(slices, 2);
	assert_int_equal(n, 100);
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 100);
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 51);
	assert_int_equal(store_trim(contract_store, 1000, 0, 100), 0);
	bounds_are(252, 252);
}

/* What a machine without a battery does before it has asked for the time. */
TEST(where_every_row_is_dated_in_the_future_nothing_goes)
{
	add_rows(50, "4102444800");
	for (int i = 0; i < 10; i++)
		assert_int_equal(store_trim(contract_store, 1000, 0, 20), 0);
	/* And when the clock is right again, all is as ever. */
	does("UPDATE message SET created_at = CASE WHEN id <= 30 THEN 1"
	    " ELSE strftime('%s', 'now') END");
	assert_int_equal(store_trim(contract_store, 1000, 0, 20), 20);
	assert_int_equal(store_trim(contract_store, 1000, 0, 20), 10);
	bounds_are(31, 50);
}

/* As one may stand that is from before the table refused it. */
TEST(a_row_dated_in_1970_takes_no_younger_one_with_it)
{
	does("INSERT INTO message(data) VALUES('young')");
	does("DROP TRIGGER message_new");
	does("INSERT INTO message(data, created_at) VALUES('x', 0), ('y', -5), ('z', 1)");
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_trim(contract_store, 1000, 0, 100), 0);
	bounds_are(1, 4);
}

TEST(many_rows_too_many_go_as_fast_as_they_are_asked_for)
{
	add_rows(25000, "strftime('%s', 'now')");
	for (int i = 0; i < 8; i++)
		assert_int_equal(store_trim(contract_store, 0, 1000, 3000), 3000);
	assert_int_equal(store_trim(contract_store, 0, 1000, 3000), 0);
	bounds_are(24001, 25000);
}

TEST(whichever_bound_is_reached_first_counts)
{
	does("INSERT INTO message(data, created_at) VALUES('a', 1), ('b', 1), ('c', 1)");
	add_many(20, EXPIRY_NEVER);
	add_many(10, EXPIRY_AT(1));
	assert_int_equal(store_trim(contract_store, 1000, 10, 100), 23);
	bounds_are(14, 33);
	holds(10);
}

TEST(one_slice_is_shared_by_expiry_age_and_number)
{
	does("INSERT INTO message(data, created_at) VALUES('a', 1), ('b', 1), ('c', 1)");
	add_many(4, EXPIRY_NEVER);
	add_many(3, EXPIRY_AT(1));
	assert_int_equal(store_trim(contract_store, 1000, 2, 2), 2);
	assert_int_equal(store_trim(contract_store, 1000, 2, 2), 2);
	assert_int_equal(store_trim(contract_store, 1000, 2, 2), 2);
	assert_int_equal(store_trim(contract_store, 1000, 2, 2), 2);
	assert_int_equal(store_trim(contract_store, 1000, 2, 2), 0);
	bounds_are(6, 10);
	holds(2);
}

/* ---- files that were there before ---- */

/* refuses: the file at path is not opened, for this reason, and not touched. */
static void
refuses(enum store_access access, const char *why)
{
	struct content before = content_of(path), after;
	char name[160];

	snprintf(name, sizeof(name), "sqlite:%s", path);
	capture_begin();
	assert_null(store_open(name, access));
	assert_says(capture_end(), why);
	after = content_of(path);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.bytes, before.bytes, before.len);
	free(before.bytes);
	free(after.bytes);
}

TEST(a_newer_schema_is_refused)
{
	new_file();
	foreign_open();
	does("CREATE TABLE rowcast_schema(version INTEGER NOT NULL);"
	    "INSERT INTO rowcast_schema VALUES(1), (99)");
	foreign_close();
	refuses(STORE_OWNER, "its schema has version 99, this rowcast knows up to 6:"
	    " use a newer rowcast\n");
	refuses(STORE_READER, "its schema has version 99");
}

TEST(a_newer_file_of_our_own_is_refused)
{
	store_close(store_open(new_file(), STORE_OWNER));
	foreign_open();
	does("PRAGMA user_version = 99");
	foreign_close();
	refuses(STORE_OWNER, "its schema has version 99, this rowcast knows up to 6:"
	    " use a newer rowcast\n");
	refuses(STORE_READER, "its schema has version 99");
}

TEST(another_program_s_message_table_is_refused_and_left_alone)
{
	new_file();
	foreign_open();
	does("CREATE TABLE message(id INTEGER PRIMARY KEY, body TEXT);"
	    "INSERT INTO message(body) VALUES('theirs')");
	foreign_close();
	refuses(STORE_OWNER, "has a table named message that is not rowcast's: choose another file\n");
	refuses(STORE_READER, "has a table named message that is not rowcast's");
	foreign_open();
	assert_int_equal(number("SELECT count(*) FROM sqlite_schema"), 1);
	assert_int_equal(number("SELECT count(*) FROM message WHERE body = 'theirs'"), 1);
	foreign_close();
}

TEST(a_file_that_is_no_database_is_refused_and_left_alone)
{
	static const char short_text[] = "just a note\n";
	char *long_text = mem_alloc(10000);

	memset(long_text, 'x', 10000);
	new_file();
	capture_file("store.db", short_text, strlen(short_text), 0600);
	refuses(STORE_OWNER, "file is not a database");
	refuses(STORE_READER, "file is not a database");
	capture_file("store.db", long_text, 10000, 0600);
	refuses(STORE_OWNER, "file is not a database");
	refuses(STORE_READER, "file is not a database");
	free(long_text);
}

TEST(without_its_folder_or_its_scheme_a_store_is_refused)
{
	is_not_opened("sqlite:/nowhere/at/all/rowcast.db", STORE_OWNER, "error: store:"
	    " /nowhere/at/all/rowcast.db: its folder /nowhere/at/all: No such file or directory\n");
	is_not_opened("sqlite:/", STORE_OWNER, "error: store: /: / is not a regular file\n");
	is_not_opened("/some/path", STORE_OWNER, "error: store: /some/path: must begin with sqlite:\n");
	is_not_opened("", STORE_OWNER, "must begin with sqlite:\n");
}

TEST(a_reader_creates_nothing)
{
	const char *name = new_file();
	struct stat st;

	is_not_opened(name, STORE_READER, "holds no messages yet: start `rowcast serve` first\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	unlink(path);
	is_not_opened(name, STORE_READER, "there is none yet: start `rowcast serve` first\n");
	assert_int_equal(stat(path, &st), -1);
}

TEST(a_new_file_is_marked_as_ours)
{
	assert_int_equal(number("PRAGMA application_id"), 0x726f7763);
	assert_int_equal(number("PRAGMA user_version"), 6);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 6);
	assert_int_equal(number("SELECT 'wal' = journal_mode FROM pragma_journal_mode"), 1);
}

TEST(a_file_opened_again_is_made_only_once)
{
	int64_t n = number("SELECT count(*) FROM sqlite_schema");

	add(NULL, NULL, "a");
	for (int i = 0; i < 3; i++)
		store_close(open_as(STORE_OWNER));
	assert_int_equal(number("SELECT count(*) FROM sqlite_schema"), n);
	assert_int_equal(number("SELECT count(*) FROM rowcast_schema"), 1);
	holds(1);
}

static void *
open_it(void *arg)
{
	struct store *store = open_beside_others(contract_name, STORE_OWNER);

	if (store == NULL)
		return arg;
	store_close(store);
	return NULL;
}

TEST(those_who_start_at_once_make_the_schema_once)
{
	enum { N = 6 };
	pthread_t threads[N];
	int n_failed = 0;

	for (int round = 0; round < 10; round++) {
		contract_name = new_file();
		capture_begin();
		for (int i = 0; i < N; i++)
			thread_start(&threads[i], "opener", open_it, &threads[i]);
		for (int i = 0; i < N; i++) {
			void *failed;

			pthread_join(threads[i], &failed);
			n_failed += failed != NULL;
		}
		says_locked_only(capture_end());
		assert_int_equal(n_failed, 0);
		foreign_open();
		assert_int_equal(number("SELECT count(*) FROM rowcast_schema"), 1);
		foreign_close();
	}
}

/* begin_in_application_file leaves an application's own file, with our tables. */
static void
begin_in_application_file(void)
{
	begin_anew();
	does("PRAGMA user_version = 7; PRAGMA application_id = 1234;"
	    "CREATE TABLE orders(id INTEGER PRIMARY KEY, user TEXT, state TEXT)");
	contract_store = open_as(STORE_OWNER);
}

TEST(an_application_s_file_gets_our_tables_and_keeps_its_marks)
{
	begin_in_application_file();
	assert_int_equal(number("PRAGMA user_version"), 7);
	assert_int_equal(number("PRAGMA application_id"), 1234);
	assert_int_equal(number("SELECT count(*) FROM orders"), 0);
	add(NULL, NULL, "a");
	does("PRAGMA user_version = 8000");
	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	holds(1);
	assert_int_equal(number("PRAGMA user_version"), 8000);
}

TEST(an_application_s_marks_are_kept_even_before_its_first_table)
{
	begin_anew();
	does("PRAGMA user_version = 7");
	contract_store = open_as(STORE_OWNER);
	assert_int_equal(number("PRAGMA user_version"), 7);
	assert_int_equal(number("PRAGMA application_id"), 0);
}

#define PUBLISH_ORDERS \
	"CREATE TRIGGER order_news AFTER UPDATE OF state ON orders BEGIN" \
	" INSERT INTO message(user, topic, data) VALUES(NEW.user, 'orders', NEW.state); END"

TEST(a_trigger_on_the_application_s_table_publishes_with_its_transaction)
{
	begin_in_application_file();
	does(PUBLISH_ORDERS);
	does("INSERT INTO orders VALUES(1, '42', 'new')");
	does("BEGIN");
	does("UPDATE orders SET state = 'paid'");
	holds(0);
	does("ROLLBACK");
	holds(0);
	bounds_are(1, 0);
	does("BEGIN");
	does("UPDATE orders SET state = 'paid'");
	does("UPDATE orders SET state = 'sent'");
	holds(0);
	does("COMMIT");
	wait_until(contract_store, 0);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.last.user, "42");
	assert_string_equal(seen.last.topic, "orders");
	assert_string_equal(seen.last.data, "sent");
}

TEST(a_message_the_table_refuses_takes_the_application_s_statement_with_it)
{
	begin_in_application_file();
	does(PUBLISH_ORDERS);
	does("INSERT INTO orders VALUES(1, '42', 'new')");
	is_told("UPDATE orders SET state = x'00'", "data must be text without U+0000");
	assert_int_equal(number("SELECT count(*) FROM orders WHERE state = 'new'"), 1);
	holds(0);
}

TEST(an_application_s_trigger_on_our_table_does_not_confuse_ids)
{
	struct message m = message_with_key("k", "a");

	begin_in_application_file();
	does("CREATE TRIGGER copy AFTER INSERT ON message BEGIN"
	    " INSERT INTO orders(id, state) VALUES(NEW.id + 1000, NEW.data); END");
	append_to(contract_store, "p", &m, 1);
	assert_int_equal(m.id, 1);
	assert_int_equal(number("SELECT max(id) FROM orders"), 1001);
	assert_true(append_to(contract_store, "p", &m, 1).existed);
	assert_int_equal(m.id, 1);
}

TEST(an_application_s_trigger_that_publishes_too_does_not_confuse_ids)
{
	enum { N = 40 };
	struct message messages[N];

	does("CREATE TRIGGER copy AFTER INSERT ON message WHEN NEW.user IS NULL BEGIN"
	    " INSERT INTO message(user, data) VALUES('auditor', NEW.data); END");
	for (int i = 0; i < N; i++)
		messages[i] = message_of(NULL, NULL, "x");
	append_to(contract_store, "p", messages, N);
	holds(2 * N);
	for (int i = 0; i < N; i++)
		assert_int_equal(messages[i].id, seen.ids[2 * i]);
}

/* SQLite 3.40 takes its own JSON functions for dangerous where the schema is not trusted. */
TEST(json_functions_in_the_application_s_schema_do_not_hinder)
{
	struct message m = message_of(NULL, NULL, "{\"state\":\"paid\"}");

	begin_anew();
	does("CREATE TABLE note(text TEXT CHECK(json_valid(text)),"
	    " kind TEXT GENERATED ALWAYS AS (json_extract(text, '$.kind')));"
	    "CREATE INDEX note_kind ON note(json_extract(text, '$.kind'))");
	contract_store = open_as(STORE_OWNER);
	does("CREATE TRIGGER keep AFTER INSERT ON message BEGIN"
	    " INSERT INTO note(text) VALUES(json_object('kind', NEW.data ->> 'state')); END");
	append_to(contract_store, "p", &m, 1);
	holds(1);
	assert_int_equal(number("SELECT count(*) FROM note WHERE kind = 'paid'"), 1);
	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	holds(1);
}

TEST(rows_that_an_application_s_trigger_ignores_are_refused)
{
	enum { N = 40 };
	struct message messages[N];
	struct append a = { .messages = messages, .n = N, .publisher = "p" };
	struct append *appends[] = { &a };

	does("CREATE TRIGGER mute BEFORE INSERT ON message WHEN NEW.user = 'muted' BEGIN"
	    " SELECT RAISE(IGNORE); END");
	for (int i = 0; i < N; i++)
		messages[i] = message_of(i == 20 ? "muted" : NULL, NULL, "x");
	for (int i = 0; i < 3; i++) {
		a.n = i == 0 ? N : i == 1 ? 21 : 1;
		messages[a.n - 1].user = messages[20].user;
		capture_begin();
		assert_int_equal(store_append(contract_store, appends, 1), 0);
		assert_says(capture_end(), "refused a message");
		assert_true(a.refused);
		holds(0);
	}
}

/* ---- segments of the index ---- */

/* Both at the edges of segments and with whole segments missing, up to the last
 * id that there can be. */
TEST(a_filtered_read_crosses_segments_and_holes)
{
	static const int64_t mine[] = { 1, 2047, 2048, 4095, 4096, 1000000, ID_MAX };
	enum { N = sizeof(mine) / sizeof(mine[0]) };
	char user[] = "7";
	struct filter filter = { .user = user };

	does("INSERT INTO message(id, user, data) VALUES(1, '7', 'x'), (2, '8', 'x'),"
	    " (2047, NULL, 'x'), (2048, '7', 'x'), (2049, '8', 'x'), (4095, '7', 'x'),"
	    " (4096, NULL, 'x'), (9000, '8', 'x'), (1000000, '7', 'x'),"
	    " (9007199254740991, '7', 'x')");
	for (int first = 0; first < N; first++) {
		read_from(contract_store, first == 0 ? 0 : mine[first - 1], &filter, 0);
		assert_int_equal(seen.n, N - first);
		assert_memory_equal(seen.ids, mine + first, (N - first) * sizeof(mine[0]));
	}
	read_from(contract_store, ID_MAX, &filter, 0);
	assert_int_equal(seen.n, 0);
	read_from(contract_store, INT64_MAX, &filter, 0);
	assert_int_equal(seen.n, 0);
}

/* What version 1 had: kept here, since the schema knows only how to go on from it. */
#define SCHEMA_1 \
	"CREATE TABLE message(" \
	"  id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT, topic TEXT, event TEXT, data TEXT NOT NULL," \
	"  created_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s','now') AS INTEGER))," \
	"  expires_at INTEGER, key TEXT UNIQUE);" \
	"CREATE INDEX message_address ON message(user, topic);" \
	"CREATE INDEX message_expiry ON message(expires_at) WHERE expires_at IS NOT NULL;" \
	"CREATE TRIGGER message_id_given AFTER INSERT ON message" \
	" WHEN NEW.id <= coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'message'), 0)" \
	" BEGIN SELECT RAISE(ABORT, 'too low'); END;" \
	"CREATE TRIGGER message_id_taken BEFORE INSERT ON message" \
	" WHEN NEW.id > 0 AND EXISTS (SELECT 1 FROM message WHERE id = NEW.id)" \
	" BEGIN SELECT RAISE(ABORT, 'taken'); END;" \
	"CREATE TRIGGER message_id_kept BEFORE UPDATE ON message WHEN NEW.id <> OLD.id" \
	" BEGIN SELECT RAISE(ABORT, 'kept'); END;" \
	"CREATE TABLE rowcast_schema(version INTEGER NOT NULL);" \
	"INSERT INTO rowcast_schema VALUES(1);" \
	"PRAGMA user_version = 1; PRAGMA application_id = 0x726f7763"

TEST(an_older_schema_is_upgraded_in_place)
{
	char user[] = "7";
	struct filter filter = { .user = user };
	struct store_look look;

	begin_anew();
	does(SCHEMA_1);
	does("INSERT INTO message(user, data) VALUES('7', 'a'), ('42.0', 'b')");
	does("INSERT INTO message(event, data, created_at, expires_at)"
	    " VALUES('error', 'c', 0, 1700000000000)");
	is_not_opened(contract_name, STORE_READER, "its schema has version 1: start this version's"
	    " `rowcast serve` first, which upgrades it\n");
	assert_int_equal(store_look(contract_name, STORE_OWNER, &look), 0);
	assert_int_equal(look.version, 1);
	assert_int_equal(look.version_made, 6);
	assert_int_equal(look.n_rows, 3);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 1);
	contract_store = open_as(STORE_OWNER);
	assert_int_equal(number("PRAGMA user_version"), 6);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 6);
	/* What stood stays, and its key and its end may still be set. */
	holds(3);
	does("UPDATE message SET key = 'k'  WHERE id = 3; UPDATE message SET expires_at = 4102444800");
	read_from(contract_store, 0, &filter, 0);
	assert_int_equal(seen.n, 2);
	/* And what is new meets what a new file says. */
	is_told("INSERT INTO message(event, data) VALUES('error', 'x')", "event must not be error");
	is_told("INSERT INTO message(id, data) VALUES(3, 'x')", ID_TOO_LOW);
	is_told("UPDATE message SET data = 'x'", "a published message cannot change");
	assert_int_equal(add("7", NULL, "c"), 4);
	trimmed_is(0);
	does("INSERT INTO message(user, topic, event, data) VALUES('7', 'rowcast.control', 'revoke', '')");
	assert_int_equal(number("SELECT count(*) FROM rowcast_revoked"), 1);
	does("INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', '')");
	is_told("INSERT INTO message(topic, data) VALUES('t', 'x')", "the topic has ended");
}

TEST(what_revokes_does_so_however_it_is_inserted)
{
	does("INSERT INTO message(id, user, topic, event, data, created_at, key)"
	    " VALUES(5, 'a', 'rowcast.control', 'revoke', '', 1000, 'k')");
	does("INSERT OR REPLACE INTO message(user, topic, event, data, created_at, key)"
	    " VALUES('a', 'rowcast.control', 'revoke', '', 2000, 'k')");
	assert_int_equal(number("SELECT until FROM rowcast_revoked WHERE user = 'a'"), 2000);
	does("INSERT OR REPLACE INTO message(user, topic, event, data, created_at)"
	    " VALUES('a', 'rowcast.control', 'revoke', '', 1500)");
	does("INSERT OR IGNORE INTO message(user, topic, event, data, created_at)"
	    " VALUES('a', 'rowcast.control', 'revoke', '', 3000), ('b', 'rowcast.control', 'revoke', '', 4000)");
	assert_int_equal(number("SELECT until FROM rowcast_revoked WHERE user = 'a'"), 3000);
	assert_int_equal(number("SELECT until FROM rowcast_revoked WHERE user = 'b'"), 4000);
	assert_int_equal(number("SELECT count(*) FROM rowcast_revoked"), 2);
	does("BEGIN");
	does("INSERT INTO message(user, topic, event, data) VALUES('c', 'rowcast.control', 'revoke', '')");
	does("ROLLBACK");
	assert_int_equal(number("SELECT count(*) FROM rowcast_revoked"), 2);
	/* The id that the publisher is told is the message's. */
	does("INSERT INTO message(user, topic, event, data) VALUES('d', 'rowcast.control', 'revoke', '')");
	assert_int_equal(number("SELECT last_insert_rowid() = max(id) FROM message"), 1);
}

/* ---- topics that end ---- */

#define ENDED "the topic has ended"

/* ended_at returns what store_ended says of one topic. */
static int64_t
ended_at(const char *topic)
{
	char *copy = mem_strdup(topic);
	int64_t id = -1;

	assert_int_equal(store_ended(contract_store, &copy, 1, &id), 0);
	free(copy);
	return id;
}

TEST(an_end_closes_its_topic_and_no_other)
{
	does("INSERT INTO message(topic, data) VALUES('t', 'a'), ('u', 'b')");
	does("INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', '{\"reason\":\"done\"}')");
	is_told("INSERT INTO message(topic, data) VALUES('t', 'x')", ENDED);
	is_told("INSERT INTO message(topic, user, data) VALUES('t', '7', 'x')", ENDED);
	is_told("INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', 'x')", ENDED);
	is_told("INSERT INTO message(id, topic, data) VALUES(1000, 't', 'x')", ENDED);
	does("INSERT INTO message(topic, data) VALUES('u', 'c'), ('T', 'd'), ('t ', 'e'), ('tt', 'f')");
	does("INSERT INTO message(data) VALUES('g')");
	holds(8);
	assert_int_equal(ended_at("t"), 3);
	assert_int_equal(ended_at("u"), 0);
	assert_int_equal(ended_at(""), 0);
	does("DELETE FROM message WHERE id = 3");
	is_told("INSERT INTO message(topic, data) VALUES('t', 'x')", ENDED);
	assert_int_equal(ended_at("t"), 3);
}

TEST(an_end_that_is_rolled_back_was_none)
{
	does("BEGIN; INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', '')");
	is_told("INSERT INTO message(topic, data) VALUES('t', 'x')", ENDED);
	assert_int_equal(ended_at("t"), 0);
	does("ROLLBACK; INSERT INTO message(topic, data) VALUES('t', 'x')");
	assert_int_equal(ended_at("t"), 0);
}

TEST(an_end_has_a_topic_and_neither_a_user_nor_an_expiry)
{
	static const char sentence[] = "event rowcast.end ends a topic: give it one that does not begin with"
	    " rowcast., and neither user nor expires_at";

	is_told("INSERT INTO message(event, data) VALUES('rowcast.end', '')", sentence);
	is_told("INSERT INTO message(event, user, data) VALUES('rowcast.end', '7', '')", sentence);
	is_told("INSERT INTO message(event, topic, user, data) VALUES('rowcast.end', 't', '7', '')", sentence);
	is_told("INSERT INTO message(event, topic, expires_at, data) VALUES('rowcast.end', 't', 4102444800, '')",
	    sentence);
	/* Whoever could end this one could keep it from revoking. */
	is_told("INSERT INTO message(event, topic, data) VALUES('rowcast.end', 'rowcast.control', '')", sentence);
	is_told("INSERT INTO message(event, topic, data) VALUES('rowcast.ends', 't', '')",
	    "event must not be error, open or begin with rowcast.");
	does("INSERT INTO message(event, topic, data) VALUES('rowcast.end', 'rowcast', ''),"
	    " ('rowcast.end', 't', '')");
	is_told("UPDATE message SET expires_at = 4102444800 WHERE topic = 't'",
	    "rowcast.end ends a topic and does not expire before it: leave expires_at NULL");
	does("UPDATE message SET key = 'k', expires_at = NULL WHERE topic = 't'");
	holds(2);
}

/* Whether retention or somebody else deleted them, nobody can say any more. */
TEST(what_is_gone_when_a_file_is_upgraded_counts_as_trimmed)
{
	for (int empty = 0; empty < 2; empty++) {
		begin_anew();
		does(SCHEMA_1);
		does("INSERT INTO message(data) VALUES('a'), ('b'), ('c'), ('d')");
		does(empty ? "DELETE FROM message" : "DELETE FROM message WHERE id <= 2");
		contract_store = open_as(STORE_OWNER);
		trimmed_is(empty ? 4 : 2);
	}
}

#define SQLITE_TEST(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

static const struct CMUnitTest own_tests[] = {
	SEARCH_TESTS(SQLITE_TEST),
	SQLITE_TEST(who_looks_for_few_among_many_looks_at_few),
	SQLITE_TEST(only_data_is_required),
	SQLITE_TEST(an_id_is_not_above_the_highest_ever_given),
	SQLITE_TEST(an_existing_row_is_not_replaced),
	SQLITE_TEST(rows_of_one_statement_become_visible_together_so_any_order_will_do),
	SQLITE_TEST(an_id_does_not_change_by_any_of_its_names),
	SQLITE_TEST(an_event_holds_no_line_break),
	SQLITE_TEST(data_is_text_without_u_0000),
	SQLITE_TEST(data_is_not_over_1_mib_counted_in_bytes),
	SQLITE_TEST(users_and_topics_are_names),
	SQLITE_TEST(times_are_unix_seconds),
	SQLITE_TEST(an_id_is_exact_in_a_browser),
	SQLITE_TEST(names_are_at_most_255_bytes),
	SQLITE_TEST(a_whole_number_bound_as_floating_point_names_nobody),
	SQLITE_TEST(events_of_browsers_and_of_the_server_are_refused),
	SQLITE_TEST(an_end_closes_its_topic_and_no_other),
	SQLITE_TEST(an_end_that_is_rolled_back_was_none),
	SQLITE_TEST(an_end_has_a_topic_and_neither_a_user_nor_an_expiry),
	SQLITE_TEST(times_are_seconds_of_this_century),
	SQLITE_TEST(a_published_message_does_not_change),
	SQLITE_TEST(a_key_is_unique),
	SQLITE_TEST(a_refusal_is_logged_with_its_sentence),
	SQLITE_TEST(a_row_of_another_process_ends_the_wait),
	SQLITE_TEST(a_row_of_another_process_ends_a_wait_that_is_under_way),
	SQLITE_TEST(a_row_is_noticed_after_the_log_was_emptied_and_the_file_rewritten),
	SQLITE_TEST(a_row_is_noticed_in_a_log_that_is_another_file_than_before),
	SQLITE_TEST(a_row_that_is_rolled_back_was_never_there),
	SQLITE_TEST(a_deleted_row_is_never_read_again_nor_is_its_id_given),
	SQLITE_TEST(a_file_in_utf_16_is_read_in_utf_8),
	SQLITE_TEST(a_row_committed_between_bounds_and_rows_belongs_to_the_next_read),
	SQLITE_TEST(a_store_locked_by_another_program_is_busy_and_then_as_before),
	SQLITE_TEST(a_trim_that_finds_the_store_locked_says_nothing_and_does_nothing),
	SQLITE_TEST(a_full_disk_stores_nothing_of_the_whole_call),
	SQLITE_TEST(a_table_that_is_gone_is_a_fault_that_is_logged),
	SQLITE_TEST(a_deleted_file_takes_no_more_messages),
	SQLITE_TEST(a_file_that_is_moved_away_takes_its_last_messages_along),
	SQLITE_TEST(a_file_that_is_moved_between_two_looks_is_no_link_that_was_turned),
	SQLITE_TEST(another_file_in_its_place_is_left_as_it_is),
	SQLITE_TEST(without_its_wal_a_store_takes_no_more_messages_and_keeps_those_it_has),
	SQLITE_TEST(a_backup_restored_in_place_is_noticed_by_its_ids),
	SQLITE_TEST(what_sqlite_does_with_its_files_by_itself_replaces_nothing),
	SQLITE_TEST(a_file_with_a_second_name_is_refused),
	SQLITE_TEST(a_file_that_is_mounted_by_itself_is_refused),
	SQLITE_TEST(links_of_files_and_folders_are_followed),
	SQLITE_TEST(a_link_that_is_turned_takes_no_more_messages),
	SQLITE_TEST(without_its_shm_a_store_overwrites_nothing),
	SQLITE_TEST(without_its_wal_a_store_leaves_the_one_that_another_program_made),
	SQLITE_TEST(another_file_that_is_in_use_is_left_alone),
	SQLITE_TEST(a_folder_that_is_renamed_takes_its_last_messages_along),
	SQLITE_TEST(a_trigger_refuses_its_own_append_and_no_other),
	SQLITE_TEST(refusals_that_end_the_transaction_cost_in_proportion),
	SQLITE_TEST(a_bulk_loader_of_short_transactions_keeps_nobody_out),
	SQLITE_TEST(a_probe_says_whether_a_commit_would_work_and_leaves_nothing),
	SQLITE_TEST(a_new_file_is_for_its_owner_and_group_whatever_the_umask),
	SQLITE_TEST(a_file_that_is_there_keeps_its_mode),
	SQLITE_TEST(a_file_that_cannot_be_written_is_refused_with_whose_it_is),
	SQLITE_TEST(what_is_in_the_way_of_another_user_is_told_with_the_command_that_helps),
	SQLITE_TEST(who_may_write_the_files_publishes_while_another_has_them_open),
	SQLITE_TEST(a_look_says_what_there_is),
	SQLITE_TEST(rows_older_than_the_bound_go_from_the_oldest_on),
	SQLITE_TEST(rows_erased_by_hand_are_not_trimmed),
	SQLITE_TEST(an_old_row_behind_a_younger_one_stays),
	SQLITE_TEST(a_row_dated_in_the_future_goes_with_the_next_that_is_not),
	SQLITE_TEST(a_long_run_of_rows_dated_in_the_future_is_passed_over_in_slices),
	SQLITE_TEST(where_every_row_is_dated_in_the_future_nothing_goes),
	SQLITE_TEST(a_row_dated_in_1970_takes_no_younger_one_with_it),
	SQLITE_TEST(many_rows_too_many_go_as_fast_as_they_are_asked_for),
	SQLITE_TEST(whichever_bound_is_reached_first_counts),
	SQLITE_TEST(one_slice_is_shared_by_expiry_age_and_number),
	cmocka_unit_test(a_newer_schema_is_refused),
	cmocka_unit_test(a_newer_file_of_our_own_is_refused),
	cmocka_unit_test(another_program_s_message_table_is_refused_and_left_alone),
	cmocka_unit_test(a_file_that_is_no_database_is_refused_and_left_alone),
	cmocka_unit_test(without_its_folder_or_its_scheme_a_store_is_refused),
	cmocka_unit_test(a_reader_creates_nothing),
	SQLITE_TEST(a_new_file_is_marked_as_ours),
	SQLITE_TEST(a_file_opened_again_is_made_only_once),
	cmocka_unit_test(those_who_start_at_once_make_the_schema_once),
	SQLITE_TEST(an_application_s_file_gets_our_tables_and_keeps_its_marks),
	SQLITE_TEST(an_application_s_marks_are_kept_even_before_its_first_table),
	SQLITE_TEST(a_trigger_on_the_application_s_table_publishes_with_its_transaction),
	SQLITE_TEST(a_message_the_table_refuses_takes_the_application_s_statement_with_it),
	SQLITE_TEST(an_application_s_trigger_on_our_table_does_not_confuse_ids),
	SQLITE_TEST(an_application_s_trigger_that_publishes_too_does_not_confuse_ids),
	SQLITE_TEST(json_functions_in_the_application_s_schema_do_not_hinder),
	SQLITE_TEST(rows_that_an_application_s_trigger_ignores_are_refused),
	SQLITE_TEST(a_filtered_read_crosses_segments_and_holes),
	SQLITE_TEST(an_older_schema_is_upgraded_in_place),
	SQLITE_TEST(what_revokes_does_so_however_it_is_inserted),
	SQLITE_TEST(what_is_gone_when_a_file_is_upgraded_counts_as_trimmed),
};

int
main(void)
{
	return store_contract_run("store_sqlite", new_file, own_tests,
	    sizeof(own_tests) / sizeof(own_tests[0]));
}
