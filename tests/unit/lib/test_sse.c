#include "tests/fuzz/eventsource.h"
#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <inttypes.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/sse.h"

/* ---- what a page gets ---- */

struct reader {
	struct eventsource es;
	struct buf seen;             /* what was dispatched, each as note() writes it */
};

/* Each is one event as the page would get it. */
static void
note(struct buf *seen, const char *id, const char *event, const char *data, size_t len)
{
	buf_printf(seen, "%s|%s|%zu:", id, event, len);
	buf_add(seen, data, len);
	buf_add_char(seen, '\n');
}

static void
dispatch(void *seen, const struct buf *event, const struct buf *data, const struct buf *last_id)
{
	char *id = mem_strndup(last_id->len > 0 ? last_id->bytes : "", last_id->len);
	char *name = mem_strndup(event->bytes, event->len);

	note(seen, id, name, data->bytes, data->len);
	free(name);
	free(id);
}

/* reader_read reads a whole stream; what no blank line ends is discarded. */
static void
reader_read(struct reader *r, const struct buf *stream)
{
	*r = (struct reader){ .es = { .dispatch = dispatch, .arg = &r->seen } };
	eventsource_read(&r->es, stream->bytes, stream->len);
}

static void
reader_free(struct reader *r)
{
	eventsource_free(&r->es);
	buf_free(&r->seen);
}

/* ---- what a message should look like on the other side ---- */

/* with_lf makes CRLF and CR into LF, in memory that the caller frees. */
static char *
with_lf(const char *data, size_t len, size_t *new_len)
{
	char *text = malloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' && i > 0 && data[i - 1] == '\r')
			continue;
		text[n++] = data[i] == '\r' ? '\n' : data[i];
	}
	*new_len = n;
	return text;
}

static void
expect_event(struct buf *expected, int64_t id, const char *event, const char *data, size_t len)
{
	char digits[32];
	size_t n;
	char *text = with_lf(data, len, &n);

	snprintf(digits, sizeof(digits), "%" PRId64, id);
	note(expected, digits, event != NULL && *event != '\0' ? event : "message", text, n);
	free(text);
}

static void
expect_same(const struct buf *seen, const struct buf *expected)
{
	assert_int_equal(seen->len, expected->len);
	if (seen->len > 0)
		assert_memory_equal(seen->bytes, expected->bytes, seen->len);
}

enum { NO_ID = -1 };  /* the event has none */

static void
add_event(struct buf *out, int64_t id, const char *event, const char *data, size_t len)
{
	if (id != NO_ID)
		sse_id(out, id);
	sse_event(out, event, data, len);
}

/* one sends a single event and reads it back. */
static void
one(int64_t id, const char *event, const char *data, size_t len)
{
	struct buf out = BUF_EMPTY, expected = BUF_EMPTY;
	char *exact = malloc(len > 0 ? len : 1);  /* a byte behind it would be noticed */
	struct reader r;

	memcpy(exact, data, len);
	add_event(&out, id, event, exact, len);
	reader_read(&r, &out);
	expect_event(&expected, id, event, data, len);
	expect_same(&r.seen, &expected);
	assert_int_equal(r.es.n_dispatched, 1);
	assert_null(memchr(out.bytes, '\r', out.len));
	reader_free(&r);
	buf_free(&out);
	buf_free(&expected);
	free(exact);
}

static void
bytes_are(int64_t id, const char *event, const char *data, const char *expected)
{
	struct buf out = BUF_EMPTY;
	char *got;

	add_event(&out, id, event, data, strlen(data));
	got = buf_take(&out);
	assert_string_equal(got, expected);
	free(got);
}

/* ---- the tests ---- */

TEST(an_event_is_its_fields_in_order_and_a_blank_line)
{
	bytes_are(7, "note", "hello", "id: 7\nevent: note\ndata: hello\n\n");
	bytes_are(7, NULL, "hello", "id: 7\ndata: hello\n\n");
	bytes_are(7, "", "hello", "id: 7\ndata: hello\n\n");
	bytes_are(-1, "note", "hello", "event: note\ndata: hello\n\n");
	bytes_are(0, NULL, "x", "id: 0\ndata: x\n\n");
}

TEST(data_that_is_empty_is_still_an_event)
{
	bytes_are(1, NULL, "", "id: 1\ndata: \n\n");
	one(1, NULL, "", 0);
}

TEST(every_way_to_end_a_line_begins_a_new_one)
{
	bytes_are(-1, NULL, "a\nb\rc\r\nd", "data: a\ndata: b\ndata: c\ndata: d\n\n");
	bytes_are(-1, NULL, "\n", "data: \ndata: \n\n");
	bytes_are(-1, NULL, "\r\n", "data: \ndata: \n\n");
	bytes_are(-1, NULL, "\n\r", "data: \ndata: \ndata: \n\n");
	bytes_are(-1, NULL, "a\n", "data: a\ndata: \n\n");
}

/* All texts of up to eight characters from these four. */
TEST(every_combination_of_line_ends_is_read_back)
{
	static const char letters[] = { '\r', '\n', 'a', ' ' };

	for (size_t len = 0; len <= 8; len++)
		for (size_t code = 0; code < (size_t)1 << 2 * len; code++) {
			char data[8];

			for (size_t i = 0; i < len; i++)
				data[i] = letters[code >> 2 * i & 3];
			one(1, NULL, data, len);
		}
}

TEST(data_that_looks_like_a_field_stays_data)
{
	static const char *const texts[] = {
		" leading", "  two", ":", ": comment", "id: 99", "data: x", "event: e\n\nid: 5\n\n",
		"retry: 1", "a\n\n\nb", "\xef\xbb\xbfmark", "data", "trailing ",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		one(3, NULL, texts[i], strlen(texts[i]));
		one(3, "e:v ent", texts[i], strlen(texts[i]));
	}
	one(3, NULL, "nul\0in\0it", 9);
}

TEST(numbers_are_written_to_their_ends)
{
	static const int64_t numbers[] = { 0, 1, 9, 10, 99, 100, 1234567890, INT64_MAX };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct buf out = BUF_EMPTY;
		char expected[64];
		char *got;

		sse_id(&out, numbers[i]);
		sse_retry(&out, numbers[i]);
		got = buf_take(&out);
		snprintf(expected, sizeof(expected), "id: %" PRId64 "\nretry: %" PRId64 "\n",
		    numbers[i], numbers[i]);
		assert_string_equal(got, expected);
		free(got);
		one(numbers[i], NULL, "x", 1);
	}
}

/* An id that was negative would be a mistake elsewhere; it shall not be another
 * number here. */
TEST(a_number_below_zero_has_its_sign)
{
	struct buf out = BUF_EMPTY;
	char *got;

	sse_id(&out, -1);
	sse_id(&out, INT64_MIN);
	got = buf_take(&out);
	assert_string_equal(got, "id: -1\nid: -9223372036854775808\n");
	free(got);
}

TEST(a_block_without_data_moves_the_cursor_and_raises_nothing)
{
	struct buf out = BUF_EMPTY;
	struct reader r;

	sse_retry(&out, 3210);
	sse_id(&out, 41);
	buf_add_char(&out, '\n');
	reader_read(&r, &out);
	assert_int_equal(r.es.retry_ms, 3210);
	assert_true(eventsource_is(&r.es.last_id, "41"));
	assert_int_equal(r.es.n_dispatched, 0);
	reader_free(&r);
	buf_free(&out);
}

TEST(a_heartbeat_changes_nothing)
{
	struct buf out = BUF_EMPTY, expected = BUF_EMPTY;
	struct reader r;

	buf_add_str(&out, SSE_HEARTBEAT);
	add_event(&out, 1, NULL, "a", 1);
	buf_add_str(&out, SSE_HEARTBEAT SSE_HEARTBEAT);
	add_event(&out, 2, "e", "b", 1);
	buf_add_str(&out, SSE_HEARTBEAT);
	reader_read(&r, &out);
	expect_event(&expected, 1, NULL, "a", 1);
	expect_event(&expected, 2, "e", "b", 1);
	expect_same(&r.seen, &expected);
	reader_free(&r);
	buf_free(&out);
	buf_free(&expected);
}

TEST(an_event_without_an_id_leaves_the_cursor_where_it_was)
{
	struct buf out = BUF_EMPTY;
	struct reader r;

	add_event(&out, 12, NULL, "a", 1);
	add_event(&out, NO_ID, "rowcast.expired", "b", 1);
	reader_read(&r, &out);
	assert_true(eventsource_is(&r.es.last_id, "12"));
	assert_int_equal(r.es.n_dispatched, 2);
	reader_free(&r);
	buf_free(&out);
}

/* The encoder takes eight bytes at a time, and long lines otherwise than short
 * ones: so each kind of line end, and two that are one, at every place of a word,
 * in lines of every length up to where nothing changes any more. */
TEST(line_ends_are_found_wherever_they_stand)
{
	static const char *const ends[] = { "\r", "\n", "\r\n", "\n\r", "\r\r", "\r\r\n", "\r\n\n" };
	char data[400];

	for (size_t before = 0; before < 150; before++)
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			for (size_t behind = 0; behind < 150; behind += before < 20 ? 1 : 13) {
				size_t n = strlen(ends[i]), len = before + n + behind;

				memset(data, 'x', len);
				memcpy(data + before, ends[i], n);
				one(1, NULL, data, len);
				/* Once more, so that the end comes behind another one. */
				memcpy(data + len, ends[i], n);
				one(1, NULL, data, len + n);
			}
}

/* Lines of every length, each ended by any of three: as add_event writes them
 * they are the lines that were put together here. */
TEST(lines_of_any_length_are_written_as_they_are)
{
	static const char *const ends[] = { "\r", "\n", "\r\n" };

	dice_begin();
	for (int round = 0; round < 300; round++) {
		struct buf data = BUF_EMPTY, expected = BUF_EMPTY, out = BUF_EMPTY;
		size_t longest = (size_t)1 << dice_throw(10);
		const char *last = NULL;

		for (size_t n = dice_throw(100); n > 0; n--) {
			size_t len = dice_throw(longest);

			/* A lone CR and an empty line ended by LF would be one CRLF. */
			len += len == 0 && last == ends[0];
			buf_add_str(&expected, "data: ");
			for (size_t i = 0; i < len; i++) {
				char c = (char)('a' + dice_throw(26));

				buf_add_char(&data, c);
				buf_add_char(&expected, c);
			}
			last = ends[dice_throw(3)];
			buf_add_str(&data, last);
			buf_add_char(&expected, '\n');
		}
		buf_add_str(&expected, "data: \n\n");
		sse_event(&out, NULL, data.len > 0 ? data.bytes : "", data.len);
		expect_same(&out, &expected);
		buf_free(&data);
		buf_free(&expected);
		buf_free(&out);
	}
}

TEST(what_is_not_utf_8_is_replaced)
{
	bytes_are(-1, NULL, "Cr\xc3", "data: Cr\xef\xbf\xbd\n\n");
	bytes_are(-1, "\xffname\xe2\x82", "x", "event: \xef\xbf\xbdname\xef\xbf\xbd\ndata: x\n\n");
	/* A line end is never a part of what is ill-formed. */
	bytes_are(-1, NULL, "a\xe2\x82\r\xf0\x9f\n\xc3\r\n\x80",
	    "data: a\xef\xbf\xbd\ndata: \xef\xbf\xbd\ndata: \xef\xbf\xbd\ndata: \xef\xbf\xbd\n\n");
	bytes_are(-1, "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f",
	    "event: gr\xc3\xbc\xc3\x9f\ndata: gr\xc3\xbc\xc3\x9f\n\n");
}

/* Streams of many random events, with all that stands between events. */
TEST(random_streams_are_read_back_whole)
{
	static const char *const pieces[] = {
		"\n", "\r", "\r\n", " ", ":", "a", "bc", "data:", "id: 1", "\xc3\xa9", "\xef\xbb\xbf",
		"\xe2\x80\xa8", "\xc2\x85", "\v", "\f", "event", "retry: 5", "{\"a\":1}",
	};
	static const char *const events[] = { NULL, "", "e", "rowcast.gap", " e ", ":", "data" };

	dice_begin();
	for (int round = 0; round < 3000; round++) {
		struct buf out = BUF_EMPTY, expected = BUF_EMPTY;
		struct reader r;
		int64_t id = (int64_t)dice_throw(1000);

		for (size_t n = 1 + dice_throw(8); n > 0; n--) {
			struct buf data = BUF_EMPTY;
			const char *event = events[dice_throw(sizeof(events) / sizeof(events[0]))];
			char *text;

			id += (int64_t)dice_throw(3);
			for (size_t i = dice_throw(12); i > 0; i--) {
				if (dice_throw(20) == 0)
					buf_add_char(&data, '\0');
				else
					buf_add_str(&data,
					    pieces[dice_throw(sizeof(pieces) / sizeof(pieces[0]))]);
			}
			text = malloc(data.len + 1);
			if (data.len > 0)
				memcpy(text, data.bytes, data.len);
			add_event(&out, id, event, text, data.len);
			expect_event(&expected, id, event, text, data.len);
			if (dice_throw(4) == 0)
				buf_add_str(&out, SSE_HEARTBEAT);
			if (dice_throw(4) == 0) {
				sse_id(&out, ++id);
				buf_add_char(&out, '\n');
			}
			free(text);
			buf_free(&data);
		}
		reader_read(&r, &out);
		expect_same(&r.seen, &expected);
		reader_free(&r);
		buf_free(&out);
		buf_free(&expected);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_event_is_its_fields_in_order_and_a_blank_line),
	cmocka_unit_test(data_that_is_empty_is_still_an_event),
	cmocka_unit_test(every_way_to_end_a_line_begins_a_new_one),
	cmocka_unit_test(every_combination_of_line_ends_is_read_back),
	cmocka_unit_test(data_that_looks_like_a_field_stays_data),
	cmocka_unit_test(numbers_are_written_to_their_ends),
	cmocka_unit_test(a_number_below_zero_has_its_sign),
	cmocka_unit_test(a_block_without_data_moves_the_cursor_and_raises_nothing),
	cmocka_unit_test(a_heartbeat_changes_nothing),
	cmocka_unit_test(an_event_without_an_id_leaves_the_cursor_where_it_was),
	cmocka_unit_test(line_ends_are_found_wherever_they_stand),
	cmocka_unit_test(lines_of_any_length_are_written_as_they_are),
	cmocka_unit_test(what_is_not_utf_8_is_replaced),
	cmocka_unit_test(random_streams_are_read_back_whole),
};

RUN_TESTS(tests)
