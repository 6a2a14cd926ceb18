/* The web server's side of one request: a socketpair to answer into, and what
 * came out of it. */
#ifndef TESTS_FUZZ_ANSWER_H
#define TESTS_FUZZ_ANSWER_H

#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/fastcgi/reply.h"
#include "lib/buf.h"

enum { ANSWER_REQUEST_ID = 1, ANSWER_STDOUT = 6, ANSWER_END_REQUEST = 3 };

/* answer_conn makes a connection such as intake gives out, and returns the web
 * server's end, which the caller closes. */
static inline int
answer_conn(struct conn **conn)
{
	int ends[2];

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	*conn = conn_open(ends[0], NULL);
	return ends[1];
}

/* answer_owed makes a reply that is owed on such a connection. */
static inline int
answer_owed(struct reply *reply)
{
	*reply = (struct reply){ .request_id = ANSWER_REQUEST_ID };
	return answer_conn(&reply->conn);
}

/* answer_read takes what was answered out of the FastCGI records and checks the
 * header. Returns the status; the body is added to *body. */
static inline int
answer_read(int fd, unsigned request_id, struct buf *body)
{
	struct buf got = BUF_EMPTY, text = BUF_EMPTY;
	const unsigned char *at;
	bool ended = false;
	size_t left;
	ssize_t n;
	char *head, *blank;
	int status;

	while ((n = recv(fd, buf_reserve(&got, 4096), 4096, MSG_DONTWAIT)) > 0)
		got.len += (size_t)n;
	at = (const unsigned char *)got.bytes;
	for (left = got.len; left > 0 && !ended;) {
		size_t len;

		REQUIRE(left >= 8 && at[0] == 1);
		REQUIRE(((unsigned)at[2] << 8 | at[3]) == request_id);
		len = (size_t)at[4] << 8 | at[5];
		REQUIRE(left >= 8 + len + at[6]);
		ended = at[1] == ANSWER_END_REQUEST;
		REQUIRE(ended || at[1] == ANSWER_STDOUT);
		if (!ended)
			buf_add(&text, at + 8, len);
		left -= 8 + len + at[6];
		at += 8 + len + at[6];
	}
	REQUIRE(ended && left == 0);
	buf_free(&got);

	head = mem_strndup(text.bytes, text.len);
	blank = strstr(head, "\r\n\r\n");
	REQUIRE(blank != NULL);
	buf_add(body, text.bytes + (blank - head) + 4, text.len - (size_t)(blank - head) - 4);
	*blank = '\0';
	REQUIRE(sscanf(head, "Status: %3d ", &status) == 1);
	for (char *c = head; *c != '\0'; c++)
		REQUIRE((*c >= ' ' && *c < '\x7f') || (c[0] == '\r' && c[1] == '\n')
		    || (c[0] == '\n' && c > head && c[-1] == '\r'));
	free(head);
	buf_free(&text);
	return status;
}

/* answer_error_or reads an answer that has to be {"error":SENTENCE}, or without a body where
 * its status is this one. */
static inline int
answer_error_or(int fd, int bodiless)
{
	struct buf body = BUF_EMPTY;
	int status = answer_read(fd, ANSWER_REQUEST_ID, &body);
	json_t *json;
	const char *sentence;

	if (status == bodiless) {
		REQUIRE(body.len == 0);
		buf_free(&body);
		return status;
	}
	json = json_loadb(body.bytes, body.len, JSON_REJECT_DUPLICATES, NULL);
	sentence = json_string_value(json_object_get(json, "error"));

	REQUIRE(status >= 400 && sentence != NULL && *sentence != '\0');
	json_decref(json);
	buf_free(&body);
	return status;
}

static inline int
answer_error(int fd)
{
	return answer_error_or(fd, 0);
}

#endif
