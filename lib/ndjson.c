#include "lib/ndjson.h"

#include "lib/jsontext.h"

void
ndjson_event(struct buf *out, const char *event, int64_t id, const struct buf *data)
{
	buf_add_str(out, "{\"event\":");
	jsontext_add_string(out, event);
	if (id != NDJSON_NO_ID) {
		buf_add_str(out, ",\"id\":");
		buf_add_number(out, id);
	}
	buf_add_str(out, ",\"data\":");
	buf_add(out, data->bytes, data->len);
	buf_add_str(out, "}\n");
}
