#include "app/hub/gap.h"

#include <inttypes.h>

#include "lib/jsontext.h"
#include "lib/sse.h"

void
gap_add(struct buf *out, int64_t cursor, const char *reason, const char *requested,
    const struct store_bounds *bounds)
{
	struct buf data = BUF_EMPTY;

	buf_printf(&data, "{\"reason\":\"%s\",\"requested\":", reason);
	jsontext_add_string(&data, requested);
	buf_printf(&data, ",\"oldest\":%" PRId64 ",\"newest\":%" PRId64 "}",
	    bounds->oldest, bounds->newest);
	sse_id(out, cursor);
	sse_event(out, "rowcast.gap", data.bytes, data.len);
	buf_free(&data);
}
