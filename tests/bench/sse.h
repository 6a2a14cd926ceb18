/* Reading of server-sent events (HTML 9.2.6) as far as the benchmark needs it:
 * ids, and what a message of the benchmark carries. LF or CRLF end a line. */
#ifndef BENCH_SSE_H
#define BENCH_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "tests/bench/http.h"

/* A message of the benchmark starts with a mark, its number in 8 and the time
 * it was sent in 16 hexadecimal digits; letters fill it up to its size. */
#define MESSAGE_MARK "rcb"
enum { MESSAGE_MARK_LEN = 3, MESSAGE_HEAD = MESSAGE_MARK_LEN + 8 + 16 };

#define ANSWER_END "{\"reason\":\"done\"}"  /* data of the rowcast.end that ends an answer */

/* message_write writes a message of size bytes, at least MESSAGE_HEAD, to out. */
void message_write(char *out, size_t size, uint32_t number, mono_us sent);

/* An event as it comes in. */
struct sse_event {
	bool has_message;  /* its data are a message of the benchmark */
	bool has_id;       /* it has an id that is a number */
	bool is_told;      /* it has a name of rowcast's own: busy, gap, expired */
	bool is_end;       /* it is the end of an answer that its writer ended */
	uint32_t number;   /* of the message */
	mono_us sent;      /* when, by the sender's monotonic clock */
	int64_t id;
};

/* One event stream; all zero is ready for its first byte. */
struct sse {
	struct line line;
	struct sse_event event;
};

typedef void sse_take(void *arg, const struct sse_event *event);

/* sse_feed reads n bytes and calls take(arg, ...) at the blank line after each
 * event, with data or without. */
void sse_feed(struct sse *s, const char *bytes, size_t n, sse_take *take, void *arg);

#endif
