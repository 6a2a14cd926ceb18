/* What app/store/store.h promises, as tests that know nothing of how a store keeps
 * it. A store's own test program gives store_contract_run a maker of names of
 * new, empty stores, and the tests that are about this store only. Each test has a
 * store of its own, opened by the thread of the test; a thread that a test starts
 * uses no handle but one of its own. */
#ifndef TESTS_UNIT_STORE_CONTRACT_H
#define TESTS_UNIT_STORE_CONTRACT_H

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/store/beside.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/store/store.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum { CONTRACT_HANGS_S = 600 };  /* no test takes that long; SIGALRM ends the program */

typedef const char *contract_maker(void);

static contract_maker *contract_new_name;
static const char *contract_name;      /* of the store of this test */
static struct store *contract_store;   /* its owner's handle */
static int contract_wake;              /* an eventfd */

/* ---- verbs ---- */

static struct store *
open_as(enum store_access access)
{
	struct store *store = store_open(contract_name, access);

	assert_non_null(store);
	return store;
}

/* message_of lends the strings: the message is never freed. */
static struct message
message_of(const char *user, const char *topic, const char *data)
{
	union { const char *lent; char *text; } u = { user }, t = { topic }, d = { data };

	return (struct message){ .user = u.text, .topic = t.text, .data = d.text,
	    .data_len = strlen(data) };
}

static struct message
message_with_key(const char *key, const char *data)
{
	union { const char *lent; char *text; } k = { key };
	struct message m = message_of(NULL, NULL, data);

	m.key = k.text;
	return m;
}

static struct message
message_with_event(const char *event, const char *data)
{
	union { const char *lent; char *text; } e = { event };
	struct message m = message_of(NULL, NULL, data);

	m.event = e.text;
	return m;
}

/* append_to asks for one append of n messages and returns it as answered. */
static struct append
append_to(struct store *store, const char *publisher, struct message *messages, size_t n)
{
	struct append a = { .messages = messages, .n = n, .publisher = publisher };
	struct append *appends[] = { &a };

	assert_int_equal(store_append(store, appends, 1), 0);
	return a;
}

/* add appends one message and returns its id. */
static int64_t
add_message(struct message m)
{
	struct append a = append_to(contract_store, "p", &m, 1);

	assert_false(a.refused);
	assert_false(a.existed);
	return m.id;
}

static int64_t
add(const char *user, const char *topic, const char *data)
{
	return add_message(message_of(user, topic, data));
}

static void
add_many(int n, struct expiry expiry)
{
	struct message *m = mem_zalloc((size_t)n * sizeof(*m));

	for (int i = 0; i < n; i++) {
		m[i] = message_of(NULL, NULL, "x");
		m[i].expiry = expiry;
	}
	assert_false(append_to(contract_store, "p", m, (size_t)n).refused);
	free(m);
}

/* What a read gave. */
struct seen {
	int64_t ids[4096];
	size_t n;
	size_t most;          /* end the reading after so many; 0: do not */
	size_t n_reads;       /* that it took */
	struct message last;  /* a copy, ours until the next read */
	struct store_bounds bounds;
	int64_t upto;
};

static struct seen seen;

static char *
copy_of(const char *s)
{
	return s != NULL ? mem_strdup(s) : NULL;
}

static bool
note_row(void *context, const struct message *m)
{
	struct seen *s = context;

	assert_true(s->n < sizeof(s->ids) / sizeof(s->ids[0]));
	if (s->n > 0)
		assert_true(m->id > s->ids[s->n - 1]);
	assert_int_equal(m->data[m->data_len], '\0');
	s->ids[s->n++] = m->id;
	message_free(&s->last);
	s->last = (struct message){ .id = m->id, .user = copy_of(m->user),
	    .topic = copy_of(m->topic), .event = copy_of(m->event),
	    .data = mem_strndup(m->data, m->data_len), .data_len = m->data_len,
	    .expiry = m->expiry };
	return s->n != s->most;
}

/* read_from reads through a handle into seen, to the end or until there are `most`:
 * one read goes only as far as STORE_SCAN_MAX lets it. */
static void
read_from(struct store *store, int64_t after, const struct filter *filter, size_t most)
{
	message_free(&seen.last);
	seen.n = 0;
	seen.most = most;
	seen.upto = -1;
	seen.bounds = (struct store_bounds){ -1, -1, -1, -1 };
	seen.n_reads = 0;
	do {
		int64_t from = seen.n_reads == 0 ? after : seen.upto;

		assert_int_equal(store_read(store, from, filter, note_row, &seen, &seen.bounds,
		    &seen.upto), 0);
		seen.n_reads++;
		/* Or who reads on would never come to an end. */
		assert_true(seen.upto > from || seen.upto >= seen.bounds.newest);
		assert_true(seen.upto >= seen.bounds.oldest - 1);
	} while (seen.upto < seen.bounds.newest && (most == 0 || seen.n < most));
	/* Rows and bounds are of one moment. */
	if (seen.n > 0) {
		assert_true(seen.n_reads > 1 || seen.ids[0] >= seen.bounds.oldest);
		assert_true(seen.ids[seen.n - 1] <= seen.upto);
		assert_true(seen.upto <= seen.bounds.newest);
	}
}

static void
read_all(void)
{
	read_from(contract_store, 0, NULL, 0);
}

static void
bounds_are(int64_t oldest, int64_t newest)
{
	struct store_bounds bounds = { -1, -1, -1, -1 };

	assert_int_equal(store_bounds(contract_store, &bounds), 0);
	assert_int_equal(bounds.oldest, oldest);
	assert_int_equal(bounds.newest, newest);
}

static void
trimmed_is(int64_t id)
{
	struct store_bounds bounds;

	assert_int_equal(store_bounds(contract_store, &bounds), 0);
	assert_int_equal(bounds.trimmed, id);
	read_all();
	assert_int_equal(seen.bounds.trimmed, id);
}

/* holds: that many rows stand, expired or not. */
static void
holds(size_t n)
{
	read_all();
	assert_int_equal(seen.n, n);
}

static int
contract_open(void **state)
{
	(void)state;
	alarm(CONTRACT_HANGS_S);
	contract_name = contract_new_name();
	contract_store = store_open(contract_name, STORE_OWNER);
	contract_wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return contract_store != NULL && contract_wake >= 0 ? 0 : -1;
}

static int
contract_close(void **state)
{
	(void)state;
	store_close(contract_store);
	contract_store = NULL;
	close(contract_wake);
	message_free(&seen.last);
	alarm(0);
	return 0;
}

/* ---- appending ---- */

TEST(a_new_store_is_empty)
{
	bounds_are(1, 0);
	read_all();
	assert_int_equal(seen.n, 0);
	assert_int_equal(seen.bounds.oldest, 1);
	assert_int_equal(seen.bounds.newest, 0);
	assert_int_equal(seen.upto, 0);
}

TEST(a_message_is_read_back_as_it_was_appended)
{
	struct message m = message_of("42", "news", "line\r\nline\n\xf0\x9f\x8e\x89 ");
	wall_s later = clock_wall_s() + 1000;
	char event[] = "note";

	m.event = event;
	m.expiry = EXPIRY_AT(later);
	m.id = add_message(m);
	assert_true(m.id > 0);
	bounds_are(m.id, m.id);
	read_all();
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.ids[0], m.id);
	assert_string_equal(seen.last.user, "42");
	assert_string_equal(seen.last.topic, "news");
	assert_string_equal(seen.last.event, "note");
	assert_int_equal(seen.last.data_len, m.data_len);
	assert_memory_equal(seen.last.data, m.data, m.data_len);
	assert_int_equal(seen.last.expiry.at, later);
}

TEST(what_a_message_does_not_have_it_does_not_get)
{
	add(NULL, NULL, "");
	read_all();
	assert_int_equal(seen.n, 1);
	assert_null(seen.last.user);
	assert_null(seen.last.topic);
	assert_null(seen.last.event);
	assert_string_equal(seen.last.data, "");
	assert_int_equal(seen.last.data_len, 0);
	assert_false(seen.last.expiry.ends);
}

TEST(data_of_1_mib_is_taken_whole)
{
	size_t n = 1 << 20;
	char *data = mem_alloc(n + 1);

	memset(data, 'x', n);
	data[n] = '\0';
	add(NULL, NULL, data);
	read_all();
	assert_int_equal(seen.last.data_len, n);
	assert_memory_equal(seen.last.data, data, n);
	free(data);
}

TEST(only_data_len_bytes_are_the_data)
{
	struct message m = message_of(NULL, NULL, "abcdef");

	m.data_len = 3;
	add_message(m);
	read_all();
	assert_string_equal(seen.last.data, "abc");
}

TEST(ids_grow_in_the_order_of_appends)
{
	struct message first[3], second[2];
	struct append a = { .messages = first, .n = 3, .publisher = "p" };
	struct append b = { .messages = second, .n = 2, .publisher = "q" };
	struct append *appends[] = { &a, &b };

	for (size_t i = 0; i < 3; i++)
		first[i] = message_of(NULL, NULL, "a");
	for (size_t i = 0; i < 2; i++)
		second[i] = message_of(NULL, NULL, "b");
	assert_int_equal(store_append(contract_store, appends, 2), 0);
	assert_true(first[0].id > 0);
	assert_true(first[1].id > first[0].id);
	assert_true(first[2].id > first[1].id);
	assert_true(second[0].id > first[2].id);
	assert_true(second[1].id > second[0].id);
	assert_true(add(NULL, NULL, "c") > second[1].id);
	holds(6);
}

TEST(what_was_appended_outlives_the_handle)
{
	int64_t id = add("u", NULL, "a");

	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	bounds_are(id, id);
	holds(1);
	assert_true(add("u", NULL, "b") > id);
}

TEST(two_handles_see_what_the_other_appended)
{
	struct store *other = open_as(STORE_OWNER);
	struct message m = message_of(NULL, NULL, "b");
	int64_t id = add(NULL, NULL, "a");

	append_to(other, "q", &m, 1);
	assert_true(m.id > id);
	holds(2);
	read_from(other, 0, NULL, 0);
	assert_int_equal(seen.n, 2);
	store_close(other);
}

TEST(the_same_key_again_inserts_nothing_and_gives_the_first_id)
{
	struct message m = message_with_key("k", "a"), again = message_with_key("k", "b");
	struct append a = append_to(contract_store, "p", &m, 1);

	assert_false(a.existed);
	a = append_to(contract_store, "p", &again, 1);
	assert_true(a.existed);
	assert_false(a.refused);
	assert_int_equal(again.id, m.id);
	holds(1);
	assert_string_equal(seen.last.data, "a");
	/* Also when the store has been closed since. */
	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	a = append_to(contract_store, "p", &again, 1);
	assert_true(a.existed);
	assert_int_equal(again.id, m.id);
}

TEST(keys_belong_to_their_publisher)
{
	static const struct { const char *publisher, *key; } pairs[] = {
		{ "a", "k" }, { "b", "k" }, { "", "k" }, { "a", "" }, { "", "" },
		{ "a/b", "c" }, { "a", "b/c" }, { "a/", "b/c" }, { "a", "/b/c" },
		{ "a%2Fb", "c" }, { "a%2fb", "c" }, { "a%", "2Fb/c" }, { "a%252Fb", "c" },
		{ "%", "/" }, { "/", "%" }, { "A", "k" }, { "a ", "k" }, { "a", " k" },
		{ "\xc3\xa4", "k" }, { "a", "\xc3\xa4" },
	};
	size_t n = sizeof(pairs) / sizeof(pairs[0]);
	int64_t ids[sizeof(pairs) / sizeof(pairs[0])];

	for (size_t i = 0; i < n; i++) {
		struct message m = message_with_key(pairs[i].key, "x");
		struct append a = append_to(contract_store, pairs[i].publisher, &m, 1);

		assert_false(a.existed);
		ids[i] = m.id;
	}
	holds(n);
	for (size_t i = 0; i < n; i++) {
		struct message m = message_with_key(pairs[i].key, "x");
		struct append a = append_to(contract_store, pairs[i].publisher, &m, 1);

		assert_true(a.existed);
		assert_int_equal(m.id, ids[i]);
	}
	holds(n);
}

TEST(messages_without_a_key_are_never_the_same)
{
	add("u", NULL, "a");
	add("u", NULL, "a");
	holds(2);
}

TEST(of_several_messages_only_those_with_a_new_key_are_inserted)
{
	struct message m = message_with_key("k", "old");
	struct message several[4];
	struct append a;

	append_to(contract_store, "p", &m, 1);
	several[0] = message_with_key("l", "new");
	several[1] = message_with_key("k", "again");
	several[2] = message_with_key("l", "again");
	several[3] = message_of(NULL, NULL, "new");
	a = append_to(contract_store, "p", several, 4);
	assert_true(a.existed);
	assert_false(a.refused);
	assert_int_equal(several[1].id, m.id);
	assert_int_equal(several[2].id, several[0].id);
	assert_true(several[3].id > several[0].id);
	holds(3);
}

TEST(a_key_used_twice_in_one_call_is_inserted_once)
{
	struct message first = message_with_key("k", "a"), second = message_with_key("k", "b");
	struct append a = { .messages = &first, .n = 1, .publisher = "p" };
	struct append b = { .messages = &second, .n = 1, .publisher = "p" };
	struct append *appends[] = { &a, &b };

	assert_int_equal(store_append(contract_store, appends, 2), 0);
	assert_false(a.existed);
	assert_true(b.existed);
	assert_int_equal(second.id, first.id);
	holds(1);
}

/* A line break in the event would break the stream, so every store refuses it. */
TEST(a_refused_append_leaves_the_others_standing)
{
	struct message first = message_of(NULL, NULL, "a"), third = message_of(NULL, NULL, "c");
	struct message second = message_with_event("a\nb", "b");
	struct append a = { .messages = &first, .n = 1, .publisher = "p", .refused = true };
	struct append b = { .messages = &second, .n = 1, .publisher = "p", .existed = true };
	struct append c = { .messages = &third, .n = 1, .publisher = "p" };
	struct append *appends[] = { &a, &b, &c };

	capture_begin();
	assert_int_equal(store_append(contract_store, appends, 3), 0);
	assert_says(capture_end(), "warn: store: ");
	assert_false(a.refused);
	assert_true(b.refused);
	assert_false(b.existed);
	assert_false(c.refused);
	holds(2);
	assert_int_equal(seen.ids[0], first.id);
	assert_int_equal(seen.ids[1], third.id);
}

TEST(an_append_is_all_or_nothing)
{
	struct message before = message_of(NULL, NULL, "before"), after = before;
	struct message several[4];
	struct append a = { .messages = &before, .n = 1, .publisher = "p" };
	struct append b = { .messages = several, .n = 4, .publisher = "p" };
	struct append c = { .messages = &after, .n = 1, .publisher = "p" };
	struct append *appends[] = { &a, &b, &c };

	for (size_t bad = 0; bad < 4; bad++) {
		struct message kept = message_with_key("k", "of another append");

		for (size_t i = 0; i < 4; i++)
			several[i] = message_of(NULL, NULL, "x");
		several[0] = message_with_key("k", "x");
		several[bad] = message_with_event("\r", "x");
		capture_begin();
		assert_int_equal(store_append(contract_store, appends, 3), 0);
		capture_end();
		assert_true(b.refused);
		holds(2 * bad + 2);
		assert_int_equal(seen.ids[2 * bad], before.id);
		assert_int_equal(seen.ids[2 * bad + 1], after.id);
		/* The key that was taken back is free. */
		if (bad == 3) {
			a = append_to(contract_store, "p", &kept, 1);
			assert_false(a.existed);
		}
	}
}

/* With and without keys, in crowds of every size, so however a store groups them. */
TEST(messages_appended_together_are_numbered_in_their_order)
{
	enum { MOST = 80 };
	struct message messages[MOST];
	char texts[MOST][8], keys[MOST][24];
	struct append appends[MOST], *all[MOST];

	dice_begin();
	for (size_t n = 1; n <= MOST; n++) {
		size_t n_appends = 0;

		for (size_t i = 0; i < n; i++) {
			snprintf(texts[i], sizeof(texts[i]), "%zu", i);
			snprintf(keys[i], sizeof(keys[i]), "%zu-%zu", n, i);
			messages[i] = dice_throw(20) > 0 ? message_of(NULL, NULL, texts[i])
			    : message_with_key(keys[i], texts[i]);
			if (i == 0 || dice_throw(4) == 0) {
				appends[n_appends] = (struct append){ .messages = &messages[i], .publisher = "p" };
				all[n_appends] = &appends[n_appends];
				n_appends++;
			}
			appends[n_appends - 1].n++;
		}
		assert_int_equal(store_append(contract_store, all, n_appends), 0);
		read_from(contract_store, messages[0].id - 1, NULL, 0);
		assert_int_equal(seen.n, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(seen.ids[i], messages[i].id);
		assert_string_equal(seen.last.data, texts[n - 1]);
	}
}

TEST(one_refused_in_a_crowd_leaves_the_others_standing)
{
	enum { CROWD = 100 };
	struct message messages[CROWD];
	struct append appends[CROWD], *all[CROWD];
	size_t bad;

	dice_begin();
	bad = dice_throw(CROWD);
	for (size_t i = 0; i < CROWD; i++) {
		messages[i] = i == bad ? message_with_event("a\nb", "x") : message_of(NULL, NULL, "x");
		appends[i] = (struct append){ .messages = &messages[i], .n = 1, .publisher = "p" };
		all[i] = &appends[i];
	}
	capture_begin();
	assert_int_equal(store_append(contract_store, all, CROWD), 0);
	capture_end();
	holds(CROWD - 1);
	for (size_t i = 0, k = 0; i < CROWD; i++) {
		assert_int_equal(appends[i].refused, i == bad);
		if (i != bad)
			assert_int_equal(messages[i].id, seen.ids[k++]);
	}
}

TEST(an_id_is_never_given_twice_even_when_the_newest_is_deleted)
{
	int64_t newest = 0;

	for (int i = 0; i < 5; i++)
		newest = add(NULL, NULL, "a");
	assert_int_equal(store_trim(contract_store, 0, 1, 100), 4);
	for (int i = 0; i < 3; i++) {
		struct message m = message_of(NULL, NULL, "expires");

		m.expiry = EXPIRY_AT(1);
		newest = add_message(m);
		store_trim(contract_store, 0, 0, 100);
		assert_true(add(NULL, NULL, "b") > newest);
	}
}

/* ---- reading ---- */

TEST(a_read_gives_what_is_above_and_nothing_else)
{
	int64_t ids[5];

	for (size_t i = 0; i < 5; i++)
		ids[i] = add(i % 2 ? "u" : NULL, i % 3 ? "t" : NULL, "a");
	for (size_t i = 0; i < 5; i++) {
		read_from(contract_store, ids[i], NULL, 0);
		assert_int_equal(seen.n, 4 - i);
		for (size_t j = 0; j < seen.n; j++)
			assert_int_equal(seen.ids[j], ids[i + 1 + j]);
		assert_int_equal(seen.upto, ids[4]);
		assert_int_equal(seen.bounds.oldest, ids[0]);
		assert_int_equal(seen.bounds.newest, ids[4]);
	}
	read_from(contract_store, ids[0] - 1, NULL, 0);
	assert_int_equal(seen.n, 5);
	read_from(contract_store, ids[4] + 100, NULL, 0);
	assert_int_equal(seen.n, 0);
	assert_int_equal(seen.upto, ids[4]);
	read_from(contract_store, INT64_MAX, NULL, 0);
	assert_int_equal(seen.n, 0);
}

TEST(a_read_that_the_reader_ends_goes_up_to_its_last_row)
{
	int64_t ids[5];

	for (size_t i = 0; i < 5; i++)
		ids[i] = add(NULL, NULL, "a");
	for (size_t most = 1; most <= 5; most++) {
		read_from(contract_store, 0, NULL, most);
		assert_int_equal(seen.n, most);
		assert_int_equal(seen.upto, ids[most - 1]);
		assert_int_equal(seen.bounds.newest, ids[4]);
		read_from(contract_store, seen.upto, NULL, 0);
		assert_int_equal(seen.n, 5 - most);
	}
}

TEST(rows_that_do_not_match_are_seen_all_the_same)
{
	struct filter filter = { .user = message_of("me", NULL, "").user };
	int64_t mine = add("me", NULL, "a"), newest = add("you", NULL, "b");

	read_from(contract_store, 0, &filter, 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.ids[0], mine);
	assert_int_equal(seen.upto, newest);
	read_from(contract_store, 0, &filter, 1);
	assert_int_equal(seen.upto, mine);
}

TEST(expired_rows_are_not_given_but_seen)
{
	struct message past = message_of("u", NULL, "a"), future = past, last = past;
	struct filter filter = { .user = past.user };

	past.expiry = EXPIRY_AT(1);
	future.expiry = EXPIRY_AT(clock_wall_s() + 1000);
	last.expiry = EXPIRY_AT(clock_wall_s() - 1);
	past.id = add_message(past);
	future.id = add_message(future);
	last.id = add_message(last);
	bounds_are(past.id, last.id);
	for (int filtered = 0; filtered < 2; filtered++) {
		read_from(contract_store, 0, filtered ? &filter : NULL, 0);
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.ids[0], future.id);
		assert_int_equal(seen.upto, last.id);
	}
}

static bool
append_meanwhile(void *context, const struct message *m)
{
	struct message more = message_of(NULL, NULL, "meanwhile");

	append_to(context, "q", &more, 1);
	return note_row(&seen, m);
}

TEST(a_read_shows_one_moment_whatever_is_appended_meanwhile)
{
	struct store *other = open_as(STORE_OWNER);
	int64_t first = add(NULL, NULL, "a"), second = add(NULL, NULL, "b");

	seen.n = seen.most = 0;
	assert_int_equal(store_read(contract_store, 0, NULL, append_meanwhile, other,
	    &seen.bounds, &seen.upto), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.bounds.oldest, first);
	assert_int_equal(seen.bounds.newest, second);
	assert_int_equal(seen.upto, second);
	read_from(contract_store, seen.upto, NULL, 0);
	assert_int_equal(seen.n, 2);
	store_close(other);
}

TEST(a_reader_reads_what_the_owner_writes)
{
	struct store *reader = open_as(STORE_READER);
	int64_t id = add("u", "t", "a");

	read_from(reader, 0, NULL, 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.ids[0], id);
	assert_string_equal(seen.last.topic, "t");
	store_close(reader);
}

/* Names that are near each other in every order a store might keep them. */
enum { N_USERS = 6, N_TOPICS = 40, N_RANDOM = 1500, TOPICS_MOST = 32 };

static char contract_users[N_USERS][8] = { "1", "10", "a", "A", "\xc3\xa4", "a b" };
static char contract_topics[N_TOPICS][16];

static bool
matches(const struct message *m, const struct filter *filter)
{
	if (m->expiry.ends && m->expiry.at <= clock_wall_s())
		return false;
	if (m->user != NULL && strcmp(m->user, filter->user) != 0)
		return false;
	if (m->topic == NULL)
		return true;
	for (size_t i = 0; i < filter->n_topics; i++)
		if (strcmp(m->topic, filter->topics[i]) == 0)
			return true;
	return false;
}

/* expect_filtered compares one read with what matches() says of every row. */
static void
expect_filtered(const struct message *all, const struct filter *filter, int64_t after,
    size_t most)
{
	int64_t upto = all[N_RANDOM - 1].id;
	size_t n = 0;

	read_from(contract_store, after, filter, most);
	for (size_t i = 0; i < N_RANDOM; i++) {
		if (all[i].id <= after || !matches(&all[i], filter))
			continue;
		if (n >= seen.n || seen.ids[n] != all[i].id)
			fail_msg("user %s, %zu topics, after %lld: row %zu should be %lld",
			    filter->user, filter->n_topics, (long long)after, n,
			    (long long)all[i].id);
		if (++n == most) {
			upto = all[i].id;
			break;
		}
	}
	assert_int_equal(seen.n, n);
	assert_int_equal(seen.upto, upto);
}

TEST(every_filter_gives_what_looking_at_every_row_gives)
{
	struct message *all = mem_zalloc(N_RANDOM * sizeof(*all));
	char nobody[] = "nobody";

	dice_begin();
	for (size_t i = 0; i < N_TOPICS; i++)
		snprintf(contract_topics[i], sizeof(contract_topics[i]),
		    i % 2 ? "t/%zu" : "T/%zu", i / 2);
	for (size_t i = 0; i < N_RANDOM; i++) {
		all[i] = message_of(dice_throw(3) > 0 ? contract_users[dice_throw(N_USERS)] : NULL,
		    dice_throw(3) > 0 ? contract_topics[dice_throw(N_TOPICS)] : NULL, "x");
		if (dice_throw(10) == 0)
			all[i].expiry = EXPIRY_AT(dice_throw(2) ? 1 : clock_wall_s() + 10000);
	}
	assert_false(append_to(contract_store, "p", all, N_RANDOM).refused);
	for (size_t n_topics = 0; n_topics <= TOPICS_MOST; n_topics++) {
		for (int round = 0; round < 6; round++) {
			char *topics[TOPICS_MOST];
			size_t first = dice_throw(N_TOPICS);
			struct filter filter = { .topics = topics, .n_topics = n_topics,
			    .user = dice_throw(8) ? contract_users[dice_throw(N_USERS)] : nobody };

			/* Different ones; 7 and N_TOPICS have no common factor. */
			for (size_t i = 0; i < n_topics; i++)
				topics[i] = contract_topics[(first + 7 * i) % N_TOPICS];
			expect_filtered(all, &filter, round == 0 ? 0
			    : all[dice_throw(N_RANDOM)].id - (int64_t)dice_throw(2),
			    dice_throw(2) ? 0 : 1 + dice_throw(50));
		}
	}
	free(all);
}

/* One who reads is waited for by others: what a read looks at is bounded, whether it
 * finds anything or not, and who reads on misses nothing. */
TEST(a_read_is_bounded_in_what_it_looks_at)
{
	char *topics[TOPICS_MOST], names[TOPICS_MOST][16], user[] = "7";
	struct filter filter = { .user = user, .topics = topics, .n_topics = TOPICS_MOST };
	int64_t last;

	for (size_t i = 0; i < TOPICS_MOST; i++) {
		snprintf(names[i], sizeof(names[i]), "none/%zu", i);
		topics[i] = names[i];
	}
	for (int i = 0; i < 20; i++)
		add_many(4096, EXPIRY_AT(1));
	last = add(NULL, NULL, "a");
	/* Expired rows that are passed over count, ... */
	read_from(contract_store, 0, NULL, 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.ids[0], last);
	assert_true(seen.n_reads >= 20 * 4096 / STORE_SCAN_MAX);
	seen.n = seen.most = 0;
	assert_int_equal(store_read(contract_store, 0, NULL, note_row, &seen, &seen.bounds,
	    &seen.upto), 0);
	assert_int_equal(seen.n, 0);
	assert_true(seen.upto > 0 && seen.upto <= STORE_SCAN_MAX);
	assert_int_equal(seen.bounds.newest, last);
	/* ... and so do places where there is nothing. */
	for (filter.n_topics = 0; filter.n_topics <= TOPICS_MOST; filter.n_topics += TOPICS_MOST) {
		read_from(contract_store, 0, &filter, 0);
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.ids[0], last);
		assert_true(seen.n_reads > 1);
	}
	store_trim(contract_store, 0, 0, 100000);
	for (int i = 0; i < 20; i++)
		add_many(4096, EXPIRY_NEVER);
	filter.n_topics = TOPICS_MOST;
	seen.n = seen.most = 0;
	assert_int_equal(store_read(contract_store, last, &filter, note_row, &seen, &seen.bounds,
	    &seen.upto), 0);
	assert_true(seen.n > 0 && seen.n <= STORE_SCAN_MAX);
	assert_int_equal(seen.upto, seen.ids[seen.n - 1]);
	assert_true(seen.upto < seen.bounds.newest);
}

/* ---- news ---- */

TEST(a_wait_ends_when_the_descriptor_is_readable)
{
	uint64_t one = 1;

	read_all();
	assert_int_equal(write(contract_wake, &one, sizeof(one)), sizeof(one));
	store_wait(contract_store, contract_wake);
	store_wait(contract_store, contract_wake);
}

/* SIGALRM would come. */
TEST(a_wait_for_nothing_ends_all_the_same)
{
	read_all();
	for (int i = 0; i < 3; i++)
		store_wait(contract_store, contract_wake);
}

static void *
wake_later(void *arg)
{
	uint64_t one = 1;

	return write(contract_wake, &one, sizeof(one)) == sizeof(one) ? NULL : arg;
}

TEST(a_wait_is_woken_from_another_thread)
{
	struct pollfd p = { .fd = contract_wake, .events = POLLIN };
	pthread_t thread;
	void *failed;

	read_all();
	thread_start(&thread, "waker", wake_later, &seen);
	while (poll(&p, 1, 0) == 0)
		store_wait(contract_store, contract_wake);
	pthread_join(thread, &failed);
	assert_null(failed);
}

/* wait_until waits until there is something above `after`, and reads it. */
static void
wait_until(struct store *store, int64_t after)
{
	for (read_from(store, after, NULL, 0); seen.n == 0; read_from(store, after, NULL, 0))
		store_wait(store, contract_wake);
}

TEST(a_commit_between_a_read_and_a_wait_is_not_missed)
{
	struct store *reader = open_as(STORE_READER);

	for (int i = 0; i < 20; i++) {
		int64_t id;

		read_from(reader, 0, NULL, 0);
		id = add(NULL, NULL, "a");
		/* Only the store can end this one: nobody wakes the descriptor. */
		wait_until(reader, id - 1);
		assert_int_equal(seen.ids[0], id);
	}
	store_close(reader);
}

enum { N_WRITERS = 3, N_WRITES = 40 };

static void *
append_many(void *arg)
{
	struct store *store = open_beside_others(contract_name, STORE_OWNER);
	void *failed = store == NULL ? arg : NULL;

	for (int i = 0; i < N_WRITES && failed == NULL; i++) {
		struct message m = message_of(NULL, NULL, "x");
		struct append a = { .messages = &m, .n = 1, .publisher = "p" };
		struct append *appends[] = { &a };
		int outcome;

		/* The others may keep it busy for long on a slow disk: that is no loss. */
		do
			outcome = store_append(store, appends, 1);
		while (outcome == STORE_BUSY);
		if (outcome != 0 || a.refused)
			failed = arg;
	}
	store_close(store);
	return failed;
}

/* Reading on from upto must meet every row once, whoever commits meanwhile:
 * hence the order of ids is the order of commits. */
TEST(a_follower_misses_nothing_while_many_append)
{
	struct store *reader = open_as(STORE_READER);
	pthread_t threads[N_WRITERS];
	size_t n = 0;
	int64_t after = 0;

	for (int i = 0; i < N_WRITERS; i++)
		thread_start(&threads[i], "writer", append_many, &threads[i]);
	while (n < (size_t)N_WRITERS * N_WRITES) {
		wait_until(reader, after);
		n += seen.n;
		after = seen.upto;
	}
	for (int i = 0; i < N_WRITERS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	read_from(reader, 0, NULL, 0);
	assert_int_equal(seen.n, n);
	assert_int_equal(seen.n, (size_t)N_WRITERS * N_WRITES);
	store_close(reader);
}

/* ---- retention ---- */

TEST(without_a_bound_nothing_is_deleted)
{
	assert_int_equal(store_trim(contract_store, 0, 0, 100), 0);
	add_many(10, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 0, 0, 100), 0);
	assert_int_equal(store_trim(contract_store, 1000, 10, 100), 0);
	assert_int_equal(store_trim(contract_store, 1000, 1000000, 100), 0);
	holds(10);
}

TEST(rows_beyond_those_to_keep_are_deleted_from_the_oldest_on)
{
	int64_t newest;

	add_many(30, EXPIRY_NEVER);
	newest = add(NULL, NULL, "a");
	assert_int_equal(store_trim(contract_store, 0, 10, 100), 21);
	holds(10);
	bounds_are(newest - 9, newest);
	assert_int_equal(store_trim(contract_store, 0, 10, 100), 0);
	add_many(1, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 0, 10, 100), 1);
	bounds_are(newest - 8, newest + 1);
}

TEST(a_large_store_keeps_at_most_a_hundredth_too_many)
{
	for (int i = 0; i < 40; i++) {
		add_many(100, EXPIRY_NEVER);
		store_trim(contract_store, 0, 1000, 10000);
		read_all();
		assert_true(seen.n <= 1010);
		assert_true(seen.n >= (size_t)(i < 10 ? 100 * (i + 1) : 1000));
	}
}

TEST(a_large_deletion_is_done_in_slices)
{
	add_many(95, EXPIRY_NEVER);
	for (int i = 0; i < 8; i++)
		assert_int_equal(store_trim(contract_store, 0, 15, 10), 10);
	assert_int_equal(store_trim(contract_store, 0, 15, 10), 0);
	holds(15);
	add_many(45, EXPIRY_AT(1));
	for (int i = 0; i < 4; i++)
		assert_int_equal(store_trim(contract_store, 0, 0, 10), 10);
	assert_int_equal(store_trim(contract_store, 0, 0, 10), 5);
	holds(15);
}

TEST(expired_rows_go_first_wherever_they_lie)
{
	int64_t first = add(NULL, NULL, "a"), last;

	add_many(5, EXPIRY_AT(1));
	add_many(2, EXPIRY_AT(clock_wall_s() + 1000));
	last = add(NULL, NULL, "b");
	assert_int_equal(store_trim(contract_store, 0, 0, 3), 3);
	assert_int_equal(store_trim(contract_store, 0, 0, 3), 2);
	holds(4);
	bounds_are(first, last);
}

TEST(expired_rows_are_not_counted_among_those_to_keep)
{
	add_many(60, EXPIRY_NEVER);
	add_many(40, EXPIRY_AT(1));
	assert_int_equal(store_trim(contract_store, 0, 20, 1000), 80);
	holds(20);
}

TEST(one_slice_may_hold_rows_of_each_kind)
{
	add_many(5, EXPIRY_AT(1));
	add_many(30, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 0, 10, 12), 12);
	assert_int_equal(store_trim(contract_store, 0, 10, 12), 12);
	assert_int_equal(store_trim(contract_store, 0, 10, 12), 1);
	holds(10);
}

TEST(a_bound_raised_between_slices_holds_at_once)
{
	add_many(100, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 0, 20, 10), 10);
	assert_int_equal(store_trim(contract_store, 0, 85, 10), 5);
	assert_int_equal(store_trim(contract_store, 0, 85, 10), 0);
	holds(85);
}

TEST(a_bound_lowered_holds_at_once)
{
	add_many(100, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 0, 50, 1000), 50);
	assert_int_equal(store_trim(contract_store, 0, 10, 1000), 40);
	holds(10);
}

TEST(rows_another_handle_deletes_are_not_deleted_again_from_those_to_keep)
{
	struct store *other = open_as(STORE_OWNER);

	add_many(100, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 0, 20, 10), 10);
	assert_int_equal(store_trim(other, 0, 20, 1000), 70);
	assert_int_equal(store_trim(contract_store, 0, 20, 10), 0);
	holds(20);
	store_close(other);
}

TEST(a_store_deleted_empty_still_knows_its_newest_id)
{
	int64_t newest;

	add_many(9, EXPIRY_AT(1));
	newest = add(NULL, NULL, "a");
	assert_int_equal(store_trim(contract_store, 0, 0, 100), 9);
	bounds_are(newest, newest);
	add_many(1, EXPIRY_AT(1));
	store_trim(contract_store, 0, 0, 100);
	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	bounds_are(newest, newest + 1);
}

/* Who stands below it has missed something; and nobody else has. */
TEST(the_highest_id_that_retention_deleted_is_known)
{
	int64_t first;

	trimmed_is(0);
	first = add(NULL, NULL, "a");
	add_many(9, EXPIRY_NEVER);
	assert_int_equal(store_trim(contract_store, 1000, 10, 100), 0);
	trimmed_is(0);
	assert_int_equal(store_trim(contract_store, 0, 6, 100), 4);
	trimmed_is(first + 3);
	/* Also for whoever opens it next. */
	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	trimmed_is(first + 3);
	assert_int_equal(store_trim(contract_store, 0, 1, 2), 2);
	trimmed_is(first + 5);
}

TEST(rows_that_have_expired_are_not_trimmed)
{
	add_many(5, EXPIRY_AT(1));
	add(NULL, NULL, "a");
	assert_int_equal(store_trim(contract_store, 1000, 1, 100), 5);
	trimmed_is(0);
	add_many(5, EXPIRY_AT(1));
	assert_int_equal(store_trim(contract_store, 1000, 1, 100), 5);
	trimmed_is(0);
	bounds_are(6, 11);
}

/* ---- running them ---- */

#define CONTRACT_TEST(name) cmocka_unit_test_setup_teardown(name, contract_open, contract_close)

/* ---- who was revoked ---- */

static wall_s contract_began;  /* before the first revocation of the test */

static void
add_revoked(void *out, const char *user, wall_s until)
{
	assert_in_range(until, contract_began, clock_wall_s());
	buf_printf(out, "%s ", user);
}

/* revoked_is compares those who are new after *after. */
static void
revoked_is(struct store *store, int64_t *after, const char *expected)
{
	struct buf out = BUF_EMPTY;

	assert_int_equal(store_read_revoked(store, after, add_revoked, &out), 0);
	buf_add_char(&out, '\0');
	assert_string_equal(out.bytes, expected);
	buf_free(&out);
}

static void
add_control(const char *user, const char *topic, const char *event)
{
	struct message m = message_with_event(event, "");

	contract_began = contract_began != 0 ? contract_began : clock_wall_s();
	m.user = message_of(user, NULL, "").user;
	m.topic = message_of(NULL, topic, "").topic;
	add_message(m);
}

TEST(who_was_revoked_is_known_from_the_commit_on)
{
	struct store *reader = open_as(STORE_READER);
	int64_t after = 0, from_the_start = 0;

	revoked_is(reader, &after, "");
	add_control("a", MESSAGE_TOPIC_CONTROL, "revoke");
	revoked_is(reader, &after, "a ");
	revoked_is(reader, &after, "");
	add_control("b", MESSAGE_TOPIC_CONTROL, "revoke");
	add_control("c", MESSAGE_TOPIC_CONTROL, "revoke");
	revoked_is(reader, &after, "b c ");
	revoked_is(reader, &from_the_start, "a b c ");
	store_close(reader);
}

TEST(only_a_message_that_says_so_and_names_a_user_revokes)
{
	int64_t after = 0;

	add_control("a", MESSAGE_TOPIC_CONTROL, "kick");
	add_control("a", MESSAGE_TOPIC_CONTROL, NULL);
	add_control("a", MESSAGE_TOPIC_CONTROL, "Revoke");
	add_control("a", "rowcast.controls", "revoke");
	add_control("a", NULL, "revoke");
	add_control(NULL, MESSAGE_TOPIC_CONTROL, "revoke");
	revoked_is(contract_store, &after, "");
}

TEST(who_was_revoked_stays_so_when_the_message_is_gone)
{
	int64_t after = 0;

	add_control("a", MESSAGE_TOPIC_CONTROL, "revoke");
	add(NULL, NULL, "x");
	assert_int_equal(store_trim(contract_store, 60, 1, 10), 1);
	store_close(contract_store);
	contract_store = open_as(STORE_OWNER);
	revoked_is(contract_store, &after, "a ");
}

static const struct CMUnitTest contract_tests[] = {
	CONTRACT_TEST(a_new_store_is_empty),
	CONTRACT_TEST(a_message_is_read_back_as_it_was_appended),
	CONTRACT_TEST(what_a_message_does_not_have_it_does_not_get),
	CONTRACT_TEST(data_of_1_mib_is_taken_whole),
	CONTRACT_TEST(only_data_len_bytes_are_the_data),
	CONTRACT_TEST(ids_grow_in_the_order_of_appends),
	CONTRACT_TEST(what_was_appended_outlives_the_handle),
	CONTRACT_TEST(two_handles_see_what_the_other_appended),
	CONTRACT_TEST(the_same_key_again_inserts_nothing_and_gives_the_first_id),
	CONTRACT_TEST(keys_belong_to_their_publisher),
	CONTRACT_TEST(messages_without_a_key_are_never_the_same),
	CONTRACT_TEST(of_several_messages_only_those_with_a_new_key_are_inserted),
	CONTRACT_TEST(a_key_used_twice_in_one_call_is_inserted_once),
	CONTRACT_TEST(a_refused_append_leaves_the_others_standing),
	CONTRACT_TEST(an_append_is_all_or_nothing),
	CONTRACT_TEST(messages_appended_together_are_numbered_in_their_order),
	CONTRACT_TEST(one_refused_in_a_crowd_leaves_the_others_standing),
	CONTRACT_TEST(an_id_is_never_given_twice_even_when_the_newest_is_deleted),
	CONTRACT_TEST(a_read_gives_what_is_above_and_nothing_else),
	CONTRACT_TEST(a_read_that_the_reader_ends_goes_up_to_its_last_row),
	CONTRACT_TEST(rows_that_do_not_match_are_seen_all_the_same),
	CONTRACT_TEST(expired_rows_are_not_given_but_seen),
	CONTRACT_TEST(a_read_shows_one_moment_whatever_is_appended_meanwhile),
	CONTRACT_TEST(a_reader_reads_what_the_owner_writes),
	CONTRACT_TEST(every_filter_gives_what_looking_at_every_row_gives),
	CONTRACT_TEST(a_read_is_bounded_in_what_it_looks_at),
	CONTRACT_TEST(a_wait_ends_when_the_descriptor_is_readable),
	CONTRACT_TEST(a_wait_for_nothing_ends_all_the_same),
	CONTRACT_TEST(a_wait_is_woken_from_another_thread),
	CONTRACT_TEST(a_commit_between_a_read_and_a_wait_is_not_missed),
	CONTRACT_TEST(a_follower_misses_nothing_while_many_append),
	CONTRACT_TEST(without_a_bound_nothing_is_deleted),
	CONTRACT_TEST(rows_beyond_those_to_keep_are_deleted_from_the_oldest_on),
	CONTRACT_TEST(a_large_store_keeps_at_most_a_hundredth_too_many),
	CONTRACT_TEST(a_large_deletion_is_done_in_slices),
	CONTRACT_TEST(expired_rows_go_first_wherever_they_lie),
	CONTRACT_TEST(expired_rows_are_not_counted_among_those_to_keep),
	CONTRACT_TEST(one_slice_may_hold_rows_of_each_kind),
	CONTRACT_TEST(a_bound_raised_between_slices_holds_at_once),
	CONTRACT_TEST(a_bound_lowered_holds_at_once),
	CONTRACT_TEST(rows_another_handle_deletes_are_not_deleted_again_from_those_to_keep),
	CONTRACT_TEST(a_store_deleted_empty_still_knows_its_newest_id),
	CONTRACT_TEST(the_highest_id_that_retention_deleted_is_known),
	CONTRACT_TEST(rows_that_have_expired_are_not_trimmed),
	CONTRACT_TEST(who_was_revoked_is_known_from_the_commit_on),
	CONTRACT_TEST(only_a_message_that_says_so_and_names_a_user_revokes),
	CONTRACT_TEST(who_was_revoked_stays_so_when_the_message_is_gone),
};

/* store_contract_run runs the contract, each test on a new store that `maker`
 * names (the string is good until the next call), and then the store's own
 * tests. It is one group, since a program has one TAP plan. Returns main's. */
static int
store_contract_run(const char *group, contract_maker *maker, const struct CMUnitTest *own,
    size_t n_own)
{
	size_t n = sizeof(contract_tests) / sizeof(contract_tests[0]);
	struct CMUnitTest *all = mem_alloc((n + n_own) * sizeof(*all));
	int failed;

	contract_new_name = maker;
	memcpy(all, contract_tests, sizeof(contract_tests));
	memcpy(all + n, own, n_own * sizeof(*own));
	failed = _cmocka_run_group_tests(group, all, n + n_own, NULL, NULL);
	free(all);
	return failed;
}

#endif
