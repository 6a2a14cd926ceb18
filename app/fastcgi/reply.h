/* A reply: what a request is answered with, now or later, by whatever thread
 * has the answer. It owns the connection until then. */
#ifndef APP_FASTCGI_REPLY_H
#define APP_FASTCGI_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/fastcgi/conn.h"
#include "lib/buf.h"

/* The statuses that answers have, as text. */
enum { REPLY_STATUSES = 15 };
extern const char *const reply_statuses[REPLY_STATUSES];

/* How many answers had each. */
struct reply_counts {
	_Atomic uint64_t n[REPLY_STATUSES];
};

/* Owed to one request; moved by assignment, sent exactly once. */
struct reply {
	struct conn *conn;         /* owned; NULL once answered */
	uint16_t request_id;
	bool keep;                 /* the web server asked to keep the connection */
	bool head;                 /* to HEAD: without the body (RFC 3875 4.3.2) */
	struct reply_counts *counts;  /* lent: where the answer is counted; NULL: nowhere */
	const char *allow_origin;  /* lent by the configuration: the page's origin, where it may
	                            * read the answer (CORS); else NULL */
};

/* reply_send answers with a status, further header lines (each ended by CRLF;
 * NULL: none), and a body of a content type, and gives up the connection. Never
 * waits: what does not fit in the socket's buffer breaks the connection. */
void reply_send(struct reply *reply, int status, const char *headers,
    const char *content_type, const char *body, size_t body_len);

/* reply_json answers {"NAME":...}: json is the whole object. */
void reply_json(struct reply *reply, int status, const char *headers, const char *json);

/* reply_error answers {"error":"SENTENCE"}; the sentence may hold any text. */
void reply_error(struct reply *reply, int status, const char *headers, const char *sentence);

/* reply_retry is reply_error that says when to come again, in whole seconds and
 * not too early (RFC 9110 10.2.3). */
void reply_retry(struct reply *reply, int status, int64_t retry_ms, const char *sentence);

/* reply_stream_head adds the header of a response of that content type that is written as
 * it comes; of one that ends by itself (a poll) with that ETag, in its quotes, as a weak one
 * (RFC 9110 8.8.3; NULL: it does not end). */
void reply_stream_head(const struct reply *reply, struct buf *out, const char *content_type,
    const char *etag);

/* reply_event answers with a stream of one event, or none, in a form of that content type,
 * which ends at once; etag as in reply_stream_head. */
void reply_event(struct reply *reply, const char *content_type, const char *etag,
    const struct buf *event);

/* reply_not_modified answers that what the client has with that ETag is good (RFC 9110 15.4.5). */
void reply_not_modified(struct reply *reply, const char *etag);

/* reply_count counts an answer with that status. All functions here that answer do; a
 * stream that stays open is counted by whoever sends its head. */
void reply_count(const struct reply *reply, int status);

/* reply_head adds the header of an answer that is too long for one send, without the blank
 * line at its end, and counts it. Who has sent all of it, the end of the response too, or
 * gives up, calls reply_done, which gives up the connection. */
void reply_head(const struct reply *reply, struct buf *out, int status, const char *content_type);
void reply_done(struct reply *reply, bool is_sent);

/* reply_drop gives up the connection without an answer. */
void reply_drop(struct reply *reply);

/* reply_frame adds bytes to out as FCGI_STDOUT records of the request. */
void reply_frame(struct buf *out, uint16_t request_id, const char *bytes, size_t n);

#endif
