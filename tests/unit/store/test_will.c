/* Last wills: kept with the messages they are about, whole or not at all, and told from
 * those of processes that live. Other processes are real ones: children of this one, which
 * are killed. One thread; each test has a new file. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mem.h"

static char *path, *name;
static struct store *store;

/* ---- verbs ---- */

static void
new_file(void)
{
	static int n;
	char file[32];

	snprintf(file, sizeof(file), "will-%d.db", n++);
	path = mem_strdup(capture_file(file, "", 0, 0600));
	name = mem_printf("sqlite:%s", path);
}

static int
open_own(void **state __attribute__((unused)))
{
	new_file();
	store = store_open(name, STORE_OWNER);
	assert_non_null(store);
	return 0;
}

static int
open_copy(void **state __attribute__((unused)))
{
	new_file();
	store = store_open(name, STORE_COPY);
	assert_non_null(store);
	return 0;
}

static int
close_all(void **state __attribute__((unused)))
{
	char *wal = mem_printf("%s-wal", path), *shm = mem_printf("%s-shm", path);

	store_close(store);
	unlink(wal);
	unlink(shm);
	free(wal);
	free(shm);
	free(name);
	free(path);
	return 0;
}

/* append_with appends messages on the topic, to that of the `writer`, and returns what
 * became of it: store_append's outcome is 0. */
static struct append
append_with(struct store *with, const char *topic, const char *const datas[], struct store_will will,
    enum store_will_change change)
{
	struct message messages[8] = { 0 };
	struct append append = { .messages = messages, .publisher = "p", .will = will,
	    .will_change = change }, *each = &append;

	for (; datas != NULL && datas[append.n] != NULL; append.n++) {
		bool ends = strcmp(datas[append.n], "end") == 0;

		messages[append.n].topic = mem_strdup(topic);
		messages[append.n].event = ends ? mem_strdup(MESSAGE_EVENT_END) : NULL;
		messages[append.n].data = mem_strdup(datas[append.n]);
		messages[append.n].data_len = strlen(datas[append.n]);
	}
	assert_int_equal(store_append(with, &each, 1), 0);
	for (size_t i = 0; i < append.n; i++)
		message_free(&messages[i]);
	return append;
}

static void
write_will(struct store *with, int64_t number, const char *topic)
{
	struct append a = append_with(with, topic, LIST("a"),
	    (struct store_will){ store_live(with), number, topic }, STORE_WILL_WRITE);

	assert_true(a.stored);
}

/* What store_read_wills passed, as text. */
static struct buf passed;

static void
note(void *context, const struct store_will *will)
{
	assert_ptr_equal(context, &passed);
	assert_true(will->life != 0);
	buf_printf(&passed, "%d %s\n", (int)will->number, will->topic);
}

/* finds: that many wills are of others that live, and those are of who does not. */
static void
finds(int n_alive, const char *wills)
{
	char *text;

	assert_int_equal(store_read_wills(store, store_live(store), note, &passed), n_alive);
	text = buf_take(&passed);
	assert_string_equal(text, wills);
	free(text);
}

/* Another process, which has the store open, and is asked to go on by a byte. */
struct other {
	pid_t pid;
	int done;   /* it has said that it has done it */
	int hold;   /* where this is closed it ends by itself */
};

/* begin_other starts a process that writes a will to the topic. */
static struct other
begin_other(const char *topic, enum store_access access)
{
	struct other other;
	int done[2], hold[2];
	char byte = 0;

	assert_int_equal(pipe(done), 0);
	assert_int_equal(pipe(hold), 0);
	fflush(stdout);
	other.pid = fork();
	assert_true(other.pid >= 0);
	if (other.pid == 0) {
		struct store *theirs = store_open(name, access);

		close(hold[1]);
		write_will(theirs, 1, topic);
		if (write(done[1], &byte, 1) != 1 || read(hold[0], &byte, 1) != 0)
			_exit(1);
		store_close(theirs);
		_exit(0);
	}
	close(done[1]);
	close(hold[0]);
	other.done = done[0];
	other.hold = hold[1];
	assert_int_equal(read(other.done, &byte, 1), 1);
	return other;
}

static void
end_other(struct other *other, bool kills)
{
	int status;

	if (kills)
		kill(other->pid, SIGKILL);
	close(other->hold);
	close(other->done);
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	assert_true(kills ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* In a child SQLite may not go on with what its parent has open. */
static void
close_before_fork(void)
{
	store_close(store);
	store = NULL;
}

static void
open_again(void)
{
	store = store_open(name, STORE_OWNER);
	assert_non_null(store);
}

/* ---- the will and its messages ---- */

TEST(a_life_is_one_and_has_a_number_of_its_own)
{
	struct store *second = store_open(name, STORE_OWNER);
	int64_t life = store_live(store);

	assert_true(life > 0);
	assert_true(store_live(store) == life);
	assert_true(store_live(second) != life);
	store_close(second);
}

TEST(a_will_is_written_with_its_messages_and_revoked_with_others)
{
	struct store_will will;

	finds(0, "");
	write_will(store, 7, "t");
	will = (struct store_will){ store_live(store), 7, NULL };
	/* It is our own, and we live; who else asks is told that somebody does. */
	finds(0, "");
	assert_int_equal(store_read_wills(store, 1, note, &passed), 1);
	assert_true(append_with(store, "t", LIST("b"), will, STORE_WILL_KEEP).stored);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 1);
	assert_true(append_with(store, "t", LIST("end"), will, STORE_WILL_REVOKE).stored);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 0);
}

TEST(a_will_can_be_revoked_without_a_message)
{
	struct append a;

	write_will(store, 7, "t");
	a = append_with(store, "t", NULL, (struct store_will){ store_live(store), 7, NULL },
	    STORE_WILL_REVOKE);
	assert_true(a.stored);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 0);
}

TEST(what_the_table_refuses_leaves_no_will_and_takes_none_away)
{
	struct store_will will = { store_live(store), 7, "t" };
	struct append a;

	append_with(store, "t", LIST("a", "end"), will, STORE_WILL_KEEP);
	a = append_with(store, "t", LIST("b"), will, STORE_WILL_WRITE);
	assert_true(a.refused && a.ended && !a.stored);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 0);
	write_will(store, 8, "u");
	append_with(store, "u", LIST("end"), will, STORE_WILL_KEEP);
	a = append_with(store, "u", LIST("end"), (struct store_will){ will.life, 8, NULL },
	    STORE_WILL_REVOKE);
	assert_true(a.ended);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 1);
}

/* The rows of a group are tried each by itself where one is refused. */
TEST(a_will_stands_where_another_of_the_group_is_refused)
{
	struct message good = { .data = mem_strdup("a"), .data_len = 1 },
	    bad = { .event = mem_strdup("line\nbreak"), .data = mem_strdup("a"), .data_len = 1 };
	struct append first = { .messages = &good, .n = 1, .publisher = "p",
	    .will_change = STORE_WILL_WRITE, .will = { store_live(store), 1, "t" } },
	    second = { .messages = &bad, .n = 1, .publisher = "p",
	    .will_change = STORE_WILL_WRITE, .will = { store_live(store), 2, "t" } },
	    *group[] = { &first, &second };

	capture_begin();
	assert_int_equal(store_append(store, group, 2), 0);
	capture_end();
	assert_true(first.stored && !first.refused);
	assert_true(second.refused);
	message_free(&good);
	message_free(&bad);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 1);
}

/* ---- who lives ---- */

TEST(the_will_of_who_was_killed_is_found_and_not_that_of_who_lives)
{
	struct other killed, alive;

	close_before_fork();
	killed = begin_other("a", STORE_OWNER);
	alive = begin_other("b", STORE_OWNER);
	end_other(&killed, true);
	open_again();
	finds(1, "1 a\n");
	/* They stand until somebody revokes them. */
	finds(1, "1 a\n");
	end_other(&alive, true);
	/* Which of the two lives comes first is chance. */
	assert_int_equal(store_read_wills(store, store_live(store), note, &passed), 0);
	assert_int_equal(passed.len, strlen("1 a\n1 b\n"));
	buf_free(&passed);
}

TEST(who_ends_by_itself_leaves_what_it_did_not_revoke)
{
	struct other other;

	close_before_fork();
	other = begin_other("a", STORE_OWNER);
	end_other(&other, false);
	open_again();
	finds(0, "1 a\n");
}

/* Closing any descriptor of a file takes POSIX locks along; ours is none of those. */
TEST(who_looks_takes_nobody_s_life)
{
	struct store *second = store_open(name, STORE_READER);

	write_will(store, 7, "t");
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_read_wills(second, 1, note, &passed), 1);
	store_close(second);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 1);
	assert_int_equal(passed.len, 0);
}

/* ---- files that come and go ---- */

/* A backup has the wills of who wrote to it: nobody does to what was restored. */
TEST(in_a_file_that_was_restored_nobody_lives)
{
	char *backup = mem_printf("%s.backup", path), *sql = mem_printf("VACUUM INTO '%s'", backup);
	char *backup_name = mem_printf("sqlite:%s", backup);
	struct store *restored;
	sqlite3 *foreign;

	write_will(store, 7, "t");
	assert_int_equal(sqlite3_open(path, &foreign), SQLITE_OK);
	assert_int_equal(sqlite3_exec(foreign, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(foreign);
	restored = store_open(backup_name, STORE_OWNER);
	assert_int_equal(store_read_wills(restored, store_live(restored), note, &passed), 0);
	assert_int_equal(passed.len, strlen("7 t\n"));
	buf_free(&passed);
	store_close(restored);
	unlink(backup);
	free(backup);
	free(backup_name);
	free(sql);
}

/* ---- a machine's copy ---- */

TEST(a_copy_keeps_wills_and_their_messages_go_to_the_log)
{
	struct append write = { .will_change = STORE_WILL_WRITE, .will = { store_live(store), 1, "t" } },
	    other = { .will_change = STORE_WILL_WRITE, .will = { store_live(store), 2, "u" } },
	    revoke = { .will_change = STORE_WILL_REVOKE, .will = { store_live(store), 1, NULL } },
	    keep = { .will_change = STORE_WILL_KEEP },
	    *first[] = { &write, &other, &keep }, *second[] = { &revoke };

	assert_int_equal(store_write_wills(store, first, 3), 0);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 2);
	assert_int_equal(store_write_wills(store, second, 1), 0);
	assert_int_equal(store_read_wills(store, 1, note, &passed), 1);
	assert_int_equal(store_count_outbox(store), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define OWN(test) cmocka_unit_test_setup_teardown(test, open_own, close_all)
		OWN(a_life_is_one_and_has_a_number_of_its_own),
		OWN(a_will_is_written_with_its_messages_and_revoked_with_others),
		OWN(a_will_can_be_revoked_without_a_message),
		OWN(what_the_table_refuses_leaves_no_will_and_takes_none_away),
		OWN(a_will_stands_where_another_of_the_group_is_refused),
		OWN(the_will_of_who_was_killed_is_found_and_not_that_of_who_lives),
		OWN(who_ends_by_itself_leaves_what_it_did_not_revoke),
		OWN(who_looks_takes_nobody_s_life),
		OWN(in_a_file_that_was_restored_nobody_lives),
		cmocka_unit_test_setup_teardown(a_copy_keeps_wills_and_their_messages_go_to_the_log,
		    open_copy, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
