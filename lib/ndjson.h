/* Lines of JSON (application/x-ndjson) that a program tells beside its data. */
#ifndef LIB_NDJSON_H
#define LIB_NDJSON_H

#include <stdint.h>

#include "lib/buf.h"

#define NDJSON_NO_ID INT64_MIN

/* ndjson_event adds the line {"event":E,"id":N,"data":D}, without the id for NDJSON_NO_ID;
 * data is JSON without line breaks. */
void ndjson_event(struct buf *out, const char *event, int64_t id, const struct buf *data);

#endif
