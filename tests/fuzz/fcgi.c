/* The bytes of a connection, through fcgi_scan and, where that lets them pass,
 * request_read, once from the socket and once as they arrive in pieces, and an answer. The first byte chooses: bytes as they are, or
 * lines of parameters and a body that are put into records here, cut wherever
 * the input says. What request_read gives is compared with a reading of our
 * own; a request that the scan calls whole must never be waited for, and one
 * that is cut never be taken for whole. */

#include "tests/fuzz/answer.h"

#include <fcntl.h>

#include "app/fastcgi/arrival.h"
#include "app/fastcgi/request.h"
#include "lib/fcgi.h"

enum { RAW = 0, BODY_MAX_BYTES = 3000, BEGIN = 1, PARAMS = 4, STDIN = 5, MOST_BYTES = 60000 };

static struct holdings holdings;

int
LLVMFuzzerInitialize(int *argc __attribute__((unused)), char ***argv __attribute__((unused)))
{
	request_init_library();
	holdings_init(&holdings);
	return 0;
}

/* ---- writing ---- */

static void
add_record(struct buf *out, unsigned char type, const char *content, size_t len, size_t padding)
{
	unsigned char header[8] = { 1, type, 1, 7, (unsigned char)(len >> 8), (unsigned char)len,
		(unsigned char)padding, 0 };

	buf_add(out, header, sizeof(header));
	buf_add(out, content, len);
	while (padding-- > 0)
		buf_add_char(out, '~');
}

/* add_stream cuts the bytes into records of as many as the input says. */
static void
add_stream(struct buf *out, unsigned char type, const struct buf *bytes, struct input *cuts)
{
	size_t at = 0;

	while (at < bytes->len) {
		size_t cut = input_byte(cuts), len = bytes->len - at;

		if (cut != 0 && cut < len)
			len = cut;
		add_record(out, type, bytes->bytes + at, len, cut % 3 == 1 ? cut : 0);
		at += len;
	}
	add_record(out, type, NULL, 0, 0);
}

static void
add_length(struct buf *out, size_t len, bool as_four)
{
	if (as_four || len > 127) {
		buf_add_char(out, (char)(len >> 24 | 0x80));
		buf_add_char(out, (char)(len >> 16));
		buf_add_char(out, (char)(len >> 8));
	}
	buf_add_char(out, (char)len);
}

/* assemble: up to an empty line NAME=VALUE, then a line of cuts, then the body. */
static void
assemble(struct buf *out, struct input *in, bool as_four, bool keep)
{
	const char begin[8] = { 0, 1, (char)keep };
	struct buf params = BUF_EMPTY, body = BUF_EMPTY;
	char *line;
	struct input cuts;

	for (;;) {
		size_t len, name_len;

		line = input_line(in);
		if (*line == '\0')
			break;
		len = strlen(line);
		name_len = strcspn(line, "=");
		add_length(&params, name_len, as_four);
		add_length(&params, name_len < len ? len - name_len - 1 : 0, as_four);
		buf_add(&params, line, name_len);
		if (name_len < len)
			buf_add_str(&params, line + name_len + 1);
		free(line);
	}
	free(line);
	line = input_line(in);
	cuts = (struct input){ line, strlen(line) };
	buf_add(&body, in->at, in->left);
	add_record(out, BEGIN, begin, sizeof(begin), 0);
	add_stream(out, PARAMS, &params, &cuts);
	add_stream(out, STDIN, &body, &cuts);
	buf_free(&params);
	buf_free(&body);
	free(line);
}

/* ---- a reading of our own ---- */

struct reading {
	unsigned request_id;
	struct buf params, body;
	char *strings;    /* each NAME=VALUE, ended by NUL, then an empty one; owned */
};

static size_t
take_length(const struct buf *params, size_t *at)
{
	const unsigned char *p = (const unsigned char *)params->bytes + *at;

	*at += p[0] < 0x80 ? 1 : 4;
	return p[0] < 0x80 ? p[0]
	    : (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static void
reading_of(struct reading *r, const struct buf *bytes)
{
	const unsigned char *at = (const unsigned char *)bytes->bytes;
	struct buf strings = BUF_EMPTY;
	size_t len;

	*r = (struct reading){ .request_id = (unsigned)at[2] << 8 | at[3] };
	for (; at[1] != STDIN || (at[4] | at[5]) != 0; at += 8 + len + at[6]) {
		len = (size_t)at[4] << 8 | at[5];
		if (at[1] != BEGIN)
			buf_add(at[1] == PARAMS ? &r->params : &r->body, at + 8, len);
	}
	for (size_t i = 0; i < r->params.len;) {
		size_t name_len = take_length(&r->params, &i), value_len = take_length(&r->params, &i);

		buf_add(&strings, r->params.bytes + i, name_len);
		buf_add_char(&strings, '=');
		buf_add(&strings, r->params.bytes + i + name_len, value_len);
		buf_add_char(&strings, '\0');
		i += name_len + value_len;
	}
	/* A NUL inside a parameter ends it for whoever reads strings, so what
	 * follows is not looked at here either. */
	r->strings = NULL;
	if (r->params.len == 0 || memchr(r->params.bytes, '\0', r->params.len) == NULL)
		r->strings = buf_take(&strings);
	buf_free(&strings);
}

static const char *
find_param(const struct reading *r, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = r->strings; *at != '\0'; at += strlen(at) + 1)
		if (strncmp(at, name, len) == 0 && at[len] == '=')
			return at + len + 1;
	return NULL;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
check_whole(const struct request *request, int outcome, const struct buf *bytes)
{
	struct reading r;

	reading_of(&r, bytes);
	if (outcome == REQUEST_GONE) {
		REQUIRE(r.strings == NULL || *r.strings == '\0'
		    || find_param(&r, "REQUEST_METHOD") == NULL
		    || *find_param(&r, "REQUEST_METHOD") == '\0');
		goto done;
	}
	REQUIRE(outcome == (r.body.len > BODY_MAX_BYTES ? REQUEST_TOO_LARGE : 0));
	if (outcome == 0) {
		REQUIRE(request->body.len == r.body.len);
		REQUIRE(r.body.len == 0 || memcmp(request->body.bytes, r.body.bytes, r.body.len) == 0);
	}
	REQUIRE(request->reply.request_id == r.request_id);
	if (r.strings != NULL) {
		const char *type = find_param(&r, "CONTENT_TYPE");

		REQUIRE(same(request->method, find_param(&r, "REQUEST_METHOD")));
		REQUIRE(same(request->authorization, find_param(&r, "HTTP_AUTHORIZATION")));
		REQUIRE(same(request->last_event_id, find_param(&r, "HTTP_LAST_EVENT_ID")));
		REQUIRE(same(request->content_type, type != NULL && *type == '\0' ? NULL : type));
		REQUIRE(request->is_local == (find_param(&r, "ROWCAST_LOCAL") != NULL));
	}
done:
	free(r.strings);
	buf_free(&r.params);
	buf_free(&r.body);
}

/* ---- the request path ---- */

enum { HEAD_MAX_BYTES = 64 << 10 };

static bool
goes_on(const struct fcgi_scan *scan)
{
	return scan->state == FCGI_SCAN_PARTIAL || scan->state == FCGI_SCAN_BODY;
}

/* scan scans the first n bytes in one piece, of a size of their own so that a
 * byte read behind them is noticed. */
static enum fcgi_scan_state
scan(const struct buf *bytes, size_t n, size_t *taken)
{
	unsigned char *copy = mem_alloc(n > 0 ? n : 1);
	struct fcgi_scan scan;

	if (n > 0)
		memcpy(copy, bytes->bytes, n);
	fcgi_scan_init(&scan, HEAD_MAX_BYTES);
	for (*taken = 0; *taken < n && goes_on(&scan);)
		*taken += fcgi_scan(&scan, copy + *taken, n - *taken, NULL);
	free(copy);
	return scan.state;
}

/* arrive has the bytes come in pieces of that many. */
static struct arrival *
arrive(struct conn *conn, const struct buf *bytes, size_t piece)
{
	struct arrival *arrival = arrival_new(conn, &holdings, HEAD_MAX_BYTES);

	for (size_t at = 0; at < bytes->len && goes_on(&arrival->scan);) {
		size_t n = bytes->len - at < piece ? bytes->len - at : piece;

		at += arrival_take(arrival, (unsigned char *)bytes->bytes + at, n);
	}
	return arrival;
}

static void
answer(struct request *request, int fd, unsigned id)
{
	struct buf body = BUF_EMPTY;
	size_t len = request->reply.head ? 0 : 2;

	request->reply.keep = false;  /* there is no intake to give it back to */
	reply_send(&request->reply, 200, NULL, "text/plain", "ok", 2);
	REQUIRE(answer_read(fd, id, &body) == 200 && body.len == len);
	buf_free(&body);
	request_free(request);
}

/* read_whole reads a whole request from the socket, as intake leaves it there:
 * nothing may be waited for, which would show as bytes that are not there. */
static void
read_whole(const struct buf *bytes, bool alone)
{
	struct request request;
	struct conn *conn;
	char left_over;
	int fd = answer_conn(&conn), outcome;

	REQUIRE(send(fd, bytes->bytes, bytes->len, MSG_DONTWAIT) == (ssize_t)bytes->len);
	REQUIRE(fcntl(conn->fd, F_SETFL, O_NONBLOCK) == 0);
	outcome = request_read(&request, conn, BODY_MAX_BYTES);
	check_whole(&request, outcome, bytes);
	/* What is left over would be taken for the next request. */
	if (alone && outcome == 0)
		REQUIRE(recv(request.reply.conn->fd, &left_over, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
	if (outcome != REQUEST_GONE)
		answer(&request, fd, request.reply.request_id);
	close(fd);
}

/* read_arrived reads what has come in pieces, to its end or to that of its
 * head. */
static void
read_arrived(const struct buf *bytes, size_t piece, bool whole)
{
	struct request request;
	struct conn *conn;
	int fd = answer_conn(&conn), outcome;

	conn->arrival = arrive(conn, bytes, piece);
	REQUIRE(conn->arrival->scan.state == (whole ? FCGI_SCAN_WHOLE : FCGI_SCAN_BODY));
	outcome = request_read(&request, conn, BODY_MAX_BYTES);
	if (whole)
		check_whole(&request, outcome, bytes);
	else
		REQUIRE(outcome == REQUEST_GONE || (outcome == 0 && request.body.len == 0));
	if (outcome != REQUEST_GONE && whole)
		answer(&request, fd, request.reply.request_id);
	else if (outcome != REQUEST_GONE)
		request_free(&request);
	REQUIRE(holdings.n_bytes == 0);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	unsigned choice = input_byte(&in);
	size_t cut = (size_t)input_byte(&in) << 8, taken, part_taken;
	struct buf bytes = BUF_EMPTY;
	enum fcgi_scan_state seen, part;

	cut |= input_byte(&in);
	if ((choice & 1) == RAW)
		buf_add(&bytes, in.at, in.left);
	else
		assemble(&bytes, &in, choice & 2, choice & 4);
	if (bytes.len > MOST_BYTES)
		goto done;
	seen = scan(&bytes, bytes.len, &taken);
	REQUIRE((choice & 1) == RAW || (seen == FCGI_SCAN_WHOLE && taken == bytes.len));
	if (seen == FCGI_SCAN_WHOLE)
		read_whole(&bytes, taken == bytes.len);
	if (seen == FCGI_SCAN_WHOLE || seen == FCGI_SCAN_BODY)
		read_arrived(&bytes, 1 + cut % 300, seen == FCGI_SCAN_WHOLE);

	/* A part says the same, or less. */
	cut = bytes.len > 0 ? cut % bytes.len : 0;
	part = scan(&bytes, cut, &part_taken);
	REQUIRE(part == FCGI_SCAN_PARTIAL || part == seen
	    || (part == FCGI_SCAN_BODY && seen != FCGI_SCAN_PARTIAL));
	REQUIRE(part_taken <= taken);
	if (part == FCGI_SCAN_BODY) {
		bytes.len = cut;
		read_arrived(&bytes, 1 + choice, false);
	}
done:
	buf_free(&bytes);
	return 0;
}
