/* Telling the log of many pairs, in several calls of a script. */

#include "app/upstream/redis/pairs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/upstream/redis/append.h"
#include "lib/clock.h"
#include "lib/mem.h"

enum {
	CALL_PAIRS = 1000,  /* in one call: Redis stands still for some ms */
	NUMBER_BYTES = 24,
};

static int
tell_some(struct upstream *log, const struct script *script, const struct pair pairs[], size_t n)
{
	const char *args[2 * CALL_PAIRS];
	char (*numbers)[NUMBER_BYTES] = mem_alloc(n * sizeof(numbers[0]));
	struct redis_value *answer;
	int outcome;

	for (size_t i = 0; i < n; i++) {
		snprintf(numbers[i], NUMBER_BYTES, "%" PRId64, pairs[i].number);
		args[2 * i] = pairs[i].name;
		args[2 * i + 1] = numbers[i];
	}
	answer = append_call(log, script, 2 * n, args, NULL, clock_mono_in_ms(UPSTREAM_WAIT_MS),
	    &outcome);
	redis_value_free(answer);
	free(numbers);
	return answer != NULL ? 0 : outcome;
}

int
pairs_tell(struct upstream *log, const struct script *script, const struct pair pairs[], size_t n)
{
	int outcome = 0;

	for (size_t at = 0; at < n && outcome == 0; at += CALL_PAIRS)
		outcome = tell_some(log, script, pairs + at, n - at < CALL_PAIRS ? n - at : CALL_PAIRS);
	return outcome;
}
