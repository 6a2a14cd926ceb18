#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <inttypes.h>

#include "lib/buf.h"
#include "lib/sse.h"

/* ---- an EventSource, as HTML 9.2.6 tells how to be one ---- */

struct reader {
	struct buf data, event, id;  /* the three buffers of the standard */
	struct buf seen;             /* what was dispatched, each as note() writes it */
	char last_id[32];
	long long retry;             /* -1: never told */
	size_t n_dispatched;
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
dispatch(struct reader *r)
{
	snprintf(r->last_id, sizeof(r->last_id), "%.*s", (int)r->id.len,
	    r->id.len > 0 ? r->id.bytes : "");
	if (r->data.len > 0) {
		char event[256];

		assert_true(r->event.len < sizeof(event));
		snprintf(event, sizeof(event), "%.*s", (int)r->event.len,
		    r->event.len > 0 ? r->event.bytes : "");
		if (r->data.bytes[r->data.len - 1] == '\n')
			r->data.len--;
		note(&r->seen, r->last_id, r->event.len > 0 ? event : "message",
		    r->data.bytes, r->data.len);
		r->n_dispatched++;
	}
	r->data.len = r->event.len = 0;
}

static void
process_field(struct reader *r, const char *name, size_t name_len, const char *value, size_t len)
{
	if (name_len == 5 && memcmp(name, "event", 5) == 0) {
		r->event.len = 0;
		buf_add(&r->event, value, len);
	} else if (name_len == 4 && memcmp(name, "data", 4) == 0) {
		buf_add(&r->data, value, len);
		buf_add_char(&r->data, '\n');
	} else if (name_len == 2 && memcmp(name, "id", 2) == 0) {
		if (len == 0 || memchr(value, '\0', len) == NULL) {
			r->id.len = 0;
			buf_add(&r->id, value, len);
		}
	} else if (name_len == 5 && memcmp(name, "retry", 5) == 0) {
		long long n = 0;

		if (len == 0)
			return;
		for (size_t i = 0; i < len; i++) {
			if (value[i] < '0' || value[i] > '9')
				return;
			n = n * 10 + (value[i] - '0');
		}
		r->retry = n;
	}
}

static void
process_line(struct reader *r, const char *line, size_t len)
{
	const char *colon = len > 0 ? memchr(line, ':', len) : NULL;

	if (len == 0) {
		dispatch(r);
	} else if (colon == line) {
		/* a comment */
	} else if (colon != NULL) {
		const char *value = colon + 1, *end = line + len;

		if (value < end && *value == ' ')
			value++;
		process_field(r, line, (size_t)(colon - line), value, (size_t)(end - value));
	} else {
		process_field(r, line, len, "", 0);
	}
}

/* reader_read reads a whole stream; what no blank line ends is discarded. */
static void
reader_read(struct reader *r, const struct buf *stream)
{
	size_t at = 0, start;

	*r = (struct reader){ .retry = -1 };
	if (stream->len >= 3 && memcmp(stream->bytes, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	for (start = at; at < stream->len; at++) {
		char c = stream->bytes[at];

		if (c != '\n' && c != '\r')
			continue;
		process_line(r, stream->bytes + start, at - start);
		if (c == '\r' && at + 1 < stream->len && stream->bytes[at + 1] == '\n')
			at++;
		start = at + 1;
	}
}

static void
reader_free(struct reader *r)
{
	buf_free(&r->data);
	buf_free(&r->event);
	buf_free(&r->id);
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
	assert_int_equal(r.n_dispatched, 1);
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
	assert_int_equal(r.retry, 3210);
	assert_string_equal(r.last_id, "41");
	assert_int_equal(r.n_dispatched, 0);
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
	assert_string_equal(r.last_id, "12");
	assert_int_equal(r.n_dispatched, 2);
	reader_free(&r);
	buf_free(&out);
}

/* Streams of many random events, with all that stands between events. */
TEST(random_streams_are_read_back_whole)
{
	static const char *const pieces[] = {
		"\n", "\r", "\r\n", " ", ":", "a", "bc", "data:", "id: 1", "\xc3\xa9", "\xef\xbb\xbf",
		"\xe2\x80\xa8", "\x85", "\v", "\f", "event", "retry: 5", "{\"a\":1}",
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
	cmocka_unit_test(random_streams_are_read_back_whole),
};

RUN_TESTS(tests)
