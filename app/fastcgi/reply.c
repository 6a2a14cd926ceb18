/* Writes replies: the header and the body as FastCGI records, in one send that
 * never waits. Any thread that owns the reply; it touches nothing but the reply
 * and its connection, and gives the connection up at the end. */

#include "app/fastcgi/reply.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/fcgi.h"
#include "lib/jsontext.h"
#include "lib/mem.h"

#define STATUSES(STATUS) \
	STATUS(200, "OK") STATUS(201, "Created") STATUS(204, "No Content") STATUS(304, "Not Modified") \
	STATUS(400, "Bad Request") STATUS(401, "Unauthorized") STATUS(403, "Forbidden") \
	STATUS(404, "Not Found") STATUS(405, "Method Not Allowed") \
	STATUS(408, "Request Timeout") STATUS(409, "Conflict") STATUS(413, "Content Too Large") \
	STATUS(415, "Unsupported Media Type") STATUS(429, "Too Many Requests") \
	STATUS(503, "Service Unavailable")

#define TEXT(status, reason) #status,
const char *const reply_statuses[REPLY_STATUSES] = { STATUSES(TEXT) };
#undef TEXT

/* index_of returns where a status stands among them, REPLY_STATUSES where it does not. */
static size_t
index_of(int status)
{
#define NUMBER(status, reason) status,
	static const int numbers[REPLY_STATUSES] = { STATUSES(NUMBER) };
#undef NUMBER

	for (size_t i = 0; i < REPLY_STATUSES; i++)
		if (numbers[i] == status)
			return i;
	return REPLY_STATUSES;
}

static const char *
reason_of(int status)
{
#define REASON(status, reason) reason,
	static const char *const reasons[REPLY_STATUSES + 1] = { STATUSES(REASON) "Unknown" };
#undef REASON

	return reasons[index_of(status)];
}

void
reply_count(const struct reply *reply, int status)
{
	size_t i = index_of(status);

	if (reply->counts != NULL && i < REPLY_STATUSES)
		atomic_fetch_add_explicit(&reply->counts->n[i], 1, memory_order_relaxed);
}

/* add_head adds what every answer has. Vary: a cache must not give one
 * origin's answer to another. */
static void
add_head(const struct reply *reply, struct buf *out, int status, const char *content_type)
{
	buf_printf(out, "Status: %d %s\r\n", status, reason_of(status));
	if (content_type != NULL)
		buf_printf(out, "Content-Type: %s\r\n", content_type);
	buf_add_str(out, "X-Content-Type-Options: nosniff\r\n");
	if (reply->allow_origin != NULL)
		buf_printf(out, "Access-Control-Allow-Origin: %s\r\n"
		    "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n",
		    reply->allow_origin);
}

void
reply_frame(struct buf *out, uint16_t request_id, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t len = n < FCGI_CONTENT_MAX ? n : FCGI_CONTENT_MAX;
		unsigned char header[FCGI_HEADER_BYTES];

		fcgi_stdout_header(header, request_id, len);
		buf_add(out, header, sizeof(header));
		buf_add(out, bytes, len);
		bytes += len;
		n -= len;
	}
}

void
reply_done(struct reply *reply, bool is_sent)
{
	if (is_sent && (reply->keep || conn_is_unfinished(reply->conn)))
		conn_keep(reply->conn);
	else
		conn_close(reply->conn);
	reply->conn = NULL;
}

/* finish sends a whole response and gives the connection up. */
static void
finish(struct reply *reply, const struct buf *response)
{
	struct buf records = BUF_EMPTY;
	unsigned char end[FCGI_END_BYTES];
	ssize_t sent;

	reply_frame(&records, reply->request_id, response->bytes, response->len);
	fcgi_end(end, reply->request_id);
	buf_add(&records, end, sizeof(end));
	sent = send(reply->conn->fd, records.bytes, records.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	reply_done(reply, sent == (ssize_t)records.len);
	buf_free(&records);
}

void
reply_head(const struct reply *reply, struct buf *out, int status, const char *content_type)
{
	reply_count(reply, status);
	add_head(reply, out, status, content_type);
	buf_add_str(out, "Cache-Control: no-store\r\n");
}

void
reply_send(struct reply *reply, int status, const char *headers,
    const char *content_type, const char *body, size_t body_len)
{
	struct buf response = BUF_EMPTY;

	reply_head(reply, &response, status, content_type);
	if (headers != NULL)
		buf_add_str(&response, headers);
	buf_add_str(&response, "\r\n");
	if (!reply->head)
		buf_add(&response, body, body_len);
	finish(reply, &response);
	buf_free(&response);
}

void
reply_json(struct reply *reply, int status, const char *headers, const char *json)
{
	reply_send(reply, status, headers, "application/json", json, strlen(json));
}

void
reply_error(struct reply *reply, int status, const char *headers, const char *sentence)
{
	struct buf json = BUF_EMPTY;

	buf_add_str(&json, "{\"error\":");
	jsontext_add_string(&json, sentence);
	buf_add_str(&json, "}");
	reply_send(reply, status, headers, "application/json", json.bytes, json.len);
	buf_free(&json);
}

void
reply_retry(struct reply *reply, int status, int64_t retry_ms, const char *sentence)
{
	char *header = mem_printf("Retry-After: %lld\r\n", (long long)(retry_ms + 999) / 1000);

	reply_error(reply, status, header, sentence);
	free(header);
}

/* add_etag adds what tells a client that it may keep the answer, and ask whether it is still
 * good. Accept chooses among its forms. */
static void
add_etag(struct buf *out, const char *etag)
{
	buf_printf(out, "Cache-Control: private, no-cache\r\nETag: W/%s\r\nVary: Accept\r\n", etag);
}

void
reply_stream_head(const struct reply *reply, struct buf *out, const char *content_type,
    const char *etag)
{
	add_head(reply, out, 200, content_type);
	if (etag != NULL)
		add_etag(out, etag);
	else
		/* For proxies that would hold events back to compress them (RFC 9110 7.7). */
		buf_add_str(out, "Cache-Control: no-cache, no-transform\r\n");
	/* For nginx and those who learned it from nginx; lighttpd from 1.4.83 and others who
	 * follow RFC draft Incremental. */
	buf_add_str(out, "X-Accel-Buffering: no\r\nIncremental: ?1\r\n\r\n");
}

void
reply_event(struct reply *reply, const char *content_type, const char *etag,
    const struct buf *event)
{
	struct buf response = BUF_EMPTY;

	reply_count(reply, 200);
	reply_stream_head(reply, &response, content_type, etag);
	if (!reply->head)
		buf_add(&response, event->bytes, event->len);
	finish(reply, &response);
	buf_free(&response);
}

void
reply_not_modified(struct reply *reply, const char *etag)
{
	struct buf response = BUF_EMPTY;

	reply_count(reply, 304);
	add_head(reply, &response, 304, NULL);
	add_etag(&response, etag);
	buf_add_str(&response, "\r\n");
	finish(reply, &response);
	buf_free(&response);
}

void
reply_drop(struct reply *reply)
{
	conn_close(reply->conn);
	reply->conn = NULL;
}
