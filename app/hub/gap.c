/* Finding a gap, and the event that tells it (gap.h). Nothing is kept here. */

#include "app/hub/gap.h"

#include <inttypes.h>

#include "lib/jsontext.h"

enum gap
gap_find(int64_t cursor, const struct store_bounds *bounds)
{
	if (cursor > bounds->given)
		return GAP_AHEAD;
	if (cursor < bounds->trimmed)
		return GAP_EXPIRED;
	return GAP_NONE;
}

int64_t
gap_describe(struct buf *data, enum gap gap, int64_t cursor, const char *requested,
    const struct store_bounds *bounds)
{
	const char *reason = gap == GAP_EXPIRED ? "expired" : gap == GAP_AHEAD ? "ahead" : "invalid";
	int64_t goes_on_from = gap == GAP_EXPIRED ? bounds->oldest - 1
	    : gap == GAP_AHEAD ? bounds->newest : cursor;

	buf_printf(data, "{\"reason\":\"%s\",\"requested\":", reason);
	if (requested != NULL)
		jsontext_add_string(data, requested);
	else
		buf_printf(data, "\"%" PRId64 "\"", cursor);
	buf_printf(data, ",\"oldest\":%" PRId64 ",\"newest\":%" PRId64 "}",
	    bounds->oldest, bounds->newest);
	return goes_on_from;
}
