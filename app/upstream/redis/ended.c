/* Which topics have ended, in Redis (loglua.h says how it is kept): what machines tell it,
 * and what they are told. An end that is forgotten is not taken up again from a machine
 * that was away meanwhile. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/handle.h"
#include "app/upstream/redis/logid.h"
#include "app/upstream/redis/pairs.h"
#include "lib/clock.h"
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

void
ended_free(struct upstream *log)
{
	redis_value_free(log->ended.answer);
	free(log->ended.ends);
}

int
upstream_end(struct upstream *log, const struct store_end *ends, size_t n)
{
	struct pair *pairs = mem_alloc(n * sizeof(pairs[0]));
	int outcome;

	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct pair){ ends[i].topic, ends[i].id };
	outcome = pairs_tell(log, &script_end, pairs, n);
	free(pairs);
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
	    clock_mono_in_ms(UPSTREAM_WAIT_MS), &outcome);
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
