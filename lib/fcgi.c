/* Writing FastCGI records, and scanning the bytes of a request without taking
 * them. No state: any thread. */

#include "lib/fcgi.h"

#include <stdbool.h>
#include <string.h>

/* FastCGI 8 */
enum { VERSION_1 = 1, ROLE_RESPONDER = 1, BEGIN_BODY_BYTES = 8, END_BODY_BYTES = 8 };
enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

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

void
fcgi_get(struct buf *out, const char *const params[])
{
	static const unsigned char begin[BEGIN_BODY_BYTES] = { 0, ROLE_RESPONDER };
	struct buf pairs = BUF_EMPTY;

	for (; *params != NULL; params += 2) {
		buf_add_char(&pairs, (char)strlen(params[0]));
		buf_add_char(&pairs, (char)strlen(params[1]));
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

/* length takes a name's or value's length (FastCGI 3.4) at *at. */
static bool
length(const unsigned char *bytes, size_t n, size_t *at, size_t *value)
{
	if (*at >= n)
		return false;
	if (bytes[*at] < 0x80) {
		*value = bytes[(*at)++];
		return true;
	}
	if (n - *at < 4)
		return false;
	*value = (size_t)(bytes[*at] & 0x7f) << 24 | (size_t)bytes[*at + 1] << 16
	    | (size_t)bytes[*at + 2] << 8 | bytes[*at + 3];
	*at += 4;
	return true;
}

static bool
params_are_whole(const unsigned char *bytes, size_t n)
{
	size_t at = 0, n_pairs = 0, name, value;

	while (at < n) {
		if (n_pairs++ == FCGI_PARAMS_MAX || !length(bytes, n, &at, &name)
		    || !length(bytes, n, &at, &value) || name > n - at
		    || value > n - at - name)
			return false;
		at += name + value;
	}
	return true;
}

enum fcgi_scan
fcgi_scan(const unsigned char *bytes, size_t n, unsigned char *scratch)
{
	size_t at = 0, n_params = 0;
	unsigned char expected = BEGIN_REQUEST;
	unsigned request_id = 0;

	while (n - at >= FCGI_HEADER_BYTES) {
		const unsigned char *header = bytes + at, *content = header + FCGI_HEADER_BYTES;
		unsigned id = (unsigned)header[2] << 8 | header[3];
		size_t len = (size_t)header[4] << 8 | header[5];
		size_t have = n - at - FCGI_HEADER_BYTES;

		if (header[0] != VERSION_1 || header[1] != expected || id == 0)
			return FCGI_SCAN_BAD;
		if (expected == BEGIN_REQUEST)
			request_id = id;
		if (id != request_id)
			return FCGI_SCAN_BAD;
		if (expected == BEGIN_REQUEST && len != BEGIN_BODY_BYTES)
			return FCGI_SCAN_BAD;
		/* libfcgi takes what pads an empty record for the next record's header,
		 * and waits for the content that it promises. */
		if (len == 0 && header[6] != 0)
			return FCGI_SCAN_BAD;
		if (have < len + header[6])
			break;
		if (expected == STDIN && len == 0)
			return have > 0 ? FCGI_SCAN_MORE : FCGI_SCAN_WHOLE;
		if (expected == BEGIN_REQUEST) {
			if (content[0] != 0 || content[1] != ROLE_RESPONDER)
				return FCGI_SCAN_BAD;
			expected = PARAMS;
		} else if (expected == PARAMS && len > 0) {
			memcpy(scratch + n_params, content, len);
			n_params += len;
		} else if (expected == PARAMS) {
			if (!params_are_whole(scratch, n_params))
				return FCGI_SCAN_BAD;
			expected = STDIN;
		}
		at += FCGI_HEADER_BYTES + len + header[6];
	}
	return expected == STDIN ? FCGI_SCAN_BODY : FCGI_SCAN_PARTIAL;
}
