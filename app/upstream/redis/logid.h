/* Ids of the log: Redis's own (milliseconds-sequence) as the plain number that is a
 * message's id. (ms - 2020-01-01) * 4096 + seq: rising with them, exact in JavaScript
 * until 2089. Plain functions: any thread. */
#ifndef APP_UPSTREAM_REDIS_LOGID_H
#define APP_UPSTREAM_REDIS_LOGID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

enum {
	LOGID_TEXT_BYTES = 48,  /* of an id in Redis's form, with its NUL */
	LOGID_MAX_SEQ = 4095,
};

/* logid_read: 0-0 is 0. false: no id, or one that has no number here (before 2020, a
 * sequence above LOGID_MAX_SEQ, above 2^53 - 1). */
bool logid_read(const char *text, size_t len, int64_t *id);

/* logid_write writes the id in Redis's form; 0 is 0-0. Returns text. */
char *logid_write(char text[LOGID_TEXT_BYTES], int64_t id);

/* logid_time returns when the entry was added, in ms since 1970. */
int64_t logid_time_ms(int64_t id);

#endif
