/* Each outcome by what really makes it; why it was, a person reads in sql_error. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/sql.h"

static const char *path;
static struct sql *sql;

static void
begin(void)
{
	char name[64];

	path = capture_file("test.db", "", 0, 0600);
	for (int i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%s%s", path, i == 0 ? "-wal" : "-journal");
		unlink(name);
	}
	assert_int_equal(sql_open(&sql, path, false, 0), 0);
	assert_int_equal(sql_execute(sql, "CREATE TABLE t(n INTEGER UNIQUE, s TEXT);"
	    "INSERT INTO t VALUES(1, 'one'), (2, NULL)"), 0);
}

static void
end(void)
{
	sql_close(sql);
	sql = NULL;
}

static struct sql_statement *
prepare(const char *text)
{
	struct sql_statement *statement;

	if (sql_prepare(sql, &statement, text) != 0)
		fail_msg("%s: %s", text, sql_error(sql));
	return statement;
}

static void
fails(int outcome, int expected, const char *why)
{
	assert_int_equal(outcome, expected);
	assert_says(sql_error(sql), why);
}

static unsigned
mode_of(const char *end)
{
	struct stat st;
	char name[64];

	snprintf(name, sizeof(name), "%s%s", path, end);
	assert_int_equal(stat(name, &st), 0);
	return st.st_mode & 07777;
}

TEST(a_file_that_is_made_is_for_its_owner_and_group_whatever_the_umask)
{
	static const mode_t masks[] = { 0000, 0007, 0022, 0077 };

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t before = umask(masks[i]);

		path = capture_file("new.db", "", 0, 0600);
		unlink(path);
		assert_int_equal(sql_open(&sql, path, true, 0), 0);
		assert_int_equal(sql_execute(sql, "PRAGMA journal_mode = WAL; CREATE TABLE t(n)"), 0);
		umask(before);
		assert_int_equal(mode_of(""), 0660);
		assert_int_equal(mode_of("-wal"), 0660);
		assert_int_equal(mode_of("-shm"), 0660);
		end();
	}
}

TEST(rows_stand_one_after_the_other_and_then_there_are_no_more)
{
	struct sql_statement *rows;

	begin();
	rows = prepare("SELECT n, s FROM t ORDER BY n");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sql_step(rows), SQL_ROW);
		assert_int_equal(sql_int64(rows, 0), 1);
		assert_string_equal(sql_text(rows, 1), "one");
		assert_int_equal(sql_bytes(rows, 1), 3);
		assert_false(sql_is_null(rows, 1));
		assert_int_equal(sql_step(rows), SQL_ROW);
		assert_int_equal(sql_int64(rows, 0), 2);
		assert_null(sql_text(rows, 1));
		assert_true(sql_is_null(rows, 1));
		assert_int_equal(sql_int64(rows, 1), 0);
		assert_int_equal(sql_step(rows), SQL_DONE);
		sql_reset(rows);  /* and so once more */
	}
	end();
}

TEST(parameters_are_what_was_bound_last)
{
	struct sql_statement *row;

	begin();
	row = prepare("SELECT ?1, ?2, ?3");
	sql_bind_int64(row, 1, INT64_MIN);
	sql_bind_text(row, 2, "text");
	sql_bind_bytes(row, 3, "four bytes", 4);
	assert_int_equal(sql_step(row), SQL_ROW);
	assert_true(sql_int64(row, 0) == INT64_MIN);
	assert_string_equal(sql_text(row, 1), "text");
	assert_string_equal(sql_text(row, 2), "four");
	sql_reset(row);
	sql_bind_null(row, 1);
	sql_bind_text(row, 2, NULL);
	assert_int_equal(sql_step(row), SQL_ROW);
	assert_true(sql_is_null(row, 0));
	assert_true(sql_is_null(row, 1));
	assert_string_equal(sql_text(row, 2), "four");
	end();
}

TEST(a_statement_that_gives_no_rows_is_run_and_one_that_does_is_not)
{
	struct sql_statement *insert;

	begin();
	insert = prepare("INSERT INTO t(n) VALUES(?1)");
	for (int i = 10; i < 13; i++) {
		sql_bind_int64(insert, 1, i);
		assert_int_equal(sql_run(insert), 0);
		assert_int_equal(sql_last_id(sql), i - 7);
		assert_int_equal(sql_changes(sql), 1);
	}
	assert_int_equal(sql_execute(sql, "UPDATE t SET s = 'x' WHERE n >= 10"), 0);
	assert_int_equal(sql_changes(sql), 3);
	assert_int_equal(sql_run(prepare("SELECT 1")), -1);
	end();
}

TEST(a_number_is_the_first_or_what_it_is_without_one)
{
	begin();
	assert_int_equal(sql_number(sql, "SELECT n, 7 FROM t ORDER BY n DESC", -1), 2);
	assert_int_equal(sql_number(sql, "SELECT n FROM t WHERE n > 99", -1), -1);
	assert_int_equal(sql_number(sql, "SELECT n FROM no_such_table", -2), -2);
	assert_int_equal(sql_number(sql, "no SQL", -3), -3);
	end();
}

TEST(what_is_no_sql_or_names_nothing_fails_with_its_reason)
{
	struct sql_statement *statement;

	begin();
	fails(sql_prepare(sql, &statement, "SELECT n FROM no_such_table"), -1, "no_such_table");
	assert_null(statement);
	sql_finalize(statement);
	fails(sql_execute(sql, "no SQL"), -1, "syntax error");
	end();
}

TEST(a_constraint_refuses)
{
	begin();
	fails(sql_execute(sql, "INSERT INTO t(n) VALUES(1)"), SQL_CONSTRAINT, "UNIQUE");
	fails(sql_run(prepare("INSERT INTO t(n) VALUES(1)")), SQL_CONSTRAINT, "UNIQUE");
	assert_int_equal(sql_execute(sql, "CREATE TRIGGER no BEFORE INSERT ON t"
	    " BEGIN SELECT RAISE(ABORT, 'not today'); END"), 0);
	fails(sql_execute(sql, "INSERT INTO t(n) VALUES(9)"), SQL_CONSTRAINT, "not today");
	end();
}

TEST(a_lock_of_another_connection_is_busy_and_a_roll_back_lets_go)
{
	struct sql *other;

	begin();
	assert_int_equal(sql_open(&other, path, false, 0), 0);
	sql_roll_back(sql);  /* nothing is under way */
	assert_int_equal(sql_execute(sql, "BEGIN IMMEDIATE; INSERT INTO t(n) VALUES(9)"), 0);
	assert_int_equal(sql_execute(other, "BEGIN IMMEDIATE"), SQL_BUSY);
	assert_says(sql_error(other), "locked");
	sql_roll_back(sql);
	assert_int_equal(sql_execute(other, "BEGIN IMMEDIATE"), 0);
	assert_int_equal(sql_number(other, "SELECT count(*) FROM t", -1), 2);
	sql_close(other);
	end();
}

TEST(a_file_that_may_not_grow_is_full)
{
	begin();
	assert_int_equal(sql_number(sql, "PRAGMA max_page_count = 4", -1), 4);
	fails(sql_execute(sql, "INSERT INTO t(s) VALUES(zeroblob(100000))"), SQL_FULL, "full");
	end();
}

TEST(a_file_is_made_only_where_that_is_asked_for)
{
	begin();
	end();
	unlink(path);
	assert_int_equal(sql_open(&sql, path, false, 0), -1);
	assert_says(sql_error(sql), "unable to open");
	end();
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(sql_open(&sql, path, true, 0), 0);
	assert_int_equal(sql_execute(sql, "CREATE TABLE t(n)"), 0);
	end();
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(sql_open(&sql, "/nowhere/at/all.db", true, 0), -1);
	end();
}

TEST(what_is_no_database_is_found_out_when_it_is_read)
{
	char text[4096];

	memset(text, 'x', sizeof(text));
	assert_int_equal(sql_open(&sql, capture_file("test.db", text, sizeof(text), 0600), false, 0), 0);
	fails(sql_execute(sql, "SELECT * FROM sqlite_schema"), -1, "not a database");
	end();
}

TEST(closing_ends_statements_and_what_is_under_way)
{
	begin();
	assert_int_equal(sql_execute(sql, "BEGIN; INSERT INTO t(n) VALUES(9)"), 0);
	assert_int_equal(sql_step(prepare("SELECT n FROM t")), SQL_ROW);
	prepare("SELECT 1");
	end();
	sql_close(NULL);
	assert_int_equal(sql_open(&sql, path, false, 0), 0);
	assert_int_equal(sql_number(sql, "SELECT count(*) FROM t", -1), 2);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_file_that_is_made_is_for_its_owner_and_group_whatever_the_umask),
	cmocka_unit_test(rows_stand_one_after_the_other_and_then_there_are_no_more),
	cmocka_unit_test(parameters_are_what_was_bound_last),
	cmocka_unit_test(a_statement_that_gives_no_rows_is_run_and_one_that_does_is_not),
	cmocka_unit_test(a_number_is_the_first_or_what_it_is_without_one),
	cmocka_unit_test(what_is_no_sql_or_names_nothing_fails_with_its_reason),
	cmocka_unit_test(a_constraint_refuses),
	cmocka_unit_test(a_lock_of_another_connection_is_busy_and_a_roll_back_lets_go),
	cmocka_unit_test(a_file_that_may_not_grow_is_full),
	cmocka_unit_test(a_file_is_made_only_where_that_is_asked_for),
	cmocka_unit_test(what_is_no_database_is_found_out_when_it_is_read),
	cmocka_unit_test(closing_ends_statements_and_what_is_under_way),
};

RUN_TESTS(tests)
