/* Thousands of random operations on the log, by rowcasts and by foreign hands, against a
 * model of what was published: each message that a copy has not shown must be one that
 * somebody deleted, or lie under a gap that the copy was told. */

#include "tests/unit/upstream/log.h"

#include "app/upstream/redis/handle.h"
#include "tests/unit/dice.h"

enum {
	MAX_ENTRIES = 20000,
	N_NODES = 2,
	N_KEYS = 8,
	N_OPERATIONS = 1000,
	NOBODY = -1,
};

enum kind { MESSAGE, BROKEN, ERASURE };

/* What was ever added, in order. */
struct entry {
	int64_t id;
	enum kind kind;
	bool is_in_log;
	bool is_deleted;        /* by XDEL, or erased: no gap tells of it */
	bool is_erased;         /* by a DELETE: copies are told */
	int lost_at;            /* the step at which it went otherwise; 0: it did not */
	bool was_set_back;      /* lost with the whole key, or what was newer than a data set */
	bool is_unknown;        /* nobody had read as far as that: nobody can know */
};

struct hole {
	int64_t before, floor;
	int step;
};

struct node {
	struct upstream *log;
	int64_t after, anchor, base, own;
	int joined_at;
	bool has_seen[MAX_ENTRIES], has_erased[MAX_ENTRIES];
	struct hole gaps[MAX_ENTRIES];
	size_t n_gaps;
};

/* What a dump of Redis has. */
struct dump {
	size_t n;
	bool is_in_log[MAX_ENTRIES], is_deleted[MAX_ENTRIES];
	int by_key[N_KEYS];
	int64_t newest;
	bool exists;
};

static struct entry entries[MAX_ENTRIES];
static size_t n_entries;
static struct node nodes[N_NODES];
static struct dump dump;
static int by_key[N_KEYS];
static int step, n_once;
static int pending;             /* nodes that have read what is gone with an older data set */
static int64_t highest;         /* of all ids */
static size_t n_false;

static size_t
note(int64_t id, enum kind kind)
{
	assert_true(n_entries < MAX_ENTRIES);
	assert_true(id > 0);
	entries[n_entries] = (struct entry){ .id = id, .kind = kind, .is_in_log = true };
	if (id > highest)
		highest = id;
	return n_entries++;
}

static int
index_of(int64_t id)
{
	for (size_t i = n_entries; i > 0; i--)
		if (entries[i - 1].id == id)
			return (int)i - 1;
	fail_msg("nobody has added %lld", (long long)id);
	return NOBODY;
}

static void
lose(struct entry *entry, bool was_set_back, bool is_unknown)
{
	if (!entry->is_in_log) {
		entry->was_set_back |= was_set_back;  /* and with it the floor that told of it */
		return;
	}
	entry->is_in_log = false;
	entry->lost_at = step;
	entry->was_set_back = was_set_back;
	entry->is_unknown = is_unknown;
}

/* end_of_log asks Redis for the first or the last. 0: it is empty. */
static int64_t
end_of_log(const char *command, const char *from, const char *to)
{
	struct redis_value *answer = foreign_ask(foreign, LIST(command, "rowcast", from, to, "COUNT", "1"));
	int64_t id = 0;
	size_t len;

	if (redis_count(answer) == 1) {
		const char *text = redis_text(redis_at(redis_at(answer, 0), 0), &len);

		assert_true(logid_read(text, len, &id));
	}
	redis_value_free(answer);
	return id;
}

/* sync_trimmed: all below the first entry is gone, by our trim or a foreign one. */
static void
sync_trimmed(void)
{
	int64_t first = end_of_log("XRANGE", "-", "+");

	for (size_t i = 0; i < n_entries; i++)
		if (first == 0 || entries[i].id < first)
			lose(&entries[i], false, false);
}

/* ---- operations ---- */

static void
follow(struct node *node)
{
	struct upstream_news news;
	int64_t before = node->after;
	int outcome;

	/* A machine without time for it gives the log up, and asks again. */
	WAIT_FOR((outcome = upstream_read(node->log, node->after, node->anchor, 0, &news)) != UPSTREAM_AWAY);
	assert_int_equal(outcome, 0);
	assert_true(news.upto >= before && news.upto >= news.floor && news.newest >= news.upto);
	if (before == 0) {
		node->base = news.floor;
	} else if (news.floor > before) {
		bool is_true = false;

		for (size_t i = 0; i < n_entries; i++)
			is_true |= entries[i].id > before && entries[i].id <= news.floor
			    && !entries[i].is_in_log && !entries[i].is_deleted;
		n_false += !is_true;
		node->gaps[node->n_gaps++] = (struct hole){ before, news.floor, step };
	}
	for (size_t i = 0; i < news.n; i++) {
		const struct message *m = &news.messages[i];
		int at = index_of(m->id);

		assert_true(m->id > before && m->id > news.floor && m->id <= news.upto);
		assert_true(i == 0 || m->id > news.messages[i - 1].id);
		assert_false(node->has_seen[at]);
		assert_int_equal(entries[at].kind, MESSAGE);
		node->has_seen[at] = true;
	}
	for (size_t i = 0; i < news.n_erased; i++)
		node->has_erased[index_of(news.erased[i])] = true;
	node->after = news.upto;
	node->anchor = news.anchor;
	pending &= ~(1 << (node - nodes));
	if (news.newest > highest)
		highest = news.newest;
}

static int64_t
above(const struct node *node)
{
	return node->after > node->own ? node->after : node->own;
}

static void
append_some(struct node *node)
{
	struct message messages[8];
	size_t n = 1 + dice_throw(8);
	struct append append = { .messages = messages, .n = n, .publisher = "p" };
	struct append *appends[] = { &append };
	bool is_repeated = dice_throw(4) == 0;
	int64_t ids[8], was_above = above(node);
	int expected[8], keys[8];
	bool may_exist = false;

	for (size_t i = 0; i < n; i++) {
		static char names[N_KEYS][8];

		keys[i] = dice_throw(3) == 0 ? (int)dice_throw(N_KEYS) : NOBODY;
		if (keys[i] != NOBODY)
			snprintf(names[keys[i]], sizeof(names[0]), "k%d", keys[i]);
		messages[i] = message_of("42", "data", keys[i] != NOBODY ? names[keys[i]] : NULL);
	}
	assert_int_equal(upstream_append(node->log, appends, 1, was_above, 0, soon()), 0);
	for (size_t i = 0; i < n; i++) {
		expected[i] = keys[i] != NOBODY && by_key[keys[i]] != NOBODY
		    && entries[by_key[keys[i]]].is_in_log ? by_key[keys[i]] : NOBODY;
		ids[i] = messages[i].id;
		if (expected[i] != NOBODY) {
			may_exist = true;
			assert_int_equal(ids[i], entries[expected[i]].id);
		} else {
			size_t at;

			assert_true(ids[i] > was_above && ids[i] > highest);
			at = note(ids[i], MESSAGE);
			if (keys[i] != NOBODY)
				by_key[keys[i]] = (int)at;
		}
		if (ids[i] > node->own)
			node->own = ids[i];
	}
	assert_int_equal(append.existed, may_exist);
	if (is_repeated) {  /* as after an answer that was lost */
		node->log->group--;
		assert_int_equal(upstream_append(node->log, appends, 1, was_above, 0, soon()), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(messages[i].id, ids[i]);
	}
}

static void
add_by_hand(void)
{
	note(FOREIGN_ADD(foreign, "data", "by hand"), MESSAGE);
}

static void
add_broken(void)
{
	note(FOREIGN_ADD(foreign, "data", "x", "event", "a\nb"), BROKEN);
}

/* pick returns an entry that is in the log and has a message; NOBODY: none was found. */
static int
pick(void)
{
	for (int i = 0; i < 20 && n_entries > 0; i++) {
		size_t at = n_entries - 1 - dice_throw(n_entries < 100 ? n_entries : 100);

		if (entries[at].is_in_log && entries[at].kind == MESSAGE)
			return (int)at;
	}
	return NOBODY;
}

static void
erase(struct node *node, int at)
{
	char once[33];
	struct outgoing row = { .number = 1, .once = once, .erase = at == NOBODY ? 0 : entries[at].id };
	size_t n_dropped;

	if (at == NOBODY)
		return;
	snprintf(once, sizeof(once), "%032d", ++n_once);
	for (size_t n = 1 + dice_throw(2); n > 0; n--)
		assert_int_equal(upstream_forward(node->log, &row, 1, above(node), 0, &n_dropped, NULL), 0);
	entries[at].is_in_log = false;
	entries[at].is_deleted = entries[at].is_erased = true;
	node->own = end_of_log("XREVRANGE", "+", "-");
	note(node->own, ERASURE);
}

static void
trim(struct node *node, const char *name)
{
	int64_t n_deleted;
	bool more;

	assert_int_equal(upstream_trim(node->log, name, 0, 5 + (int64_t)dice_throw(60), &n_deleted, &more),
	    0);
	sync_trimmed();
}

static void
delete_by_hand(int64_t id)
{
	char text[LOGID_TEXT_BYTES];

	if (id == 0 || entries[index_of(id)].kind == ERASURE)
		return;
	foreign_do(foreign, LIST("XDEL", "rowcast", logid_write(text, id)));
	entries[index_of(id)].is_in_log = false;
	entries[index_of(id)].is_deleted = true;
}

static void
trim_by_hand(void)
{
	char n[16];

	snprintf(n, sizeof(n), "%d", (int)dice_throw(60));
	switch (dice_throw(3)) {
	case 0:
		foreign_do(foreign, LIST("XTRIM", "rowcast", "MAXLEN", "=", n));
		break;
	case 1:
		foreign_do(foreign, LIST("XTRIM", "rowcast", "MAXLEN", "~", n));
		break;
	default:
		note(foreign_add(foreign, LIST("XADD", "rowcast", "MAXLEN", "30", "*", "data", "x")), MESSAGE);
	}
	sync_trimmed();
}

static void
delete_all(bool with_keys)
{
	foreign_do(foreign, with_keys ? LIST("FLUSHALL") : LIST("DEL", "rowcast"));
	for (size_t i = 0; i < n_entries; i++)
		lose(&entries[i], true, false);
	for (int k = 0; with_keys && k < N_KEYS; k++)
		by_key[k] = NOBODY;
	await_next_ms(highest);
}

static void
take_dump(void)
{
	foreign_do(foreign, LIST("SAVE"));
	dump = (struct dump){ .n = n_entries, .exists = true };
	for (size_t i = 0; i < n_entries; i++) {
		dump.is_in_log[i] = entries[i].is_in_log;
		dump.is_deleted[i] = entries[i].is_deleted;
	}
	memcpy(dump.by_key, by_key, sizeof(by_key));
	dump.newest = highest;
}

/* put_dump_back: as with a backup, or a replica that lacked entries. Who had read more
 * than it has, notices. */
static void
put_dump_back(void)
{
	int64_t known = 0;

	if (!dump.exists)
		return;
	redis_server_kill(&server);
	redis_server_again(&server);
	pending = 0;
	for (int i = 0; i < N_NODES; i++)
		if (nodes[i].anchor > dump.newest) {
			pending |= 1 << i;
			if (nodes[i].anchor > known)
				known = nodes[i].anchor;
		}
	for (size_t i = 0; i < n_entries; i++) {
		entries[i].is_erased = false;
		if (i >= dump.n || !dump.is_in_log[i]) {
			if (i >= dump.n)
				lose(&entries[i], true, entries[i].id > known);
		} else if (!entries[i].is_in_log) {
			/* It is back, perhaps below where a copy stands: and may be told again by none. */
			entries[i].is_in_log = true;
			entries[i].is_deleted = true;
		}
	}
	memcpy(by_key, dump.by_key, sizeof(by_key));
	await_next_ms(highest);
}

static void
begin_again(struct node *node)
{
	struct upstream *log = node->log;

	if (pending != 0)
		return;
	*node = (struct node){ .log = log, .joined_at = step };
	follow(node);
}

/* ---- what must hold ---- */

static bool
is_told(const struct node *node, const struct entry *entry)
{
	for (size_t i = 0; i < node->n_gaps; i++) {
		const struct hole *gap = &node->gaps[i];

		if (entry->was_set_back ? gap->step >= entry->lost_at
		    : gap->before < entry->id && gap->floor >= entry->id)
			return true;
	}
	return false;
}

static void
check_node(const struct node *node)
{
	for (size_t i = 0; i < n_entries; i++) {
		const struct entry *entry = &entries[i];

		if (entry->kind != MESSAGE)
			continue;
		if (entry->is_erased && node->has_seen[i] && !node->has_erased[i]
		    && node->n_gaps == 0 && node->joined_at == 0)
			fail_msg("step %d: %lld was erased and is still shown", step, (long long)entry->id);
		if (node->has_seen[i] || entry->is_deleted || entry->id <= node->base || entry->is_unknown
		    || (entry->lost_at != 0 && entry->lost_at <= node->joined_at) || is_told(node, entry))
			continue;
		fail_msg("step %d: node %d: %lld was lost without a word (at step %d, %s)", step,
		    (int)(node - nodes), (long long)entry->id, entry->lost_at,
		    entry->was_set_back ? "set back" : entry->is_in_log ? "it is there" : "deleted");
	}
}

static void
check_all(void)
{
	step++;
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < N_NODES; i++) {
			int64_t before;

			do {
				before = nodes[i].after;
				follow(&nodes[i]);
			} while (nodes[i].after > before);
		}
	for (int i = 0; i < N_NODES; i++)
		check_node(&nodes[i]);
}

static void
begin(void)
{
	foreign_do(foreign, LIST("FLUSHALL"));
	n_entries = n_false = 0;
	step = pending = 0;
	dump.exists = false;
	for (int k = 0; k < N_KEYS; k++)
		by_key[k] = NOBODY;
	for (int i = 0; i < N_NODES; i++) {
		nodes[i] = (struct node){ .log = log_open(&server, 0) };
		follow(&nodes[i]);
	}
	add_by_hand();
	for (int i = 0; i < N_NODES; i++)
		follow(&nodes[i]);
}

static void
end(void)
{
	for (int i = 0; i < N_NODES; i++)
		upstream_close(nodes[i].log);
}

/* what_we_do is one operation of ours, or of anybody who publishes. */
static void
what_we_do(void)
{
	struct node *node = &nodes[dice_throw(N_NODES)];

	switch (dice_throw(16)) {
	case 0: case 1: case 2: case 3:
		append_some(node);
		break;
	case 4: case 5: case 6:
		add_by_hand();
		break;
	case 7:
		add_broken();
		break;
	case 8: case 9: case 10: case 11:
		follow(&nodes[0]);
		break;
	case 12:
		follow(&nodes[1]);
		break;
	case 13:
		erase(node, pick());
		break;
	case 14:
		/* What has been trimmed since, nobody can look for: a copy that comes back later
		 * than that takes another history for retention. */
		if (dice_throw(2) == 0 && pending == 0)
			trim(node, "node");
		break;
	default:
		if (dice_throw(4) == 0)
			foreign_do(foreign, LIST("SCRIPT", "FLUSH"));
	}
}

static void
what_others_do(void)
{
	/* Two hands at once, one of which hides what the other did, are more than is claimed. */
	if (pending != 0)
		return;
	switch (dice_throw(9)) {
	case 0:
		delete_by_hand(end_of_log("XREVRANGE", "+", "-"));
		break;
	case 1: case 2: {
		int at = pick();

		delete_by_hand(at == NOBODY ? 0 : entries[at].id);
		break;
	}
	case 3: case 4:
		trim_by_hand();
		break;
	case 5:
		delete_all(dice_throw(2) == 0);
		break;
	case 6:
		take_dump();
		break;
	case 7:
		if (dice_throw(2) == 0)
			put_dump_back();
		break;
	default:
		begin_again(&nodes[dice_throw(N_NODES)]);
	}
}

TEST(what_rowcasts_do_among_themselves_loses_nothing_and_tells_no_false_gap)
{
	begin();
	while (step < N_OPERATIONS) {
		step++;
		what_we_do();
		if (dice_throw(300) == 0)
			check_all();
	}
	check_all();
	assert_int_equal(n_false, 0);
	end();
}

TEST(whatever_others_do_nothing_is_lost_without_a_word)
{
	for (int seed = 0; seed < 4; seed++) {
		begin();
		while (step < N_OPERATIONS) {
			step++;
			what_we_do();
			if (dice_throw(12) == 0)
				what_others_do();
			if (dice_throw(300) == 0)
				check_all();
		}
		check_all();
		printf("# %zu entries, %zu and %zu gaps, of which %zu have nothing in them\n", n_entries,
		    nodes[0].n_gaps, nodes[1].n_gaps, n_false);
		end();
	}
}

static int
start(void **state)
{
	dice_begin();
	return log_start(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_rowcasts_do_among_themselves_loses_nothing_and_tells_no_false_gap),
		cmocka_unit_test(whatever_others_do_nothing_is_lost_without_a_word),
	};

	return cmocka_run_group_tests(tests, start, log_stop);
}
