/* Retention of the log (upstream_trim): whichever machine has the lease deletes slices
 * from the oldest on. A slice is read before it is deleted, so that the floor is exactly
 * the highest id that is gone; and since Redis does nothing else meanwhile, it has about
 * SLICE_BYTES, by what the entries before had. */

#include <inttypes.h>
#include <stdio.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/loglua.h"
#include "app/upstream/redis/script.h"

enum {
	SLICE_BYTES = 1 << 20,
	FIRST_ENTRIES = 16,
	MAX_ENTRIES = 1000,   /* 1.25 ms */
};

/* The ends that need not be remembered any more, with whose topics nothing is left here,
 * and which are older than entries are kept, are forgotten by an entry that says so: up
 * to which number. So all machines forget them at the same place of the log, and none
 * leaves out what this log has taken since.
 *
 * ARGV: the machine, now in ms, for how many ms entries are kept and how many of them
 * (0: no bound), how many are looked at. Returns how many were deleted, 1 where there
 * is more, how many were looked at and their bytes. What is old is found by Redis's clock,
 * which the ids are of: by the clock of whichever machine has the lease, one that runs
 * ahead would delete everything for all. */
static const struct script trim = {
	LOGLUA_LOG LOGLUA_ADD LOGLUA_NUMBER
	"way = write_nothing\n"
	"local node, now = ARGV[1], tonumber(ARGV[2])\n"
	"local keep_ms, keep_rows = tonumber(ARGV[3]), tonumber(ARGV[4])\n"
	"local holder = redis.call('GET', P .. 'trim')\n"
	"if holder and holder ~= node then return { 0, 0, 0, 0 } end\n"
	"way()\n"
	"redis.call('SET', P .. 'trim', node, 'PX', '10000')\n"
	"local refusal = look(now)\n"
	"if refusal then return refusal end\n"
	"local excess = keep_rows > 0 and log.length - keep_rows or 0\n"
	"local time = redis.call('TIME')\n"
	"local oldest_ms = time[1] * 1000 + math.floor(time[2] / 1000) - keep_ms\n"
	"local function is_due(n, entry)\n"
	"  return n <= excess or (keep_ms > 0 and parts(entry[1]) < oldest_ms)\n"
	"end\n"
	"local function forget_ends()\n"
	"  if keep_ms <= 0 then return 0 end\n"
	"  local bound = math.min(number_at(parts(log.floor)), number_at(oldest_ms, 0) - 1)\n"
	"  local old = redis.call('ZRANGEBYSCORE', P .. 'ended', '-inf', string.format('%.0f', bound),\n"
	"    'WITHSCORES', 'LIMIT', '0', '1001')\n"
	"  local upto = old[#old]\n"
	"  if not upto or old[#old - 1] == '' then return 0 end\n"
	"  redis.call('ZREMRANGEBYSCORE', P .. 'ended', '-inf', upto)\n"
	"  redis.call('ZADD', P .. 'ended', upto, '')\n"
	"  add({ 'forget', string.format('%.0f', tonumber(upto)) })\n"
	"  return #old > 2000 and 1 or 0\n"
	"end\n"
	"if not log.first or not is_due(1, log.first) then return { 0, forget_ends(), 0, 0 } end\n"
	"local slice = redis.call('XRANGE', K, '-', '+', 'COUNT', ARGV[5])\n"
	"local n, bytes = 0, 0\n"
	"for i, entry in ipairs(slice) do\n"
	"  for _, value in ipairs(entry[2]) do bytes = bytes + #value end\n"
	"  if n == i - 1 and is_due(i, entry) then n = i end\n"
	"end\n"
	"redis.call('XTRIM', K, 'MAXLEN', '=', string.format('%.0f', log.length - n))\n"
	"log.gone = log.gone + n\n"
	"set_floor(below(log.floor, slice[n][1]) and slice[n][1] or log.floor)\n"
	"local more = forget_ends()\n"
	"return { n, n == #slice and n < log.length and 1 or more, #slice, bytes }\n",
};

static size_t
entries_of_next_slice(size_t n_before, int64_t n_seen, int64_t n_bytes)
{
	int64_t n;

	if (n_seen <= 0)
		return n_before;
	n = SLICE_BYTES / (n_bytes / n_seen + 1);
	/* What follows may be larger than what came before: no faster than twofold. */
	if (n > 2 * (int64_t)n_before)
		n = 2 * (int64_t)n_before;
	return n < 1 ? 1 : n > MAX_ENTRIES ? MAX_ENTRIES : (size_t)n;
}

int
upstream_trim(struct upstream *log, const char *node, int64_t keep_for_s, int64_t keep_rows,
    int64_t *n_deleted, bool *more)
{
	char now[24], keep[32], rows[24], n[24];
	struct redis_value *answer;
	int outcome;

	*n_deleted = 0;
	*more = false;
	if (keep_for_s <= 0 && keep_rows <= 0)
		return 0;
	if (log->n_trim == 0)
		log->n_trim = FIRST_ENTRIES;
	snprintf(keep, sizeof(keep), "%" PRId64 "000", keep_for_s > 0 ? keep_for_s : 0);
	snprintf(rows, sizeof(rows), "%" PRId64, keep_rows > 0 ? keep_rows : 0);
	snprintf(n, sizeof(n), "%zu", log->n_trim);
	answer = script_call(log, &trim, 5,
	    (const char *const[]){ node, append_write_now(now), keep, rows, n }, NULL,
	    clock_mono_in_ms(2 * UPSTREAM_WAIT_MS), &outcome);
	if (answer == NULL)
		return outcome != 0 ? outcome : UPSTREAM_AWAY;
	*n_deleted = redis_integer(redis_at(answer, 0));
	*more = redis_integer(redis_at(answer, 1)) != 0;
	log->n_trim = entries_of_next_slice(log->n_trim, redis_integer(redis_at(answer, 2)),
	    redis_integer(redis_at(answer, 3)));
	redis_value_free(answer);
	return 0;
}
