#include "tests/bench/http.h"

#include <stdlib.h>
#include <strings.h>

/* value_of returns where the value of header field `name` (with its colon)
 * starts in the line, NULL where the line is another field. */
static const char *
value_of(const char *text, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len < n || strncasecmp(text, name, n) != 0)
		return NULL;
	while (n < len && text[n] == ' ')
		n++;
	return text + n;
}

static void
head_ends(struct http *h)
{
	if (h->status < 200 || h->status == 204 || h->status == 304) {
		h->state = h->status >= 200 ? HTTP_DONE : HTTP_HEAD;
	} else if (h->chunked) {
		h->state = HTTP_CHUNK_SIZE;
	} else {
		if (!h->has_length)
			h->left = UINT64_MAX; /* until the connection ends */
		h->state = h->left > 0 ? HTTP_BODY : HTTP_DONE;
	}
}

static void
head_line(struct http *h, const char *text, size_t len)
{
	const char *value;

	if (h->status == 0) {
		if (len >= 12 && memcmp(text, "HTTP/1.", 7) == 0)
			h->status = atoi(text + 9);
		if (h->status < 100)
			h->state = HTTP_BROKEN;
	} else if (len == 0) {
		head_ends(h);
	} else if ((value = value_of(text, len, "Transfer-Encoding:")) != NULL) {
		h->chunked = (size_t)(text + len - value) >= 7 && strncasecmp(value, "chunked", 7) == 0;
	} else if ((value = value_of(text, len, "Content-Length:")) != NULL) {
		h->has_length = true;
		h->left = strtoull(value, NULL, 10);
	} else if ((value = value_of(text, len, "Connection:")) != NULL) {
		h->closing = (size_t)(text + len - value) >= 5 && strncasecmp(value, "close", 5) == 0;
	}
}

static void
take_line(struct http *h, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\r')
		len--;
	switch (h->state) {
	case HTTP_HEAD:
		head_line(h, text, len);
		break;
	case HTTP_CHUNK_SIZE:
		if (len == 0 || strchr("0123456789abcdefABCDEF", text[0]) == NULL) {
			h->state = HTTP_BROKEN;
			break;
		}
		h->left = strtoull(text, NULL, 16);
		h->state = h->left > 0 ? HTTP_CHUNK : HTTP_TRAILER;
		break;
	case HTTP_CHUNK_END:
		h->state = len == 0 ? HTTP_CHUNK_SIZE : HTTP_BROKEN;
		break;
	default: /* HTTP_TRAILER */
		if (len == 0)
			h->state = HTTP_DONE;
		break;
	}
}

size_t
http_feed(struct http *h, const char *bytes, size_t n, http_body *body, void *arg)
{
	const char *p = bytes, *end = bytes + n, *text;
	size_t len;

	while (p < end && h->state < HTTP_DONE) {
		if (h->state == HTTP_BODY || h->state == HTTP_CHUNK) {
			size_t take = (size_t)(end - p);

			if (take > h->left)
				take = (size_t)h->left;
			body(arg, p, take);
			p += take;
			h->left -= take;
			if (h->left == 0)
				h->state = h->state == HTTP_BODY ? HTTP_DONE : HTTP_CHUNK_END;
		} else if (line_next(&h->line, &p, end, &text, &len)) {
			take_line(h, text, len);
		}
	}
	return (size_t)(p - bytes);
}
