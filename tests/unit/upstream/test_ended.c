/* Topics that have ended, in a real Redis: what publishers are refused, what the log
 * remembers and for how long, and what machines tell it. */

#include "tests/unit/upstream/log.h"

#include "app/upstream/redis/handle.h"
#include "lib/buf.h"
#include "tests/unit/capture.h"
#include "tests/unit/dice.h"

enum { MOST_APPENDS = 40, MOST_MESSAGES = 4 };

static struct upstream *log_a, *log_b;

static int
open_both(void **state __attribute__((unused)))
{
	foreign_do(foreign, LIST("FLUSHALL"));
	foreign_do(foreign, LIST("SCRIPT", "FLUSH"));
	log_a = log_open(&server, 0);
	log_b = log_open(&server, 0);
	return 0;
}

static int
close_both(void **state __attribute__((unused)))
{
	upstream_close(log_a);
	upstream_close(log_b);
	return 0;
}

/* ---- verbs ---- */

static char end_event[] = "rowcast.end";

/* of_topic: "t" is a message of the topic t, "t!" its end, "-" one without a topic, and
 * "t=k" one of the topic t with the key k. Kept until the next 400. */
static struct message
of_topic(const char *what)
{
	static char topics[400][2], keys[400][2];
	static size_t next;
	char *topic = topics[next % 400], *key = keys[next++ % 400];
	struct message m = message_of(NULL, "x", NULL);

	topic[0] = what[0];
	if (what[0] != '-')
		m.topic = topic;
	if (what[1] == '!')
		m.event = end_event;
	if (what[1] == '=') {
		key[0] = what[2];
		m.key = key;
	}
	return m;
}

/* A group: what several publishers ask for at once. */
struct group {
	struct message messages[MOST_APPENDS][MOST_MESSAGES];
	struct append appends[MOST_APPENDS], *each[MOST_APPENDS];
	size_t n;
};

/* group_of: each word is an append, of messages that commas separate. */
static void
group_of(struct group *g, const char *const words[])
{
	memset(g, 0, sizeof(*g));
	for (; words[g->n] != NULL; g->n++) {
		struct append *append = &g->appends[g->n];

		*append = (struct append){ .messages = g->messages[g->n], .publisher = "p" };
		for (const char *at = words[g->n]; at != NULL; at = strchr(at, ','), at += at != NULL)
			append->messages[append->n++] = of_topic(at);
		g->each[g->n] = append;
	}
}

static int
try_group(struct upstream *log, struct group *g)
{
	return upstream_append(log, g->each, g->n, 0, 0, soon());
}

/* outcome_of: "+" stored, "=" existed, "!" the topic has ended, each. */
static const char *
outcome_of(const struct group *g)
{
	static char text[MOST_APPENDS + 1];

	for (size_t i = 0; i < g->n; i++) {
		const struct append *append = &g->appends[i];

		assert_int_equal(append->refused, append->ended);
		assert_int_equal(append->stored, !append->refused);
		text[i] = append->ended ? '!' : append->existed ? '=' : '+';
	}
	text[g->n] = '\0';
	return text;
}

static void
gets(struct upstream *log, const char *const words[], const char *expected)
{
	struct group g;

	group_of(&g, words);
	assert_int_equal(try_group(log, &g), 0);
	assert_string_equal(outcome_of(&g), expected);
}

/* holds compares what can be read of the log, in the form of of_topic. */
static void
holds(const char *expected)
{
	struct upstream_news news;
	struct buf text = BUF_EMPTY;
	char *all;

	assert_int_equal(upstream_read(log_b, 0, 0, 0, &news), 0);
	for (size_t i = 0; i < news.n; i++)
		buf_printf(&text, "%s%s ", news.messages[i].topic != NULL ? news.messages[i].topic : "-",
		    news.messages[i].event != NULL ? "!" : "");
	all = buf_take(&text);
	assert_string_equal(all, expected);
	free(all);
}

/* knows_of compares what the log tells machines, and returns up to where it has
 * forgotten. */
static int64_t
knows_of(const char *expected)
{
	const struct store_end *ends;
	struct buf text = BUF_EMPTY;
	int64_t forgotten;
	size_t n;
	char *all;

	assert_int_equal(upstream_ended(log_b, 0, &ends, &n, &forgotten), 0);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(ends[i].ended_at, logid_time_ms(ends[i].id) / 1000);
		assert_true(i == 0 || ends[i].id > ends[i - 1].id);
		buf_printf(&text, "%s ", ends[i].topic);
	}
	all = buf_take(&text);
	assert_string_equal(all, expected);
	free(all);
	return forgotten;
}

/* ---- publishing ---- */

TEST(what_comes_after_an_end_is_refused_and_the_others_stand)
{
	gets(log_a, LIST("t", "t!", "t", "-", "u"), "++!++");
	gets(log_b, LIST("t", "t!", "u!", "v"), "!!++");
	gets(log_a, LIST("u", "t"), "!!");
	holds("t t! - u u! v ");
	assert_int_equal(knows_of("t u "), 0);
}

TEST(a_publication_is_refused_whole)
{
	gets(log_a, LIST("t!"), "+");
	gets(log_a, LIST("-,u,t", "u", "u!,u", "u", "v!,-", "v", "v,-,-"), "!+!++!!");
	holds("t! u u v! - ");
	knows_of("t v ");
}

TEST(a_key_that_is_there_is_known_after_the_end_too)
{
	gets(log_a, LIST("t=a", "t!", "t=a", "t=b"), "++=!");
	gets(log_a, LIST("t=a", "t=b", "-=b", "t=b"), "=!+=");
	/* A key of what is refused is given by nobody. */
	gets(log_a, LIST("t=c,-", "-=c", "t=c"), "!+=");
	holds("t t! - - ");
}

TEST(a_group_that_is_asked_for_again_has_the_same_outcome)
{
	struct group g;

	gets(log_a, LIST("t!"), "+");
	group_of(&g, LIST("t", "-", "u!", "u,-", "-"));
	assert_int_equal(try_group(log_a, &g), 0);
	assert_string_equal(outcome_of(&g), "!++!+");
	/* As after a lost answer. */
	foreign_do(foreign, LIST("XADD", "rowcast", "*", "data", "z"));
	log_a->group--;
	assert_int_equal(try_group(log_a, &g), 0);
	assert_string_equal(outcome_of(&g), "!++!+");
	holds("t! - u! - - ");
}

TEST(a_log_that_is_away_has_refused_nothing)
{
	struct group g;

	gets(log_a, LIST("t!"), "+");
	group_of(&g, LIST("t", "-"));
	upstream_interrupt(log_a);
	assert_int_not_equal(try_group(log_a, &g), 0);
	for (size_t i = 0; i < g.n; i++)
		assert_false(g.appends[i].refused || g.appends[i].ended || g.appends[i].stored);
}

/* Thousands of topics in one group, so that not all can be asked for at once. */
TEST(a_group_may_have_as_many_topics_as_messages)
{
	enum { N = 3000 };
	struct message *messages = mem_zalloc(N * sizeof(*messages));
	struct append *appends = mem_zalloc(N * sizeof(*appends)), **each = mem_zalloc(N * sizeof(*each));
	char (*topics)[16] = mem_zalloc(N * sizeof(*topics));

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(topics[i], sizeof(topics[i]), "t%d", i);
			messages[i] = message_of(NULL, "x", NULL);
			messages[i].topic = topics[i];
			messages[i].event = round == 0 && i % 3 == 0 ? end_event : NULL;
			appends[i] = (struct append){ .messages = &messages[i], .n = 1, .publisher = "p" };
			each[i] = &appends[i];
		}
		assert_int_equal(upstream_append(log_a, each, N, 0, 0, soon()), 0);
		for (int i = 0; i < N; i++)
			assert_int_equal(appends[i].ended, round == 1 && i % 3 == 0);
	}
	free(topics);
	free(each);
	free(appends);
	free(messages);
}

TEST(a_row_of_the_outbox_that_comes_after_an_end_is_dropped)
{
	static char names[8][33];
	struct outgoing rows[8];
	size_t n_dropped;

	gets(log_a, LIST("t!", "u=k"), "++");
	for (size_t i = 0; i < 8; i++) {
		memset(names[i], 'a' + (int)i, 32);
		rows[i] = (struct outgoing){ .number = 1, .once = names[i] };
	}
	rows[0].message = of_topic("t");
	rows[1].message = of_topic("-");
	rows[2].message = of_topic("u!");
	rows[3].message = of_topic("u");
	rows[4].message = of_topic("u!");
	rows[5].message = of_topic("v=k");
	/* What would replace a message does not erase it for nothing. */
	rows[6].message = of_topic("v=k");
	rows[6].message.topic = rows[0].message.topic;
	rows[6].replaces = true;
	rows[7].message = of_topic("v");
	for (int round = 0; round < 2; round++) {
		assert_int_equal(upstream_forward(log_a, rows, 8, 0, 0, &n_dropped, NULL), 0);
		assert_int_equal(n_dropped, 4);
	}
	holds("t! u - u! v v ");
	knows_of("t u ");
}

/* ---- against a model ---- */

enum { N_TOPICS = 6, N_KEYS = 3 };

static bool model_ended[N_TOPICS], model_keys[N_KEYS];

TEST(whatever_is_published_by_several_has_the_outcome_that_a_model_gives)
{
	char expected[MOST_APPENDS + 1], words[MOST_APPENDS][4 * MOST_MESSAGES];
	const char *list[MOST_APPENDS + 1];

	dice_begin();
	memset(model_ended, 0, sizeof(model_ended));
	memset(model_keys, 0, sizeof(model_keys));
	for (int step = 0; step < 150; step++) {
		size_t n = 1 + dice_throw(MOST_APPENDS - 1);

		for (size_t i = 0; i < n; i++) {
			size_t n_messages = 1 + dice_throw(dice_throw(3) == 0 ? MOST_MESSAGES : 1);
			bool ended[N_TOPICS], keys[N_KEYS], refused = false, existed = false;

			memcpy(ended, model_ended, sizeof(ended));
			memcpy(keys, model_keys, sizeof(keys));
			words[i][0] = '\0';
			for (size_t k = 0; k < n_messages; k++) {
				size_t topic = dice_throw(N_TOPICS + 1), key = dice_throw(5 * N_KEYS);
				bool ends = topic < N_TOPICS && key >= N_KEYS && dice_throw(step < 75 ? 200 : 20) == 0;

				sprintf(words[i] + strlen(words[i]), "%s%c%s", k > 0 ? "," : "",
				    topic < N_TOPICS ? (char)('a' + topic) : '-', ends ? "!" : key < N_KEYS ? "=" : "");
				if (key < N_KEYS)
					sprintf(words[i] + strlen(words[i]), "%c", (char)('p' + key));
				if (key < N_KEYS && keys[key]) {
					existed = true;
					continue;
				}
				if (key < N_KEYS)
					keys[key] = true;
				refused |= topic < N_TOPICS && ended[topic];
				if (ends)
					ended[topic] = true;
			}
			expected[i] = refused ? '!' : existed ? '=' : '+';
			list[i] = words[i];
			if (!refused) {
				memcpy(model_ended, ended, sizeof(ended));
				memcpy(model_keys, keys, sizeof(keys));
			}
		}
		expected[n] = '\0';
		list[n] = NULL;
		gets(dice_throw(2) ? log_a : log_b, list, expected);
		/* A new life of a topic. */
		if (dice_throw(10) == 0) {
			char member[2] = { (char)('a' + dice_throw(N_TOPICS)), '\0' };

			foreign_do(foreign, LIST("ZREM", "{rowcast}:ended", member));
			model_ended[member[0] - 'a'] = false;
		}
	}
}

/* ---- what machines tell ---- */

TEST(ends_that_others_add_are_told_and_the_first_of_a_topic_counts)
{
	struct store_end ends[] = { { "t", 2000, 0 }, { "u", 3000, 0 } };

	assert_int_equal(upstream_end(log_a, ends, 2), 0);
	knows_of("t u ");
	gets(log_b, LIST("t", "u", "v"), "!!+");
	ends[0].id = 4000;
	ends[1].id = 1000;
	assert_int_equal(upstream_end(log_b, ends, 2), 0);
	knows_of("u t ");
	assert_int_equal(upstream_end(log_b, NULL, 0), 0);
}

TEST(more_ends_than_fit_in_a_page_come_page_by_page)
{
	enum { N = 2 * UPSTREAM_ENDS + 1 };
	struct store_end *ends = mem_zalloc(N * sizeof(*ends));
	char (*topics)[16] = mem_zalloc(N * sizeof(*topics));
	const struct store_end *page;
	int64_t after = 0, forgotten;
	size_t n, n_all = 0;

	for (int i = 0; i < N; i++) {
		snprintf(topics[i], sizeof(topics[i]), "t%d", i);
		ends[i] = (struct store_end){ topics[i], INT64_C(4000000000000000) + i, 0 };
	}
	assert_int_equal(upstream_end(log_a, ends, N), 0);
	foreign_do(foreign, LIST("ZADD", "{rowcast}:ended", "5", "", "7.5", "no id", "-3", "nor this"));
	do {
		assert_int_equal(upstream_ended(log_a, after, &page, &n, &forgotten), 0);
		assert_int_equal(forgotten, after == 0 ? 5 : 0);
		for (size_t i = 0; i < n; i++, n_all++) {
			assert_string_equal(page[i].topic, topics[n_all]);
			assert_int_equal(page[i].id, ends[n_all].id);
			after = page[i].id;
		}
	} while (n > 0);
	assert_int_equal(n_all, N);
	free(topics);
	free(ends);
}

/* What a raw XADD can and cannot be. */
TEST(an_end_that_somebody_adds_is_read_and_a_malformed_one_left_out)
{
	struct upstream_news news;

	FOREIGN_ADD(foreign, "topic", "t", "event", "rowcast.end", "data", "{\"reason\":\"done\"}");
	FOREIGN_ADD(foreign, "topic", "t", "event", "rowcast.end");
	FOREIGN_ADD(foreign, "event", "rowcast.end", "data", "");
	FOREIGN_ADD(foreign, "topic", "t", "user", "7", "event", "rowcast.end", "data", "");
	FOREIGN_ADD(foreign, "topic", "t", "event", "rowcast.end", "data", "", "expires_at", "4000000000");
	FOREIGN_ADD(foreign, "topic", "rowcast.control", "event", "rowcast.end", "data", "");
	FOREIGN_ADD(foreign, "topic", "t", "event", "rowcast.ends", "data", "");
	FOREIGN_ADD(foreign, "forget", "0");
	FOREIGN_ADD(foreign, "forget", "x");
	FOREIGN_ADD(foreign, "forget", "5");
	capture_begin();
	assert_int_equal(upstream_read(log_a, 0, 0, 0, &news), 0);
	capture_end();
	assert_int_equal(news.n, 1);
	assert_string_equal(news.messages[0].event, "rowcast.end");
	assert_int_equal(news.n_refused, 8);
	assert_int_equal(news.n_forgets, 1);
	assert_int_equal(news.forgets[0].upto, 5);
	assert_true(news.forgets[0].id > news.messages[0].id);
}

/* ---- how long it is remembered ---- */

/* trim_all trims until there is no more to do. */
static void
trim_all(int64_t keep_for_s, int64_t keep_rows)
{
	bool more = true;
	int64_t n;

	while (more)
		assert_int_equal(upstream_trim(log_a, "a", keep_for_s, keep_rows, &n, &more), 0);
}

static const int64_t second = INT64_C(4096) * 1000;

TEST(an_end_is_forgotten_when_no_row_is_retained_and_it_is_older_than_keep_for)
{
	int64_t now = must_append(log_a, "x"), old = now - 100 * second, forgotten;
	const struct store_end again[] = { { "old", old, 0 }, { "new", now - 10 * second, 0 } };
	struct upstream_news news;
	char id[LOGID_TEXT_BYTES];

	foreign_do(foreign, LIST("DEL", "rowcast"));
	foreign_do(foreign, LIST("XADD", "rowcast", logid_write(id, old), "topic", "old", "event",
	    "rowcast.end", "data", ""));
	assert_int_equal(upstream_end(log_a, again, 1), 0);
	gets(log_a, LIST("t!", "-"), "++");
	/* Old, but it stands. */
	trim_all(200, 0);
	knows_of("old t ");
	/* Gone, but the one is not old enough; and 0 is for ever. */
	trim_all(200, 1);
	knows_of("old t ");
	trim_all(0, 1);
	assert_int_equal(knows_of("old t "), 0);
	trim_all(50, 1);
	forgotten = knows_of("t ");
	assert_int_equal(forgotten, old);
	gets(log_a, LIST("t", "-"), "!+");
	/* Followers hear of it in its place. */
	assert_int_equal(upstream_read(log_b, old, old, 0, &news), 0);
	assert_int_equal(news.n_forgets, 1);
	assert_int_equal(news.forgets[0].upto, old);
	assert_int_equal(news.n_refused, 0);
	/* A machine that was away tells of it: too late. */
	assert_int_equal(upstream_end(log_b, again, 2), 0);
	assert_int_equal(knows_of("new t "), forgotten);
	trim_all(50, 1);
	assert_int_equal(knows_of("new t "), forgotten);
}

TEST(ends_are_forgotten_a_slice_at_a_time_by_one_entry_each)
{
	enum { N = 2500 };
	int64_t now = must_append(log_a, "x"), old = now - 100 * second;
	struct store_end *ends = mem_zalloc(N * sizeof(*ends));
	char (*topics)[16] = mem_zalloc(N * sizeof(*topics));
	struct upstream_news news;

	must_append(log_a, "y");
	trim_all(200, 1);
	for (int i = 0; i < N; i++) {
		snprintf(topics[i], sizeof(topics[i]), "t%d", i);
		ends[i] = (struct store_end){ topics[i], old + i, 0 };
	}
	assert_int_equal(upstream_end(log_a, ends, N), 0);
	trim_all(50, 0);
	assert_int_equal(knows_of(""), old + N - 1);
	assert_int_equal(upstream_read(log_b, now, 0, 0, &news), 0);
	assert_int_equal(news.n_forgets, 3);
	assert_int_equal(news.forgets[2].upto, old + N - 1);
	assert_true(news.forgets[0].upto < news.forgets[1].upto);
	/* Nothing more to say. */
	trim_all(50, 0);
	assert_int_equal(upstream_read(log_b, now, 0, 0, &news), 0);
	assert_int_equal(news.n_forgets, 3);
	gets(log_a, LIST("t"), "+");
	free(topics);
	free(ends);
}

#define ENDED_TEST(test) cmocka_unit_test_setup_teardown(test, open_both, close_both)

static const struct CMUnitTest tests[] = {
	ENDED_TEST(what_comes_after_an_end_is_refused_and_the_others_stand),
	ENDED_TEST(a_publication_is_refused_whole),
	ENDED_TEST(a_key_that_is_there_is_known_after_the_end_too),
	ENDED_TEST(a_group_that_is_asked_for_again_has_the_same_outcome),
	ENDED_TEST(a_log_that_is_away_has_refused_nothing),
	ENDED_TEST(a_group_may_have_as_many_topics_as_messages),
	ENDED_TEST(a_row_of_the_outbox_that_comes_after_an_end_is_dropped),
	ENDED_TEST(whatever_is_published_by_several_has_the_outcome_that_a_model_gives),
	ENDED_TEST(ends_that_others_add_are_told_and_the_first_of_a_topic_counts),
	ENDED_TEST(more_ends_than_fit_in_a_page_come_page_by_page),
	ENDED_TEST(an_end_that_somebody_adds_is_read_and_a_malformed_one_left_out),
	ENDED_TEST(an_end_is_forgotten_when_no_row_is_retained_and_it_is_older_than_keep_for),
	ENDED_TEST(ends_are_forgotten_a_slice_at_a_time_by_one_entry_each),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, log_start, log_stop);
}
