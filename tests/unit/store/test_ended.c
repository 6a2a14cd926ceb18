/* Topics that end: what the table refuses after an end, whoever inserts and however; how
 * long an end is remembered; files of every earlier schema; and the same in a machine's
 * copy of a log. Another program is played by a connection of this process. One thread;
 * each test has a new file. */

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/dice.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <unistd.h>

#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/mem.h"

#define ENDED "the topic has ended"

static char *path, *name;
static sqlite3 *foreign;
static struct store *store;

/* ---- verbs ---- */

static void
new_file(void)
{
	static int n;
	char file[32];

	snprintf(file, sizeof(file), "ended-%d.db", n++);
	path = mem_strdup(capture_file(file, "", 0, 0600));
	name = mem_printf("sqlite:%s", path);
	assert_int_equal(sqlite3_open(path, &foreign), SQLITE_OK);
}

static void
open_as(enum store_access access)
{
	store_close(store);
	store = store_open(name, access);
	assert_non_null(store);
}

static int
close_all(void **state __attribute__((unused)))
{
	char *wal = mem_printf("%s-wal", path), *shm = mem_printf("%s-shm", path);

	store_close(store);
	store = NULL;
	sqlite3_close(foreign);
	unlink(wal);
	unlink(shm);
	free(wal);
	free(shm);
	free(name);
	free(path);
	return 0;
}

static int
open_own(void **state __attribute__((unused)))
{
	new_file();
	open_as(STORE_OWNER);
	return 0;
}

static int
open_copy(void **state __attribute__((unused)))
{
	new_file();
	open_as(STORE_COPY);
	return 0;
}

static int
open_none(void **state __attribute__((unused)))
{
	new_file();
	return 0;
}

/* said runs it and returns what SQLite says, "" for nothing, until the next call. */
static const char *
said(const char *sql)
{
	static char text[200];
	char *error = NULL;

	if (sqlite3_exec(foreign, sql, NULL, NULL, &error) == SQLITE_OK)
		return "";
	snprintf(text, sizeof(text), "%s", error);
	sqlite3_free(error);
	return text;
}

static void
does(const char *sql)
{
	const char *error = said(sql);

	if (*error != '\0')
		fail_msg("%s: %s", sql, error);
}

static void
is_told(const char *sql, const char *sentence)
{
	assert_string_equal(said(sql), sentence);
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

/* text_of returns the only column of all rows, a line each; the caller frees it. */
static char *
text_of(const char *sql)
{
	struct buf text = BUF_EMPTY;
	sqlite3_stmt *rows;

	if (sqlite3_prepare_v2(foreign, sql, -1, &rows, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(foreign));
	while (sqlite3_step(rows) == SQLITE_ROW)
		buf_printf(&text, "%s\n", (const char *)sqlite3_column_text(rows, 0));
	sqlite3_finalize(rows);
	return buf_take(&text);
}

static void
gives(const char *sql, const char *expected)
{
	char *text = text_of(sql);

	assert_string_equal(text, expected);
	free(text);
}

/* plan_of returns how SQLite would find the rows; the caller frees it. */
static char *
plan_of(const char *query)
{
	struct buf text = BUF_EMPTY;
	char *sql = mem_printf("EXPLAIN QUERY PLAN %s", query);
	sqlite3_stmt *rows;

	assert_int_equal(sqlite3_prepare_v2(foreign, sql, -1, &rows, NULL), SQLITE_OK);
	while (sqlite3_step(rows) == SQLITE_ROW)
		buf_printf(&text, "%s\n", (const char *)sqlite3_column_text(rows, 3));
	sqlite3_finalize(rows);
	free(sql);
	return buf_take(&text);
}

/* end_of returns the id of the topic's end, 0 where it has none. */
static int64_t
end_of(const char *topic)
{
	char *copy = mem_strdup(topic);
	int64_t id = -1;

	assert_int_equal(store_ended(store, &copy, 1, &id), 0);
	free(copy);
	return id;
}

static void
end_topic(const char *topic)
{
	char *sql = mem_printf("INSERT INTO message(topic, event, data) VALUES('%s', 'rowcast.end', '')", topic);

	does(sql);
	free(sql);
}

static void
add_to(const char *topic)
{
	char *sql = mem_printf("INSERT INTO message(topic, data) VALUES('%s', 'x')", topic);

	does(sql);
	free(sql);
}

/* ---- files of an earlier schema ---- */

/* schema_of returns a file as that version left it, with one row of the topic t if it is
 * no copy; the caller frees it. */
static char *
schema_of(const char *version)
{
	const char *srcdir = getenv("srcdir");
	char *from = mem_printf("%s/tests/unit/store/schemas/%s.sql", srcdir != NULL ? srcdir : ".", version);
	struct buf text = BUF_EMPTY;
	FILE *file = fopen(from, "r");
	char chunk[4096];
	size_t n;

	if (file == NULL)
		fail_msg("%s cannot be read", from);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buf_add(&text, chunk, n);
	fclose(file);
	free(from);
	return buf_take(&text);
}

#define ALL_TABLES "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema" \
	" ORDER BY type, name"

static void
is_upgraded(const char *version, enum store_access access)
{
	char *sql = schema_of(version), *upgraded, *fresh;

	does(sql);
	free(sql);
	assert_int_equal(number("PRAGMA user_version"), atoi(version + strcspn(version, "0123456789")));
	open_as(access);
	upgraded = text_of(ALL_TABLES);
	assert_int_equal(number("PRAGMA user_version"), 6);
	assert_int_equal(number("SELECT max(version) FROM rowcast_schema"), 6);
	if (access == STORE_OWNER) {
		gives("SELECT data FROM message", "x\n");
		add_to("t");
		end_topic("t");
		is_told("INSERT INTO message(topic, data) VALUES('t', 'y')", ENDED);
		is_told("INSERT INTO message(event, data) VALUES('error', 'y')", "event must not be error, open or"
		    " begin with rowcast., which mean something else to browsers and rowcast: choose another"
		    " name");
		does("INSERT INTO message(user, topic, event, data) VALUES('7', 'rowcast.control', 'revoke', '')");
		assert_int_equal(number("SELECT count(*) FROM rowcast_revoked"), 1);
	}
	close_all(NULL);
	new_file();
	open_as(access);
	fresh = text_of(ALL_TABLES);
	assert_string_equal(upgraded, fresh);
	free(upgraded);
	free(fresh);
}

TEST(a_file_of_version_2_becomes_what_a_new_one_is)
{
	is_upgraded("2", STORE_OWNER);
}

TEST(a_file_of_version_3_becomes_what_a_new_one_is)
{
	is_upgraded("3", STORE_OWNER);
}

TEST(a_file_of_version_4_becomes_what_a_new_one_is)
{
	is_upgraded("4", STORE_OWNER);
}

TEST(a_file_of_version_5_becomes_what_a_new_one_is)
{
	is_upgraded("5", STORE_OWNER);
}

TEST(a_copy_of_version_4_becomes_what_a_new_one_is)
{
	is_upgraded("copy-4", STORE_COPY);
}

TEST(a_copy_of_version_5_becomes_what_a_new_one_is)
{
	is_upgraded("copy-5", STORE_COPY);
}

/* Version 2 took such rows: they stay, and end nothing. */
TEST(what_was_called_an_end_before_there_were_ends_is_none)
{
	char *sql = schema_of("2");

	does(sql);
	free(sql);
	does("INSERT INTO message(topic, event, data, expires_at) VALUES('t', 'rowcast.end', 'y', 2000000000)");
	open_as(STORE_OWNER);
	assert_int_equal(end_of("t"), 0);
	add_to("t");
	does("UPDATE message SET key = 'k' WHERE event = 'rowcast.end'");
	does("UPDATE message SET expires_at = NULL WHERE event = 'rowcast.end'");
}

/* ---- in one statement ---- */

TEST(an_end_in_the_middle_of_a_statement_refuses_all_of_it)
{
	static const char *const asked[] = { "INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE",
	    "INSERT OR FAIL", "INSERT OR ABORT", "INSERT OR ROLLBACK", "REPLACE", NULL };

	for (int i = 0; asked[i] != NULL; i++) {
		char *sql = mem_printf("%s INTO message(topic, event, data) VALUES('t', NULL, 'a'),"
		    " ('t', 'rowcast.end', ''), (NULL, NULL, 'b'), ('t', NULL, 'c')", asked[i]);

		is_told(sql, ENDED);
		free(sql);
		assert_int_equal(number("SELECT count(*) FROM message"), 0);
		assert_int_equal(end_of("t"), 0);
	}
	is_told("INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', ''), ('t', 'rowcast.end', '')",
	    ENDED);
	is_told("INSERT INTO message(topic, event, data, key) VALUES('t', 'rowcast.end', '', 'k'),"
	    " ('t', NULL, 'x', 'l') ON CONFLICT(key) DO UPDATE SET key = NULL", ENDED);
	does("INSERT INTO message(topic, event, data) VALUES('t', NULL, 'a'), ('u', NULL, 'b'),"
	    " ('t', 'rowcast.end', ''), ('u', NULL, 'c')");
	assert_int_equal(end_of("t"), 3);
}

/* Rows of one statement become visible together, so what counts is the order of ids. */
TEST(ids_that_are_given_in_any_order_count_in_theirs)
{
	does("INSERT INTO message(id, topic, event, data) VALUES(20, 't', 'rowcast.end', ''), (10, 't', NULL, 'a')");
	assert_int_equal(end_of("t"), 20);
	is_told("INSERT INTO message(id, topic, event, data) VALUES(40, 'u', NULL, 'a'),"
	    " (30, 'u', 'rowcast.end', '')", ENDED);
	is_told("INSERT INTO message(id, topic, event, data) VALUES(40, 'u', 'rowcast.end', ''),"
	    " (30, 'u', 'rowcast.end', '')", ENDED);
	is_told("INSERT INTO message(id, topic, event, data) VALUES(30, 'u', 'rowcast.end', ''),"
	    " (40, 'u', NULL, 'a')", ENDED);
	assert_int_equal(number("SELECT count(*) FROM message"), 2);
	assert_int_equal(end_of("u"), 0);
}

TEST(a_row_that_replaces_one_of_an_ended_topic_is_refused_and_the_other_stands)
{
	does("INSERT INTO message(topic, event, data, key) VALUES('t', NULL, 'a', 'k'), ('t', 'rowcast.end', '', 'e')");
	is_told("REPLACE INTO message(topic, data, key) VALUES('t', 'b', 'k')", ENDED);
	is_told("REPLACE INTO message(topic, event, data, key) VALUES('t', 'rowcast.end', '', 'e')", ENDED);
	gives("SELECT data FROM message", "a\n\n");
	/* It is there: so nothing would be inserted that could be refused. */
	does("INSERT INTO message(topic, data, key) VALUES('t', 'b', 'k') ON CONFLICT(key) DO NOTHING");
	does("INSERT OR IGNORE INTO message(topic, data, key) VALUES('t', 'b', 'k')");
	is_told("INSERT INTO message(topic, data, key) VALUES('t', 'b', 'k')",
	    "UNIQUE constraint failed: message.key");
	/* The end may be replaced by a row of another topic: its own has ended. */
	does("REPLACE INTO message(topic, data, key) VALUES('u', 'b', 'e')");
	is_told("INSERT INTO message(topic, data) VALUES('t', 'c')", ENDED);
	assert_int_equal(end_of("t"), 2);
}

TEST(the_id_of_an_end_is_the_message_s_for_whoever_asks)
{
	gives("INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', '') RETURNING id", "1\n");
	assert_int_equal(sqlite3_last_insert_rowid(foreign), 1);
	assert_int_equal(sqlite3_changes(foreign), 1);
}

TEST(a_trigger_of_the_application_is_told_too)
{
	does("CREATE TABLE answer(run TEXT, token TEXT);"
	    "CREATE TRIGGER said AFTER INSERT ON answer BEGIN"
	    "  INSERT INTO message(topic, data) VALUES(NEW.run, NEW.token); END;"
	    "INSERT INTO answer VALUES('t', 'a')");
	end_topic("t");
	is_told("INSERT OR IGNORE INTO answer VALUES('t', 'b')", ENDED);
	assert_int_equal(number("SELECT count(*) FROM answer"), 1);
}

/* ---- how long it is remembered ---- */

TEST(an_end_is_forgotten_when_it_is_older_than_keep_for_and_no_row_is_retained)
{
	add_to("t");
	end_topic("t");
	add_to("u");
	/* Old, but it stands. */
	does("UPDATE rowcast_ended SET ended_at = ended_at - 100");
	assert_int_equal(store_trim(store, 50, 0, 100), 0);
	assert_int_equal(end_of("t"), 2);
	/* Gone, but it is not old enough. */
	assert_int_equal(store_trim(store, 200, 1, 100), 2);
	assert_int_equal(end_of("t"), 2);
	is_told("INSERT INTO message(topic, data) VALUES('t', 'x')", ENDED);
	/* For ever. */
	assert_int_equal(store_trim(store, 0, 1, 100), 0);
	assert_int_equal(end_of("t"), 2);
	assert_int_equal(store_trim(store, 50, 1, 100), 0);
	assert_int_equal(end_of("t"), 0);
	add_to("t");
	end_topic("t");
	assert_int_equal(end_of("t"), 5);
}

/* What a publisher says of the time does not count, nor whether rows are erased by hand. */
TEST(an_end_that_is_dated_back_or_erased_is_remembered_as_long)
{
	does("INSERT INTO message(topic, event, data, created_at) VALUES('t', 'rowcast.end', '', 1)");
	assert_int_equal(store_trim(store, 50, 0, 100), 1);
	assert_int_equal(end_of("t"), 1);
	end_topic("u");
	does("DELETE FROM message");
	assert_int_equal(store_trim(store, 50, 0, 100), 0);
	assert_int_equal(end_of("u"), 2);
	does("UPDATE rowcast_ended SET ended_at = ended_at - 100 WHERE topic = 'u'");
	store_trim(store, 50, 0, 100);
	assert_int_equal(end_of("u"), 0);
	assert_int_equal(end_of("t"), 1);
}

/* An end of the year 2090, of a clock that was wrong, keeps no other one. */
TEST(ends_are_forgotten_a_slice_at_a_time_and_none_stands_in_the_way)
{
	end_topic("later");
	does("UPDATE rowcast_ended SET ended_at = 3786912000");
	does("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
	    " INSERT INTO message(topic, event, data) SELECT 't' || i, 'rowcast.end', '' FROM n");
	does("UPDATE rowcast_ended SET ended_at = ended_at - 1000 WHERE topic <> 'later'; DELETE FROM message");
	for (int left = 1000; left > 0; left -= 300) {
		assert_int_equal(number("SELECT count(*) FROM rowcast_ended"), left + 1);
		store_trim(store, 50, 0, 300);
	}
	gives("SELECT topic FROM rowcast_ended", "later\n");
}

/* ---- against a model ---- */

enum { N_TOPICS = 5, N_KEYS = 4, MODEL_MOST = 4000, MOST_ROWS = 8 };

struct model_row {
	int topic;      /* -1: none */
	bool ends;
	int key;        /* -1: none; N_KEYS more are those of a publisher */
	int label;      /* its data */
	bool gone;
};

struct model {
	struct model_row rows[MODEL_MOST];
	int n;
	int ended[N_TOPICS];   /* the label of the end; 0: open */
	bool aged[N_TOPICS];   /* longer ago than ends are kept */
};

static struct model model;
static int n_labels;

static struct model_row
any_row(void)
{
	return (struct model_row){
		.topic = (int)dice_throw(N_TOPICS + 1) - 1,
		.key = dice_throw(6) == 0 ? (int)dice_throw(N_KEYS) : -1,
		.ends = dice_throw(10) == 0,
		.label = ++n_labels,
	};
}

static struct model_row *
model_keyed(struct model *m, int key)
{
	for (int i = 0; key >= 0 && i < m->n; i++)
		if (!m->rows[i].gone && m->rows[i].key == key)
			return &m->rows[i];
	return NULL;
}

/* model_add adds a row whose key is free. false: it is refused. */
static bool
model_add(struct model *m, const struct model_row *row)
{
	assert_true(m->n < MODEL_MOST);
	if (row->topic >= 0 && m->ended[row->topic] != 0)
		return false;
	if (row->ends) {
		m->ended[row->topic] = row->label;
		m->aged[row->topic] = false;
	}
	m->rows[m->n++] = *row;
	return true;
}

static void
write_row(struct buf *sql, const struct model_row *row, int64_t id)
{
	if (id > 0)
		buf_printf(sql, "(%" PRId64 ", ", id);
	else
		buf_add_str(sql, "(NULL, ");
	buf_printf(sql, row->topic >= 0 ? "'t%d', " : "NULL, ", row->topic);
	buf_add_str(sql, row->ends ? "'rowcast.end', " : "NULL, ");
	buf_printf(sql, "'%d', ", row->label);
	buf_printf(sql, row->key >= 0 ? "'k%d')" : "NULL)", row->key);
}

/* model_insert: one statement of several rows, with some way of taking conflicts. */
static void
model_insert(void)
{
	static const struct { const char *verb, *end; } ways[] = {
		{ "INSERT", "" }, { "INSERT OR REPLACE", "" }, { "INSERT OR IGNORE", "" },
		{ "INSERT", " ON CONFLICT(key) DO NOTHING" }, { "INSERT OR FAIL", "" },
	};
	enum { PLAIN, REPLACES, IGNORES, DOES_NOTHING, FAILS };
	static struct model after;
	size_t way = dice_throw(sizeof(ways) / sizeof(ways[0]));
	int n = 1 + (int)dice_throw(MOST_ROWS);
	const char *expected = "", *heard;
	struct buf sql = BUF_EMPTY;
	char *text;

	after = model;
	buf_printf(&sql, "%s INTO message(id, topic, event, data, key) VALUES", ways[way].verb);
	for (int i = 0; i < n; i++) {
		struct model_row row = any_row(), *taken;

		row.ends &= row.topic >= 0;
		buf_add_str(&sql, i > 0 ? ", " : "");
		write_row(&sql, &row, 0);
		if (*expected != '\0')
			continue;
		taken = model_keyed(&after, row.key);
		if (taken != NULL && (way == IGNORES || way == DOES_NOTHING))
			continue;
		if (taken != NULL && way != REPLACES) {
			expected = "UNIQUE constraint failed: message.key";
			if (way == PLAIN)
				after = model;
			continue;
		}
		if (taken != NULL)
			taken->gone = true;
		if (!model_add(&after, &row)) {
			expected = ENDED;
			after = model;
		}
	}
	buf_add_str(&sql, ways[way].end);
	text = buf_take(&sql);
	heard = said(text);
	if (strcmp(heard, expected) != 0)
		fail_msg("%s: \"%s\" instead of \"%s\"", text, heard, expected);
	free(text);
	model = after;
	/* What stands of a statement that failed SQLite does not count among the ids that were
	 * given, before the next row: were it erased, they would be given again. */
	if (way == FAILS && *expected != '\0') {
		struct model_row row = { .topic = -1, .key = -1, .label = ++n_labels };
		char *one = mem_printf("INSERT INTO message(data) VALUES('%d')", row.label);

		does(one);
		free(one);
		assert_true(model_add(&model, &row));
	}
}

/* model_insert_ids: one statement, the ids of whose rows are given in any order. */
static void
model_insert_ids(void)
{
	static struct model after;
	struct model_row rows[MOST_ROWS];
	int n = 1 + (int)dice_throw(MOST_ROWS), order[MOST_ROWS];
	int64_t highest = number("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'");
	bool refused = false;
	const char *heard;
	struct buf sql = BUF_EMPTY;
	char *text;

	after = model;
	for (int i = 0; i < n; i++) {
		size_t at = dice_throw((size_t)i + 1);

		order[i] = order[at];
		order[at] = i;
		rows[i] = any_row();
		rows[i].key = -1;
		rows[i].ends &= rows[i].topic >= 0;
		refused |= !model_add(&after, &rows[i]);
	}
	buf_add_str(&sql, "INSERT INTO message(id, topic, event, data, key) VALUES");
	for (int i = 0; i < n; i++) {
		buf_add_str(&sql, i > 0 ? ", " : "");
		write_row(&sql, &rows[order[i]], highest + 1 + order[i]);
	}
	text = buf_take(&sql);
	heard = said(text);
	if (strcmp(heard, refused ? ENDED : "") != 0)
		fail_msg("%s: \"%s\"", text, heard);
	free(text);
	if (!refused)
		model = after;
}

/* model_append: what several publishers ask for at once, each whole or not at all. */
static void
model_append(void)
{
	enum { MOST_APPENDS = 6 };
	static char topics[N_TOPICS][4] = { "t0", "t1", "t2", "t3", "t4" };
	static char keys[N_KEYS][4] = { "a", "b", "c", "d" };
	static char end[] = "rowcast.end";
	static struct model after;
	struct message messages[MOST_APPENDS][MOST_ROWS] = { 0 };
	struct append appends[MOST_APPENDS], *each[MOST_APPENDS];
	bool refused[MOST_APPENDS];
	char data[MOST_APPENDS][MOST_ROWS][12];
	size_t n = 1 + dice_throw(MOST_APPENDS);

	for (size_t i = 0; i < n; i++) {
		size_t n_rows = 1 + dice_throw(3);

		after = model;
		refused[i] = false;
		for (size_t k = 0; k < n_rows; k++) {
			struct model_row row = any_row();

			row.ends &= row.topic >= 0;
			if (row.key >= 0)
				row.key += N_KEYS;
			snprintf(data[i][k], sizeof(data[i][k]), "%d", row.label);
			messages[i][k] = (struct message){ .topic = row.topic >= 0 ? topics[row.topic] : NULL,
			    .event = row.ends ? end : NULL, .data = data[i][k], .data_len = strlen(data[i][k]),
			    .key = row.key >= 0 ? keys[row.key - N_KEYS] : NULL };
			if (model_keyed(&after, row.key) == NULL)
				refused[i] |= !model_add(&after, &row);
		}
		appends[i] = (struct append){ .messages = messages[i], .n = n_rows, .publisher = "" };
		each[i] = &appends[i];
		if (!refused[i])
			model = after;
	}
	assert_int_equal(store_append(store, each, n), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(appends[i].refused, refused[i]);
		assert_int_equal(appends[i].ended, refused[i]);
		assert_int_equal(appends[i].stored, !refused[i]);
	}
}

static void
model_delete(void)
{
	int at = model.n > 0 ? (int)dice_throw((size_t)model.n) : 0;
	char *sql;

	if (model.n == 0)
		return;
	sql = mem_printf("DELETE FROM message WHERE data = '%d'", model.rows[at].label);
	does(sql);
	free(sql);
	model.rows[at].gone = true;
}

/* model_trim: retention; and before it, perhaps, time passes. How many rows it leaves is
 * not judged here. */
static void
model_trim(void)
{
	int64_t oldest;
	char *sql, *kept;

	if (dice_throw(2) == 0) {
		does("UPDATE rowcast_ended SET ended_at = ended_at - 1000");
		memset(model.aged, true, sizeof(model.aged));
	}
	assert_true(store_trim(store, 500, 1 + (int64_t)dice_throw(30), 1000) >= 0);
	oldest = number("SELECT coalesce(min(id), 9007199254740991) FROM message");
	for (int t = 0; t < N_TOPICS; t++) {
		char topic[16];

		snprintf(topic, sizeof(topic), "t%d", t);
		if (model.ended[t] == 0 || !model.aged[t])
			continue;
		/* Where its row was erased by hand, its id is known to rowcast alone. */
		if (end_of(topic) == 0)
			model.ended[t] = 0;
		else
			assert_true(end_of(topic) >= oldest);
	}
	kept = text_of("SELECT ',' || group_concat(data) || ',' FROM message");
	for (int i = 0; i < model.n; i++) {
		sql = mem_printf(",%d,", model.rows[i].label);
		model.rows[i].gone |= strstr(kept, sql) == NULL;
		free(sql);
	}
	free(kept);
}

static void
model_compare(void)
{
	char *held = text_of("SELECT data FROM message ORDER BY id");
	struct buf expected = BUF_EMPTY;
	char *text;

	for (int i = 0; i < model.n; i++)
		if (!model.rows[i].gone)
			buf_printf(&expected, "%d\n", model.rows[i].label);
	text = buf_take(&expected);
	assert_string_equal(held, text);
	for (int t = 0; t < N_TOPICS; t++) {
		char topic[16], row[80];
		int64_t id;

		snprintf(topic, sizeof(topic), "t%d", t);
		id = end_of(topic);
		assert_int_equal(id != 0, model.ended[t] != 0);
		snprintf(row, sizeof(row), "SELECT id FROM message WHERE data = '%d'", model.ended[t]);
		if (id != 0) {
			char *there = text_of(row);

			assert_true(*there == '\0' || strtoll(there, NULL, 10) == id);
			free(there);
		}
	}
	free(text);
	free(held);
}

TEST(whatever_is_inserted_the_table_has_what_a_model_in_memory_has)
{
	dice_begin();
	model = (struct model){ .n = 0 };
	for (int step = 0; step < 400; step++) {
		switch (dice_throw(8)) {
		case 0: case 1: case 2:
			model_insert();
			break;
		case 3:
			model_insert_ids();
			break;
		case 4: case 5:
			model_append();
			break;
		case 6:
			model_delete();
			break;
		default:
			model_trim();
		}
		model_compare();
	}
}

/* ---- a machine's copy ---- */

/* follows takes messages of such topics under the ids from `first` on: "t" is one of the
 * topic t, "t!" its end, "-" one without a topic. It returns how many were left out. */
static size_t
follows_forgetting(int64_t first, const char *const topics[], const struct store_forget *forgets,
    size_t n_forgets)
{
	static char end[] = "rowcast.end", data[] = "x";
	char names[100][8];
	struct message messages[100] = { 0 };
	size_t n = 0, n_ended = 99;

	for (; topics[n] != NULL; n++) {
		snprintf(names[n], sizeof(names[n]), "%.1s", topics[n]);
		messages[n] = (struct message){ .id = first + (int64_t)n, .data = data, .data_len = 1,
		    .topic = topics[n][0] != '-' ? names[n] : NULL,
		    .event = topics[n][1] == '!' ? end : NULL, .created_at = 1700000000 };
	}
	assert_int_equal(store_follow(store, &(struct store_news){ .messages = messages, .n = n,
	    .forgets = forgets, .n_forgets = n_forgets, .newest = first + 99, .anchor = first + 99 },
	    &n_ended), 0);
	return n_ended;
}

static size_t
follows(int64_t first, const char *const topics[])
{
	return follows_forgetting(first, topics, NULL, 0);
}

TEST(a_copy_leaves_out_what_comes_after_an_end)
{
	assert_int_equal(follows(1000, LIST("t", "u", "t!", "t", "-", "u", "t!", "t")), 3);
	gives("SELECT id FROM message", "1000\n1001\n1002\n1004\n1005\n");
	assert_int_equal(end_of("t"), 1002);
	assert_int_equal(follows(2000, LIST("t", "u!", "-", "u")), 2);
	assert_int_equal(end_of("u"), 2001);
	/* Runs of many rows, too. */
	assert_int_equal(follows(3000, LIST("-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "t", "-",
	    "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "u",
	    "-", "-", "-", "-", "-")), 2);
	assert_int_equal(number("SELECT count(*) FROM message WHERE id >= 3000"), 38);
	assert_int_equal(number("SELECT count(*) FROM message WHERE topic IS NOT NULL"), 5);
}

TEST(a_copy_forgets_an_end_where_the_log_says_so)
{
	const struct store_forget forgets[] = { { 2002, 1001 }, { 2005, 1500 } };

	follows(1000, LIST("t!", "u!", "v!"));
	assert_int_equal(follows_forgetting(2000, LIST("t", "v", "t", "v", "u!", "t!", "v!", "t"), forgets, 2), 4);
	gives("SELECT id FROM message WHERE id >= 2000", "2002\n2004\n2005\n2006\n");
	assert_int_equal(end_of("t"), 2005);
	assert_int_equal(end_of("u"), 2004);
	assert_int_equal(end_of("v"), 2006);
}

TEST(what_another_process_has_followed_into_the_copy_is_left_out_once)
{
	const struct store_forget forget = { 1001, 1000 };
	static char topic[] = "t", data[] = "x", end[] = "rowcast.end";
	struct message m = { .id = 1003, .topic = topic, .data = data, .data_len = 1, .event = end,
	    .created_at = 1 };

	follows_forgetting(1000, LIST("t!", "t", "t"), &forget, 1);
	gives("SELECT id FROM message", "1000\n1001\n1002\n");
	/* The same read once more, by another. */
	follows_forgetting(1000, LIST("t!", "t", "t"), &forget, 1);
	gives("SELECT id FROM message", "1000\n1001\n1002\n");
	assert_int_equal(end_of("t"), 0);
	m.id = 1100;
	assert_int_equal(store_follow(store, &(struct store_news){ .messages = &m, .n = 1, .newest = 1100,
	    .anchor = 1100 }, NULL), 0);
	assert_int_equal(end_of("t"), 1100);
}

TEST(what_is_inserted_into_a_copy_is_refused_after_an_end_that_is_known_there)
{
	follows(1000, LIST("t!"));
	is_told("INSERT INTO message(topic, data) VALUES('t', 'x')", ENDED);
	is_told("INSERT OR IGNORE INTO message(topic, data) VALUES('u', 'x'), ('t', 'x')", ENDED);
	is_told("INSERT INTO message(topic, event, data) VALUES('t', 'rowcast.end', 'x')", ENDED);
	does("INSERT INTO message(topic, data) VALUES('u', 'x'), ('T', 'x'), (NULL, 'x')");
	is_told("INSERT INTO message(topic, user, event, data) VALUES('u', '7', 'rowcast.end', 'x')",
	    "event rowcast.end ends a topic: give it one that does not begin with rowcast., and neither user nor"
	    " expires_at");
	/* An end that is on its way. */
	does("INSERT INTO message(topic, event, data) VALUES('u', 'rowcast.end', 'x')");
	is_told("INSERT INTO message(topic, data) VALUES('u', 'x')", ENDED);
	is_told("INSERT OR REPLACE INTO message(topic, event, data) VALUES('v', 'rowcast.end', ''), ('v', NULL, 'x')",
	    ENDED);
	assert_int_equal(number("SELECT count(*) FROM rowcast_outbox"), 4);
	assert_int_equal(end_of("u"), 0);
	does("BEGIN; INSERT INTO message(topic, event, data) VALUES('w', 'rowcast.end', 'x'); ROLLBACK");
	does("INSERT INTO message(topic, data) VALUES('w', 'x')");
}

/* INSERT OR REPLACE erases first what has the key: it is not erased for nothing. */
TEST(what_would_be_replaced_in_a_copy_stands_where_the_topic_has_ended)
{
	static char topic[] = "t", data[] = "x", key[] = "k";
	struct message m = { .id = 1000, .topic = topic, .data = data, .data_len = 1, .key = key, .created_at = 1 };

	assert_int_equal(store_follow(store, &(struct store_news){ .messages = &m, .n = 1, .newest = 1000,
	    .anchor = 1000 }, NULL), 0);
	follows(2000, LIST("t!"));
	is_told("INSERT OR REPLACE INTO message(topic, data, key) VALUES('t', 'y', 'k')", ENDED);
	assert_int_equal(number("SELECT count(*) FROM rowcast_outbox"), 0);
	assert_int_equal(number("SELECT count(*) FROM message"), 2);
}

static void
add_end(void *context, const struct store_end *end)
{
	buf_printf(context, "%s:%" PRId64 " ", end->topic, end->id);
}

static void
ends_are(int64_t after, int max, const char *expected)
{
	struct buf text = BUF_EMPTY;
	char *all;

	assert_int_equal(store_read_ends(store, after, max, add_end, &text), 0);
	all = buf_take(&text);
	assert_string_equal(all, expected);
	free(all);
}

TEST(a_copy_tells_and_takes_what_has_ended)
{
	const struct store_end ends[] = { { "a", 10, 1 }, { "t", 999, 1 }, { "u", 1002, 1 } };

	ends_are(0, 10, "");
	follows(1000, LIST("t!", "u!", "v!"));
	ends_are(0, 10, "t:1000 u:1001 v:1002 ");
	ends_are(0, 2, "t:1000 u:1001 ");
	ends_are(1001, 10, "v:1002 ");
	/* The first end counts. */
	assert_int_equal(store_end(store, ends, 3, 0), 0);
	ends_are(0, 10, "a:10 t:999 u:1001 v:1002 ");
	assert_int_equal(store_end(store, NULL, 0, 999), 0);
	ends_are(0, 10, "u:1001 v:1002 ");
	assert_int_equal(follows(2000, LIST("a", "u")), 1);
}

TEST(what_had_ended_in_a_file_before_it_became_a_copy_means_nothing_to_the_log)
{
	open_as(STORE_OWNER);
	end_topic("t");
	does("DELETE FROM message");
	open_as(STORE_COPY);
	does("INSERT INTO message(topic, data) VALUES('t', 'x')");
	assert_int_equal(follows(1000, LIST("t")), 0);
	assert_int_equal(end_of("t"), 0);
}

TEST(gaps_are_found_by_an_index_of_their_own)
{
	char *plan;

	plan = plan_of("SELECT id FROM rowcast_copy WHERE segment = 5 AND id > 7 AND event = 'rowcast.gap'");
	assert_says(plan, "USING INDEX rowcast_copy_gap (segment=? AND id>?)");
	free(plan);
}

#define OWN_TEST(test) cmocka_unit_test_setup_teardown(test, open_own, close_all)
#define COPY_TEST(test) cmocka_unit_test_setup_teardown(test, open_copy, close_all)
#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, open_none, close_all)

static const struct CMUnitTest tests[] = {
	FILE_TEST(a_file_of_version_2_becomes_what_a_new_one_is),
	FILE_TEST(a_file_of_version_3_becomes_what_a_new_one_is),
	FILE_TEST(a_file_of_version_4_becomes_what_a_new_one_is),
	FILE_TEST(a_file_of_version_5_becomes_what_a_new_one_is),
	FILE_TEST(a_copy_of_version_4_becomes_what_a_new_one_is),
	FILE_TEST(a_copy_of_version_5_becomes_what_a_new_one_is),
	FILE_TEST(what_was_called_an_end_before_there_were_ends_is_none),
	OWN_TEST(an_end_in_the_middle_of_a_statement_refuses_all_of_it),
	OWN_TEST(ids_that_are_given_in_any_order_count_in_theirs),
	OWN_TEST(a_row_that_replaces_one_of_an_ended_topic_is_refused_and_the_other_stands),
	OWN_TEST(the_id_of_an_end_is_the_message_s_for_whoever_asks),
	OWN_TEST(a_trigger_of_the_application_is_told_too),
	OWN_TEST(an_end_is_forgotten_when_it_is_older_than_keep_for_and_no_row_is_retained),
	OWN_TEST(an_end_that_is_dated_back_or_erased_is_remembered_as_long),
	OWN_TEST(ends_are_forgotten_a_slice_at_a_time_and_none_stands_in_the_way),
	OWN_TEST(whatever_is_inserted_the_table_has_what_a_model_in_memory_has),
	COPY_TEST(a_copy_leaves_out_what_comes_after_an_end),
	COPY_TEST(a_copy_forgets_an_end_where_the_log_says_so),
	COPY_TEST(what_another_process_has_followed_into_the_copy_is_left_out_once),
	COPY_TEST(what_is_inserted_into_a_copy_is_refused_after_an_end_that_is_known_there),
	COPY_TEST(what_would_be_replaced_in_a_copy_stands_where_the_topic_has_ended),
	COPY_TEST(a_copy_tells_and_takes_what_has_ended),
	COPY_TEST(gaps_are_found_by_an_index_of_their_own),
	FILE_TEST(what_had_ended_in_a_file_before_it_became_a_copy_means_nothing_to_the_log),
};

RUN_TESTS(tests)
