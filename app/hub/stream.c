/* Writing to a stream, and what its filter lets through. Runs in the hub's thread, but for
 * stream_new, which a request's thread calls. Touches one stream and its socket,
 * never waits for that, and knows of no other stream and no state.
 *
 * What the socket does not take is kept in `unsent` and must go out before
 * anything else: a record that was begun has to be ended. */

#include "app/hub/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fcgi.h"
#include "lib/jsontext.h"
#include "lib/mem.h"
#include "lib/sse.h"

enum { RUN_BYTES = 512 };  /* for send_slices; picked, not tuned */

struct stream *
stream_new(struct filter filter)
{
	struct stream *s = mem_zalloc(sizeof(*s));

	s->fd = -1;
	s->filter = filter;
	return s;
}

void
stream_free(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->reply.conn != NULL)
		reply_drop(&s->reply);
	for (size_t i = 0; i < s->filter.n_topics; i++)
		free(s->filter.topics[i]);
	free(s->filter.topics);
	free(s->filter.user);
	free(s->invalid_id);
	free(s->start);
	free(s->join);
	if (s->until != NULL)
		buf_free(&s->until->gap);
	free(s->until);
	buf_free(&s->unsent);
	if (s->counted != NULL)
		atomic_fetch_sub(s->counted, 1);
	free(s);
}

/* ---- where the client stands ---- */

/* is_told: is it, while the stream goes on? */
static bool
is_told(const struct stream *s)
{
	return s->cursor_form == STREAM_CURSOR_EVENT
	    || (s->cursor_form == STREAM_CURSOR_ID && encoding_is_sse(s->encoding));
}

/* tell_cursor takes what else the data says, where there is any. */
static void
tell_cursor(const struct stream *s, struct buf *out, int64_t id, const struct buf *more)
{
	struct buf data = BUF_EMPTY;

	buf_add_str(&data, "{\"id\":");
	buf_add_number(&data, id);
	buf_add(&data, more->bytes, more->len);
	buf_add_char(&data, '}');
	encoding_tell(s->encoding, out, "rowcast.cursor", id, &data);
	buf_free(&data);
}

static void
add_cursor(const struct stream *s, struct buf *out, int64_t id, const struct buf *more)
{
	if (s->cursor_form == STREAM_CURSOR_EVENT || !encoding_is_sse(s->encoding)) {
		tell_cursor(s, out, id, more);
	} else {
		sse_id(out, id);
		buf_add_char(out, '\n');
	}
}

void
stream_add_cursor(const struct stream *s, struct buf *out, int64_t id)
{
	if (is_told(s))
		add_cursor(s, out, id, &BUF_EMPTY);
}

void
stream_add_first(const struct stream *s, struct buf *out, int64_t retry_ms, int64_t id,
    int64_t heartbeat_ms)
{
	struct buf more = BUF_EMPTY;

	if (!is_told(s))
		return;
	if (s->cursor_form == STREAM_CURSOR_EVENT) {
		buf_add_str(&more, ",\"user\":");
		jsontext_add_string(&more, s->filter.user);
		buf_add_str(&more, ",\"heartbeat\":");
		buf_add_number(&more, heartbeat_ms / 1000);
		if (heartbeat_ms % 1000 != 0)
			buf_printf(&more, ".%03d", (int)(heartbeat_ms % 1000));
	}
	if (encoding_is_sse(s->encoding))
		sse_retry(out, retry_ms);
	add_cursor(s, out, id, &more);
	buf_free(&more);
}

void
stream_add_last(const struct stream *s, struct buf *out, int64_t id)
{
	if (s->cursor_form != STREAM_CURSOR_OFF && (id > s->told || !encoding_is_sse(s->encoding)))
		add_cursor(s, out, id, &BUF_EMPTY);
}

void
stream_tell(const struct stream *s, struct buf *out, const char *event, const char *data)
{
	struct buf text = BUF_EMPTY;

	buf_add_str(&text, data);
	encoding_tell(s->encoding, out, event, ENCODING_NO_ID, &text);
	buf_free(&text);
}

/* ---- where it ends ---- */

void
stream_until_new(struct stream *s)
{
	s->until = mem_zalloc(sizeof(*s->until) + s->filter.n_topics * sizeof(s->until->ends[0]));
	s->until->upto = INT64_MAX;
}

/* has_cursor: not one that is still to be looked for, or was judged to be none. */
static bool
has_cursor(const struct stream *s)
{
	return s->start == NULL && !s->is_refuted && s->invalid_id == NULL;
}

bool
stream_is_over(const struct stream *s, int64_t position)
{
	if (s->until == NULL || !s->until->by_topics || !has_cursor(s))
		return false;
	for (size_t i = 0; i < s->filter.n_topics; i++)
		if (s->until->ends[i] == 0 || s->until->ends[i] > position)
			return false;
	return true;
}

bool
stream_has_come_to_its_end(const struct stream *s, int64_t position)
{
	return stream_is_over(s, position)
	    || (stream_is_poll(s) && has_cursor(s) && !s->from_store && position >= s->until->upto);
}

void
stream_topic_ended(struct stream *s, const char *topic, int64_t id)
{
	for (size_t i = 0; i < s->filter.n_topics; i++)
		if (strcmp(s->filter.topics[i], topic) == 0)
			s->until->ends[i] = id;
}

/* ---- what it wants ---- */

bool
stream_wants_topic(const struct stream *s, const char *topic)
{
	if (topic == NULL)
		return !s->filter.topics_only;
	for (size_t i = 0; i < s->filter.n_topics; i++)
		if (strcmp(s->filter.topics[i], topic) == 0)
			return true;
	return false;
}

bool
stream_wants(const struct stream *s, const char *user, const char *topic)
{
	return (user == NULL || strcmp(s->filter.user, user) == 0)
	    && stream_wants_topic(s, topic);
}

/* keep_unsent copies what follows the first n_sent bytes of the slices. It may lie
 * there for long, so it takes no more memory than it needs. */
static void
keep_unsent(struct stream *s, const struct iovec *iov, size_t n, size_t n_sent)
{
	for (size_t i = 0; i < n; i++) {
		size_t skip = n_sent < iov[i].iov_len ? n_sent : iov[i].iov_len;

		buf_add(&s->unsent, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip);
		n_sent -= skip;
	}
	buf_trim(&s->unsent);
}

/* write_large frames what does not fit in one record, by way of unsent. */
static int
write_large(struct stream *s, const struct iovec *iov, size_t n, mono_us now)
{
	struct buf whole = BUF_EMPTY;
	int outcome;

	for (size_t i = 0; i < n; i++)
		buf_add(&whole, iov[i].iov_base, iov[i].iov_len);
	reply_frame(&s->unsent, s->request_id, whole.bytes, whole.len);
	buf_free(&whole);
	outcome = stream_flush(s, now);
	if (outcome == STREAM_FULL)
		buf_trim(&s->unsent);
	return outcome;
}

/* send_slices sends what the slices hold, without waiting. For a few bytes the
 * kernel takes a sixth less time where they lie in one run. */
static ssize_t
send_slices(int fd, struct iovec *iov, size_t n, size_t n_bytes)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = n };
	char run[RUN_BYTES];
	size_t at = 0;

	if (n_bytes > sizeof(run))
		return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (size_t i = 0; i < n; i++) {
		memcpy(run + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	return send(fd, run, at, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int
stream_write(struct stream *s, struct iovec *iov, size_t n, size_t n_bytes, mono_us now)
{
	unsigned char header[FCGI_HEADER_BYTES];
	ssize_t sent;

	if (n_bytes > FCGI_CONTENT_MAX)
		return write_large(s, iov + 1, n, now);
	fcgi_stdout_header(header, s->request_id, n_bytes);
	iov[0] = (struct iovec){ header, sizeof(header) };
	do
		sent = send_slices(s->fd, iov, n + 1, n_bytes + sizeof(header));
	while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return STREAM_GONE;
		sent = 0;
	}
	if ((size_t)sent == n_bytes + sizeof(header)) {
		s->written_at = now;
		return 0;
	}
	keep_unsent(s, iov, n + 1, (size_t)sent);
	return STREAM_FULL;
}

int
stream_write_buf(struct stream *s, const struct buf *bytes, mono_us now)
{
	struct iovec iov[2] = { [1] = { bytes->bytes, bytes->len } };

	return stream_write(s, iov, 1, bytes->len, now);
}

int
stream_flush(struct stream *s, mono_us now)
{
	while (s->unsent_at < s->unsent.len) {
		ssize_t sent = send(s->fd, s->unsent.bytes + s->unsent_at,
		    s->unsent.len - s->unsent_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_FULL : STREAM_GONE;
		s->unsent_at += (size_t)sent;
	}
	buf_free(&s->unsent);
	s->unsent_at = 0;
	s->written_at = now;
	return 0;
}

void
stream_end(struct stream *s)
{
	/* In the middle of a record an end would be read as data; a peer whose
	 * connection just closes takes it for a broken response, as it should. */
	if (s->unsent_at == s->unsent.len)
		conn_end(s->fd, s->request_id, s->return_to);
	else
		close(s->fd);
	s->fd = -1;
}
