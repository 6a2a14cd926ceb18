/* Writing FastCGI records, and scanning the bytes of a request without taking
 * them. A scan belongs to one thread at a time; all else has no state: any thread. */

#include "lib/fcgi.h"

#include <string.h>

/* FastCGI 8 */
enum { VERSION_1 = 1, ROLE_RESPONDER = 1, KEEP_CONN = 1, BEGIN_BODY_BYTES = 8, END_BODY_BYTES = 8 };
enum { BEGIN_REQUEST = 1, ABORT_REQUEST = 2, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

static void
put_header(unsigned char *to, unsigned char type, uint16_t request_id, size_t content_len)
{
	to[0] = VERSION_1;
	to[1] = type;
	to[2] = (unsigned char)(request_id >> 8);
	to[3] = (unsigned char)request_id;
	to[4] = (unsigned char)(content_len >> 8);
	to[5] = (unsigned char)content_len;
	to[6] = 0;
	to[7] = 0;
}

void
fcgi_stdout_header(unsigned char header[FCGI_HEADER_BYTES], uint16_t request_id,
    size_t content_len)
{
	put_header(header, STDOUT, request_id, content_len);
}

void
fcgi_end(unsigned char records[FCGI_END_BYTES], uint16_t request_id)
{
	memset(records, 0, FCGI_END_BYTES);
	put_header(records, STDOUT, request_id, 0);
	put_header(records + FCGI_HEADER_BYTES, END_REQUEST, request_id, END_BODY_BYTES);
}

static void
add_record(struct buf *out, unsigned char type, const void *content, size_t len)
{
	unsigned char header[FCGI_HEADER_BYTES];

	put_header(header, type, 1, len);
	buf_add(out, header, sizeof(header));
	buf_add(out, content, len);
}

/* add_length adds the length of a name or a value (FastCGI 3.4). */
static void
add_length(struct buf *out, size_t len)
{
	if (len > 127) {
		buf_add_char(out, (char)(0x80 | len >> 24));
		buf_add_char(out, (char)(len >> 16));
		buf_add_char(out, (char)(len >> 8));
	}
	buf_add_char(out, (char)len);
}

void
fcgi_get(struct buf *out, const char *const params[])
{
	static const unsigned char begin[BEGIN_BODY_BYTES] = { 0, ROLE_RESPONDER };
	struct buf pairs = BUF_EMPTY;

	for (; *params != NULL; params += 2) {
		add_length(&pairs, strlen(params[0]));
		add_length(&pairs, strlen(params[1]));
		buf_add_str(&pairs, params[0]);
		buf_add_str(&pairs, params[1]);
	}
	add_record(out, BEGIN_REQUEST, begin, sizeof(begin));
	/* An empty record ends the parameters: there may be only one. */
	if (pairs.len > 0)
		add_record(out, PARAMS, pairs.bytes, pairs.len);
	add_record(out, PARAMS, NULL, 0);
	add_record(out, STDIN, NULL, 0);
	buf_free(&pairs);
}

void
fcgi_add_content(struct buf *out, const char *records, size_t n)
{
	const unsigned char *at = (const unsigned char *)records;

	while (n >= FCGI_HEADER_BYTES) {
		size_t len = (size_t)at[4] << 8 | at[5];
		size_t whole = FCGI_HEADER_BYTES + len + at[6];

		if (whole > n)
			return;
		if (at[1] == STDOUT)
			buf_add(out, at + FCGI_HEADER_BYTES, len);
		at += whole;
		n -= whole;
	}
}

/* ---- scanning ---- */

/* What follows is read twice: here, and by libfcgi (2.4.2), which waits for what
 * it believes to come. So what the two could understand differently is bad, with
 * the header that shows it:
 * - Padding of BEGIN_REQUEST and of the empty PARAMS and STDIN: libfcgi ends the
 *   reader of one stream there and begins the next with the padding, which it
 *   takes for a header, and whose content it waits for.
 * - A record of another request: libfcgi passes over it, and where it is empty
 *   over the content of the next record, too.
 * - A management record (id 0): libfcgi answers it, by a write that may wait,
 *   and goes on.
 * - A second BEGIN_REQUEST: libfcgi answers that it cannot multiplex, likewise.
 * - Another type than the stream's that is being read, or a pair that is cut off
 *   by the end of PARAMS: an error to libfcgi, which closes the connection.
 * - Lengths of a pair: libfcgi adds them up as int and allocates as much.
 * ABORT_REQUEST, an error to libfcgi as well, is told apart for whoever scans.
 * The reserved bytes of headers and of BEGIN_REQUEST, and its flags but for
 * KEEP_CONN, libfcgi does not look at, and neither do we. */

void
fcgi_scan_init(struct fcgi_scan *scan, size_t head_max_bytes)
{
	*scan = (struct fcgi_scan){ .head_max_bytes = head_max_bytes };
}

/* expected_type returns the one type that may come now, besides ABORT_REQUEST. */
static unsigned char
expected_type(const struct fcgi_scan *scan)
{
	if (!scan->begun)
		return BEGIN_REQUEST;
	return scan->state == FCGI_SCAN_BODY ? STDIN : PARAMS;
}

/* take_header returns the state that the header, which is there, leads to. */
static enum fcgi_scan_state
take_header(struct fcgi_scan *scan)
{
	const unsigned char *header = scan->header;
	uint16_t id = (uint16_t)(header[2] << 8 | header[3]);
	unsigned char type = header[1];

	scan->content_left = (uint16_t)(header[4] << 8 | header[5]);
	scan->padding_left = header[6];
	if (header[0] != VERSION_1 || id == 0 || (scan->begun && id != scan->request_id))
		return FCGI_SCAN_BAD;
	scan->request_id = id;
	if (type == ABORT_REQUEST)
		return scan->content_left == 0 && scan->padding_left == 0
		    ? FCGI_SCAN_ABORTED : FCGI_SCAN_BAD;
	if (type != expected_type(scan))
		return FCGI_SCAN_BAD;
	if (type == BEGIN_REQUEST)
		return scan->content_left == BEGIN_BODY_BYTES && scan->padding_left == 0
		    ? FCGI_SCAN_PARTIAL : FCGI_SCAN_BAD;
	if (type == PARAMS && scan->head_bytes + scan->content_left > scan->head_max_bytes)
		return FCGI_SCAN_BAD;
	if (scan->content_left > 0)
		return scan->state;
	if (scan->padding_left > 0)
		return FCGI_SCAN_BAD;
	if (type == STDIN)
		return FCGI_SCAN_WHOLE;
	return scan->n_lengths == 0 && scan->length_left == 0 ? FCGI_SCAN_BODY : FCGI_SCAN_BAD;
}

/* take_begin returns false where not a responder is asked. */
static bool
take_begin(struct fcgi_scan *scan, const unsigned char *bytes, size_t n)
{
	memcpy(scan->begin + scan->n_begin, bytes, n);
	scan->n_begin += (unsigned char)n;
	if (scan->n_begin < BEGIN_BODY_BYTES)
		return true;
	scan->begun = true;
	scan->keep = scan->begin[2] & KEEP_CONN;
	return scan->begin[0] == 0 && scan->begin[1] == ROLE_RESPONDER;
}

/* take_pairs goes through names and values, of which it reads the lengths only.
 * False where a pair is larger than all parameters may be, or one too many. */
static bool
take_pairs(struct fcgi_scan *scan, const unsigned char *bytes, size_t n)
{
	const unsigned char *end = bytes + n;

	while (bytes < end) {
		if (scan->n_lengths == 2) {
			size_t skip = (size_t)(end - bytes);

			if (skip > scan->pair_left)
				skip = scan->pair_left;
			bytes += skip;
			scan->pair_left -= skip;
		} else if (scan->length_left == 0 && *bytes >= 0x80) {
			scan->length = *bytes++ & 0x7f;
			scan->length_left = 3;
		} else {
			if (scan->length_left == 0) {
				scan->length = *bytes++;
			} else {
				scan->length = scan->length << 8 | *bytes++;
				if (--scan->length_left > 0)
					continue;
			}
			scan->pair_left += scan->length;
			scan->n_lengths++;
			if (scan->pair_left > scan->head_max_bytes)
				return false;
			if (scan->n_lengths == 2 && ++scan->n_pairs > FCGI_PARAMS_MAX)
				return false;
		}
		if (scan->n_lengths == 2 && scan->pair_left == 0)
			scan->n_lengths = 0;
	}
	return true;
}

/* take_content returns false where it makes the request bad. */
static bool
take_content(struct fcgi_scan *scan, const unsigned char *bytes, size_t n, struct buf *body)
{
	scan->content_left -= (uint16_t)n;
	switch (scan->header[1]) {
	case BEGIN_REQUEST:
		return take_begin(scan, bytes, n);
	case PARAMS:
		return take_pairs(scan, bytes, n);
	default:
		if (body != NULL)
			buf_add(body, bytes, n);
		return true;
	}
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t
fcgi_scan(struct fcgi_scan *scan, const unsigned char *bytes, size_t n, struct buf *body)
{
	enum fcgi_scan_state before = scan->state;
	size_t at = 0;

	while (at < n && scan->state == before) {
		size_t taken;

		if (scan->n_header < FCGI_HEADER_BYTES) {
			taken = least(n - at, FCGI_HEADER_BYTES - scan->n_header);
			memcpy(scan->header + scan->n_header, bytes + at, taken);
			scan->n_header += (unsigned char)taken;
			if (scan->n_header == FCGI_HEADER_BYTES)
				scan->state = take_header(scan);
		} else if (scan->content_left > 0) {
			taken = least(n - at, scan->content_left);
			if (!take_content(scan, bytes + at, taken, body))
				scan->state = FCGI_SCAN_BAD;
		} else {
			taken = least(n - at, scan->padding_left);
			scan->padding_left -= (unsigned char)taken;
		}
		if (scan->n_header == FCGI_HEADER_BYTES && scan->content_left == 0
		    && scan->padding_left == 0)
			scan->n_header = 0;
		at += taken;
		if (before == FCGI_SCAN_PARTIAL && (scan->head_bytes += taken) > scan->head_max_bytes)
			scan->state = FCGI_SCAN_BAD;
	}
	return at;
}

bool
fcgi_is_abort(const unsigned char *bytes, size_t n, uint16_t request_id)
{
	unsigned char abort_request[FCGI_HEADER_BYTES];

	put_header(abort_request, ABORT_REQUEST, request_id, 0);
	return n == sizeof(abort_request) && memcmp(bytes, abort_request, n - 1) == 0;
}
