#include "tests/fuzz/eventsource.h"
#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include "lib/eventstream.h"

enum { MAX_BYTES = 40 };

/* What was handed over, as "name=data;": a '-' for data that are too large. */
static struct buf told;

static void
tell(const struct eventstream_event *event)
{
	buf_add(&told, event->name, event->name_len);
	buf_add_char(&told, '=');
	if (event->data != NULL)
		buf_add(&told, event->data, event->data_len);
	else
		buf_add_char(&told, '-');
	buf_add_char(&told, ';');
}

static void
take(void *context, const struct eventstream_event *event)
{
	size_t *n = context;

	assert_int_equal(event->number, ++*n);
	assert_int_equal(event->name[event->name_len], '\0');
	if (event->data != NULL)
		assert_int_equal(event->data[event->data_len], '\0');
	tell(event);
}

/* add_piece adds a copy of its own size, so that nobody reads beyond it, or later. */
static void
add_piece(struct eventstream *es, const char *bytes, size_t n)
{
	char *piece = malloc(n > 0 ? n : 1);

	memcpy(piece, bytes, n);
	eventstream_add(es, piece, n);
	assert_true(es->data.len <= MAX_BYTES);
	free(piece);
}

/* in_pieces reads a text that is cut before first, and then after each size bytes. */
static void
in_pieces(const char *text, size_t len, size_t first, size_t size)
{
	size_t number = 0;
	struct eventstream es = { .max_bytes = MAX_BYTES, .take = take, .context = &number };

	told.len = 0;
	add_piece(&es, text, first);
	for (size_t at = first; at < len; at += size)
		add_piece(&es, text + at, len - at < size ? len - at : size);
	assert_int_equal(es.number, number);
	eventstream_free(&es);
	assert_null(es.data.bytes);
}

static void
told_is(const char *what, size_t what_len, const char *expected, size_t len)
{
	if (told.len != len || (len > 0 && memcmp(told.bytes, expected, len) != 0))
		fail_msg("%.*s: expected \"%.*s\", got \"%.*s\"", (int)what_len, what, (int)len,
		    expected, (int)told.len, told.bytes != NULL ? told.bytes : "");
}

/* however_cut: these are its events, whole, in pieces of any size, and at any two cuts. */
static void
however_cut(const char *text, size_t len, const char *expected, size_t expected_len)
{
	for (size_t size = 1; size <= len + 1; size++) {
		in_pieces(text, len, 0, size);
		told_is(text, len, expected, expected_len);
		for (size_t first = 0; first <= len; first++) {
			in_pieces(text, len, first, size);
			told_is(text, len, expected, expected_len);
		}
	}
}

static void
events_are(const char *text, const char *expected)
{
	however_cut(text, strlen(text), expected, strlen(expected));
}

TEST(an_event_is_its_name_and_its_data)
{
	events_are("", "");
	events_are("data: a\n\n", "=a;");
	events_are("data:a\n\ndata:  b\n\n", "=a;= b;");
	events_are("event: x\ndata: a\n\ndata: b\n\n", "x=a;=b;");
	events_are("data: a\nevent: x\n\n", "x=a;");
	events_are("event: x\nevent: y\ndata: a\n\n", "y=a;");
	events_are("event: x\nevent\ndata: a\n\n", "=a;");
	events_are("event: x\nevent:\ndata: a: b\n\n", "=a: b;");
}

/* The lines that the events begin in. */
static void
note_line(void *context, const struct eventstream_event *event)
{
	(void)context;
	buf_printf(&told, "%zu;", event->line);
}

static void
begin_in(const char *text, const char *expected)
{
	for (size_t size = 1; size <= strlen(text); size++) {
		struct eventstream es = { .max_bytes = MAX_BYTES, .take = note_line };

		told.len = 0;
		for (size_t at = 0; at < strlen(text); at += size)
			add_piece(&es, text + at, strlen(text) - at < size ? strlen(text) - at : size);
		told_is(text, strlen(text), expected, strlen(expected));
		eventstream_free(&es);
	}
}

TEST(it_is_told_in_which_line_an_event_begins)
{
	begin_in("data: a\n\ndata: b\n\n", "1;3;");
	begin_in("\n\r\n:c\r\rid: 7\r\ndata: a\ndata: b\n\n\nevent: x\rdata: c\r\n\r\n", "5;10;");
	begin_in(":c\nevent: x\n\n:c\n:d\ndata\n\n", "6;");
	begin_in("\xef\xbb\xbf" "data: a\n\n", "1;");
	begin_in("\xef\xbb\ndata: a\n\n", "1;");
	begin_in("x\n:\ndata: 12345678901234567890123456789012345678901\n\ndata: a\n\n", "1;5;");
}

TEST(lines_of_data_are_joined_by_lf)
{
	events_are("data: a\ndata: b\n\n", "=a\nb;");
	events_are("data\n\n", "=;");
	events_are("data:\n\n", "=;");
	events_are("data: \ndata\ndata:\n\n", "=\n\n;");
	events_are("data: a\n:c\nid: 7\ndata: b\n\n", "=a\nb;");
}

TEST(lines_end_in_cr_lf_or_both)
{
	events_are("data: a\r\rdata: b\r\n\r\ndata: c\n\n", "=a;=b;=c;");
	events_are("data: a\r\ndata: b\rdata: c\ndata: d\r\r\n", "=a\nb\nc\nd;");
	events_are("data: a\n\rdata: b\r\r", "=a;=b;");
	events_are("\r\n\r\n\rdata: a\r\n\r\n", "=a;");
}

TEST(what_is_no_data_and_no_event_is_passed_over)
{
	events_are(":\n:comment\n: data: x\n\n\n\n", "");
	events_are("id: 7\nretry: 10\n\nevent: x\n\ndata: a\n\n", "=a;");
	events_are("datas: x\ndat: x\nDATA: x\n data: x\ndata : x\nevents: x\neven: y\nx\ndata: a\n\n", "=a;");
	events_are("event: x\n\ndata: a\n\n", "=a;");
}

TEST(one_bom_at_the_start_is_passed_over)
{
	events_are("\xef\xbb\xbf" "data: a\n\n", "=a;");
	events_are("\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\ndata: b\n\n", "=b;");
	events_are("\xef\xbb" "data: a\ndata: b\n\n", "=b;");
	events_are("\xef" "data: a\n\ndata: b\n\n\xef\xbb\xbf" "data: c\n\n", "=b;");
	events_are("\xef\xbb\xbf", "");
	events_are("\xef\xbb", "");
	events_are("\xef\n\ndata: a\n\n", "=a;");
}

TEST(what_lacks_its_blank_line_is_dropped)
{
	events_are("data: a", "");
	events_are("data: a\n", "");
	events_are("data: a\n\ndata: b\r\n", "=a;");
	events_are("data: a\n\nevent: rowcast.end\ndata: b", "=a;");
}

TEST(data_that_are_too_large_are_told_at_once_and_the_next_are_right)
{
	struct eventstream es = { .max_bytes = MAX_BYTES, .take = take,
		.context = &(size_t){ 0 } };

	told.len = 0;
	eventstream_add(&es, "event: x\ndata: 1234567890123456789012345678901234567890", 55);
	told_is("", 0, "", 0);
	eventstream_add(&es, "1", 1);
	told_is("", 0, "=-;", 3);
	eventstream_add(&es, "1\ndata: 1\n\ndata: a\n\n", 20);
	told_is("", 0, "=-;=a;", 6);
	eventstream_free(&es);
	events_are("data: 1234567890123456789012345678901234567890\n\n"
	    "data: 12345678901234567890123456789012345678901\ndata: b\n\nevent: x\ndata: c\n\n",
	    "=1234567890123456789012345678901234567890;=-;x=c;");
	events_are("data: 12345678901234567890\ndata: 1234567890123456789\n\n",
	    "=12345678901234567890\n1234567890123456789;");
	events_are("data: 12345678901234567890\ndata: 12345678901234567890\n\ndata: a\n\n", "=-;=a;");
	events_are("id: 12345678901234567890123456789012345678901234567890\ndata: a\n\n", "=a;");
}

TEST(only_lines_are_as_many_as_their_ends)
{
	struct eventstream es = { .max_bytes = MAX_BYTES, .take = take,
		.context = &(size_t){ 0 } };

	told.len = 0;
	for (int i = 0; i < MAX_BYTES + 1; i++)
		eventstream_add(&es, "data\n", 5);
	told_is("", 0, "", 0);
	eventstream_add(&es, "data", 4);
	told_is("", 0, "", 0);
	eventstream_add(&es, "\n", 1);
	told_is("", 0, "=-;", 3);
	eventstream_add(&es, "data\n\n", 6);
	told_is("", 0, "=-;", 3);
	eventstream_free(&es);
}

TEST(a_name_is_told_up_to_a_length_that_shows_it_is_too_long)
{
	char text[1024] = "event: ";
	struct eventstream es = { .max_bytes = MAX_BYTES, .take = take,
		.context = &(size_t){ 0 } };

	memset(text + 7, 'n', 300);
	strcpy(text + 307, "\ndata: a\n\n");
	told.len = 0;
	eventstream_add(&es, text, strlen(text));
	assert_int_equal(told.len, EVENTSTREAM_NAME_BYTES + 3);
	told.len = 0;
	eventstream_add(&es, text, 307);
	eventstream_add(&es, "\nevent: short\ndata: a\n\n", 23);
	told_is(text, 20, "short=a;", 8);
	eventstream_free(&es);
}

TEST(any_byte_may_be_in_it)
{
	static const char text[] = "event: \0\xff\ndata: \0a\0\ndata\0: x\n\n";

	however_cut(text, sizeof(text) - 1, "\0\xff=\0a\0;", 7);
}

TEST(what_nothing_ends_is_not_held)
{
	struct eventstream es = { .max_bytes = MAX_BYTES, .take = take,
		.context = &(size_t){ 0 } };
	static char piece[64 << 10];

	memset(piece, 'x', sizeof(piece));
	for (size_t i = 0; i < 4; i++) {
		eventstream_add(&es, &"\ndata:\nevent:\n:"[(size_t[]){ 0, 1, 7, 14 }[i]], (size_t[]){ 1, 5, 6, 1 }[i]);
		for (int j = 0; j < 200; j++)
			eventstream_add(&es, piece, sizeof(piece));
		eventstream_add(&es, "\n", 1);
		assert_int_equal(es.data.capacity, 0);
	}
	eventstream_free(&es);
}

static void
tell_whole(void *arg, const struct buf *event, const struct buf *data, const struct buf *last_id)
{
	bool is_default = eventsource_is(event, "message") || data->len > MAX_BYTES;

	(void)arg;
	(void)last_id;
	tell(&(struct eventstream_event){ .name = is_default ? "" : event->bytes,
	    .name_len = is_default ? 0 : event->len,
	    .data = data->len > MAX_BYTES ? NULL : data->len > 0 ? data->bytes : "",
	    .data_len = data->len });
}

/* Against a parser that reads a text as a whole, and was written for other tests. */
TEST(any_text_at_any_cut_is_read_as_a_browser_reads_it)
{
	static const char *const parts[] = { "data", "data: ", "data:", "event", "event: ", "x", "y ",
		"\n", "\r", "\r\n", "\n\n", ":", " ", "\xef\xbb\xbf", "\xef", "\xbb", "id: 7", "retry: 1",
		"0123456789012345", "\xff" };

	dice_begin();
	for (int i = 0; i < 20000; i++) {
		struct buf text = BUF_EMPTY, expected;
		struct eventsource whole = { .dispatch = tell_whole };

		for (size_t n = dice_throw(40); n > 0; n--)
			buf_add_str(&text, parts[dice_throw(sizeof(parts) / sizeof(*parts))]);
		buf_add_str(&text, "\n\n");  /* what is too large is told before it ends, if ever it does */
		told.len = 0;
		eventsource_read(&whole, text.bytes, text.len);
		eventsource_free(&whole);
		expected = told;
		told = BUF_EMPTY;
		in_pieces(text.bytes, text.len, dice_throw(text.len + 1), 1 + dice_throw(8));
		told_is(text.bytes, text.len, expected.bytes, expected.len);
		in_pieces(text.bytes, text.len, 0, text.len);
		told_is(text.bytes, text.len, expected.bytes, expected.len);
		buf_free(&expected);
		buf_free(&text);
	}
}

static int
free_told(void **state)
{
	(void)state;
	buf_free(&told);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_event_is_its_name_and_its_data),
	cmocka_unit_test(it_is_told_in_which_line_an_event_begins),
	cmocka_unit_test(lines_of_data_are_joined_by_lf),
	cmocka_unit_test(lines_end_in_cr_lf_or_both),
	cmocka_unit_test(what_is_no_data_and_no_event_is_passed_over),
	cmocka_unit_test(one_bom_at_the_start_is_passed_over),
	cmocka_unit_test(what_lacks_its_blank_line_is_dropped),
	cmocka_unit_test(data_that_are_too_large_are_told_at_once_and_the_next_are_right),
	cmocka_unit_test(only_lines_are_as_many_as_their_ends),
	cmocka_unit_test(a_name_is_told_up_to_a_length_that_shows_it_is_too_long),
	cmocka_unit_test(any_byte_may_be_in_it),
	cmocka_unit_test(what_nothing_ends_is_not_held),
	cmocka_unit_test(any_text_at_any_cut_is_read_as_a_browser_reads_it),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, free_told);
}
