#include "tests/unit/check.h"
#include "tests/unit/dice.h"
#include "tests/unit/harness.h"

#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/stream.h"
#include "lib/fcgi.h"
#include "lib/mem.h"

enum { REQUEST_ID = 0x0102, NOW = 77 };

static struct peer peer;
static struct stream *stream;

static void
begin(void)
{
	stream = stream_new((struct filter){ .user = mem_strdup("u") });
	stream->fd = peer_pair(&peer);
	stream->request_id = REQUEST_ID;
}

static void
end(void)
{
	stream_free(stream);
	hang_up(&peer);
}

/* small_buffer makes the socket take little at once: what the kernel's least is
 * (some 2 KiB on Linux). */
static void
small_buffer(void)
{
	int bytes = 1;

	assert_int_equal(setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

/* pattern returns n bytes in which no stretch is like another. */
static struct buf
pattern(size_t n)
{
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < n; i++)
		buf_add_char(&b, (char)('a' + dice_throw(26)));
	return b;
}

/* read_content reads until n bytes of content came, flushing as the socket
 * empties, and takes the records apart. The content is in peer.content. */
static void
read_content(size_t n)
{
	struct buf raw = BUF_EMPTY;
	size_t at = 0;

	while (peer.content.len < n) {
		const unsigned char *header;
		size_t len;
		ssize_t got;

		if (stream->unsent_at < stream->unsent.len)
			assert_int_not_equal(stream_flush(stream, NOW), STREAM_GONE);
		got = recv(peer.fd, buf_reserve(&raw, 4096), 4096, 0);
		assert_true(got > 0);
		raw.len += (size_t)got;
		while (raw.len - at >= FCGI_HEADER_BYTES) {
			header = (const unsigned char *)raw.bytes + at;
			assert_memory_equal(header, "\1\6\1\2", 4);
			len = (size_t)header[4] << 8 | header[5];
			if (raw.len - at < FCGI_HEADER_BYTES + len)
				break;
			buf_add(&peer.content, raw.bytes + at + FCGI_HEADER_BYTES, len);
			at += FCGI_HEADER_BYTES + len;
		}
	}
	assert_int_equal(peer.content.len, n);
	assert_int_equal(at, raw.len);
	buf_free(&raw);
}

TEST(what_is_written_comes_as_one_record_of_the_request)
{
	struct buf b = pattern(1000);
	char raw[FCGI_HEADER_BYTES + 1001];

	begin();
	assert_int_equal(stream_write_buf(stream, &b, NOW), 0);
	assert_int_equal(stream->written_at, NOW);
	assert_int_equal(recv(peer.fd, raw, sizeof(raw), 0), FCGI_HEADER_BYTES + 1000);
	assert_memory_equal(raw, "\1\6\1\2\3\xe8\0\0", 8);
	assert_memory_equal(raw + 8, b.bytes, 1000);
	buf_free(&b);
	end();
}

TEST(slices_are_sent_in_order_and_left_as_they_were)
{
	char one[] = "one", two[] = "two", three[] = "three";
	struct iovec iov[4] = { { NULL, 0 }, { one, 3 }, { two, 3 }, { three, 5 } };

	begin();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(stream_write(stream, iov, 3, 11, NOW), 0);
		assert_int_equal(expect_record(&peer), 11);
		assert_memory_equal(peer.content.bytes, "onetwothree", 11);
		buf_free(&peer.content);
		assert_ptr_equal(iov[2].iov_base, two);
		assert_int_equal(iov[2].iov_len, 3);
	}
	end();
}

TEST(what_the_socket_does_not_take_is_kept_and_sent_later)
{
	/* Slices of all sizes, so that the cut falls in the header, at a border and
	 * in the middle, again and again. */
	dice_begin();
	for (int i = 0; i < 50; i++) {
		struct buf b = pattern(1 + dice_throw(FCGI_CONTENT_MAX));
		size_t cut = dice_throw(b.len + 1), first = dice_throw(3000);
		struct iovec iov[3] = { { NULL, 0 }, { b.bytes, cut }, { b.bytes + cut, b.len - cut } };
		struct buf before = pattern(1 + first);

		begin();
		small_buffer();
		if (stream_write_buf(stream, &before, NOW - 1) == 0) {
			int outcome = stream_write(stream, iov, 2, b.len, NOW);

			if (outcome == STREAM_FULL) {
				assert_int_equal(stream->written_at, NOW - 1);
				assert_true(stream->unsent.len > 0);
			} else {
				assert_int_equal(outcome, 0);
			}
			read_content(before.len + b.len);
			assert_memory_equal(peer.content.bytes + before.len, b.bytes, b.len);
			assert_int_equal(stream->written_at, NOW);
		} else {
			read_content(before.len);
		}
		assert_memory_equal(peer.content.bytes, before.bytes, before.len);
		assert_int_equal(stream->unsent.len, 0);
		assert_int_equal(stream->unsent_at, 0);
		assert_null(stream->unsent.bytes);
		buf_free(&before);
		buf_free(&b);
		end();
	}
}

TEST(a_socket_that_takes_nothing_keeps_the_whole_record)
{
	struct buf next = pattern(100);

	begin();
	small_buffer();
	while (send(stream->fd, "\1\6\1\2\0\1\0\0x", 9, MSG_DONTWAIT) == 9)
		;
	assert_int_equal(stream_write_buf(stream, &next, NOW), STREAM_FULL);
	assert_int_equal(stream->unsent.len, FCGI_HEADER_BYTES + 100);
	assert_int_equal(stream->unsent_at, 0);
	assert_int_equal(stream_flush(stream, NOW), STREAM_FULL);
	buf_free(&next);
	end();
}

TEST(more_than_a_record_holds_is_split)
{
	static const size_t sizes[] = { FCGI_CONTENT_MAX, FCGI_CONTENT_MAX + 1,
		2 * FCGI_CONTENT_MAX, 2 * FCGI_CONTENT_MAX + 1, 1 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf b = pattern(sizes[i]);
		struct iovec iov[3] = { { NULL, 0 }, { b.bytes, 10 }, { b.bytes + 10, b.len - 10 } };

		begin();
		stream_write(stream, iov, 2, b.len, NOW);
		read_content(b.len);
		assert_memory_equal(peer.content.bytes, b.bytes, b.len);
		buf_free(&b);
		end();
	}
}

TEST(the_end_is_an_empty_record_and_end_request)
{
	char raw[FCGI_END_BYTES + 1];

	begin();
	stream_end(stream);
	assert_int_equal(stream->fd, -1);
	assert_int_equal(recv(peer.fd, raw, sizeof(raw), 0), FCGI_END_BYTES);
	assert_memory_equal(raw, "\1\6\1\2\0\0\0\0" "\1\3\1\2\0\10\0\0" "\0\0\0\0\0\0\0\0",
	    FCGI_END_BYTES);
	assert_int_equal(recv(peer.fd, raw, 1, 0), 0);
	end();
}

TEST(an_end_in_the_middle_of_a_record_only_closes)
{
	struct buf b = pattern(60000);
	char *raw = mem_alloc(FCGI_HEADER_BYTES + b.len);
	size_t n = 0;
	ssize_t got;

	begin();
	small_buffer();
	assert_int_equal(stream_write_buf(stream, &b, NOW), STREAM_FULL);
	/* Now there would be room. */
	while ((got = recv(peer.fd, raw + n, FCGI_HEADER_BYTES + b.len - n, MSG_DONTWAIT)) > 0)
		n += (size_t)got;
	assert_true(n > 0 && n < FCGI_HEADER_BYTES + b.len);
	assert_memory_equal(raw + FCGI_HEADER_BYTES, b.bytes, n - FCGI_HEADER_BYTES);
	stream_end(stream);
	assert_int_equal(recv(peer.fd, raw, 1, 0), 0);
	free(raw);
	buf_free(&b);
	end();
}

TEST(a_peer_that_is_away_is_told_by_write_and_by_flush)
{
	struct buf b = pattern(60000);

	begin();
	small_buffer();
	assert_int_equal(stream_write_buf(stream, &b, NOW), STREAM_FULL);
	close(peer.fd);
	peer.fd = -1;
	assert_int_equal(stream_flush(stream, NOW), STREAM_GONE);
	end();
	begin();
	close(peer.fd);
	peer.fd = -1;
	assert_int_equal(stream_write_buf(stream, &b, NOW), STREAM_GONE);
	stream_end(stream);
	buf_free(&b);
	end();
}

TEST(a_stream_wants_what_is_for_its_user_and_its_topics)
{
	char **topics = mem_alloc(2 * sizeof(*topics));
	struct stream *s;

	topics[0] = mem_strdup("a");
	topics[1] = mem_strdup("b");
	s = stream_new((struct filter){ .user = mem_strdup("u"), .topics = topics, .n_topics = 2 });
	assert_true(stream_wants(s, NULL, NULL));
	assert_true(stream_wants(s, "u", NULL));
	assert_true(stream_wants(s, "u", "b"));
	assert_true(stream_wants(s, NULL, "a"));
	assert_false(stream_wants(s, "v", NULL));
	assert_false(stream_wants(s, "v", "a"));
	assert_false(stream_wants(s, "u", "c"));
	assert_false(stream_wants(s, NULL, "A"));
	assert_false(stream_wants(s, NULL, "ab"));
	s->filter.topics_only = true;
	assert_false(stream_wants(s, NULL, NULL));
	assert_false(stream_wants(s, "u", NULL));
	assert_true(stream_wants(s, "u", "b"));
	assert_true(stream_wants(s, NULL, "a"));
	stream_free(s);
}

TEST(a_stream_that_was_never_admitted_hangs_up_when_it_is_freed)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup("u") });
	struct peer asker;

	s->reply.conn = conn_of(peer_pair(&asker));
	stream_free(s);
	expect_closed(&asker);
	hang_up(&asker);
}

static void
first_is(enum stream_cursor form, const char *user, int64_t heartbeat_ms, const char *bytes)
{
	struct stream *s = stream_new((struct filter){ .user = mem_strdup(user) });
	struct buf out = BUF_EMPTY;
	char *got;

	s->cursor_form = form;
	stream_add_first(s, &out, 2000, 7, heartbeat_ms);
	got = buf_take(&out);
	assert_string_equal(got, bytes);
	free(got);
	stream_free(s);
}

TEST(the_first_block_tells_a_script_whose_stream_it_is_and_how_silent_it_may_be)
{
	first_is(STREAM_CURSOR_ID, "42", 15000, "retry: 2000\nid: 7\n\n");
	first_is(STREAM_CURSOR_EVENT, "42", 15000, "retry: 2000\nid: 7\nevent: rowcast.cursor\n"
	    "data: {\"id\":7,\"user\":\"42\",\"heartbeat\":15}\n\n");
	first_is(STREAM_CURSOR_EVENT, "a\"\n\xff", 1050, "retry: 2000\nid: 7\nevent: rowcast.cursor\n"
	    "data: {\"id\":7,\"user\":\"a\\\"\\u000a\xef\xbf\xbd\",\"heartbeat\":1.050}\n\n");
	first_is(STREAM_CURSOR_EVENT, "", 300, "retry: 2000\nid: 7\nevent: rowcast.cursor\n"
	    "data: {\"id\":7,\"user\":\"\",\"heartbeat\":0.300}\n\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_block_tells_a_script_whose_stream_it_is_and_how_silent_it_may_be),
	cmocka_unit_test(what_is_written_comes_as_one_record_of_the_request),
	cmocka_unit_test(slices_are_sent_in_order_and_left_as_they_were),
	cmocka_unit_test(what_the_socket_does_not_take_is_kept_and_sent_later),
	cmocka_unit_test(a_socket_that_takes_nothing_keeps_the_whole_record),
	cmocka_unit_test(more_than_a_record_holds_is_split),
	cmocka_unit_test(the_end_is_an_empty_record_and_end_request),
	cmocka_unit_test(an_end_in_the_middle_of_a_record_only_closes),
	cmocka_unit_test(a_peer_that_is_away_is_told_by_write_and_by_flush),
	cmocka_unit_test(a_stream_wants_what_is_for_its_user_and_its_topics),
	cmocka_unit_test(a_stream_that_was_never_admitted_hangs_up_when_it_is_freed),
};

RUN_TESTS(tests)
