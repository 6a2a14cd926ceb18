/* The parser of what comes in pieces against one that reads a text as a whole
 * (eventsource.h). The first byte says where the text is cut: it is the seed of the
 * pieces' sizes. */

#include "tests/fuzz/eventsource.h"
#include "tests/fuzz/fuzz.h"

#include "lib/eventstream.h"

enum { MAX_BYTES = 64 };

static void
tell(struct buf *told, const char *name, size_t name_len, const char *data, size_t len)
{
	if (len > MAX_BYTES)
		name_len = 0;
	buf_printf(told, "%zu:", name_len);
	buf_add(told, name, name_len);
	buf_printf(told, "=%zu:", len > MAX_BYTES ? (size_t)0 : len);
	if (len <= MAX_BYTES)
		buf_add(told, data, len);
	else
		buf_add_str(told, "too large");
}

static void
tell_whole(void *told, const struct buf *name, const struct buf *data, const struct buf *last_id)
{
	bool is_default = eventsource_is(name, "message");

	(void)last_id;
	tell(told, name->bytes, is_default ? 0 : name->len > EVENTSTREAM_NAME_BYTES
	    ? EVENTSTREAM_NAME_BYTES : name->len, data->bytes, data->len);
}

static void
tell_piecewise(void *told, const struct eventstream_event *event)
{
	bool is_default = event->name_len == 7 && memcmp(event->name, "message", 7) == 0;

	REQUIRE(event->name[event->name_len] == '\0');
	REQUIRE(event->data == NULL || event->data[event->data_len] == '\0');
	tell(told, event->name, is_default ? 0 : event->name_len, event->data,
	    event->data != NULL ? event->data_len : MAX_BYTES + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct buf text = BUF_EMPTY;
	struct input in = { (const char *)bytes, size };
	unsigned int seed = input_byte(&in);
	struct buf whole = BUF_EMPTY, piecewise = BUF_EMPTY;
	struct eventsource es = { .dispatch = tell_whole, .arg = &whole };
	struct eventstream stream = { .max_bytes = MAX_BYTES, .take = tell_piecewise,
		.context = &piecewise };

	/* What is too large is told before it ends, and so it is to end. */
	buf_add(&text, in.at, in.left);
	buf_add_str(&text, "\n\n");
	in = (struct input){ text.bytes, text.len };
	eventsource_read(&es, in.at, in.left);
	while (in.left > 0) {
		size_t n = 1 + (size_t)rand_r(&seed) % 16;
		char *piece;

		n = n < in.left ? n : in.left;
		piece = memcpy(mem_alloc(n), in.at, n);  /* of its own size: ASan sees who reads on */
		eventstream_add(&stream, piece, n);
		free(piece);
		REQUIRE(stream.data.len <= MAX_BYTES);
		in.at += n;
		in.left -= n;
	}
	REQUIRE(stream.number == es.n_dispatched);
	REQUIRE(whole.len == piecewise.len);
	REQUIRE(whole.len == 0 || memcmp(whole.bytes, piecewise.bytes, whole.len) == 0);
	eventstream_free(&stream);
	eventsource_free(&es);
	buf_free(&text);
	buf_free(&whole);
	buf_free(&piecewise);
	return 0;
}
