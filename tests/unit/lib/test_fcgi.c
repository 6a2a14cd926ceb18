#include "tests/unit/check.h"
#include "tests/unit/dice.h"

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/fcgi.h"

/* The numbers of FastCGI 8, once more: a test that took them from the code
 * could not find them wrong. */
enum { T_BEGIN = 1, T_ABORT = 2, T_END = 3, T_PARAMS = 4, T_STDIN = 5, T_STDOUT = 6,
	T_DATA = 8, T_GET_VALUES = 9 };

static struct buf request;

static void
record(unsigned type, unsigned id, const void *content, size_t len, size_t padding)
{
	unsigned char header[8] = { 1, (unsigned char)type, (unsigned char)(id >> 8),
	    (unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len,
	    (unsigned char)padding, 0 };

	buf_add(&request, header, 8);
	buf_add(&request, content, len);
	for (; padding > 0; padding--)
		buf_add_char(&request, 'p');
}

static void
begin(unsigned id)
{
	buf_free(&request);
	record(T_BEGIN, id, "\0\1\0\0\0\0\0\0", 8, 0);
}

enum { HEAD_MAX = 4 * FCGI_CONTENT_MAX };

/* What a scan came to. */
struct seen {
	enum fcgi_scan_state state;
	size_t taken;         /* up to the end of the request, or of the bytes */
	size_t head_end;      /* 0: it has not come */
	struct buf body;
};

static struct seen seen;

/* feed gives the scan the next bytes, from where a byte behind them would be
 * noticed, until it has taken them or come to an end. */
static void
feed(struct fcgi_scan *scan, const char *from, size_t n)
{
	unsigned char *bytes = malloc(n > 0 ? n : 1);
	size_t at = 0;

	if (n > 0)
		memcpy(bytes, from, n);
	while (at < n && (scan->state == FCGI_SCAN_PARTIAL || scan->state == FCGI_SCAN_BODY)) {
		enum fcgi_scan_state before = scan->state;

		at += fcgi_scan(scan, bytes + at, n - at, &seen.body);
		if (before == FCGI_SCAN_PARTIAL && scan->state == FCGI_SCAN_BODY)
			seen.head_end = seen.taken + at;
	}
	free(bytes);
	seen.taken += at;
	seen.state = scan->state;
}

/* scan_pieces scans the first n bytes of the request, cut at random where there
 * are several pieces. */
static enum fcgi_scan_state
scan_pieces(size_t n, size_t largest_piece, size_t head_max)
{
	struct fcgi_scan scan;

	buf_free(&seen.body);
	seen = (struct seen){ 0 };
	fcgi_scan_init(&scan, head_max);
	for (size_t at = 0, piece; at < n; at += piece) {
		piece = largest_piece == 1 || largest_piece >= n ? largest_piece
		    : 1 + dice_throw(largest_piece);
		if (piece > n - at)
			piece = n - at;
		feed(&scan, request.bytes + at, piece);
	}
	seen.state = scan.state;
	return seen.state;
}

static enum fcgi_scan_state
scan_n(size_t n)
{
	return scan_pieces(n, n > 0 ? n : 1, HEAD_MAX);
}

static enum fcgi_scan_state
scan(void)
{
	return scan_n(request.len);
}

/* cut_everywhere: the request, of which the parameters end at params_end, is
 * known for what it is at every length. */
static void
cut_everywhere(size_t params_end)
{
	for (size_t n = 0; n <= request.len; n++) {
		enum fcgi_scan_state expected = n < params_end ? FCGI_SCAN_PARTIAL
		    : n < request.len ? FCGI_SCAN_BODY : FCGI_SCAN_WHOLE;

		if (scan_n(n) != expected)
			fail_msg("%zu of %zu bytes (parameters: %zu): %d, not %d", n,
			    request.len, params_end, (int)scan_n(n), (int)expected);
	}
}

TEST(a_stdout_header_has_its_numbers_in_network_order)
{
	unsigned char header[FCGI_HEADER_BYTES];

	memset(header, 0xee, sizeof(header));
	fcgi_stdout_header(header, 0x1234, 0xfedc);
	assert_memory_equal(header, "\1\6\x12\x34\xfe\xdc\0\0", 8);
	fcgi_stdout_header(header, 1, 1);
	assert_memory_equal(header, "\1\6\0\1\0\1\0\0", 8);
	fcgi_stdout_header(header, 65535, FCGI_CONTENT_MAX);
	assert_memory_equal(header, "\1\6\xff\xff\xff\xff\0\0", 8);
}

TEST(an_end_is_an_empty_stdout_and_request_complete)
{
	unsigned char records[FCGI_END_BYTES];

	assert_int_equal(FCGI_END_BYTES, 24);
	memset(records, 0xee, sizeof(records));
	fcgi_end(records, 0x102);
	assert_memory_equal(records, "\1\6\1\2\0\0\0\0" "\1\3\1\2\0\x8\0\0" "\0\0\0\0\0\0\0\0", 24);
}

TEST(a_get_is_a_whole_request_of_these_bytes)
{
	static const char *const params[] = { "REQUEST_METHOD", "GET", "EMPTY", "", NULL };

	buf_free(&request);
	fcgi_get(&request, params);
	assert_int_equal(request.len, 16 + 8 + 2 + 14 + 3 + 2 + 5 + 8 + 8);
	assert_memory_equal(request.bytes,
	    "\1\1\0\1\0\x8\0\0" "\0\1\0\0\0\0\0\0"
	    "\1\4\0\1\0\x1a\0\0" "\xe\3REQUEST_METHODGET" "\5\0EMPTY"
	    "\1\4\0\1\0\0\0\0" "\1\5\0\1\0\0\0\0", request.len);
	cut_everywhere(request.len - 8);
}

TEST(a_get_is_added_behind_what_is_there)
{
	static const char *const params[] = { "A", "B", NULL };

	buf_free(&request);
	buf_add_str(&request, "x");
	fcgi_get(&request, params);
	assert_int_equal(request.bytes[0], 'x');
	assert_memory_equal(request.bytes + 1, "\1\1\0\1", 4);
}

TEST(a_get_without_parameters_is_still_a_whole_request)
{
	static const char *const params[] = { NULL };

	buf_free(&request);
	fcgi_get(&request, params);
	assert_int_equal(scan(), FCGI_SCAN_WHOLE);
}

TEST(a_get_carries_names_and_values_of_127_bytes)
{
	char name[128], value[128];
	const char *params[] = { name, value, NULL };

	memset(name, 'n', 127);
	memset(value, 'v', 127);
	name[127] = value[127] = '\0';
	buf_free(&request);
	fcgi_get(&request, params);
	assert_memory_equal(request.bytes + 24, "\x7f\x7fnnn", 5);
	assert_int_equal(scan(), FCGI_SCAN_WHOLE);
}

TEST(a_get_carries_longer_ones_too)
{
	char value[1001];
	const char *params[] = { "N", value, NULL };

	memset(value, 'v', 1000);
	value[1000] = '\0';
	buf_free(&request);
	fcgi_get(&request, params);
	assert_memory_equal(request.bytes + 24, "\1\x80\0\3\xe8Nvvv", 9);
	assert_int_equal(scan(), FCGI_SCAN_WHOLE);
}

TEST(the_content_of_records_is_what_stdout_says_as_far_as_they_are_whole)
{
	static const char records[] = "\1\6\0\1\0\3\2\0abc--" "\1\7\0\1\0\2\0\0no"
	    "\1\6\0\1\0\2\0\0de" "\1\6\0\1\0\0\0\0" "\1\6\0\1\0\2\1\0fg-";
	static const char *const expected[] = { "", "abc", "abcde", "abcdefg" };

	for (size_t n = 0; n < sizeof(records); n++) {
		struct buf out = BUF_EMPTY;
		char *copy = malloc(n + 1), *text;

		memcpy(copy, records, n);  /* so that reading beyond it is noticed */
		fcgi_add_content(&out, copy, n);
		text = buf_take(&out);
		assert_string_equal(text, expected[n < 13 ? 0 : n < 33 ? 1 : n < 52 ? 2 : 3]);
		free(text);
		free(copy);
	}
}

TEST(a_request_cut_at_any_byte_is_known_for_what_it_is)
{
	size_t params_end;

	begin(1);
	record(T_PARAMS, 1, "\1\1AB", 4, 0);
	record(T_PARAMS, 1, NULL, 0, 0);
	params_end = request.len;
	record(T_STDIN, 1, NULL, 0, 0);
	cut_everywhere(params_end);

	begin(1);
	record(T_PARAMS, 1, NULL, 0, 0);
	params_end = request.len;
	record(T_STDIN, 1, "body", 4, 0);
	record(T_STDIN, 1, " and more", 9, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	cut_everywhere(params_end);
}

TEST(padding_is_passed_over_and_waited_for)
{
	size_t params_end;

	begin(1);
	record(T_PARAMS, 1, "\1\1AB", 4, 4);
	record(T_PARAMS, 1, "\0\0", 2, 255);
	record(T_PARAMS, 1, NULL, 0, 0);
	params_end = request.len;
	record(T_STDIN, 1, "body", 4, 1);
	record(T_STDIN, 1, NULL, 0, 0);
	cut_everywhere(params_end);
}

TEST(ids_other_than_1_are_as_good_but_0_is_not)
{
	static const unsigned ids[] = { 2, 255, 256, 0x1234, 65535 };
	size_t params_end;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		begin(ids[i]);
		record(T_PARAMS, ids[i], "\1\1AB", 4, 0);
		record(T_PARAMS, ids[i], NULL, 0, 0);
		params_end = request.len;
		record(T_STDIN, ids[i], NULL, 0, 0);
		cut_everywhere(params_end);
	}
	begin(0);
	assert_int_equal(scan(), FCGI_SCAN_BAD);
}

TEST(a_pair_may_be_split_between_records_anywhere)
{
	static const char pairs[] = "\x4\x5" "NAMEvalue" "\x80\0\0\x3" "\x80\0\0\0" "LEN" "\0\0" "\1\0X";
	size_t n = sizeof(pairs) - 1;

	for (size_t first = 1; first < n; first++)
		for (size_t second = first + 1; second < n; second++) {
			begin(1);
			record(T_PARAMS, 1, pairs, first, 3);
			record(T_PARAMS, 1, pairs + first, second - first, 0);
			record(T_PARAMS, 1, pairs + second, n - second, 1);
			record(T_PARAMS, 1, NULL, 0, 0);
			assert_int_equal(scan(), FCGI_SCAN_BODY);
			record(T_STDIN, 1, NULL, 0, 0);
			assert_int_equal(scan(), FCGI_SCAN_WHOLE);
		}
}

TEST(what_follows_a_whole_request_is_seen_whatever_it_is)
{
	size_t whole;

	begin(1);
	record(T_PARAMS, 1, NULL, 0, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	whole = request.len;
	buf_add_str(&request, "anything at all");
	assert_int_equal(scan_n(whole), FCGI_SCAN_WHOLE);
	for (size_t n = whole + 1; n <= request.len; n++) {
		assert_int_equal(scan_n(n), FCGI_SCAN_WHOLE);
		assert_int_equal(seen.taken, whole);
	}
}

TEST(a_flag_to_keep_the_connection_is_no_fault)
{
	buf_free(&request);
	record(T_BEGIN, 1, "\0\1\1\0\0\0\0\0", 8, 0);
	record(T_PARAMS, 1, NULL, 0, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	assert_int_equal(scan(), FCGI_SCAN_WHOLE);
}

/* bad_from: the request, good before its last record, is bad with its last
 * record's header, whatever else of it is there. */
static void
bad_from(size_t good)
{
	assert_int_not_equal(scan_n(good), FCGI_SCAN_BAD);
	assert_int_not_equal(scan_n(good + 7), FCGI_SCAN_BAD);
	for (size_t n = good + 8; n <= request.len; n++)
		assert_int_equal(scan_n(n), FCGI_SCAN_BAD);
}

/* Another record than the expected is bad at every stage. */
TEST(a_record_out_of_order_is_bad_at_once)
{
	for (unsigned type = 0; type < 256; type++) {
		size_t good;

		if (type == T_ABORT)
			continue;  /* it may come at any time, but without content */
		buf_free(&request);
		record(type, 1, "\0\1\0\0\0\0\0\0", 8, 0);
		if (type != T_BEGIN)
			bad_from(0);

		begin(1);
		good = request.len;
		record(type, 1, "\1\1AB", 4, 0);
		if (type != T_PARAMS)
			bad_from(good);

		begin(1);
		record(T_PARAMS, 1, "\1\1AB", 4, 0);
		good = request.len;
		record(type, 1, "\1\1AB", 4, 0);
		if (type != T_PARAMS)
			bad_from(good);

		begin(1);
		record(T_PARAMS, 1, NULL, 0, 0);
		good = request.len;
		record(type, 1, "\1\1AB", 4, 0);
		if (type != T_STDIN)
			bad_from(good);
	}
}

/* libfcgi 2.4 does not pass over it: see fcgi.c. */
TEST(padding_of_begin_or_of_an_empty_record_is_bad_at_once)
{
	size_t good;

	for (size_t padding = 1; padding < 256; padding++) {
		buf_free(&request);
		record(T_BEGIN, 1, "\0\1\0\0\0\0\0\0", 8, padding);
		bad_from(0);

		begin(1);
		good = request.len;
		record(T_PARAMS, 1, NULL, 0, padding);
		bad_from(good);

		begin(1);
		record(T_PARAMS, 1, NULL, 0, 0);
		good = request.len;
		record(T_STDIN, 1, NULL, 0, padding);
		bad_from(good);
	}
}

TEST(another_version_is_bad_at_every_record)
{
	size_t starts[4];

	for (size_t i = 0; i < 4; i++) {
		begin(1);
		starts[0] = 0;
		starts[1] = request.len;
		record(T_PARAMS, 1, "\1\1AB", 4, 0);
		starts[2] = request.len;
		record(T_PARAMS, 1, NULL, 0, 0);
		starts[3] = request.len;
		record(T_STDIN, 1, NULL, 0, 0);
		for (int version = 0; version < 256; version++) {
			request.bytes[starts[i]] = (char)version;
			assert_int_equal(scan(), version == 1 ? FCGI_SCAN_WHOLE : FCGI_SCAN_BAD);
		}
	}
}

TEST(a_record_of_another_request_is_bad)
{
	size_t good;

	begin(1);
	good = request.len;
	record(T_PARAMS, 2, "\1\1AB", 4, 0);
	bad_from(good);
	begin(1);
	good = request.len;
	record(T_PARAMS, 257, NULL, 0, 0);
	bad_from(good);
	begin(257);
	record(T_PARAMS, 257, NULL, 0, 0);
	good = request.len;
	record(T_STDIN, 1, "x", 1, 0);
	bad_from(good);
	begin(1);
	record(T_PARAMS, 1, NULL, 0, 0);
	record(T_STDIN, 1, "x", 1, 0);
	good = request.len;
	record(T_STDIN, 0, NULL, 0, 0);
	bad_from(good);
}

TEST(only_a_responder_is_asked)
{
	for (unsigned role = 0; role < 600; role++) {
		unsigned char body[8] = { (unsigned char)(role >> 8), (unsigned char)role };

		buf_free(&request);
		record(T_BEGIN, 1, body, 8, 0);
		assert_int_equal(scan(), role == 1 ? FCGI_SCAN_PARTIAL : FCGI_SCAN_BAD);
	}
}

TEST(a_begin_of_another_size_is_bad_at_once)
{
	char body[300] = { 0, 1 };

	for (size_t len = 0; len < 300; len++) {
		buf_free(&request);
		record(T_BEGIN, 1, body, len, 0);
		if (len != 8)
			bad_from(0);
	}
}

static enum fcgi_scan_state
scan_params(const void *pairs, size_t len)
{
	begin(1);
	if (len > 0)
		record(T_PARAMS, 1, pairs, len, 0);
	record(T_PARAMS, 1, NULL, 0, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	return scan();
}

TEST(lengths_that_lie_are_bad)
{
	static const struct { const char *pairs; size_t len; } lies[] = {
		{ "\1", 1 },                              /* no length of the value */
		{ "\0", 1 },
		{ "\1\0", 2 },                            /* no name */
		{ "\0\1", 2 },
		{ "\1\1A", 3 },                           /* no value */
		{ "\2\1AB", 4 },
		{ "\1\1AB\1", 5 },                        /* a good pair first */
		{ "\1\1AB\1\1C", 7 },
		{ "\x7f\1AB", 4 },
		{ "\1\x7f" "AB", 4 },
		{ "\x80", 1 },                            /* a long length cut short */
		{ "\x80\0", 2 },
		{ "\x80\0\0", 3 },
		{ "\x80\0\0\1", 4 },
		{ "\x80\0\0\1\x80\0\0", 7 },
		{ "\x80\0\0\1\x80\0\0\1A", 9 },
		{ "\xff\xff\xff\xff\0", 5 },              /* sums that would overflow */
		{ "\0\xff\xff\xff\xff", 5 },
		{ "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
		{ "\xff\xff\xff\xff\x80\0\0\1ABCDEFGH", 16 },
		{ "\1\xff\xff\xff\xff" "A", 6 },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_int_equal(scan_params(lies[i].pairs, lies[i].len), FCGI_SCAN_BAD);
}

TEST(parameters_are_bounded_in_number)
{
	char pairs[2 * (FCGI_PARAMS_MAX + 1)] = { 0 };

	assert_int_equal(scan_params(pairs, 2 * FCGI_PARAMS_MAX), FCGI_SCAN_WHOLE);
	assert_int_equal(scan_params(pairs, sizeof(pairs)), FCGI_SCAN_BAD);
}

TEST(lengths_that_tell_the_truth_are_good)
{
	static const struct { const char *pairs; size_t len; } truths[] = {
		{ "", 0 },
		{ "\0\0", 2 },
		{ "\0\0\0\0", 4 },
		{ "\1\0A", 3 },
		{ "\0\1B", 3 },
		{ "\x80\0\0\1\x80\0\0\1AB", 10 },
		{ "\x80\0\0\0\0", 5 },
	};

	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
		assert_int_equal(scan_params(truths[i].pairs, truths[i].len), FCGI_SCAN_WHOLE);
}

TEST(parameters_and_bodies_may_fill_many_full_records)
{
	size_t value_len = 3 * FCGI_CONTENT_MAX - 6, params_end;
	char *pairs = malloc(3 * FCGI_CONTENT_MAX);

	memset(pairs, 'v', 3 * FCGI_CONTENT_MAX);
	memcpy(pairs, "\1\x80\0\0\0N", 6);
	pairs[2] = (char)(value_len >> 16);
	pairs[3] = (char)(value_len >> 8);
	pairs[4] = (char)value_len;
	begin(1);
	for (size_t i = 0; i < 3; i++)
		record(T_PARAMS, 1, pairs + i * FCGI_CONTENT_MAX, FCGI_CONTENT_MAX, 255);
	record(T_PARAMS, 1, NULL, 0, 0);
	params_end = request.len;
	record(T_STDIN, 1, pairs, FCGI_CONTENT_MAX, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	assert_int_equal(scan_n(params_end - 1), FCGI_SCAN_PARTIAL);
	assert_int_equal(scan_n(params_end), FCGI_SCAN_BODY);
	assert_int_equal(scan_n(request.len - 1), FCGI_SCAN_BODY);
	assert_int_equal(scan(), FCGI_SCAN_WHOLE);
	/* One byte more than there is. */
	request.bytes[16 + 8 + 4]++;
	assert_int_equal(scan(), FCGI_SCAN_BAD);
	free(pairs);
}

TEST(a_head_larger_than_it_may_be_is_bad_as_soon_as_it_is_seen)
{
	char *pairs = calloc(1, 1000);
	size_t n;

	/* 1000 bytes of empty pairs in one record: 16 + 8 + 1000 + 8 in all. */
	begin(1);
	record(T_PARAMS, 1, pairs, 1000, 0);
	record(T_PARAMS, 1, NULL, 0, 0);
	n = request.len;
	record(T_STDIN, 1, pairs, 1000, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	assert_int_equal(scan_pieces(request.len, request.len, n), FCGI_SCAN_WHOLE);
	assert_int_equal(scan_pieces(request.len, 1, n), FCGI_SCAN_WHOLE);
	assert_int_equal(scan_pieces(request.len, request.len, n - 1), FCGI_SCAN_BAD);
	assert_int_equal(scan_pieces(request.len, 1, n - 1), FCGI_SCAN_BAD);
	/* By the header of the record, or the length of the pair, alone. */
	assert_int_equal(scan_pieces(24, 24, 1000), FCGI_SCAN_BAD);
	begin(1);
	record(T_PARAMS, 1, "\1\xff\xff\xff\xff", 5, 0);
	assert_int_equal(scan(), FCGI_SCAN_BAD);
	begin(1);
	record(T_PARAMS, 1, "\xff\xff\xff\xff", 4, 0);
	assert_int_equal(scan(), FCGI_SCAN_BAD);
	/* Records of nothing but their headers. */
	begin(1);
	for (int i = 0; i < 100; i++)
		record(T_PARAMS, 1, "\0\0", 2, 255);
	assert_int_equal(scan_pieces(request.len, request.len, 1000), FCGI_SCAN_BAD);
	assert_true(seen.taken < 1300);
	free(pairs);
}

TEST(an_abort_is_told_at_every_stage_and_only_of_this_request)
{
	size_t stages[5], good;

	begin(3);
	stages[0] = 0;
	stages[1] = request.len;
	record(T_PARAMS, 3, "\1\1AB", 4, 5);
	stages[2] = request.len;
	record(T_PARAMS, 3, NULL, 0, 0);
	stages[3] = request.len;
	record(T_STDIN, 3, "x", 1, 0);
	stages[4] = request.len;
	for (size_t i = 0; i < 5; i++) {
		request.len = stages[i];
		record(T_ABORT, 3, NULL, 0, 0);
		assert_int_not_equal(scan_n(request.len - 1), FCGI_SCAN_ABORTED);
		buf_add_str(&request, "more");
		assert_int_equal(scan(), FCGI_SCAN_ABORTED);
		assert_int_equal(seen.taken, stages[i] + 8);
		good = request.len = stages[i];
		if (i > 0) {
			record(T_ABORT, 4, NULL, 0, 0);
			bad_from(good);
		}
		request.len = good;
		record(T_ABORT, 3, NULL, 0, 1);
		bad_from(good);
		request.len = good;
		record(T_ABORT, 3, "x", 1, 0);
		bad_from(good);
		/* What stood there again. */
		begin(3);
		record(T_PARAMS, 3, "\1\1AB", 4, 5);
		record(T_PARAMS, 3, NULL, 0, 0);
		record(T_STDIN, 3, "x", 1, 0);
	}
}

TEST(an_abort_is_known_by_itself)
{
	static const unsigned char bytes[] = "\1\2\1\2\0\0\0\0";

	assert_true(fcgi_is_abort(bytes, 8, 0x102));
	assert_false(fcgi_is_abort(bytes, 7, 0x102));
	assert_false(fcgi_is_abort(bytes, 9, 0x102));
	assert_false(fcgi_is_abort(bytes, 8, 0x103));
	assert_false(fcgi_is_abort((const unsigned char *)"\1\5\1\2\0\0\0\0", 8, 0x102));
	assert_false(fcgi_is_abort((const unsigned char *)"\1\2\1\2\0\1\0\0", 8, 0x102));
}

TEST(a_scan_knows_the_id_and_whether_to_keep_the_connection)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		const char body[8] = { 0, 1, (char)flags };
		struct fcgi_scan scan;

		buf_free(&request);
		record(T_BEGIN, 0x304, body, 8, 0);
		fcgi_scan_init(&scan, 100);
		assert_int_equal(fcgi_scan(&scan, (unsigned char *)request.bytes, 16, NULL), 16);
		assert_int_equal(scan.request_id, 0x304);
		assert_int_equal(scan.keep, flags & 1);
		assert_true(scan.begun);
	}
}

/* random_request builds one of random records, good or with a fault. */
static void
random_request(void)
{
	char content[300];
	size_t n_pairs = dice_throw(20);

	begin(1);
	request.bytes[1] = (char)(dice_throw(50) == 0 ? 2 : 1);
	for (size_t i = 0; i < n_pairs; i++) {
		size_t len = dice_throw(120);

		memset(content, 'x', sizeof(content));
		content[0] = (char)(len / 2);
		content[1] = (char)(len - len / 2 + (dice_throw(100) == 0));
		record(T_PARAMS, 1, content, len + 2, dice_throw(3) == 0 ? dice_throw(256) : 0);
	}
	record(T_PARAMS, 1, NULL, 0, dice_throw(50) == 0);
	for (size_t i = dice_throw(20); i > 0; i--) {
		for (size_t c = 0; c < sizeof(content); c++)
			content[c] = (char)dice_throw(256);
		record(dice_throw(100) == 0 ? T_ABORT : T_STDIN, 1, content, 1 + dice_throw(300),
		    dice_throw(3) == 0 ? dice_throw(256) : 0);
	}
	record(T_STDIN, dice_throw(50) == 0 ? 2 : 1, NULL, 0, 0);
	buf_add(&request, content, dice_throw(10));
}

TEST(in_whatever_pieces_bytes_come_they_are_read_the_same)
{
	size_t n_whole = 0;

	dice_begin();
	for (int round = 0; round < 3000; round++) {
		struct seen once, again;

		random_request();
		scan();
		once = seen;
		seen.body = BUF_EMPTY;
		n_whole += once.state == FCGI_SCAN_WHOLE;
		for (size_t largest = 1; largest < 1000; largest = largest * 3 + 1) {
			scan_pieces(request.len, largest, HEAD_MAX);
			again = seen;
			assert_int_equal(again.state, once.state);
			assert_int_equal(again.head_end, once.head_end);
			if (once.state != FCGI_SCAN_BAD) {
				assert_int_equal(again.taken, once.taken);
				assert_int_equal(again.body.len, once.body.len);
				if (once.body.len > 0)
					assert_memory_equal(again.body.bytes, once.body.bytes,
					    once.body.len);
			}
		}
		buf_free(&once.body);
	}
	assert_true(n_whole > 300 && n_whole < 3000);
}

TEST(other_protocols_are_bad_from_their_first_bytes)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01", "SSH-2.0-OpenSSH", "        ",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		buf_free(&request);
		buf_add(&request, texts[i], 8);
		bad_from(0);
	}
}

/* A byte changed anywhere may make the request another good one or a bad one,
 * but never lets the scan leave its bytes: for the sanitizers to see. */
TEST(no_changed_bytes_lead_the_scan_astray)
{
	char good[200];
	size_t n;

	dice_begin();
	begin(1);
	record(T_PARAMS, 1, "\1\1AB\x80\0\0\2\x80\0\0\3NAval", 17, 3);
	record(T_PARAMS, 1, "\4\0LAST", 6, 0);
	record(T_PARAMS, 1, NULL, 0, 0);
	record(T_STDIN, 1, "body", 4, 0);
	record(T_STDIN, 1, NULL, 0, 0);
	n = request.len;
	assert_true(n <= sizeof(good));
	memcpy(good, request.bytes, n);
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < 256; c++) {
			request.bytes[i] = (char)c;
			scan();
			request.bytes[i] = good[i];
		}
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 1 + dice_throw(4); i > 0; i--)
			request.bytes[dice_throw(n)] = (char)dice_throw(256);
		scan_n(dice_throw(n + 1));
		memcpy(request.bytes, good, n);
	}
	assert_int_equal(scan(), FCGI_SCAN_WHOLE);
}

static int
free_request(void **state)
{
	(void)state;
	buf_free(&request);
	buf_free(&seen.body);
	return 0;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_stdout_header_has_its_numbers_in_network_order),
	cmocka_unit_test(an_end_is_an_empty_stdout_and_request_complete),
	cmocka_unit_test(a_get_is_a_whole_request_of_these_bytes),
	cmocka_unit_test(a_get_is_added_behind_what_is_there),
	cmocka_unit_test(a_get_without_parameters_is_still_a_whole_request),
	cmocka_unit_test(a_get_carries_names_and_values_of_127_bytes),
	cmocka_unit_test(a_get_carries_longer_ones_too),
	cmocka_unit_test(the_content_of_records_is_what_stdout_says_as_far_as_they_are_whole),
	cmocka_unit_test(a_request_cut_at_any_byte_is_known_for_what_it_is),
	cmocka_unit_test(padding_is_passed_over_and_waited_for),
	cmocka_unit_test(ids_other_than_1_are_as_good_but_0_is_not),
	cmocka_unit_test(a_pair_may_be_split_between_records_anywhere),
	cmocka_unit_test(what_follows_a_whole_request_is_seen_whatever_it_is),
	cmocka_unit_test(a_flag_to_keep_the_connection_is_no_fault),
	cmocka_unit_test(a_record_out_of_order_is_bad_at_once),
	cmocka_unit_test(padding_of_begin_or_of_an_empty_record_is_bad_at_once),
	cmocka_unit_test(another_version_is_bad_at_every_record),
	cmocka_unit_test(a_record_of_another_request_is_bad),
	cmocka_unit_test(only_a_responder_is_asked),
	cmocka_unit_test(a_begin_of_another_size_is_bad_at_once),
	cmocka_unit_test(lengths_that_lie_are_bad),
	cmocka_unit_test(parameters_are_bounded_in_number),
	cmocka_unit_test(lengths_that_tell_the_truth_are_good),
	cmocka_unit_test(parameters_and_bodies_may_fill_many_full_records),
	cmocka_unit_test(a_head_larger_than_it_may_be_is_bad_as_soon_as_it_is_seen),
	cmocka_unit_test(an_abort_is_told_at_every_stage_and_only_of_this_request),
	cmocka_unit_test(an_abort_is_known_by_itself),
	cmocka_unit_test(a_scan_knows_the_id_and_whether_to_keep_the_connection),
	cmocka_unit_test(in_whatever_pieces_bytes_come_they_are_read_the_same),
	cmocka_unit_test(other_protocols_are_bad_from_their_first_bytes),
	cmocka_unit_test(no_changed_bytes_lead_the_scan_astray),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, free_request);
}
