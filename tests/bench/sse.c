#include "tests/bench/sse.h"

#include <endian.h>
#include <string.h>

static void
write_hex(char *out, unsigned digits, uint64_t value)
{
	while (digits-- > 0) {
		out[digits] = "0123456789abcdef"[value & 15];
		value >>= 4;
	}
}

void
message_write(char *out, size_t size, uint32_t number, mono_us sent)
{
	memcpy(out, MESSAGE_MARK, MESSAGE_MARK_LEN);
	write_hex(out + MESSAGE_MARK_LEN, 8, number);
	write_hex(out + MESSAGE_MARK_LEN + 8, 16, (uint64_t)sent);
	memset(out + MESSAGE_HEAD, 'x', size - MESSAGE_HEAD);
}

/* read_hex8 reads eight digits at once, this being done for every delivery:
 * each byte to its value, then pairs of values to bytes, bytes to words. */
static uint32_t
read_hex8(const char *text)
{
	uint64_t v;

	memcpy(&v, text, sizeof v);
	v = be64toh(v);
	v = (v & 0x0f0f0f0f0f0f0f0fu) + 9 * ((v >> 6) & 0x0101010101010101u);
	v = (v | v >> 4) & 0x00ff00ff00ff00ffu;
	v = (v | v >> 8) & 0x0000ffff0000ffffu;
	return (uint32_t)(v | v >> 16);
}

static void
take_data(struct sse_event *e, const char *text, size_t len)
{
	if (len > 0 && text[0] == ' ') {
		text++;
		len--;
	}
	if (len == sizeof ANSWER_END - 1 && memcmp(text, ANSWER_END, len) == 0)
		e->is_end = e->is_told; /* the name stands before the data */
	if (len < MESSAGE_HEAD || memcmp(text, MESSAGE_MARK, MESSAGE_MARK_LEN) != 0)
		return;
	text += MESSAGE_MARK_LEN;
	e->has_message = true;
	e->number = read_hex8(text);
	e->sent = (mono_us)((uint64_t)read_hex8(text + 8) << 32 | read_hex8(text + 16));
}

static void
take_id(struct sse_event *e, const char *text, size_t len)
{
	int64_t id = 0;
	size_t k = len > 0 && text[0] == ' ';

	if (k == len)
		return;
	for (; k < len; k++) {
		if (text[k] < '0' || text[k] > '9')
			return; /* Nchan's ids are no numbers */
		id = id * 10 + (text[k] - '0');
	}
	e->has_id = true;
	e->id = id;
}

static void
take_field(struct sse_event *e, const char *text, size_t len)
{
	if (len >= 5 && memcmp(text, "data:", 5) == 0)
		take_data(e, text + 5, len - 5);
	else if (len >= 3 && memcmp(text, "id:", 3) == 0)
		take_id(e, text + 3, len - 3);
	else if (len >= 15 && memcmp(text, "event: rowcast.", 15) == 0)
		e->is_told = true;
}

void
sse_feed(struct sse *s, const char *bytes, size_t n, sse_take *take, void *arg)
{
	const char *end = bytes + n, *text;
	size_t len;

	while (bytes < end) {
		if (!line_next(&s->line, &bytes, end, &text, &len))
			return;
		if (len > 0 && text[len - 1] == '\r')
			len--;
		if (len > 0) {
			take_field(&s->event, text, len);
		} else {
			take(arg, &s->event);
			s->event = (struct sse_event){ 0 };
		}
	}
}
