/* The encoder against an EventSource parser of its own (eventsource.h): events,
 * heartbeats and cursors in any order have to come out as they went in. The
 * input is blocks: a byte that says what kind, then for an event a line with
 * its name and, up to a byte FF, its data. What of them is not UTF-8 has to come
 * out repaired (subparts.h). */

#include "tests/fuzz/eventsource.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/subparts.h"

#include <inttypes.h>

#include "app/hub/block.h"
#include "app/fastcgi/reply.h"
#include "lib/sse.h"

enum { MAX_EVENTS = 64, MAX_ID_SHIFT = 62 };

/* What ought to come out, one after the other. */
struct expected {
	struct {
		char *event;
		struct buf data;
		int64_t id;
	} events[MAX_EVENTS];
	size_t n, at;
};

/* add_lines adds data the way JavaScript gets it: LF between lines. */
static void
add_lines(struct buf *out, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		buf_add_char(out, data[i] == '\r' ? '\n' : data[i]);
		if (data[i] == '\r' && i + 1 < len && data[i + 1] == '\n')
			i++;
	}
}

static void
expect(void *arg, const struct buf *event, const struct buf *data, const struct buf *last_id)
{
	struct expected *expected = arg;
	char id[32];
	size_t i = expected->at++;

	REQUIRE(i < expected->n);
	REQUIRE(eventsource_is(event, expected->events[i].event));
	REQUIRE(data->len == expected->events[i].data.len);
	REQUIRE(data->len == 0 || memcmp(data->bytes, expected->events[i].data.bytes, data->len) == 0);
	snprintf(id, sizeof(id), "%" PRId64, expected->events[i].id);
	REQUIRE(eventsource_is(last_id, expected->events[i].id >= 0 ? id : ""));
}

/* add_event puts one event from the input through a block, as the hub does. */
static void
add_event(struct buf *out, struct input *in, struct expected *expected, int64_t id)
{
	char *name = input_line(in);
	const char *end = in->left > 0 ? memchr(in->at, '\xff', in->left) : NULL;
	size_t len = end != NULL ? (size_t)(end - in->at) : in->left;
	struct message m = { .id = id, .event = name, .data = mem_strndup(len > 0 ? in->at : "", len),
		.data_len = len };
	struct block *block = block_new();
	struct buf repaired = BUF_EMPTY;

	name[strcspn(name, "\r")] = '\0';
	block_add(block, &m);
	REQUIRE(block->n == 1 && block->entries[0].len == block_n_bytes(block) && block->upto == id);
	REQUIRE(block_user(block, &block->entries[0]) == NULL);
	buf_add(out, block->texts[ENCODING_PLAIN].bytes.bytes, block_n_bytes(block));
	subparts_repair(&repaired, *name != '\0' ? name : "message", *name != '\0' ? strlen(name) : 7);
	expected->events[expected->n].event = buf_take(&repaired);
	subparts_repair(&repaired, m.data, len);
	add_lines(&expected->events[expected->n].data, repaired.bytes, repaired.len);
	buf_free(&repaired);
	expected->events[expected->n++].id = id;
	block_free(block);
	free(m.data);
	free(name);
	len += end != NULL;
	if (len > 0)
		in->at += len;
	in->left -= len;
}

/* unframe takes the content out of FCGI_STDOUT records again. */
static void
unframe(struct buf *out, const struct buf *records)
{
	const unsigned char *at = (const unsigned char *)records->bytes;
	size_t left = records->len;

	while (left > 0) {
		size_t len = (size_t)at[4] << 8 | at[5];

		REQUIRE(at[0] == 1 && at[1] == 6 && at[2] == 0 && at[3] == 9 && at[6] == 0);
		REQUIRE(len > 0 && len <= left - 8);
		buf_add(out, at + 8, len);
		at += 8 + len;
		left -= 8 + len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	struct buf out = BUF_EMPTY, records = BUF_EMPTY, received = BUF_EMPTY;
	struct expected expected = { .n = 0 };
	struct eventsource es = { .dispatch = expect, .arg = &expected };
	int64_t id = -1, retry_ms = -1;

	while (in.left > 0 && expected.n < MAX_EVENTS) {
		unsigned kind = input_byte(&in);

		switch (kind & 3) {
		case 0:
			buf_add_str(&out, SSE_HEARTBEAT);
			break;
		case 1:
			id = INT64_C(1) << (kind >> 2) % (MAX_ID_SHIFT + 1);
			id += id - 1;  /* up to INT64_MAX */
			sse_id(&out, id);
			buf_add_char(&out, '\n');
			break;
		case 2:
			retry_ms = kind >> 2;
			sse_retry(&out, retry_ms);
			break;
		default:
			id = kind >> 2;
			add_event(&out, &in, &expected, id);
		}
	}
	reply_frame(&records, 9, out.bytes, out.len);
	unframe(&received, &records);
	eventsource_read(&es, received.bytes, received.len);
	REQUIRE(expected.at == expected.n && es.retry_ms == retry_ms);
	for (size_t i = 0; i < expected.n; i++) {
		free(expected.events[i].event);
		buf_free(&expected.events[i].data);
	}
	eventsource_free(&es);
	buf_free(&out);
	buf_free(&records);
	buf_free(&received);
	return 0;
}
