/* The SQLite store when its file fails: by real limits, foreign programs and
 * damage. Whatever happens, it is said with the file's name, nothing is half
 * done, and all is as before once the fault is gone. What ends a process, or cannot
 * be taken back, is done in a child; no test starts a thread. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/fault.h"
#include "tests/unit/harness.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>

#include "app/store/store.h"
#include "lib/clock.h"
#include "lib/mailbox.h"
#include "lib/mem.h"

static struct table table;
static struct sqlite3 *foreign;

static int
setup(void **state __attribute__((unused)))
{
	table_open(&table);
	foreign = foreign_open(&table);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	foreign_close(foreign);
	table_close(&table);
	return 0;
}

static const char *
path_of_table(void)
{
	return strchr(table.name, ':') + 1;
}

/* ---- verbs ---- */

/* file_with makes a file with that SQL and returns its name as a store's. */
static char *
file_with(const char *name, const char *sql)
{
	char *path = path_in_folder(name), *store_name = mem_printf("sqlite:%s", path);
	struct table file = { .name = store_name };

	table_run(&file, sql);
	free(path);
	return store_name;
}

/* is_refused takes the name. */
static void
is_refused(char *name, enum store_access access, const char *why)
{
	const char *said;

	capture_begin();
	assert_null(store_open(name, access));
	said = capture_end();
	assert_says(said, strchr(name, ':') + 1);
	assert_says(said, why);
	free(name);
}

static bool
count_row(void *n, const struct message *m __attribute__((unused)))
{
	++*(size_t *)n;
	return true;
}

/* read_all returns how many rows there are, -1 where they cannot be read. */
static int
read_all(const struct filter *filter)
{
	struct store_bounds bounds;
	int64_t upto;
	size_t n = 0;

	return store_read(table.store, 0, filter, count_row, &n, &bounds, &upto) == 0 ? (int)n : -1;
}

/* fails: rc is -1, and the log says why with the file's name. Between this and
 * the call stands capture_begin(). */
static void
fails(int rc, const char *why)
{
	const char *said = capture_end();

	assert_int_equal(rc, -1);
	assert_says(said, path_of_table());
	assert_says(said, why);
	/* Within a second the same would not be said again. */
	atomic_fetch_add(&clock_ahead_us, 1000000);
}

/* ---- opening ---- */

/* lookalike makes a file that says it has our schema, and takes that SQL for it. */
static char *
lookalike(const char *name, const char *sql)
{
	sqlite3_stmt *version;
	char *all, *store_name;

	assert_int_equal(sqlite3_prepare_v2(foreign, "SELECT max(version) FROM rowcast_schema", -1,
	    &version, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(version), SQLITE_ROW);
	all = mem_printf("CREATE TABLE rowcast_state(trimmed, name); CREATE TABLE rowcast_schema(version INTEGER);"
	    "CREATE TABLE rowcast_revoked(number, user, until);"
	    "CREATE TABLE rowcast_ended(topic, id);"
	    "CREATE TABLE rowcast_following(life, number, topic);"
	    "INSERT INTO rowcast_schema VALUES(%d); %s", sqlite3_column_int(version, 0), sql);
	sqlite3_finalize(version);
	store_name = file_with(name, all);
	free(all);
	return store_name;
}

TEST(a_file_that_only_looks_like_ours_is_refused)
{
	static const char no_columns[] = "CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT)";
	static const char no_key[] = "CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT,"
	    " user, topic, event, data, expires_at, created_at)";

	is_refused(lookalike("a.db", ""), STORE_READER, "no such table: ");
	is_refused(lookalike("b.db", no_columns), STORE_READER, "prepare: no such column: user");
	is_refused(lookalike("c.db", no_columns), STORE_OWNER, "prepare: no such column: user");
	is_refused(lookalike("d.db", no_key), STORE_OWNER, "prepare: no such column: key");
}

/* WAL mode cannot begin under a reader's feet. */
TEST(a_file_that_another_program_goes_on_reading_cannot_be_taken_over)
{
	char *name = file_with("e.db", "CREATE TABLE theirs(n); INSERT INTO theirs VALUES(1)");
	struct table file = { .name = name };
	struct sqlite3 *reader = foreign_open(&file);

	foreign_run(reader, "BEGIN; SELECT * FROM theirs");
	is_refused(mem_strdup(name), STORE_OWNER, "cannot be written: database is locked");
	foreign_run(reader, "COMMIT");
	file.store = store_open(name, STORE_OWNER);
	assert_non_null(file.store);
	assert_int_equal(commit(&file, NULL, NULL, "x"), 1);
	store_close(file.store);
	foreign_close(reader);
	free(name);
}

TEST(a_file_that_another_program_locks_cannot_be_read)
{
	char *name = file_with("f.db", "CREATE TABLE theirs(n)");
	struct table file = { .name = name };
	struct sqlite3 *writer = foreign_open(&file);

	foreign_run(writer, "BEGIN EXCLUSIVE");
	is_refused(name, STORE_OWNER, "database is locked");
	foreign_run(writer, "COMMIT");
	foreign_close(writer);
}

/* However far it came, the next one goes on from there. */
TEST(a_schema_that_finds_no_room_is_not_made_and_can_be_made_later)
{
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
	struct store *store = NULL;
	int n_refused = 0;

	for (rlim_t bytes = 1024; store == NULL; bytes += 2048) {
		char *file = mem_printf("room-%llu.db", (unsigned long long)bytes);
		char *path = path_in_folder(file), *name = mem_printf("sqlite:%s", path);
		rlim_t all;
		const char *said;

		capture_begin();
		all = limit(RLIMIT_FSIZE, bytes);
		store = store_open(name, STORE_OWNER);
		limit(RLIMIT_FSIZE, all);
		said = capture_end();
		if (store == NULL) {
			n_refused++;
			assert_says(said, path);
			store_close(store_open(name, STORE_OWNER));
			table_run(&(struct table){ .name = name }, "INSERT INTO message(data) VALUES('x')");
		}
		free(name);
		free(path);
		free(file);
	}
	store_close(store);
	assert_true(n_refused > 1);
	signal(SIGXFSZ, before);
}

/* ---- appending and reading ---- */

TEST(an_append_that_finds_no_room_stores_nothing_and_can_be_made_later)
{
	void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
	struct message m[2] = { { .user = NULL }, { .user = NULL } };
	struct append append = { .messages = m, .n = 2, .publisher = "p" }, *appends = &append;
	char *text = mem_zalloc(100001);
	rlim_t all;
	int rc;

	memset(text, 'x', 100000);
	for (int i = 0; i < 2; i++) {
		m[i].data = text;
		m[i].data_len = 100000;
	}
	commit(&table, NULL, NULL, "before");
	capture_begin();
	all = limit(RLIMIT_FSIZE, 150000);
	rc = store_append(table.store, &appends, 1);
	limit(RLIMIT_FSIZE, all);
	fails(rc, "a message cannot be stored: disk I/O error");
	assert_int_equal(read_all(NULL), 1);
	assert_int_equal(store_append(table.store, &appends, 1), 0);
	assert_int_equal(m[1].id, 3);
	assert_int_equal(read_all(NULL), 3);
	free(text);
	signal(SIGXFSZ, before);
}

/* The child's own handle, since a connection cannot be taken through a fork. */
static void
append_without_sync(void)
{
	struct table mine = { .name = table.name, .store = store_open(table.name, STORE_OWNER) };
	struct message m = { .data = mine.name, .data_len = strlen(mine.name) };
	struct append append = { .messages = &m, .n = 1, .publisher = "p" }, *appends = &append;
	struct store_bounds bounds;

	commit(&mine, NULL, NULL, "before");
	refuse(SYS_fdatasync, EIO);
	refuse(SYS_fsync, EIO);
	if (store_append(mine.store, &appends, 1) != -1 || store_trim(mine.store, 0, 1, 100) != -1
	    || store_bounds(mine.store, &bounds) != 0 || bounds.newest != 2 || bounds.oldest != 1)
		abort();
}

TEST(what_cannot_be_brought_to_the_disk_is_not_stored_and_not_deleted)
{
	commit(&table, NULL, NULL, "first");
	ends(append_without_sync, 0, "a message cannot be stored: disk I/O error\n");
	assert_int_equal(read_all(NULL), 2);
	assert_int_equal(commit(&table, NULL, NULL, "after"), 3);
}

TEST(a_column_that_is_taken_away_fails_what_needs_it_until_it_is_back)
{
	struct filter filter = { .user = path_in_folder("u") };
	struct store_bounds bounds;

	commit(&table, NULL, NULL, "before");
	foreign_run(foreign, "ALTER TABLE message RENAME COLUMN event TO renamed");
	capture_begin();
	fails(read_all(NULL), "its messages cannot be read: no such column: event");
	capture_begin();
	fails(read_all(&filter), "prepare: no such column: event");
	/* What does not need it goes on. */
	assert_int_equal(store_bounds(table.store, &bounds), 0);
	assert_int_equal(bounds.newest, 1);
	foreign_run(foreign, "INSERT INTO message(data) VALUES('meanwhile')");
	foreign_run(foreign, "ALTER TABLE message RENAME COLUMN renamed TO event");
	assert_int_equal(read_all(NULL), 2);
	assert_int_equal(read_all(&filter), 2);
	free(filter.user);
}

/* A page of rows that are neither the first nor the last becomes nonsense. */
TEST(a_damaged_page_is_said_and_what_does_not_need_it_goes_on)
{
	char nonsense[4096];
	struct store_bounds bounds;
	sqlite3_stmt *leaf;
	int page, fd;

	for (int i = 0; i < 200; i++)
		commit(&table, NULL, NULL, "a row of some length, so that there are several pages of them");
	foreign_run(foreign, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(sqlite3_prepare_v2(foreign, "SELECT pageno FROM dbstat"
	    " WHERE name = 'message' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 2", -1, &leaf, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(leaf), SQLITE_ROW);
	page = sqlite3_column_int(leaf, 0);
	sqlite3_finalize(leaf);
	assert_true(page > 1);
	memset(nonsense, 0xee, sizeof(nonsense));
	store_close(table.store);
	fd = open(path_of_table(), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, nonsense, sizeof(nonsense), (off_t)(page - 1) * 4096), 4096);
	close(fd);
	table.store = store_open(table.name, STORE_OWNER);
	assert_non_null(table.store);
	capture_begin();
	fails(read_all(NULL), "its messages cannot be read: database disk image is malformed");
	assert_int_equal(store_bounds(table.store, &bounds), 0);
	assert_int_equal(bounds.oldest, 1);
}

/* ---- waiting ---- */

TEST(without_inotify_foreign_rows_are_seen_all_the_same)
{
	struct store *reader = store_open(table.name, STORE_READER);
	struct mailbox nobody;
	struct store_bounds bounds;
	rlim_t before;

	mailbox_init(&nobody);
	store_wait(reader, nobody.wake_fd);  /* returns for what was there */
	store_close(reader);
	reader = store_open(table.name, STORE_READER);
	capture_begin();
	before = no_descriptors();
	store_wait(reader, nobody.wake_fd);
	limit(RLIMIT_NOFILE, before);
	assert_says(capture_end(), "cannot be watched; foreign rows will be seen within 50 ms:"
	    " Too many open files");
	foreign_run(foreign, "INSERT INTO message(data) VALUES('x')");
	do
		store_wait(reader, nobody.wake_fd);
	while (store_bounds(reader, &bounds) == 0 && bounds.newest == 0);
	assert_int_equal(bounds.newest, 1);
	mailbox_free(&nobody);
	store_close(reader);
}

/* ---- retention ---- */

TEST(a_slice_of_retention_that_fails_anywhere_deletes_nothing)
{
	static const char *const columns[] = { "expires_at", "created_at" };

	foreign_run(foreign, "INSERT INTO message(data, created_at, expires_at) VALUES('a', 1, 1),"
	    " ('b', 1, 1), ('c', 1, NULL), ('d', 1, NULL)");
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		char *away = mem_printf("ALTER TABLE message RENAME COLUMN %s TO renamed", columns[i]);
		char *back = mem_printf("ALTER TABLE message RENAME COLUMN renamed TO %s", columns[i]);

		foreign_run(foreign, away);
		capture_begin();
		fails(store_trim(table.store, 1000, 1, 100), "old messages cannot be deleted: ");
		foreign_run(foreign, back);
		free(away);
		free(back);
	}
	foreign_run(foreign, "CREATE TRIGGER keep BEFORE DELETE ON message"
	    " WHEN OLD.data = 'd' BEGIN SELECT RAISE(ABORT, 'not this one'); END");
	foreign_run(foreign, "INSERT INTO message(data) VALUES('e')");
	for (int i = 0; i < 2; i++) {
		capture_begin();
		fails(store_trim(table.store, 0, 1, 100),
		    "old messages cannot be deleted: not this one");
		assert_int_equal(read_all(NULL), 3);  /* and the two that have expired */
	}
	foreign_run(foreign, "DROP TRIGGER keep");
	assert_int_equal(store_trim(table.store, 1000, 0, 100), 4);
	assert_int_equal(read_all(NULL), 1);
}

/* Ids tell how many rows there may be, not how many there are. */
TEST(rows_erased_by_hand_do_not_count_among_those_to_keep)
{
	for (int i = 0; i < 20; i++)
		commit(&table, NULL, NULL, "x");
	foreign_run(foreign, "DELETE FROM message WHERE id BETWEEN 5 AND 14");
	assert_int_equal(store_trim(table.store, 0, 12, 100), 0);
	assert_int_equal(read_all(NULL), 10);
	assert_int_equal(store_trim(table.store, 0, 9, 100), 1);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	STORE_TEST(a_file_that_only_looks_like_ours_is_refused),
	cmocka_unit_test(a_file_that_another_program_goes_on_reading_cannot_be_taken_over),
	cmocka_unit_test(a_file_that_another_program_locks_cannot_be_read),
	cmocka_unit_test(a_schema_that_finds_no_room_is_not_made_and_can_be_made_later),
	STORE_TEST(an_append_that_finds_no_room_stores_nothing_and_can_be_made_later),
	STORE_TEST(what_cannot_be_brought_to_the_disk_is_not_stored_and_not_deleted),
	STORE_TEST(a_column_that_is_taken_away_fails_what_needs_it_until_it_is_back),
	STORE_TEST(a_damaged_page_is_said_and_what_does_not_need_it_goes_on),
	STORE_TEST(without_inotify_foreign_rows_are_seen_all_the_same),
	STORE_TEST(a_slice_of_retention_that_fails_anywhere_deletes_nothing),
	STORE_TEST(rows_erased_by_hand_do_not_count_among_those_to_keep),
};

RUN_TESTS(tests)
