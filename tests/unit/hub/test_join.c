/* Messages that are joined: whichever way, what a client puts together is the same text. */

#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "app/hub/join.h"
#include "app/hub/slices.h"
#include "lib/mem.h"
#include "tests/fuzz/eventsource.h"

enum { MESSAGES_MAX = 200, DATA_MAX = 12 };

/* ---- messages ---- */

static struct message messages[MESSAGES_MAX];
static size_t n_messages;

/* any_text gives what joins badly: line ends, characters of several bytes, halves of them. */
static char *
any_text(size_t *len)
{
	static const char *const pieces[] = { "a", "b", " ", ":", "\n", "\r", "\r\n", "\xc3\xa4", "\xc3",
		"\xa4", "\xf0\x9f\x98\x80", "\"", "\\", "data: ", "\xef\xbb\xbf", "" };
	struct buf text = BUF_EMPTY;

	for (size_t n = dice_throw(DATA_MAX); n > 0; n--)
		buf_add_str(&text, pieces[dice_throw(sizeof(pieces) / sizeof(pieces[0]))]);
	*len = text.len;
	return buf_take(&text);
}

static char *
any_of(const char *const names[], size_t n)
{
	const char *name = names[dice_throw(n)];

	return name != NULL ? mem_strdup(name) : NULL;
}

static void
make_messages(void)
{
	static const char *const users[] = { NULL, NULL, NULL, "u" }, *const topics[] = { "t", "t", "t", "s", NULL },
	    *const events[] = { "delta", "delta", "delta", "delta", "other", NULL, "message" };

	n_messages = 1 + dice_throw(MESSAGES_MAX);
	for (size_t i = 0; i < n_messages; i++) {
		struct message *m = &messages[i];

		*m = (struct message){ .id = 95 + (int64_t)i, .user = any_of(users, 4), .topic = any_of(topics, 5),
		    .event = any_of(events, 7), .created_at = 1700000000 + (int64_t)i };
		m->data = any_text(&m->data_len);
	}
}

static void
free_messages(void)
{
	for (size_t i = 0; i < n_messages; i++)
		message_free(&messages[i]);
}

/* ---- what a client makes of them ---- */

/* Runs: of messages that may be joined, those that follow one another, as one. */
struct reading {
	const char *join;
	char name[64];      /* of the run that was last, "" where it may not be gone on with */
	struct buf text;    /* all that was read, in one text that is compared */
	size_t n_events;
};

static void
take_one(struct reading *reading, const char *topic, const char *user, const char *event, const char *data,
    size_t len, const char *id)
{
	char name[sizeof(reading->name)];

	(void)id;
	snprintf(name, sizeof(name), "[%s|%s|%s]", topic, user, event);
	if (strcmp(name, reading->name) != 0)
		buf_add_str(&reading->text, name);
	buf_add(&reading->text, data, len);
	/* What is not joined is on its own. */
	if (strcmp(topic, "-") == 0 || strcmp(event, reading->join) != 0)
		name[0] = '\0';
	strcpy(reading->name, name);
	reading->n_events++;
}

static void
take_event(void *arg, const struct buf *event, const struct buf *data, const struct buf *last_id)
{
	struct reading *reading = arg;
	char id[32];

	snprintf(id, sizeof(id), "%.*s", (int)last_id->len, last_id->bytes);
	/* The topic is not told in this form, so the tests of it have one. */
	take_one(reading, "t", "-", eventsource_is(event, "delta") ? "delta" : "x", data->bytes, data->len, id);
}

static const char *
text_of(const json_t *object, const char *name, const char *absent)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : absent;
}

static void
read_lines(struct reading *reading, const char *bytes, size_t len)
{
	const char *end;

	for (; len > 0; len -= (size_t)(end + 1 - bytes), bytes = end + 1) {
		json_t *object;
		const json_t *data;
		char id[32];

		end = memchr(bytes, '\n', len);
		assert_non_null(end);
		object = json_loadb(bytes, (size_t)(end - bytes), JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(object);
		data = json_object_get(object, "data");
		snprintf(id, sizeof(id), "%lld", (long long)json_integer_value(json_object_get(object, "id")));
		take_one(reading, text_of(object, "topic", "-"), text_of(object, "user", "-"),
		    text_of(object, "event", "message"), json_string_value(data), json_string_length(data), id);
		json_decref(object);
	}
}

/* read_all reads bytes in that form; the caller frees reading->text. */
static void
read_all(struct reading *reading, enum encoding encoding, const struct buf *bytes)
{
	struct eventsource es = { .dispatch = take_event, .arg = reading };

	if (encoding == ENCODING_LINES) {
		read_lines(reading, bytes->bytes, bytes->len);
		return;
	}
	eventsource_read(&es, bytes->bytes, bytes->len);
	eventsource_free(&es);
}

/* ---- the ways ---- */

static void
page_of(struct buf *out, enum encoding encoding, const char *join)
{
	struct join joined = { 0 };

	for (size_t i = 0; i < n_messages; i++)
		join_add(&joined, join, encoding, out, &messages[i]);
	join_flush(&joined, out);
	assert_int_equal(join_len(&joined), 0);
	join_free(&joined);
}

/* write_of makes blocks of random sizes, and writes of random lengths. */
static void
write_of(struct buf *out, enum encoding encoding, const char *join)
{
	static struct slices slices;
	struct block *blocks[MESSAGES_MAX];
	size_t n_blocks = 0, i = 0, n_added = 0, last_of_write = 0;

	while (i < n_messages) {
		struct block *block = blocks[n_blocks++] = block_new();

		block->encodings = ENCODING_BIT(encoding);
		for (size_t n = 1 + dice_throw(30); n > 0 && i < n_messages; n--)
			block_add(block, &messages[i++]);
	}
	slices_clear(&slices, encoding, join);
	for (size_t b = 0; b < n_blocks; b++)
		for (size_t e = 0; e < blocks[b]->n; e++) {
			slices_add(&slices, blocks[b], &blocks[b]->entries[e]);
			n_added++;
			last_of_write++;
			if (!slices_full(&slices) && dice_throw(50) > 0 && n_added < n_messages)
				continue;
			assert_int_equal(slices.n_messages, last_of_write);
			assert_int_equal(slices.last_id, blocks[b]->entries[e].id);
			last_of_write = 0;
			for (size_t s = 1; s <= slices.n; s++) {
				buf_add(out, slices.iov[s].iov_base, slices.iov[s].iov_len);
				slices.n_bytes -= slices.iov[s].iov_len;
			}
			assert_int_equal(slices.n_bytes, 0);
			slices_clear(&slices, encoding, join);
		}
	for (size_t b = 0; b < n_blocks; b++)
		block_free(blocks[b]);
}

static void
same_text(enum encoding encoding, void (*way)(struct buf *, enum encoding, const char *), bool joins_all)
{
	struct buf plain = BUF_EMPTY, joined = BUF_EMPTY;
	struct reading of_plain = { .join = "delta" }, of_joined = { .join = "delta" };

	way(&plain, encoding, NULL);
	way(&joined, encoding, "delta");
	read_all(&of_plain, encoding, &plain);
	read_all(&of_joined, encoding, &joined);
	assert_int_equal(of_plain.n_events, n_messages);
	assert_int_equal(of_joined.text.len, of_plain.text.len);
	assert_memory_equal(of_joined.text.bytes, of_plain.text.bytes, of_plain.text.len);
	assert_true(of_joined.n_events <= of_plain.n_events);
	if (joins_all)
		assert_true(of_joined.n_events < of_plain.n_events || n_messages < 2);
	buf_free(&plain);
	buf_free(&joined);
	buf_free(&of_plain.text);
	buf_free(&of_joined.text);
}

TEST(a_client_puts_together_the_same_text_with_and_without_it)
{
	dice_begin();
	for (int turn = 0; turn < 300; turn++) {
		make_messages();
		same_text(ENCODING_LINES, page_of, false);
		same_text(ENCODING_LINES, write_of, false);
		/* In this form a topic cannot be told from another. */
		for (size_t i = 0; i < n_messages; i++) {
			struct message *m = &messages[i];

			free(m->user);
			m->user = NULL;
			free(m->topic);
			m->topic = mem_strdup("t");
		}
		same_text(ENCODING_PLAIN, page_of, false);
		same_text(ENCODING_PLAIN, write_of, false);
		free_messages();
	}
}

/* ---- cases ---- */

static void
set(size_t n, const char *const rows[][3])
{
	n_messages = n;
	for (size_t i = 0; i < n; i++) {
		messages[i] = (struct message){ .id = 8 + (int64_t)i, .created_at = 5, .data = mem_strdup(rows[i][2]),
		    .data_len = strlen(rows[i][2]) };
		if (rows[i][0] != NULL)
			messages[i].topic = mem_strdup(rows[i][0]);
		if (rows[i][1] != NULL)
			messages[i].event = mem_strdup(rows[i][1]);
	}
}

static void
gives(enum encoding encoding, const char *join, const char *expected)
{
	struct buf page = BUF_EMPTY;
	char *text;

	page_of(&page, encoding, join);
	text = buf_take(&page);
	assert_string_equal(text, expected);
	free(text);
}

TEST(consecutive_messages_of_one_topic_and_event_are_one_with_the_id_of_the_last)
{
	static const char *const rows[][3] = { { "t", "d", "a" }, { "t", "d", "b\n" }, { "t", "d", "c" },
		{ "s", "d", "x" }, { "t", "e", "y" }, { "t", "d", "z" } };

	set(6, rows);
	gives(ENCODING_PLAIN, "d", "id: 10\nevent: d\ndata: ab\ndata: c\n\nid: 11\nevent: d\ndata: x\n\n"
	    "id: 12\nevent: e\ndata: y\n\nid: 13\nevent: d\ndata: z\n\n");
	gives(ENCODING_JSON, "e", "id: 8\ndata: {\"id\":8,\"topic\":\"t\",\"event\":\"d\",\"data\":\"a\",\"created_at\":5}\n\n"
	    "id: 9\ndata: {\"id\":9,\"topic\":\"t\",\"event\":\"d\",\"data\":\"b\\u000a\",\"created_at\":5}\n\n"
	    "id: 10\ndata: {\"id\":10,\"topic\":\"t\",\"event\":\"d\",\"data\":\"c\",\"created_at\":5}\n\n"
	    "id: 11\ndata: {\"id\":11,\"topic\":\"s\",\"event\":\"d\",\"data\":\"x\",\"created_at\":5}\n\n"
	    "id: 12\ndata: {\"id\":12,\"topic\":\"t\",\"event\":\"e\",\"data\":\"y\",\"created_at\":5}\n\n"
	    "id: 13\ndata: {\"id\":13,\"topic\":\"t\",\"event\":\"d\",\"data\":\"z\",\"created_at\":5}\n\n");
	gives(ENCODING_LINES, "d", "{\"id\":10,\"topic\":\"t\",\"event\":\"d\",\"data\":\"ab\\u000ac\",\"created_at\":5}\n"
	    "{\"id\":11,\"topic\":\"s\",\"event\":\"d\",\"data\":\"x\",\"created_at\":5}\n"
	    "{\"id\":12,\"topic\":\"t\",\"event\":\"e\",\"data\":\"y\",\"created_at\":5}\n"
	    "{\"id\":13,\"topic\":\"t\",\"event\":\"d\",\"data\":\"z\",\"created_at\":5}\n");
	gives(ENCODING_LIST, "d", ",\n{\"id\":10,\"topic\":\"t\",\"event\":\"d\",\"data\":\"ab\\u000ac\",\"created_at\":5}"
	    ",\n{\"id\":11,\"topic\":\"s\",\"event\":\"d\",\"data\":\"x\",\"created_at\":5}"
	    ",\n{\"id\":12,\"topic\":\"t\",\"event\":\"e\",\"data\":\"y\",\"created_at\":5}"
	    ",\n{\"id\":13,\"topic\":\"t\",\"event\":\"d\",\"data\":\"z\",\"created_at\":5}");
	free_messages();
}

TEST(messages_without_an_event_are_called_message_and_those_without_a_topic_are_not_joined)
{
	static const char *const rows[][3] = { { "t", NULL, "a" }, { "t", NULL, "b" }, { "t", "message", "c" },
		{ NULL, NULL, "d" }, { NULL, NULL, "e" } };

	set(5, rows);
	gives(ENCODING_PLAIN, "message", "id: 9\ndata: ab\n\nid: 10\nevent: message\ndata: c\n\n"
	    "id: 11\ndata: d\n\nid: 12\ndata: e\n\n");
	free_messages();
}

TEST(a_write_of_many_runs_stays_within_its_bound)
{
	static struct slices slices;
	struct block *block = block_new();
	char d[] = "d", t[] = "t", s[] = "s", x[] = "x";

	/* Pairs: the most slices that messages can become. */
	for (int i = 0; i < STREAM_WRITE_MESSAGES; i++)
		block_add(block, &(struct message){ .id = 1 + i, .topic = i / 2 % 2 == 0 ? t : s, .event = d, .data = x,
		    .data_len = 1 });
	slices_clear(&slices, ENCODING_PLAIN, "d");
	for (size_t i = 0; i < block->n; i++)
		slices_add(&slices, block, &block->entries[i]);
	assert_true(slices.n < sizeof(slices.iov) / sizeof(slices.iov[0]));
	assert_int_equal(slices.n_messages, STREAM_WRITE_MESSAGES);
	assert_int_equal(slices.n_runs, SLICES_RUNS_MAX);
	block_free(block);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_client_puts_together_the_same_text_with_and_without_it),
	cmocka_unit_test(consecutive_messages_of_one_topic_and_event_are_one_with_the_id_of_the_last),
	cmocka_unit_test(messages_without_an_event_are_called_message_and_those_without_a_topic_are_not_joined),
	cmocka_unit_test(a_write_of_many_runs_stays_within_its_bound),
};

RUN_TESTS(tests)
