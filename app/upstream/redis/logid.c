/* The time in ms since 2020, shifted by the 12 bits of the sequence. Redis gives about
 * 1,500 ids in a millisecond to XADD, and a script that adds more takes the next one. */

#include "app/upstream/redis/logid.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BIRTH_MS INT64_C(1577836800000) /* 2020-01-01 */
#define ID_MAX ((INT64_C(1) << 53) - 1)

enum { SEQS = LOGID_MAX_SEQ + 1 };

/* read_number reads digits up to `end` or another character, where *at then is. */
static bool
read_number(const char **at, const char *end, int64_t max, int64_t *number)
{
	const char *first = *at;
	int64_t n = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
		n = n * 10 + (**at - '0');
		if (n > max)
			return false;
	}
	*number = n;
	return *at > first;
}

bool
logid_read(const char *text, size_t len, int64_t *id)
{
	const char *at = text, *end = text + len;
	int64_t ms, seq;

	if (!read_number(&at, end, BIRTH_MS + ID_MAX / SEQS, &ms) || at == end || *at++ != '-'
	    || !read_number(&at, end, LOGID_MAX_SEQ, &seq) || at != end)
		return false;
	if (ms == 0 && seq == 0) {
		*id = 0;
		return true;
	}
	/* The very first would be 0, which means none. */
	if (ms < BIRTH_MS || (ms == BIRTH_MS && seq == 0))
		return false;
	*id = (ms - BIRTH_MS) * SEQS + seq;
	return true;
}

char *
logid_write(char text[LOGID_TEXT_BYTES], int64_t id)
{
	if (id <= 0)
		strcpy(text, "0-0");
	else
		snprintf(text, LOGID_TEXT_BYTES, "%" PRId64 "-%" PRId64, BIRTH_MS + id / SEQS,
		    id % SEQS);
	return text;
}

int64_t
logid_time_ms(int64_t id)
{
	return BIRTH_MS + id / SEQS;
}
