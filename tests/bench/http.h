/* Reading of HTTP/1.1 responses as their bytes come, without keeping them:
 * no allocation, and of a line that is split over two reads only the beginning
 * is remembered. Body bytes go to a function, a chunk (or a read) at a time. */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { LINE_KEPT = 64 }; /* bytes of a split line; nothing that is looked at is longer */

/* The beginning of a line whose end has not come yet. All zero is empty. */
struct line {
	unsigned len;
	char text[LINE_KEPT];
};

/* line_next takes bytes from *bytes, which it moves on, up to end or through
 * the next LF. True: *text and *len are the line without its LF (of a split
 * line the first LINE_KEPT bytes), good until the next call. */
static inline bool
line_next(struct line *l, const char **bytes, const char *end, const char **text, size_t *len)
{
	const char *start = *bytes;
	const char *lf = memchr(start, '\n', (size_t)(end - start));
	const char *stop = lf != NULL ? lf : end;

	*bytes = lf != NULL ? lf + 1 : end;
	if (lf != NULL && l->len == 0) {
		*text = start;
		*len = (size_t)(stop - start);
		return true;
	}
	while (start < stop && l->len < LINE_KEPT)
		l->text[l->len++] = *start++;
	if (lf == NULL)
		return false;
	*text = l->text;
	*len = l->len;
	l->len = 0;
	return true;
}

enum http_state {
	HTTP_HEAD,       /* status line and header fields */
	HTTP_BODY,       /* the next `left` bytes are body */
	HTTP_CHUNK_SIZE, /* the line before a chunk */
	HTTP_CHUNK,      /* the next `left` bytes are body, then an empty line */
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_DONE,       /* the response is complete */
	HTTP_BROKEN      /* what came is no HTTP */
};

/* One response; all zero is ready for its first byte. */
struct http {
	enum http_state state;
	int status;       /* 0 until the status line was read */
	bool chunked;
	bool closing;     /* the server said Connection: close */
	bool has_length;
	uint64_t left;    /* bytes of body or chunk still to come */
	struct line line;
};

typedef void http_body(void *arg, const char *bytes, size_t n);

/* http_feed reads n bytes; body(arg, ...) gets what is body. Returns the number
 * of bytes it took, less than n only where the response ended before them. */
size_t http_feed(struct http *h, const char *bytes, size_t n, http_body *body, void *arg);

/* http_has_head: the head was read, h->status is the status. */
static inline bool
http_has_head(const struct http *h)
{
	return h->state != HTTP_HEAD && h->state != HTTP_BROKEN;
}

/* http_ends_well: the connection ended, and so may the response have done that
 * has no other sign of its end (RFC 9112 6.3). */
static inline bool
http_ends_well(const struct http *h)
{
	return h->state == HTTP_BODY && !h->has_length;
}

#endif
