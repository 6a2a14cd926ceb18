/* Who is connected to which machine, in Redis. Of each machine there is a hash, which is
 * gone UPSTREAM_GONE_MS after its last beat, and with it a sorted set of its users: all
 * with the same score, so in the order of bytes; a member is the user, a NUL and the
 * number of streams. A user is found by that beginning, and what is replaced is removed
 * first. Nobody writes about another machine, but for taking the name of one that is
 * gone out of the set of names.
 *
 * Each beat has a number, and names the one before: where that is not what Redis knows
 * (the key has expired, data were lost, a failover took the last one back), the machine
 * tells all of its users anew.
 *
 * Lua's own comparison of strings goes by a locale, so what has to be in order is
 * compared byte by byte there, or here. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/upstream/redis/handle.h"
#include "app/upstream/redis/script.h"
#include "lib/clock.h"
#include "lib/mem.h"

/* Users that one step of counting looks at, of each machine: Redis stands still for it. */
#define COUNT_USERS "1000"

enum { NUMBER_BYTES = 24 };

/* ARGV: node, copy, is this the first, number of the beat, ms until it is gone; then
 * users and their streams. */
static const struct script script_beat = {
	"local p, node = KEYS[2], ARGV[1]\n"
	"local at, users = p .. 'node:' .. node, p .. 'users:' .. node\n"
	"local was = redis.call('HMGET', at, 'copy', 'beat', 'streams')\n"
	"local streams = 0\n"
	"if was[1] and was[1] ~= ARGV[2] then\n"
	"  return redis.error_reply('ROWCAST another machine that is alive has the name ' .. node ..\n"
	"    ': give each its own by the setting node; one that was replaced is forgotten 15 seconds after its end')\n"
	"end\n"
	"if ARGV[3] == '1' then\n"
	"  redis.call('UNLINK', users)\n"
	"elseif was[2] ~= string.format('%.0f', tonumber(ARGV[4]) - 1) then\n"
	"  return 0\n"
	"else\n"
	"  streams = tonumber(was[3])\n"
	"end\n"
	"for i = 6, #ARGV, 2 do\n"
	"  local user, n = ARGV[i], tonumber(ARGV[i + 1])\n"
	"  local old = redis.call('ZRANGEBYLEX', users, '[' .. user .. '\\0', '(' .. user .. '\\0:')\n"
	"  for _, member in ipairs(old) do\n"
	"    streams = streams - tonumber(string.sub(member, #user + 2))\n"
	"    redis.call('ZREM', users, member)\n"
	"  end\n"
	"  if n > 0 then\n"
	"    redis.call('ZADD', users, 0, user .. '\\0' .. ARGV[i + 1])\n"
	"    streams = streams + n\n"
	"  end\n"
	"end\n"
	"redis.call('HSET', at, 'copy', ARGV[2], 'beat', ARGV[4], 'streams', streams,\n"
	"  'seen', redis.call('TIME')[1])\n"
	"redis.call('PEXPIRE', at, ARGV[5])\n"
	"redis.call('PEXPIRE', users, ARGV[5])\n"
	"redis.call('SADD', p .. 'nodes', node)\n"
	"for _, name in ipairs(redis.call('SMEMBERS', p .. 'nodes')) do\n"
	"  if redis.call('EXISTS', p .. 'node:' .. name) == 0 then\n"
	"    redis.call('SREM', p .. 'nodes', name)\n"
	"  end\n"
	"end\n"
	"return 1\n"
};

/* ARGV: node, copy. */
static const struct script script_leave = {
	"local p, node = KEYS[2], ARGV[1]\n"
	"if redis.call('HGET', p .. 'node:' .. node, 'copy') == ARGV[2] then\n"
	"  redis.call('UNLINK', p .. 'node:' .. node, p .. 'users:' .. node)\n"
	"  redis.call('SREM', p .. 'nodes', node)\n"
	"end\n"
	"return 1\n"
};

/* Answers name, streams, users and time of each that is alive. */
static const struct script script_nodes = {
	"local p, all = KEYS[2], {}\n"
	"for _, name in ipairs(redis.call('SMEMBERS', p .. 'nodes')) do\n"
	"  local node = redis.call('HMGET', p .. 'node:' .. name, 'streams', 'seen')\n"
	"  if node[1] then\n"
	"    all[#all + 1] = name\n"
	"    all[#all + 1] = tonumber(node[1])\n"
	"    all[#all + 1] = redis.call('ZCARD', p .. 'users:' .. name)\n"
	"    all[#all + 1] = tonumber(node[2])\n"
	"  end\n"
	"end\n"
	"return all\n"
};

/* ARGV: the user after which to count ('': from the first), and the names of the nodes.
 * Answers how many different users there are in this step, and its last one ('': there
 * are no more). The step ends with the first machine that has more than fit. */
static const struct script script_count = {
	"local p, from, to, last = KEYS[2], '-', '+', nil\n"
	"local function below(a, b)\n"
	"  for i = 1, math.min(#a, #b) do\n"
	"    local x, y = string.byte(a, i), string.byte(b, i)\n"
	"    if x ~= y then return x < y end\n"
	"  end\n"
	"  return #a < #b\n"
	"end\n"
	"local function user_of(member)\n"
	"  return string.sub(member, 1, string.find(member, '\\0', 1, true) - 1)\n"
	"end\n"
	"if ARGV[1] ~= '' then from = '(' .. ARGV[1] .. '\\0:' end\n"
	"for i = 2, #ARGV do\n"
	"  local member = redis.call('ZRANGEBYLEX', p .. 'users:' .. ARGV[i], from, '+',\n"
	"    'LIMIT', " COUNT_USERS " - 1, 1)[1]\n"
	"  if member then\n"
	"    local user = user_of(member)\n"
	"    if not last or below(user, last) then last = user end\n"
	"  end\n"
	"end\n"
	"if last then to = '(' .. last .. '\\0:' end\n"
	"local seen, n = {}, 0\n"
	"for i = 2, #ARGV do\n"
	"  for _, member in ipairs(redis.call('ZRANGEBYLEX', p .. 'users:' .. ARGV[i], from, to)) do\n"
	"    local user = user_of(member)\n"
	"    if not seen[user] then\n"
	"      seen[user] = true\n"
	"      n = n + 1\n"
	"    end\n"
	"  end\n"
	"end\n"
	"return { n, last or '' }\n"
};

/* ARGV: the user after which to begin ('': with the first), how many. Answers a list of
 * members for each machine that is alive. */
static const struct script script_users = {
	"local p, from, all = KEYS[2], '-', {}\n"
	"if ARGV[1] ~= '' then from = '(' .. ARGV[1] .. '\\0:' end\n"
	"for _, name in ipairs(redis.call('SMEMBERS', p .. 'nodes')) do\n"
	"  if redis.call('EXISTS', p .. 'node:' .. name) == 1 then\n"
	"    all[#all + 1] = redis.call('ZRANGEBYLEX', p .. 'users:' .. name, from, '+',\n"
	"      'LIMIT', 0, ARGV[2])\n"
	"  end\n"
	"end\n"
	"return all\n"
};

/* ARGV: the user. Answers as script_nodes, of those where it has streams. */
static const struct script script_user_nodes = {
	"local p, user, all = KEYS[2], ARGV[1], {}\n"
	"for _, name in ipairs(redis.call('SMEMBERS', p .. 'nodes')) do\n"
	"  local seen = redis.call('HGET', p .. 'node:' .. name, 'seen')\n"
	"  local member = redis.call('ZRANGEBYLEX', p .. 'users:' .. name,\n"
	"    '[' .. user .. '\\0', '(' .. user .. '\\0:', 'LIMIT', 0, 1)[1]\n"
	"  if seen and member then\n"
	"    all[#all + 1] = name\n"
	"    all[#all + 1] = tonumber(string.sub(member, #user + 2))\n"
	"    all[#all + 1] = 1\n"
	"    all[#all + 1] = tonumber(seen)\n"
	"  end\n"
	"end\n"
	"return all\n"
};

void
presence_answers_free(struct upstream *log)
{
	redis_value_free(log->presence.answer);
	free(log->presence.nodes);
	free(log->presence.users);
}

/* ---- what a machine says of itself ---- */

int
upstream_beat(struct upstream *log, const char *node, const char *copy,
    const struct upstream_user *users, size_t n, bool is_first)
{
	struct handle_presence *presence = &log->presence;
	const char **args = mem_alloc((5 + 2 * n) * sizeof(args[0]));
	char (*numbers)[NUMBER_BYTES] = mem_alloc((n + 2) * sizeof(numbers[0]));
	struct redis_value *answer;
	int outcome;

	snprintf(numbers[n], NUMBER_BYTES, "%llu", (unsigned long long)++presence->n_beats);
	snprintf(numbers[n + 1], NUMBER_BYTES, "%d", UPSTREAM_GONE_MS);
	args[0] = node;
	args[1] = copy;
	args[2] = is_first ? "1" : "0";
	args[3] = numbers[n];
	args[4] = numbers[n + 1];
	for (size_t i = 0; i < n; i++) {
		snprintf(numbers[i], NUMBER_BYTES, "%zu", users[i].n_streams);
		args[5 + 2 * i] = users[i].user;
		args[6 + 2 * i] = numbers[i];
	}
	answer = script_call(log, &script_beat, 5 + 2 * n, args, NULL,
	    clock_mono_in_ms(UPSTREAM_WAIT_MS), &outcome);
	if (answer != NULL)
		outcome = redis_integer(answer) == 1 ? 0 : UPSTREAM_UNKNOWN;
	redis_value_free(answer);
	free(numbers);
	free(args);
	return outcome;
}

int
upstream_leave(struct upstream *log, const char *node, const char *copy)
{
	const char *args[] = { node, copy };
	struct redis_value *answer;
	int outcome;

	answer = script_call(log, &script_leave, 2, args, NULL, clock_mono_in_ms(UPSTREAM_WAIT_MS),
	    &outcome);
	redis_value_free(answer);
	return answer != NULL ? 0 : outcome;
}

/* ---- what all have said ---- */

/* ask keeps the answer, which what is told is lent from. NULL: *outcome says why. */
static const struct redis_value *
ask(struct upstream *log, const struct script *script, size_t n, const char *const args[],
    int *outcome)
{
	struct handle_presence *presence = &log->presence;

	redis_value_free(presence->answer);
	presence->answer = script_call(log, script, n, args, NULL,
	    clock_mono_in_ms(UPSTREAM_WAIT_MS), outcome);
	if (presence->answer != NULL)
		*outcome = 0;
	return presence->answer;
}

static int
compare_nodes(const void *a, const void *b)
{
	return strcmp(((const struct upstream_node *)a)->node, ((const struct upstream_node *)b)->node);
}

/* read_nodes returns how many machines the answer tells of; they are in presence->nodes,
 * in the order of bytes. */
static size_t
read_nodes(struct handle_presence *presence)
{
	const struct redis_value *answer = presence->answer;
	size_t n = redis_count(answer) / 4, len;

	free(presence->nodes);
	presence->nodes = mem_alloc((n + 1) * sizeof(*presence->nodes));
	for (size_t i = 0; i < n; i++)
		presence->nodes[i] = (struct upstream_node){
			.node = redis_text(redis_at(answer, 4 * i), &len),
			.n_streams = (size_t)redis_integer(redis_at(answer, 4 * i + 1)),
			.n_users = (size_t)redis_integer(redis_at(answer, 4 * i + 2)),
			.seen = redis_integer(redis_at(answer, 4 * i + 3)),
		};
	qsort(presence->nodes, n, sizeof(*presence->nodes), compare_nodes);
	return n;
}

/* count_users counts each user once, whatever number of machines it is on. */
static int
count_users(struct upstream *log, const struct upstream_node *nodes, size_t n, size_t *n_users)
{
	const char **args = mem_alloc((1 + n) * sizeof(args[0]));
	char *after = mem_strdup("");
	int outcome = 0;
	size_t len;

	*n_users = 0;
	for (size_t i = 0; i < n; i++)
		args[1 + i] = nodes[i].node;
	do {
		struct redis_value *answer;

		args[0] = after;
		answer = script_call(log, &script_count, 1 + n, args, NULL,
		    clock_mono_in_ms(UPSTREAM_WAIT_MS), &outcome);
		if (answer == NULL)
			break;
		outcome = 0;
		*n_users += (size_t)redis_integer(redis_at(answer, 0));
		free(after);
		after = mem_strdup(redis_text(redis_at(answer, 1), &len));
		redis_value_free(answer);
	} while (*after != '\0');
	free(after);
	free(args);
	return outcome;
}

int
upstream_nodes(struct upstream *log, const struct upstream_node **nodes, size_t *n,
    size_t *n_users)
{
	struct handle_presence *presence = &log->presence;
	int outcome;

	if (ask(log, &script_nodes, 0, NULL, &outcome) == NULL)
		return outcome;
	*n = read_nodes(presence);
	*nodes = presence->nodes;
	if (n_users == NULL)
		return 0;
	if (*n > 1)
		return count_users(log, presence->nodes, *n, n_users);
	*n_users = *n == 1 ? presence->nodes[0].n_users : 0;
	return 0;
}

/* One machine's users, and which of them is next. */
struct run {
	const struct redis_value *members;
	size_t at;
};

/* next_of lends the next user of a run, whose member goes on behind the NUL with the
 * number of streams; NULL: it is at its end. */
static const char *
next_of(const struct run *run)
{
	size_t len;

	return run->at < redis_count(run->members) ? redis_text(redis_at(run->members, run->at), &len)
	    : NULL;
}

/* merge returns how many users are in presence->users, max at most. */
static size_t
merge(struct handle_presence *presence, size_t max)
{
	size_t n_runs = redis_count(presence->answer), n = 0;
	struct run *runs = mem_zalloc((n_runs + 1) * sizeof(*runs));

	free(presence->users);
	presence->users = mem_alloc((max + 1) * sizeof(*presence->users));
	for (size_t i = 0; i < n_runs; i++)
		runs[i].members = redis_at(presence->answer, i);
	for (; n < max; n++) {
		struct upstream_user first = { 0 };

		for (size_t i = 0; i < n_runs; i++) {
			const char *user = next_of(&runs[i]);

			if (user != NULL && (first.user == NULL || strcmp(user, first.user) < 0))
				first.user = user;
		}
		if (first.user == NULL)
			break;
		for (size_t i = 0; i < n_runs; i++) {
			const char *user = next_of(&runs[i]);

			if (user != NULL && strcmp(user, first.user) == 0) {
				first.n_streams += strtoul(user + strlen(user) + 1, NULL, 10);
				runs[i].at++;
			}
		}
		presence->users[n] = first;
	}
	free(runs);
	return n;
}

int
upstream_users(struct upstream *log, const char *after, size_t max,
    const struct upstream_user **users, size_t *n)
{
	char number[NUMBER_BYTES];
	const char *args[] = { after != NULL ? after : "", number };
	int outcome;

	snprintf(number, sizeof(number), "%zu", max);
	if (ask(log, &script_users, 2, args, &outcome) == NULL)
		return outcome;
	*n = merge(&log->presence, max);
	*users = log->presence.users;
	return 0;
}

int
upstream_user_nodes(struct upstream *log, const char *user,
    const struct upstream_node **nodes, size_t *n)
{
	int outcome;

	if (ask(log, &script_user_nodes, 1, &user, &outcome) == NULL)
		return outcome;
	*n = read_nodes(&log->presence);
	*nodes = log->presence.nodes;
	return 0;
}
