/* Which topics have ended, in Redis (loglua.h says how it is kept): what machines tell it,
 * and what they are told. An end that is forgotten is not taken up again from a machine
 * that was away meanwhile. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/handle.h"
#include "app/upstream/redis/logid.h"
#include "lib/mem.h"

enum { NUMBER_BYTES = 24 };

/* ARGV: topics and numbers. */
static const struct script script_end = {
	"local e = KEYS[2] .. 'ended'\n"
	"local forgotten = tonumber(redis.call('ZMSCORE', e, '')[1] or nil) or 0\n"
	"for i = 1, #ARGV, 2 do\n"
	"  if tonumber(ARGV[i + 1]) > forgotten then\n"
	"    redis.call('ZADD', e, 'LT', ARGV[i + 1], ARGV[i])\n"
	"  end\n"
	"end\n"
	"return 1\n"
};

/* ARGV: after, how many. */
static const struct script script_ended = {
	"return redis.call('ZRANGEBYSCORE', KEYS[2] .. 'ended', '(' .. ARGV[1], '+inf',\n"
	"  'WITHSCORES', 'LIMIT', '0', ARGV[2])\n"
};

static mono_us
deadline(void)
{
	return clock_mono_us() + UPSTREAM_WAIT_MS * 1000;
}

void
ended_free(struct upstream *log)
{
	redis_value_free(log->ended.answer);
	free(log->ended.ends);
}

static int
end_batch(struct upstream *log, const struct store_end *ends, size_t n)
{
	const char *args[2 * UPSTREAM_ENDS];
	char (*numbers)[NUMBER_BYTES] = mem_alloc(n * sizeof(numbers[0]));
	struct redis_value *answer;
	int outcome;

	for (size_t i = 0; i < n; i++) {
		snprintf(numbers[i], NUMBER_BYTES, "%" PRId64, ends[i].id);
		args[2 * i] = ends[i].topic;
		args[2 * i + 1] = numbers[i];
	}
	answer = append_call(log, &script_end, 2 * n, args, NULL, deadline(), &outcome);
	redis_value_free(answer);
	free(numbers);
	return answer != NULL ? 0 : outcome;
}

int
upstream_end(struct upstream *log, const struct store_end *ends, size_t n)
{
	int outcome = 0;

	for (size_t at = 0; at < n && outcome == 0; at += UPSTREAM_ENDS)
		outcome = end_batch(log, ends + at, n - at < UPSTREAM_ENDS ? n - at : UPSTREAM_ENDS);
	return outcome;
}

/* read_score reads what Redis has written of a double. false: it is no id. */
static bool
read_score(const char *text, int64_t *id)
{
	double score = text != NULL ? strtod(text, NULL) : 0;

	if (!(score >= 1 && score <= 9007199254740991.))
		return false;
	*id = (int64_t)score;
	return (double)*id == score;
}

int
upstream_ended(struct upstream *log, int64_t after, const struct store_end **ends, size_t *n,
    int64_t *forgotten)
{
	struct handle_ended *ended = &log->ended;
	char from[NUMBER_BYTES], most[NUMBER_BYTES];
	int outcome;

	*n = 0;
	*forgotten = 0;
	snprintf(from, sizeof(from), "%" PRId64, after);
	/* The first may be up to where they are forgotten. */
	snprintf(most, sizeof(most), "%d", UPSTREAM_ENDS + 1);
	redis_value_free(ended->answer);
	ended->answer = append_call(log, &script_ended, 2, (const char *const[]){ from, most }, NULL,
	    deadline(), &outcome);
	if (ended->answer == NULL)
		return outcome;
	ended->ends = mem_realloc(ended->ends, (UPSTREAM_ENDS + 1) * sizeof(ended->ends[0]));
	for (size_t i = 0; i + 1 < redis_count(ended->answer) && *n < UPSTREAM_ENDS; i += 2) {
		const char *topic = redis_text(redis_at(ended->answer, i), NULL);
		int64_t id;

		/* Whoever else writes there: what is no end is passed over. */
		if (topic == NULL || !read_score(redis_text(redis_at(ended->answer, i + 1), NULL), &id))
			continue;
		if (*topic == '\0')
			*forgotten = id;
		else
			ended->ends[(*n)++] = (struct store_end){ topic, id, logid_time_ms(id) / 1000 };
	}
	*ends = ended->ends;
	return 0;
}
