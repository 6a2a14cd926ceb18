/* A machine's copy of the log that several share, in SQLite: what store.h promises of
 * it, and what is promised to those who open the file themselves, who are played by
 * another connection of this process, by the sqlite3 shell, or by a child that is
 * killed. One thread; each test has a new file. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/store/beside.h"
#include "tests/unit/store/search.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum { HANGS_S = 600 };  /* no test takes that long; SIGALRM ends the program */

static char path[128], name[160];
static struct store *store;    /* the follower's handle */
static sqlite3 *foreign;       /* another program's connection */

/* ---- the file ---- */

static const char *
file_of(const char *suffix)
{
	static char beside[160];

	snprintf(beside, sizeof(beside), "%s%s", path, suffix);
	return beside;
}

static void
foreign_open(void)
{
	assert_int_equal(sqlite3_open(path, &foreign), SQLITE_OK);
	sqlite3_busy_timeout(foreign, 10000);
}

/* begin_anew leaves the foreign connection on a new, empty file, and no store yet. */
static void
begin_anew(void)
{
	store_close(store);
	store = NULL;
	sqlite3_close_v2(foreign);
	assert_true((size_t)snprintf(path, sizeof(path), "%s", capture_file("copy.db", "", 0, 0600))
	    < sizeof(path));
	snprintf(name, sizeof(name), "sqlite:%s", path);
	unlink(file_of("-wal"));
	unlink(file_of("-shm"));
	foreign_open();
}

static void
open_as(enum store_access access)
{
	store_close(store);
	store = store_open(name, access);
	assert_non_null(store);
}

static int
setup(void **state __attribute__((unused)))
{
	alarm(HANGS_S);
	begin_anew();
	open_as(STORE_COPY);
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	store_close(store);
	store = NULL;
	sqlite3_close_v2(foreign);
	foreign = NULL;
	unlink(file_of("-wal"));
	unlink(file_of("-shm"));
	alarm(0);
	return 0;
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

/* is_told: it cannot, and hears this sentence, whole. */
static void
is_told(const char *sql, const char *sentence)
{
	char *error = NULL;

	if (sqlite3_exec(foreign, sql, NULL, NULL, &error) == SQLITE_OK)
		fail_msg("%s: was done", sql);
	if (strcmp(error, sentence) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", sql, error, sentence);
	sqlite3_free(error);
}

static int64_t
number(const char *sql)
{
	sqlite3_stmt *statement;
	int64_t n;

	if (sqlite3_prepare_v2(foreign, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(foreign));
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return n;
}

/* gives: that is what the query's only column is. */
static void
gives(const char *sql, const char *text)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(foreign, sql, -1, &statement, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(foreign));
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	if (text == NULL)
		assert_null(sqlite3_column_text(statement, 0));
	else
		assert_string_equal((const char *)sqlite3_column_text(statement, 0), text);
	sqlite3_finalize(statement);
}

/* ---- verbs of the follower ---- */

/* message_of lends the strings: the message is never freed. */
static struct message
message_of(int64_t id, const char *user, const char *topic, const char *data)
{
	union { const char *lent; char *text; } u = { user }, t = { topic }, d = { data };

	return (struct message){ .id = id, .user = u.text, .topic = t.text, .data = d.text,
	    .data_len = strlen(data), .created_at = 1700000000 };
}

static struct message
with_key(struct message m, const char *key)
{
	union { const char *lent; char *text; } k = { key };

	m.key = k.text;
	return m;
}

static struct message
with_event(struct message m, const char *event)
{
	union { const char *lent; char *text; } e = { event };

	m.event = e.text;
	return m;
}

static void
follows_news(const struct store_news *news)
{
	assert_int_equal(store_follow(store, news, NULL), 0);
}

/* follows: the messages came, the last of which is the newest there is. */
static void
follows(const struct message *messages, size_t n)
{
	follows_news(&(struct store_news){ .messages = messages, .n = n,
	    .newest = messages[n - 1].id, .anchor = messages[n - 1].id });
}

static void
follows_one(struct message m)
{
	follows(&m, 1);
}

/* What a read gave. */
static struct {
	int64_t ids[16384];
	size_t n;
	size_t most;          /* end the reading after so many; 0: do not */
	char data[64];        /* of the last one, as far as it goes */
	char event[64];
	wall_s created_at;
	struct store_bounds bounds;
	int64_t upto;
} seen;

static bool
note_row(void *context __attribute__((unused)), const struct message *m)
{
	assert_true(seen.n < sizeof(seen.ids) / sizeof(seen.ids[0]));
	if (seen.n > 0)
		assert_true(m->id > seen.ids[seen.n - 1]);
	seen.ids[seen.n++] = m->id;
	snprintf(seen.data, sizeof(seen.data), "%s", m->data);
	snprintf(seen.event, sizeof(seen.event), "%s", m->event != NULL ? m->event : "");
	seen.created_at = m->created_at;
	return seen.n != seen.most;
}

/* read_from reads through a handle to the end, or until there are `most`. */
static void
read_from(struct store *handle, int64_t after, const struct filter *filter, size_t most)
{
	int64_t from = after;

	seen.n = 0;
	seen.most = most;
	for (;;) {
		assert_int_equal(store_read(handle, from, filter, note_row, NULL, &seen.bounds,
		    &seen.upto), 0);
		assert_true(seen.upto >= from);
		if (seen.upto >= seen.bounds.newest || (most != 0 && seen.n >= most))
			break;
		assert_true(seen.upto > from);  /* or who reads on would never come to an end */
		assert_true(seen.upto >= seen.bounds.oldest - 1);
		from = seen.upto;
	}
	assert_true(seen.n == 0 || seen.ids[seen.n - 1] <= seen.upto);
}

static void
holds(size_t n)
{
	read_from(store, 0, NULL, 0);
	assert_int_equal(seen.n, n);
}

static void
bounds_are(int64_t oldest, int64_t newest, int64_t trimmed)
{
	struct store_bounds bounds;

	assert_int_equal(store_bounds(store, &bounds), 0);
	assert_int_equal(bounds.oldest, oldest);
	assert_int_equal(bounds.newest, newest);
	assert_int_equal(bounds.trimmed, trimmed);
	assert_true(bounds.given == INT64_MAX);
}

/* What is in the outbox, one line a row: the message's columns, or the id to erase. */
static struct {
	char text[4096];
	char once[64][40];
	int64_t numbers[64];
	size_t n, most;
} outbox;

static bool
note_outgoing(void *context __attribute__((unused)), const struct outgoing *row)
{
	const struct message *m = &row->message;
	size_t len = strlen(outbox.text);

	assert_true(outbox.n < 64);
	assert_int_equal(strspn(row->once, "0123456789abcdef"), 32);
	assert_int_equal(strlen(row->once), 32);
	assert_true(outbox.n == 0 || row->number > outbox.numbers[outbox.n - 1]);
	snprintf(outbox.once[outbox.n], sizeof(outbox.once[0]), "%s", row->once);
	outbox.numbers[outbox.n++] = row->number;
	if (row->erase != 0)
		snprintf(outbox.text + len, sizeof(outbox.text) - len, "erase %lld\n",
		    (long long)row->erase);
	else
		snprintf(outbox.text + len, sizeof(outbox.text) - len, "%s/%s/%s/%s/%s%s%s%s\n",
		    m->user != NULL ? m->user : "-", m->topic != NULL ? m->topic : "-",
		    m->event != NULL ? m->event : "-", m->data, m->key != NULL ? m->key : "-",
		    row->replaces ? " replaces" : "", m->expiry.ends ? " expires" : "",
		    m->data_len != strlen(m->data) ? " length?" : "");
	return outbox.n != outbox.most;
}

static void
read_outbox(void)
{
	outbox.n = 0;
	outbox.text[0] = '\0';
	assert_int_equal(store_read_outbox(store, note_outgoing, NULL), 0);
}

/* sends: that is what waits in the outbox, and it is emptied. */
static void
sends(const char *text)
{
	outbox.most = 0;
	read_outbox();
	assert_string_equal(outbox.text, text);
	assert_int_equal(store_count_outbox(store), outbox.n);
	if (outbox.n > 0)
		assert_int_equal(store_empty_outbox(store, outbox.numbers[outbox.n - 1]), 0);
	assert_int_equal(store_count_outbox(store), 0);
}

/* ---- which file becomes a copy ---- */

struct content {
	char *bytes;
	size_t len;
};

static struct content
content(void)
{
	struct content c = { NULL, 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	c.len = (size_t)st.st_size;
	c.bytes = mem_alloc(c.len + 1);
	assert_int_equal(read(fd, c.bytes, c.len), c.len);
	close(fd);
	return c;
}

/* is_refused: it is not opened for that, nor would `rowcast check` let it pass, and it
 * stays as it is. Returns what was said. */
static const char *
is_refused(enum store_access access, const char *why)
{
	struct content before, after;
	struct store_look look;
	const char *said;

	store_close(store);
	store = NULL;
	does("PRAGMA wal_checkpoint(TRUNCATE)");
	before = content();
	capture_begin();
	assert_null(store_open(name, access));
	assert_says(capture_end(), why);
	capture_begin();
	assert_int_equal(store_look(name, access, &look), -1);
	said = capture_end();
	assert_says(said, why);
	after = content();
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.bytes, after.bytes, before.len);
	free(before.bytes);
	free(after.bytes);
	return said;
}

TEST(a_new_copy_is_empty_and_has_a_name_of_its_own)
{
	struct store_position position, again;

	bounds_are(1, 0, 0);
	holds(0);
	assert_int_equal(store_position(store, &position), 0);
	assert_int_equal(position.newest, 0);
	assert_int_equal(position.anchor, 0);
	assert_int_equal(strlen(position.name), 32);
	assert_int_equal(strspn(position.name, "0123456789abcdef"), 32);
	open_as(STORE_COPY);
	assert_int_equal(store_position(store, &again), 0);
	assert_string_equal(again.name, position.name);
	begin_anew();
	open_as(STORE_COPY);
	assert_int_equal(store_position(store, &again), 0);
	assert_string_not_equal(again.name, position.name);
}

TEST(a_file_that_is_there_and_holds_no_message_becomes_a_copy)
{
	begin_anew();
	open_as(STORE_OWNER);
	does("INSERT INTO message(data) VALUES('a'), ('b'); DELETE FROM message");
	open_as(STORE_COPY);
	follows_one(message_of(100, NULL, NULL, "x"));
	holds(1);
	assert_int_equal(number("SELECT count(*) FROM message"), 1);
}

/* Who was told of a gap in the file's own messages is told so still. */
TEST(what_the_file_has_trimmed_before_it_became_a_copy_stays_trimmed)
{
	struct message m = message_of(0, NULL, NULL, "a");
	struct append a = { .messages = &m, .n = 1, .publisher = "p" };
	struct append *appends[] = { &a };

	begin_anew();
	open_as(STORE_OWNER);
	for (int i = 0; i < 5; i++)
		assert_int_equal(store_append(store, appends, 1), 0);
	assert_int_equal(store_trim(store, 0, 1, 10), 4);
	does("DELETE FROM message");
	open_as(STORE_COPY);
	bounds_are(5, 4, 4);
}

TEST(an_application_s_own_file_becomes_a_copy_and_keeps_what_it_has)
{
	begin_anew();
	does("CREATE TABLE orders(id INTEGER PRIMARY KEY, user, state); INSERT INTO orders VALUES(1, 7, 'new');"
	    "PRAGMA user_version = 12; PRAGMA application_id = 4711");
	open_as(STORE_COPY);
	assert_int_equal(number("SELECT count(*) FROM orders"), 1);
	assert_int_equal(number("PRAGMA user_version"), 12);
	assert_int_equal(number("PRAGMA application_id"), 4711);
	does("INSERT INTO message(data) VALUES('a')");
	sends("-/-/-/a/-\n");
}

/* ---- who is revoked ---- */

/* revokes: a message of the log does. */
static void
revokes(int64_t id, const char *user, wall_s at)
{
	struct message m = message_of(id, user, MESSAGE_TOPIC_CONTROL, "");
	char event[] = "revoke";

	m.event = event;
	m.created_at = at;
	follows_one(m);
}

static void
add_revoked(void *out, const char *user, wall_s until)
{
	buf_printf(out, "%s:%" PRId64 "\n", user, until);
}

static void
knows_revoked_after(int64_t after, const char *expected)
{
	struct buf out = BUF_EMPTY;

	assert_int_equal(store_read_revoked(store, &after, add_revoked, &out), 0);
	buf_add_char(&out, '\0');
	assert_string_equal(out.bytes, expected);
	buf_free(&out);
}

static void
knows_revoked(const char *expected)
{
	knows_revoked_after(0, expected);
}

/* back_to_version_3 makes of the file, which has messages of its own or none, what it
 * was before there were copies. */
static void
back_to_version_3(void)
{
	store_close(store);
	store = NULL;
	does("DROP TRIGGER message_noted; DROP TRIGGER message_new; DROP TABLE rowcast_ended;"
	    " DROP TABLE rowcast_following;"
	    " DROP TABLE rowcast_revoked;"
	    " ALTER TABLE rowcast_state DROP COLUMN name; UPDATE rowcast_schema SET version = 3;"
	    " PRAGMA user_version = 3");
}

TEST(a_file_of_version_3_is_upgraded_and_then_made_a_copy)
{
	begin_anew();
	open_as(STORE_OWNER);
	back_to_version_3();
	open_as(STORE_COPY);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 6);
	assert_int_equal(number("PRAGMA user_version"), 6);
	does("INSERT INTO message(data) VALUES('a')");
	sends("-/-/-/a/-\n");
	begin_anew();
	open_as(STORE_OWNER);
	does("INSERT INTO message(data) VALUES('a')");
	back_to_version_3();
	is_refused(STORE_COPY, "has messages of its own");
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 3);
	open_as(STORE_OWNER);
	holds(1);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 6);
}

TEST(a_copy_of_version_4_is_upgraded_and_then_knows_who_is_revoked)
{
	follows_one(message_of(100, NULL, NULL, "x"));
	store_close(store);
	store = NULL;
	does("DROP INDEX rowcast_copy_gap; DROP INDEX rowcast_outbox_end; DROP TABLE rowcast_ended;"
	    " DROP TABLE rowcast_following;"
	    " DROP TABLE rowcast_revoked;"
	    " UPDATE rowcast_schema SET version = 4; PRAGMA user_version = 4");
	open_as(STORE_COPY);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 6);
	revokes(200, "42", 1000);
	knows_revoked("42:1000\n");
}

TEST(who_is_revoked_in_the_log_is_revoked_here_for_ever)
{
	revokes(100, "42", 1000);
	revokes(200, "7", 2000);
	revokes(300, "42", 900);   /* another machine's clock, or an older message */
	knows_revoked("42:1000\n7:2000\n");
	revokes(400, "42", 3000);
	knows_revoked("7:2000\n42:3000\n");
	assert_int_equal(store_trim_copy(store, 400, 0, 100), 4);
	open_as(STORE_COPY);
	knows_revoked("7:2000\n42:3000\n");
}

TEST(what_is_on_its_way_to_the_log_revokes_nobody_yet)
{
	does("INSERT INTO message(user, topic, event, data) VALUES('42', 'rowcast.control', 'revoke', '')");
	knows_revoked("");
}

TEST(what_is_known_elsewhere_is_taken_over_and_lowers_nothing)
{
	const struct store_revocation elsewhere[] = { { "42", 500 }, { "43", 600 }, { "44", 700 } };
	struct buf before = BUF_EMPTY;
	int64_t after = 0;

	revokes(100, "42", 1000);
	revokes(200, "44", 100);
	assert_int_equal(store_read_revoked(store, &after, add_revoked, &before), 0);
	buf_free(&before);
	assert_int_equal(store_revoke(store, elsewhere, 3), 0);
	knows_revoked("42:1000\n43:600\n44:700\n");
	knows_revoked_after(after, "43:600\n44:700\n");
	assert_int_equal(store_revoke(store, elsewhere, 3), 0);
	assert_int_equal(store_revoke(store, elsewhere, 0), 0);
	knows_revoked("42:1000\n43:600\n44:700\n");
}

TEST(an_owner_refuses_a_copy_and_a_reader_takes_it)
{
	struct store *reader;

	follows_one(message_of(100, NULL, NULL, "x"));
	reader = store_open(name, STORE_READER);
	assert_non_null(reader);
	read_from(reader, 0, NULL, 0);
	assert_int_equal(seen.n, 1);
	assert_true(seen.bounds.given == INT64_MAX);
	store_close(reader);
	is_refused(STORE_OWNER, ": is a machine's copy of a log that several machines share: set"
	    " `upstream`, or choose another file\n");
}

TEST(what_an_application_has_hung_on_the_table_is_not_dropped)
{
	begin_anew();
	open_as(STORE_OWNER);
	does("CREATE TRIGGER theirs AFTER INSERT ON message BEGIN SELECT 1; END");
	is_refused(STORE_COPY, ": has the trigger theirs on the table message, which in a machine's"
	    " copy is a view: drop it first\n");
	does("DROP TRIGGER theirs; CREATE INDEX by_event ON message(event)");
	is_refused(STORE_COPY, ": has the index by_event on the table message");
	does("DROP INDEX by_event");
	open_as(STORE_COPY);
}

TEST(another_program_s_message_table_is_refused)
{
	begin_anew();
	does("CREATE TABLE message(id INTEGER PRIMARY KEY, text)");
	is_refused(STORE_COPY, "has a table named message that is not rowcast's");
}

/* The n-th command between backticks in what was said; the caller frees it. */
static char *
command_in(const char *said, int n)
{
	const char *end;

	for (; n > 0; n--) {
		said = strchr(said, '`');
		assert_non_null(said);
		end = strchr(++said, '`');
		assert_non_null(end);
		if (n == 1)
			return mem_strndup(said, (size_t)(end - said));
		said = end + 1;
	}
	return NULL;
}

static void
run_command(char *command)
{
	if (system(command) != 0)
		fail_msg("%s: failed", command);
	free(command);
}

/* The sentence is to be followed to the letter, so the test does. */
TEST(messages_of_its_own_are_published_to_all_in_the_way_that_is_said)
{
	char *first, *second;
	const char *said;

	if (system("sqlite3 --version >/dev/null 2>&1") != 0) {
		print_message("# the sqlite3 shell is missing: apt-get install sqlite3\n");
		skip();
	}
	for (int theirs = 0; theirs < 2; theirs++) {
		begin_anew();
		if (theirs)
			does("CREATE TABLE orders(id)");
		open_as(STORE_OWNER);
		does("INSERT INTO message(user, topic, event, data, key) VALUES('7', 't', 'e', 'it''s', 'k')");
		does("INSERT INTO message(data, expires_at) VALUES('b', 4000000000), (17, NULL)");
		said = is_refused(STORE_COPY, ": has messages of its own, which the other machines would"
		    " never get. To publish them to all: `");
		assert_says(said, ", start rowcast, then `sqlite3 ");
		first = command_in(said, 1);
		second = command_in(said, 2);
		sqlite3_close_v2(foreign);
		foreign = NULL;
		run_command(first);
		open_as(STORE_COPY);
		run_command(second);
		unlink(file_of(".old"));
		foreign_open();
		assert_int_equal(number("SELECT count(*) FROM sqlite_schema WHERE name = 'orders'"), theirs);
		sends("7/t/e/it's/k\n-/-/-/b/- expires\n-/-/-/17/-\n");
	}
}

/* A process that has the file open as its own must not go on as if nothing were. */
TEST(whoever_has_the_file_open_as_its_own_notices)
{
	enum { N = 40 };
	struct message m[N];
	struct append a = { .messages = m, .n = N, .publisher = "p" };
	struct append *appends[] = { &a };
	struct store *owner, *reader;

	for (int alone = 0; alone < 2; alone++) {
		begin_anew();
		owner = store_open(name, STORE_OWNER);
		reader = store_open(name, STORE_READER);
		open_as(STORE_COPY);
		for (int i = 0; i < N; i++)
			m[i] = message_of(0, NULL, NULL, "x");
		a.n = alone ? 1 : N;
		capture_begin();
		assert_int_not_equal(store_append(owner, appends, 1), 0);
		assert_false(a.stored);
		assert_int_equal(store_read(reader, 0, NULL, note_row, NULL, &seen.bounds, &seen.upto),
		    STORE_REPLACED);
		assert_says(capture_end(), "was made a copy of a log that several machines share while it"
		    " was open");
		store_close(owner);
		store_close(reader);
		sends("");
	}
}

static int
open_in_child(int go)
{
	struct store *mine;
	char byte;

	if (read(go, &byte, 1) < 0)
		return 1;
	mine = open_beside_others(name, STORE_COPY);
	store_close(mine);
	return mine != NULL ? 0 : 1;
}

TEST(those_who_start_at_once_make_one_copy)
{
	enum { N = 6 };
	pid_t children[N];
	struct store_position position, again;
	int status, go[2];

	begin_anew();
	assert_int_equal(pipe(go), 0);
	capture_begin();
	for (int i = 0; i < N; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			close(go[1]);
			_exit(open_in_child(go[0]));
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < N; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	says_locked_only(capture_end());
	open_as(STORE_COPY);
	assert_int_equal(store_position(store, &position), 0);
	open_as(STORE_COPY);
	assert_int_equal(store_position(store, &again), 0);
	assert_string_equal(position.name, again.name);
	assert_int_equal(number("SELECT count(*) FROM rowcast_state"), 1);
}

/* ---- what `message` refuses, and in which words ---- */

#define NOT_SECONDS " must be Unix seconds, from 1 to the year 2100 (not milliseconds)"

TEST(the_view_refuses_what_the_table_refuses)
{
	static const struct { const char *sql, *sentence; } refused[] = {
		{ "INSERT INTO message(id, data) VALUES(1, 'a')",
		  "id is given by the log that several machines share: leave id out" },
		{ "INSERT INTO message(user) VALUES('42')", "NOT NULL constraint failed: message.data" },
		{ "INSERT INTO message(data) VALUES(NULL)", "NOT NULL constraint failed: message.data" },
		{ "INSERT INTO message(data) VALUES('a' || char(0))",
		  "CHECK constraint failed: data must be text without U+0000" },
		{ "INSERT INTO message(data) VALUES(x'61')",
		  "CHECK constraint failed: data must be text without U+0000" },
		{ "INSERT INTO message(data) VALUES(printf('%1048577d', 1))",
		  "CHECK constraint failed: data must not be over 1 MiB" },
		{ "INSERT INTO message(data, event) VALUES('a', 'a' || char(10))",
		  "CHECK constraint failed: event must be text without a line break" },
		{ "INSERT INTO message(data, user) VALUES('a', '')",
		  "CHECK constraint failed: user must be NULL or text, not empty and without U+0000" },
		{ "INSERT INTO message(data, topic) VALUES('a', 'b' || char(0))",
		  "CHECK constraint failed: topic must be NULL or text, not empty and without U+0000" },
		{ "INSERT INTO message(data, created_at) VALUES('a', 'now')",
		  "CHECK constraint failed: created_at must be a number of Unix seconds" },
		{ "INSERT INTO message(data, created_at) VALUES('a', 1700000000.5)",
		  "CHECK constraint failed: created_at must be a number of Unix seconds" },
		{ "INSERT INTO message(data, expires_at) VALUES('a', 'soon')",
		  "CHECK constraint failed: expires_at must be NULL or a number of Unix seconds" },
		{ "INSERT INTO message(data, created_at) VALUES('a', 1700000000000)",
		  "created_at" NOT_SECONDS ": leave it out for now" },
		{ "INSERT INTO message(data, expires_at) VALUES('a', 0)",
		  "expires_at" NOT_SECONDS ", or NULL for never" },
		{ "INSERT INTO message(data, user) VALUES('a', printf('%256d', 1))",
		  "user must not be over 255 bytes: choose a shorter one" },
		{ "INSERT INTO message(data, topic) VALUES('a', printf('%256d', 1))",
		  "topic must not be over 255 bytes: choose a shorter one" },
		{ "INSERT INTO message(data, event) VALUES('a', printf('%256d', 1))",
		  "event must not be over 255 bytes: choose a shorter one" },
		{ "INSERT INTO message(data, user) VALUES('a', 42.0)",
		  "user is a whole number that was bound as floating point (42.0 is not 42): bind it as"
		  " text or as an integer" },
		{ "INSERT INTO message(data, topic) VALUES('a', 1e15)",
		  "topic is a whole number that was bound as floating point (42.0 is not 42): bind it as"
		  " text or as an integer" },
		{ "INSERT INTO message(data, event) VALUES('a', 'rowcast.gap')",
		  "event must not be error, open or begin with rowcast., which mean something else to"
		  " browsers and rowcast: choose another name" },
		{ "INSERT INTO message(data, key) VALUES('a', printf('%1025d', 1))",
		  "key must be text of at most 1024 bytes without U+0000" },
		{ "INSERT INTO message(data, key) VALUES('a', 'b' || char(0))",
		  "key must be text of at most 1024 bytes without U+0000" },
		/* Several at once, through which a good one does not slip. */
		{ "INSERT INTO message(user, data) VALUES('good', 'x'), (42.0, 'x')",
		  "user is a whole number that was bound as floating point (42.0 is not 42): bind it as"
		  " text or as an integer" },
		{ "UPDATE message SET expires_at = 4000000000",
		  "a published message cannot change, since other machines have it too: delete it and"
		  " insert another" },
		{ "INSERT INTO message(data, key) VALUES('a', 'k') ON CONFLICT(key) DO NOTHING",
		  "cannot UPSERT a view" },
	};

	follows_one(message_of(100, NULL, NULL, "x"));
	for (int strict = 0; strict < 2; strict++) {
		for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
			is_told(refused[i].sql, refused[i].sentence);
		/* Whatever the application has set for itself. */
		does("PRAGMA recursive_triggers = ON; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON;"
		    " PRAGMA reverse_unordered_selects = ON; PRAGMA case_sensitive_like = ON");
	}
	sends("");
	holds(1);
}

/* What a driver binds as a double comes as one, also to a view. */
TEST(a_whole_number_bound_as_floating_point_names_nobody)
{
	sqlite3_stmt *insert;

	assert_int_equal(sqlite3_prepare_v2(foreign, "INSERT INTO message(user, topic, data)"
	    " VALUES(?1, ?2, ?3)", -1, &insert, NULL), SQLITE_OK);
	sqlite3_bind_double(insert, 1, 42.0);
	sqlite3_bind_double(insert, 3, 42.0);
	assert_int_equal(sqlite3_step(insert), SQLITE_CONSTRAINT);
	sqlite3_reset(insert);
	sqlite3_bind_int(insert, 1, 42);
	sqlite3_bind_double(insert, 2, 7.5);
	assert_int_equal(sqlite3_step(insert), SQLITE_DONE);
	sqlite3_finalize(insert);
	sends("42/7.5/-/42.0/-\n");
}

TEST(what_the_table_takes_the_view_takes)
{
	does("PRAGMA trusted_schema = OFF; PRAGMA recursive_triggers = ON");
	does("INSERT INTO message(data) VALUES('hello')");
	does("INSERT INTO message VALUES(NULL, 42, 't', 'e', 17, 1700000000, 4000000000, 9)");
	does("INSERT INTO message(created_at, expires_at, data) VALUES('1700000000', '4000000000', '')");
	does("INSERT INTO message(created_at, data) VALUES(1700000000.0, 'whole')");
	does("INSERT INTO message(user, data) SELECT 'u' || value, 'v' FROM json_each('[1,2,3]')");
	does("INSERT INTO message(data) SELECT printf('%1048576d', 1) WHERE 0");
	gives("INSERT INTO message(data) VALUES('returning') RETURNING id", NULL);
	sends("-/-/-/hello/-\n42/t/e/17/9 expires\n-/-/-//- expires\n-/-/-/whole/-\n"
	    "u1/-/-/v/-\nu2/-/-/v/-\nu3/-/-/v/-\n-/-/-/returning/-\n");
}

/* ---- the outbox ---- */

TEST(an_insert_waits_in_the_outbox_and_is_seen_when_it_comes_back)
{
	does("INSERT INTO message(user, data) VALUES('7', 'a'), ('8', 'b')");
	assert_int_equal(number("SELECT count(*) FROM message"), 0);
	holds(0);
	sends("7/-/-/a/-\n8/-/-/b/-\n");
	follows_one(message_of(5000, "7", NULL, "a"));
	gives("SELECT id || '/' || user || '/' || data || '/' || created_at FROM message",
	    "5000/7/a/1700000000");
}

TEST(the_outbox_is_of_the_application_s_transaction)
{
	does("CREATE TABLE orders(id INTEGER PRIMARY KEY, user, state);"
	    "CREATE TRIGGER shipped AFTER UPDATE OF state ON orders WHEN NEW.state = 'shipped'"
	    " BEGIN INSERT INTO message(user, event, data) VALUES(NEW.user, 'order',"
	    "  json_object('id', NEW.id)); END;"
	    "INSERT INTO orders VALUES(1, 7, 'new'), (2, 8, 'new'), (3, 42.0, 'new')");
	does("BEGIN; UPDATE orders SET state = 'shipped' WHERE id < 3");
	assert_int_equal(store_count_outbox(store), 0);
	does("ROLLBACK");
	sends("");
	does("BEGIN; UPDATE orders SET state = 'shipped' WHERE id = 2;"
	    " UPDATE orders SET state = 'shipped' WHERE id = 1; COMMIT");
	sends("8/-/order/{\"id\":2}/-\n7/-/order/{\"id\":1}/-\n");
	/* What is refused takes the application's statement with it. */
	is_told("UPDATE orders SET state = 'shipped' WHERE id = 3", "user is a whole number that was"
	    " bound as floating point (42.0 is not 42): bind it as text or as an integer");
	gives("SELECT state FROM orders WHERE id = 3", "new");
	does("BEGIN; SAVEPOINT s; INSERT INTO message(data) VALUES('a'); ROLLBACK TO s;"
	    " INSERT INTO message(data) VALUES('b'); COMMIT");
	sends("-/-/-/b/-\n");
}

TEST(rows_of_the_outbox_are_in_the_order_of_commits_and_each_is_another)
{
	int64_t last;

	for (int i = 0; i < 3; i++)
		does("INSERT INTO message(data) VALUES('same')");
	outbox.most = 0;
	read_outbox();
	assert_int_equal(outbox.n, 3);
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(outbox.once[i], outbox.once[j]);
	last = outbox.numbers[2];
	/* The reader ends where it likes, and what it has not passed on stays. */
	outbox.most = 2;
	read_outbox();
	assert_int_equal(outbox.n, 2);
	assert_int_equal(store_empty_outbox(store, outbox.numbers[1]), 0);
	assert_int_equal(store_count_outbox(store), 1);
	outbox.most = 0;
	read_outbox();
	assert_int_equal(outbox.n, 1);
	assert_int_equal(outbox.numbers[0], last);
	/* A number is never given again, or emptying would take what nobody has sent. */
	assert_int_equal(store_empty_outbox(store, last), 0);
	does("INSERT INTO message(data) VALUES('next')");
	read_outbox();
	assert_true(outbox.numbers[0] > last);
	assert_int_equal(store_empty_outbox(store, last), 0);
	sends("-/-/-/next/-\n");
}

TEST(a_key_stands_once_in_the_copy_and_the_outbox_together)
{
	static const char taken[] = "UNIQUE constraint failed: message.key";

	follows_one(with_key(message_of(100, NULL, NULL, "x"), "copied"));
	does("INSERT INTO message(data, key) VALUES('a', 'waiting'), ('b', 42)");
	is_told("INSERT INTO message(data, key) VALUES('c', 'waiting')", taken);
	is_told("INSERT INTO message(data, key) VALUES('c', 'copied')", taken);
	is_told("INSERT INTO message(data, key) VALUES('c', 42)", taken);
	is_told("INSERT INTO message(data, key) VALUES('c', '42')", taken);
	is_told("INSERT INTO message(data, key) VALUES('good', 'new'), ('c', 'waiting')", taken);
	is_told("INSERT INTO message(data, key) VALUES('c', 'twice'), ('d', 'twice')", taken);
	assert_int_equal(sqlite3_errcode(foreign), SQLITE_CONSTRAINT);
	/* It is for the sentence that the view has it; one way or other all of these fail. */
	for (size_t i = 0; i < 3; i++) {
		static const char *const how[] = { "ABORT", "FAIL", "ROLLBACK" };
		char sql[128];

		snprintf(sql, sizeof(sql), "INSERT OR %s INTO message(data, key) VALUES('c', 'copied')", how[i]);
		assert_int_equal(sqlite3_exec(foreign, sql, NULL, NULL, NULL), SQLITE_CONSTRAINT);
	}
	does("INSERT OR IGNORE INTO message(data, key) VALUES('c', 'waiting'), ('d', 'new'), ('e', 'copied')");
	sends("-/-/-/a/waiting\n-/-/-/b/42\n-/-/-/d/new\n");
	/* None of that has left anything behind. */
	is_told("INSERT INTO message(data, key) VALUES('c', 'copied')", taken);
	does("INSERT OR IGNORE INTO message(data, key) VALUES('c', 'copied')");
	does("INSERT INTO message(data) VALUES('keyless'), ('keyless')");
	sends("-/-/-/keyless/-\n-/-/-/keyless/-\n");
	holds(1);
}

TEST(a_key_that_is_replaced_is_erased_and_comes_anew)
{
	follows_one(with_key(message_of(100, NULL, NULL, "x"), "copied"));
	for (int i = 0; i < 2; i++) {
		does("INSERT OR REPLACE INTO message(data, key) VALUES('y', 'copied')");
		does("REPLACE INTO message(data, key) VALUES('z', 'copied'), ('n', 'new')");
		holds(0);
		sends(i == 0 ? "erase 100\n-/-/-/y/copied replaces\n-/-/-/z/copied replaces\n-/-/-/n/new\n"
		    : "erase 200\n-/-/-/y/copied replaces\n-/-/-/z/copied replaces\n-/-/-/n/new\n");
		if (i == 0)
			follows_one(with_key(message_of(200, NULL, NULL, "z"), "copied"));
	}
	does("INSERT INTO message(data, key) VALUES('after', 'copied')");
	sends("-/-/-/after/copied\n");
}

TEST(a_delete_erases_here_at_once_and_goes_to_the_others)
{
	struct message m[] = { message_of(100, "7", NULL, "a"), with_key(message_of(200, NULL, NULL, "b"), "k"),
	    message_of(300, NULL, "t", "c") };

	follows(m, 3);
	does("BEGIN; DELETE FROM message WHERE id = 200; ROLLBACK");
	holds(3);
	sends("");
	does("BEGIN; DELETE FROM message WHERE key = 'k'; INSERT INTO message(data, key) VALUES('new', 'k'); COMMIT");
	holds(2);
	assert_int_equal(seen.ids[1], 300);
	sends("erase 200\n-/-/-/new/k\n");
	does("DELETE FROM message");
	holds(0);
	sends("erase 100\nerase 300\n");
	bounds_are(301, 300, 0);
	does("DELETE FROM message");
	sends("");
}

static void
insert_and_die(bool commits)
{
	sqlite3 *db;

	sqlite3_open(path, &db);
	sqlite3_exec(db, "PRAGMA synchronous = OFF; BEGIN; INSERT INTO message(data) VALUES('a'), ('b')",
	    NULL, NULL, NULL);
	if (commits)
		sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	kill(getpid(), SIGKILL);
}

TEST(what_a_killed_program_has_committed_waits_and_nothing_else)
{
	for (int commits = 0; commits < 2; commits++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0)
			insert_and_die(commits);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		if (commits)
			open_as(STORE_COPY);
		sends(commits ? "-/-/-/a/-\n-/-/-/b/-\n" : "");
	}
}

/* The same of the follower: rows and position are of one moment. */
TEST(a_follower_that_is_killed_goes_on_from_what_it_has)
{
	/* Of such blocks a pipe holds sixteen, for Linux: so far it goes on while we are
	 * late to kill it. */
	enum { BLOCK_BYTES = 4096 };

	for (int round = 0; round < 3; round++) {
		struct store_position position;
		static char block[BLOCK_BYTES];
		int status, done[2];
		pid_t child;

		assert_int_equal(pipe(done), 0);
		store_close(store);
		store = NULL;
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			store = store_open(name, STORE_COPY);
			store_position(store, &position);
			for (int64_t id = position.newest + 7;; id += 7) {
				struct message m[50];

				for (int i = 0; i < 50; i++, id += 7)
					m[i] = message_of(id, "7", NULL, "x");
				follows(m, 50);
				if (write(done[1], block, BLOCK_BYTES) != BLOCK_BYTES)
					_exit(1);
			}
		}
		for (int i = 0; i < 20; i++)
			assert_int_equal(read(done[0], block, BLOCK_BYTES), BLOCK_BYTES);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		close(done[0]);
		close(done[1]);
		open_as(STORE_COPY);
		assert_int_equal(store_position(store, &position), 0);
		read_from(store, 0, NULL, 0);
		assert_int_equal(seen.ids[seen.n - 1], position.newest);
		assert_int_equal(seen.n % 50, 0);
		assert_true(seen.n >= 20 * 50);
		/* What is there is not followed twice. */
		store_follow(store, &(struct store_news){ .newest = position.newest }, NULL);
		does("DELETE FROM rowcast_copy");
	}
}

/* ---- following ---- */

TEST(a_message_is_read_back_as_it_was_followed)
{
	struct message m = with_event(message_of(INT64_C(9007199254740991), "42", "news",
	    "line\r\nline\n\xf0\x9f\x8e\x89"), "note");
	char user[] = "42", topic[] = "news", *topics[] = { topic };
	struct filter filter = { .user = user, .topics = topics, .n_topics = 1 };

	m.data_len -= 4;
	follows_one(m);
	for (int filtered = 0; filtered < 2; filtered++) {
		read_from(store, 0, filtered ? &filter : NULL, 0);
		assert_int_equal(seen.n, 1);
		assert_string_equal(seen.data, "line\r\nline\n");
		assert_string_equal(seen.event, "note");
		assert_int_equal(seen.created_at, 1700000000);
	}
	bounds_are(m.id, m.id, 0);
}

TEST(a_message_without_its_time_is_of_now)
{
	struct message m = message_of(5, NULL, NULL, "x");
	wall_s now = clock_wall_s();

	m.created_at = 0;
	follows_one(m);
	holds(1);
	assert_true(seen.created_at >= now && seen.created_at <= clock_wall_s());
}

TEST(a_position_is_kept_and_never_lowered)
{
	struct store_position position;

	follows_news(&(struct store_news){ .newest = 500, .anchor = 400, .trimmed = 300 });
	follows_news(&(struct store_news){ .newest = 100, .anchor = 100, .trimmed = 100 });
	open_as(STORE_COPY);
	assert_int_equal(store_position(store, &position), 0);
	assert_int_equal(position.newest, 500);
	assert_int_equal(position.anchor, 400);
	bounds_are(501, 500, 300);
}

/* Several processes may follow into one file. */
TEST(what_another_was_quicker_with_is_left_out)
{
	struct store *other = store_open(name, STORE_COPY);
	struct message m[100];

	for (int i = 0; i < 100; i++)
		m[i] = message_of(10 * i + 10, NULL, NULL, "x");
	follows(m, 40);
	assert_int_equal(store_follow(other, &(struct store_news){ .messages = m, .n = 80, .newest = 800,
	    .anchor = 800 }, NULL), 0);
	follows(m + 40, 60);
	holds(100);
	store_close(other);
}

TEST(a_key_that_another_row_has_is_left_out_and_its_message_is_not)
{
	struct message m[70];

	for (int i = 0; i < 70; i++)
		m[i] = message_of(10 * i + 10, NULL, NULL, "x");
	m[3] = with_key(m[3], "k");
	m[40] = with_key(m[40], "k");
	m[69] = with_key(m[69], "l");
	follows(m, 70);
	holds(70);
	assert_int_equal(number("SELECT id FROM message WHERE key = 'k'"), 40);
	assert_int_equal(number("SELECT count(*) FROM message WHERE key IS NULL"), 68);
	follows_one(with_key(message_of(1000, NULL, NULL, "x"), "l"));
	holds(71);
	gives("SELECT key FROM message WHERE id = 1000", NULL);
}

TEST(what_others_erase_is_gone_whether_it_was_here_or_comes_with_it)
{
	struct message m[] = { message_of(100, NULL, NULL, "a"), message_of(200, NULL, NULL, "b") };
	int64_t erased[] = { 100, 200, 77 };

	follows(m, 1);
	follows_news(&(struct store_news){ .messages = m + 1, .n = 1, .erased = erased, .n_erased = 3,
	    .newest = 250, .anchor = 250 });
	holds(0);
	bounds_are(251, 250, 0);
	sends("");
}

TEST(rows_that_tell_of_lost_history_are_for_streams_alone)
{
	struct message m[] = { message_of(100, NULL, NULL, "a"),
	    with_event(message_of(200, NULL, NULL, "{}"), "rowcast.gap"), message_of(300, NULL, NULL, "c") };
	char user[] = "7";
	struct filter filter = { .user = user };

	follows(m, 3);
	for (int filtered = 0; filtered < 2; filtered++) {
		read_from(store, 0, filtered ? &filter : NULL, 2);
		assert_int_equal(seen.ids[1], 200);
		assert_string_equal(seen.event, "rowcast.gap");
		read_from(store, 200, filtered ? &filter : NULL, 0);
		assert_int_equal(seen.n, 1);
	}
	gives("SELECT group_concat(id) FROM message", "100,300");
	does("DELETE FROM message");
	sends("erase 100\nerase 300\n");
	holds(1);
}

TEST(who_is_ahead_of_the_copy_stays_where_he_is)
{
	char user[] = "7";
	struct filter filter = { .user = user };

	for (int empty = 1; empty >= 0; empty--) {
		for (int filtered = 0; filtered < 2; filtered++) {
			read_from(store, 1000, filtered ? &filter : NULL, 0);
			assert_int_equal(seen.n, 0);
			assert_int_equal(seen.upto, 1000);
			read_from(store, INT64_MAX, filtered ? &filter : NULL, 0);
			assert_true(seen.upto == INT64_MAX);
		}
		if (empty)
			follows_one(message_of(100, "7", NULL, "x"));
	}
	read_from(store, 99, &filter, 0);
	assert_int_equal(seen.upto, 100);
}

/* ---- retention ---- */

TEST(what_is_trimmed_does_not_exist_though_it_still_stands)
{
	struct message m[100];
	char user[] = "7";
	struct filter filter = { .user = user };

	for (int i = 0; i < 100; i++)
		m[i] = message_of(10 * i + 10, "7", NULL, "x");
	follows(m, 100);
	follows_news(&(struct store_news){ .trimmed = 505, .newest = 1000 });
	for (int slice = 0; slice < 8; slice++) {
		bounds_are(510, 1000, 505);
		read_from(store, 0, NULL, 0);
		assert_int_equal(seen.n, 50);
		read_from(store, 0, &filter, 0);
		assert_int_equal(seen.n, 50);
		assert_int_equal(seen.ids[0], 510);
		assert_int_equal(number("SELECT count(*) FROM message"), 50);
		assert_int_equal(number("SELECT count(*) FROM rowcast_copy"), slice < 5 ? 100 - 10 * slice : 50);
		assert_int_equal(store_trim_copy(store, 0, 0, 10), slice < 5 ? 10 : 0);
	}
}

TEST(a_slice_holds_what_has_expired_and_what_is_too_old)
{
	struct message m[20];

	for (int i = 0; i < 20; i++) {
		m[i] = message_of(10 * i + 10, NULL, NULL, "x");
		if (i % 2 == 1)
			m[i].expiry = EXPIRY_AT(i < 18 ? 1 : 4000000000);
	}
	follows(m, 20);
	assert_int_equal(store_trim_copy(store, 0, 0, 5), 5);
	bounds_are(10, 200, 0);
	assert_int_equal(store_trim_copy(store, 55, 0, 5), 5);
	bounds_are(30, 200, 10);
	assert_int_equal(store_trim_copy(store, 55, 0, 5), 2);
	bounds_are(70, 200, 50);
	assert_int_equal(store_trim_copy(store, 55, 0, 5), 0);
	holds(8);
	assert_int_equal(store_trim_copy(store, INT64_MAX, 0, 100), 8);
	bounds_are(201, 200, 200);
	sends("");
}

TEST(what_the_log_has_lost_the_copy_keeps_for_its_time)
{
	wall_s now = clock_wall_s();
	struct message m[5];

	for (int i = 0; i < 5; i++) {
		m[i] = message_of(10 * i + 10, NULL, NULL, "x");
		m[i].created_at = i < 2 ? now - 100 : now;
	}
	m[4] = with_event(m[4], "rowcast.gap");
	follows(m, 5);
	/* Lost at 50: rows by their age; not at all where there is no such bound. */
	assert_int_equal(store_trim_copy(store, 50, 0, 10), 0);
	assert_int_equal(store_trim_copy(store, 50, 50, 10), 2);
	bounds_are(30, 50, 20);
	assert_int_equal(store_trim_copy(store, 50, 50, 10), 0);
	/* Then retention goes on in the log. */
	m[0] = message_of(60, NULL, NULL, "x");
	follows(m, 1);
	assert_int_equal(store_trim_copy(store, 60, 50, 10), 4);
	bounds_are(61, 60, 60);
}

/* ---- when the file fails ---- */

TEST(a_copy_that_another_program_keeps_locked_is_busy_and_then_as_before)
{
	struct message m = message_of(100, NULL, NULL, "x");
	struct store_news news = { .messages = &m, .n = 1, .newest = 100, .anchor = 100 };

	does("INSERT INTO message(data) VALUES('a'); BEGIN IMMEDIATE");
	capture_begin();
	assert_int_equal(store_follow(store, &news, NULL), STORE_BUSY);
	assert_int_equal(store_empty_outbox(store, 1), STORE_BUSY);
	assert_int_equal(store_trim_copy(store, 100, 0, 10), -1);
	assert_says(capture_end(), "locked by another program for over 2000 ms");
	does("COMMIT");
	holds(0);
	sends("-/-/-/a/-\n");
	follows_news(&news);
	holds(1);
}

TEST(a_copy_that_finds_no_room_takes_nothing_and_goes_on_when_there_is)
{
	struct message m[100];
	struct store_news news = { .messages = m, .n = 100, .newest = 1000, .anchor = 1000 };
	char *data = mem_alloc(10001);
	struct rlimit all, few;

	memset(data, 'x', 10000);
	data[10000] = '\0';
	for (int i = 0; i < 100; i++)
		m[i] = message_of(10 * i + 10, NULL, NULL, data);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	few = all;
	few.rlim_cur = 300000;
	signal(SIGXFSZ, SIG_IGN);
	capture_begin();
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	assert_int_not_equal(store_follow(store, &news, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	assert_says(capture_end(), "what the log has cannot be stored");
	holds(0);
	bounds_are(1, 0, 0);
	follows_news(&news);
	holds(100);
	free(data);
}

TEST(a_copy_that_was_taken_away_takes_nothing_more)
{
	struct message m = message_of(100, NULL, NULL, "x");
	struct store_news news = { .messages = &m, .n = 1, .newest = 100, .anchor = 100 };

	unlink(path);
	capture_begin();
	assert_int_equal(store_follow(store, &news, NULL), STORE_REPLACED);
	assert_int_equal(store_empty_outbox(store, 1), STORE_REPLACED);
	assert_int_equal(store_read_outbox(store, note_outgoing, NULL), STORE_REPLACED);
	assert_says(capture_end(), "was deleted, moved or replaced");
}

TEST(a_look_says_what_a_copy_holds)
{
	struct store_look look;

	follows_one(message_of(100, NULL, NULL, "x"));
	follows_news(&(struct store_news){ .newest = 200 });
	assert_int_equal(store_look(name, STORE_COPY, &look), 0);
	assert_true(look.exists);
	assert_int_equal(look.bounds.oldest, 100);
	assert_int_equal(look.bounds.newest, 200);
	assert_int_equal(look.n_rows, 1);
	assert_int_equal(look.version, look.version_made);
}

/* ---- searching ---- */

static struct store *
search_handle(void)
{
	return store;
}

/* Ids of a log are sparse, and its last entries may be no messages. */
static void
search_put(struct search_row *rows, size_t n)
{
	static int64_t next;
	struct message *messages = mem_zalloc(n * sizeof(*messages));
	struct store_position position;

	assert_int_equal(store_position(store, &position), 0);
	next = position.newest;
	for (size_t i = 0; i < n; i++) {
		next += i % 7 == 0 ? 1000000 : 1;
		rows[i].id = next;
		messages[i] = message_of(next, rows[i].user, rows[i].topic, "x");
		messages[i].created_at = rows[i].created_at;
		if (rows[i].expired)
			messages[i].expiry = EXPIRY_AT(1);
	}
	follows(messages, n);
	free(messages);
}

static void
search_drop(int64_t id)
{
	follows_news(&(struct store_news){ .erased = &id, .n_erased = 1 });
}

static void
search_trim(int64_t upto)
{
	struct store_position position;

	assert_int_equal(store_position(store, &position), 0);
	follows_news(&(struct store_news){ .trimmed = upto, .newest = position.newest });
}

/* A gap is for whoever is there, a message for everyone is not for who left out the inbox. */
TEST(without_the_inbox_a_copy_gives_topics_and_gaps)
{
	enum { ROWS = 7000, GAP = 3000, TOPIC = 5000 };
	static struct message messages[ROWS];
	char *topics[] = { search_topics[0] };
	struct filter filter = { .user = search_users[0], .topics = topics, .n_topics = 1, .topics_only = true };

	for (int i = 0; i < ROWS; i++)
		messages[i] = i == GAP ? with_event(message_of(10 + i, NULL, NULL, "{}"), "rowcast.gap")
		    : message_of(10 + i, NULL, i == TOPIC ? search_topics[0] : NULL, "x");
	follows(messages, ROWS);
	for (int learned = 0; learned < 2; learned++) {
		search_read(0, &filter);
		assert_int_equal(search_n_ids, 2);
		assert_int_equal(search_ids[0], 10 + GAP);
		assert_int_equal(search_ids[1], 10 + TOPIC);
		assert_int_equal(search_for(0, 5, &filter), 10 + TOPIC - 1);
		assert_int_equal(search_for(0, 1, &filter), 10 + TOPIC - 1);
		while (store_learn(search_handle()))
			;
	}
}

TEST(that_history_was_lost_is_not_counted_among_the_newest)
{
	struct message messages[4] = { message_of(10, NULL, NULL, "a"), message_of(20, NULL, NULL, "b"),
	    with_event(message_of(30, NULL, NULL, "{}"), "rowcast.gap"), message_of(40, NULL, NULL, "c") };

	follows(messages, 4);
	assert_int_equal(search_for(0, 1, &search_filter), 39);
	assert_int_equal(search_for(0, 2, &search_filter), 19);
	assert_int_equal(search_for(0, 3, &search_filter), 9);
}

/* ---- against a model ---- */

enum { MODEL_MOST = 14000, N_USERS = 5, N_TOPICS = 4 };

static char users[N_USERS][8] = { "1", "10", "a", "A", "\xc3\xa4" };
static char topics[N_TOPICS][8] = { "t", "T", "t/1", "u" };

static struct {
	struct message messages[MODEL_MOST];  /* in the order of ids */
	bool gone[MODEL_MOST];
	size_t n;
	int64_t newest, trimmed;
} model;

static void
model_follow(void)
{
	static struct message batch[3000];
	size_t n = dice_throw(4) == 0 ? dice_throw(3000) : dice_throw(70), n_erased = dice_throw(5);
	int64_t erased[5];

	if (model.n + n > MODEL_MOST)
		n = MODEL_MOST - model.n;
	for (size_t i = 0; i < n; i++) {
		model.newest += 1 + (int64_t)(dice_throw(3) ? dice_throw(3) : dice_throw(5000000));
		batch[i] = message_of(model.newest, dice_throw(3) ? users[dice_throw(N_USERS)] : NULL,
		    dice_throw(2) ? topics[dice_throw(N_TOPICS)] : NULL, "x");
		if (dice_throw(10) == 0)
			batch[i].expiry = EXPIRY_AT(dice_throw(2) ? 1 : 4000000000);
		if (dice_throw(500) == 0)
			batch[i] = with_key(batch[i], users[dice_throw(N_USERS)]);
		model.messages[model.n++] = batch[i];
	}
	if (model.n == 0)
		n_erased = 0;
	for (size_t i = 0; i < n_erased; i++) {
		size_t which = dice_throw(model.n);

		erased[i] = model.messages[which].id;
		model.gone[which] = true;
	}
	if (dice_throw(3) == 0)
		model.newest += (int64_t)dice_throw(100000);  /* entries that are no messages */
	follows_news(&(struct store_news){ .messages = batch, .n = n, .erased = erased,
	    .n_erased = n_erased, .newest = model.newest, .anchor = model.newest });
}

static void
model_erase(void)
{
	size_t which = model.n > 0 ? dice_throw(model.n) : 0;
	char sql[80];

	if (model.n == 0)
		return;
	snprintf(sql, sizeof(sql), "DELETE FROM message WHERE id = %lld",
	    (long long)model.messages[which].id);
	does(sql);
	model.gone[which] = true;
}

/* model_trim: by slices, or at once for who reads. */
static void
model_trim(void)
{
	int64_t upto = model.n > 0 ? model.messages[dice_throw(model.n)].id + (int64_t)dice_throw(3) - 1 : 0;
	int most = 1 + (int)dice_throw(400);

	if (dice_throw(4) > 0)
		upto = model.trimmed + (int64_t)dice_throw(1000000);
	if (upto > model.newest)
		upto = model.newest;
	if (dice_throw(2)) {
		follows_news(&(struct store_news){ .trimmed = upto, .newest = model.newest });
		if (upto > model.trimmed)
			model.trimmed = upto;
		assert_true(store_trim_copy(store, 0, 0, most) >= 0);
	} else {
		struct store_bounds bounds;

		while (store_trim_copy(store, upto, 0, most) == most)
			;
		/* The highest that was deleted; in between is nothing, or nothing that was missed. */
		assert_int_equal(store_bounds(store, &bounds), 0);
		assert_true(bounds.trimmed <= (upto > model.trimmed ? upto : model.trimmed));
		for (size_t i = 0; i < model.n; i++)
			if (model.messages[i].id > bounds.trimmed && model.messages[i].id <= upto)
				assert_true(model.gone[i] || model.messages[i].expiry.at == 1);
		model.trimmed = bounds.trimmed;
	}
}

static bool
model_matches(size_t i, const struct filter *filter)
{
	const struct message *m = &model.messages[i];

	if (model.gone[i] || m->id <= model.trimmed || (m->expiry.ends && m->expiry.at == 1))
		return false;
	if (filter == NULL)
		return true;
	if (m->user != NULL && strcmp(m->user, filter->user) != 0)
		return false;
	if (m->topic == NULL)
		return true;
	for (size_t k = 0; k < filter->n_topics; k++)
		if (strcmp(m->topic, filter->topics[k]) == 0)
			return true;
	return false;
}

static void
model_read(void)
{
	char *chosen[N_TOPICS];
	struct filter filter = { .user = users[dice_throw(N_USERS)], .topics = chosen,
	    .n_topics = dice_throw(N_TOPICS + 1) };
	const struct filter *asked = dice_throw(5) ? &filter : NULL;
	int64_t after = dice_throw(4) == 0 || model.n == 0 ? (int64_t)dice_throw(2) * (model.newest + 100)
	    : model.messages[dice_throw(model.n)].id - (int64_t)dice_throw(2);
	size_t most = dice_throw(2) ? 0 : 1 + dice_throw(50), n = 0;
	int64_t upto = after > model.newest ? after : model.newest;

	for (size_t k = 0; k < N_TOPICS; k++)
		chosen[k] = topics[k];
	read_from(store, after, asked, most);
	for (size_t i = 0; i < model.n; i++) {
		if (model.messages[i].id <= after || !model_matches(i, asked))
			continue;
		if (n >= seen.n || seen.ids[n] != model.messages[i].id)
			fail_msg("after %lld, %zu topics: row %zu should be %lld", (long long)after,
			    filter.n_topics, n, (long long)model.messages[i].id);
		if (++n == most) {
			upto = model.messages[i].id;
			break;
		}
	}
	assert_int_equal(seen.n, n);
	assert_true(seen.upto == upto);
	assert_int_equal(seen.bounds.newest, model.newest);
	assert_int_equal(seen.bounds.trimmed, model.trimmed);
}

TEST(whatever_comes_and_goes_a_copy_gives_what_a_model_in_memory_gives)
{
	dice_begin();
	memset(&model, 0, sizeof(model));
	for (int step = 0; step < 600; step++) {
		switch (dice_throw(10)) {
		case 0: case 1: case 2:
			model_follow();
			break;
		case 3:
			model_erase();
			break;
		case 4:
			if (dice_throw(4) == 0)
				model_trim();
			break;
		case 5:
			if (dice_throw(5) == 0)
				open_as(STORE_COPY);
			break;
		default:
			model_read();
		}
	}
	/* Segments are runs of so many rows, named after their first. */
	assert_true(number("SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM rowcast_copy"
	    " GROUP BY segment)") <= 2048);
	assert_int_equal(number("SELECT count(*) FROM rowcast_copy WHERE segment > id"), 0);
	assert_int_equal(number("SELECT count(*) FROM rowcast_copy a, (SELECT segment, min(id) AS low, max(id)"
	    " AS high FROM rowcast_copy GROUP BY segment) b WHERE a.segment <> b.segment AND a.id"
	    " BETWEEN b.low AND b.high"), 0);
}

/* ---- what lies beside the file ---- */

/* SQLite's own calls come here, since the program's functions go before the library's. */
static _Atomic int n_syncs;

int
fdatasync(int fd)
{
	atomic_fetch_add(&n_syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	atomic_fetch_add(&n_syncs, 1);
	return (int)syscall(SYS_fsync, fd);
}

/* follow_megabytes follows n rows of 1 MiB, each in a commit of its own. */
static void
follow_megabytes(int n)
{
	static char data[1 << 20];
	struct message m = { .data = data, .data_len = sizeof(data) };
	struct store_position position;

	memset(data, 'x', sizeof(data));
	assert_int_equal(store_position(store, &position), 0);
	for (int i = 1; i <= n; i++) {
		struct store_news news = { .messages = &m, .n = 1 };

		m.id = news.newest = news.anchor = position.newest + i;
		assert_int_equal(store_follow(store, &news, NULL), 0);
	}
}

static int64_t
size_of(const char *suffix)
{
	struct stat st;

	assert_int_equal(stat(file_of(suffix), &st), 0);
	return st.st_size;
}

TEST(a_commit_waits_for_no_disk_and_another_thread_writes_back)
{
	struct store *second = store_open(name, STORE_COPY);
	struct store_bounds bounds;
	size_t n_bytes;

	assert_non_null(second);
	follow_megabytes(1);
	atomic_store(&n_syncs, 0);
	follow_megabytes(24);
	assert_int_equal(atomic_load(&n_syncs), 0);
	assert_true(store_beside(store) >= 25 << 20);
	assert_true(size_of("") < 1 << 20);
	assert_int_equal(store_write_back(second, &n_bytes), 0);
	assert_int_equal(n_bytes, store_beside(store));
	assert_true(atomic_load(&n_syncs) >= 2);
	assert_true(size_of("") >= 25 << 20);
	/* And the place is used again: its header is all that is waited for, and once. */
	atomic_store(&n_syncs, 0);
	follow_megabytes(1);
	assert_true(store_beside(store) < 2 << 20);
	assert_int_equal(atomic_load(&n_syncs), 1);
	follow_megabytes(8);
	assert_int_equal(atomic_load(&n_syncs), 1);
	assert_int_equal(store_bounds(second, &bounds), 0);
	assert_int_equal(bounds.newest, 34);
	store_close(second);
}

TEST(what_nobody_writes_back_does_not_grow_without_end)
{
	struct store_bounds bounds;

	for (int i = 0; i < 5; i++) {
		follow_megabytes(20);
		assert_true(size_of("-wal") < STORE_BESIDE_MAX + (2 << 20));
		assert_true(store_beside(store) < STORE_BESIDE_MAX + (2 << 20));
	}
	/* The last who closes leaves the file whole. */
	store_close(store);
	sqlite3_close_v2(foreign);
	assert_int_not_equal(access(file_of("-wal"), F_OK), 0);
	foreign_open();
	assert_int_equal(number("SELECT sum(length(data)) FROM message"), INT64_C(100) << 20);
	store = store_open(name, STORE_COPY);
	assert_non_null(store);
	assert_int_equal(store_bounds(store, &bounds), 0);
	assert_int_equal(bounds.newest, 100);
}

TEST(what_was_taken_away_is_not_written_back)
{
	size_t n_bytes;

	follow_megabytes(1);
	assert_int_equal(rename(path, file_of(".moved")), 0);
	assert_int_equal(store_write_back(store, &n_bytes), STORE_REPLACED);
	assert_int_equal(n_bytes, 0);
	unlink(file_of(".moved"));
}

#define COPY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	SEARCH_TESTS(COPY_TEST),
	COPY_TEST(that_history_was_lost_is_not_counted_among_the_newest),
	COPY_TEST(without_the_inbox_a_copy_gives_topics_and_gaps),
	COPY_TEST(a_new_copy_is_empty_and_has_a_name_of_its_own),
	COPY_TEST(a_file_that_is_there_and_holds_no_message_becomes_a_copy),
	COPY_TEST(what_the_file_has_trimmed_before_it_became_a_copy_stays_trimmed),
	COPY_TEST(an_application_s_own_file_becomes_a_copy_and_keeps_what_it_has),
	COPY_TEST(a_copy_of_version_4_is_upgraded_and_then_knows_who_is_revoked),
	COPY_TEST(who_is_revoked_in_the_log_is_revoked_here_for_ever),
	COPY_TEST(what_is_on_its_way_to_the_log_revokes_nobody_yet),
	COPY_TEST(what_is_known_elsewhere_is_taken_over_and_lowers_nothing),
	COPY_TEST(a_file_of_version_3_is_upgraded_and_then_made_a_copy),
	COPY_TEST(an_owner_refuses_a_copy_and_a_reader_takes_it),
	COPY_TEST(what_an_application_has_hung_on_the_table_is_not_dropped),
	COPY_TEST(another_program_s_message_table_is_refused),
	COPY_TEST(messages_of_its_own_are_published_to_all_in_the_way_that_is_said),
	COPY_TEST(whoever_has_the_file_open_as_its_own_notices),
	COPY_TEST(those_who_start_at_once_make_one_copy),
	COPY_TEST(the_view_refuses_what_the_table_refuses),
	COPY_TEST(a_whole_number_bound_as_floating_point_names_nobody),
	COPY_TEST(what_the_table_takes_the_view_takes),
	COPY_TEST(an_insert_waits_in_the_outbox_and_is_seen_when_it_comes_back),
	COPY_TEST(the_outbox_is_of_the_application_s_transaction),
	COPY_TEST(rows_of_the_outbox_are_in_the_order_of_commits_and_each_is_another),
	COPY_TEST(a_key_stands_once_in_the_copy_and_the_outbox_together),
	COPY_TEST(a_key_that_is_replaced_is_erased_and_comes_anew),
	COPY_TEST(a_delete_erases_here_at_once_and_goes_to_the_others),
	COPY_TEST(what_a_killed_program_has_committed_waits_and_nothing_else),
	COPY_TEST(a_follower_that_is_killed_goes_on_from_what_it_has),
	COPY_TEST(a_message_is_read_back_as_it_was_followed),
	COPY_TEST(a_message_without_its_time_is_of_now),
	COPY_TEST(a_position_is_kept_and_never_lowered),
	COPY_TEST(what_another_was_quicker_with_is_left_out),
	COPY_TEST(a_key_that_another_row_has_is_left_out_and_its_message_is_not),
	COPY_TEST(what_others_erase_is_gone_whether_it_was_here_or_comes_with_it),
	COPY_TEST(rows_that_tell_of_lost_history_are_for_streams_alone),
	COPY_TEST(who_is_ahead_of_the_copy_stays_where_he_is),
	COPY_TEST(what_is_trimmed_does_not_exist_though_it_still_stands),
	COPY_TEST(a_slice_holds_what_has_expired_and_what_is_too_old),
	COPY_TEST(what_the_log_has_lost_the_copy_keeps_for_its_time),
	COPY_TEST(a_copy_that_another_program_keeps_locked_is_busy_and_then_as_before),
	COPY_TEST(a_copy_that_finds_no_room_takes_nothing_and_goes_on_when_there_is),
	COPY_TEST(a_copy_that_was_taken_away_takes_nothing_more),
	COPY_TEST(a_look_says_what_a_copy_holds),
	COPY_TEST(a_commit_waits_for_no_disk_and_another_thread_writes_back),
	COPY_TEST(what_nobody_writes_back_does_not_grow_without_end),
	COPY_TEST(what_was_taken_away_is_not_written_back),
	COPY_TEST(whatever_comes_and_goes_a_copy_gives_what_a_model_in_memory_gives),
};

RUN_TESTS(tests)
