/* Publishing: a group of appends is one call of a script, and then WAIT. The script
 * keeps, under the random name of this handle, the number of its last group and the
 * ids that it got: so a group whose answer was lost is asked for again, of whoever is
 * the primary then, until it is known, and is never added twice. The record stands or
 * falls with the entries: both are written by the one script, and replicated as one.
 *
 * A group that is still under way on a lost connection may even arrive after the one
 * that follows it: its number is below the record's, and nothing is done.
 *
 * All reading comes before the first write in the script, and the first write is one
 * that Redis refuses where it has no room: so it is all or nothing. */

#include "app/upstream/redis/append.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/upstream/redis/entry.h"
#include "app/upstream/redis/logid.h"
#include "app/upstream/redis/loglua.h"
#include "app/upstream/redis/script.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/random.h"

enum {
	N_HEAD = 6,            /* the script's args before the messages */
	PAUSE_LOW_MS = 10,     /* before a group is asked for again; picked, not tuned */
	PAUSE_HIGH_MS = 60,
	TRY_MIN_US = 100000,   /* with less than that left it is not asked again: it would not be heard */
};

/* ARGV: the writer, the group's number, above, now in ms, ms that a key is kept, how many
 * messages each append has, as words: n*size is n appends of that size; then ENTRY_ARGS of
 * each message. Returns the ids in the order of the messages, as words: ms-seq*n is n of
 * them one after the other, =ms-seq one that was there already, !n that an append of n
 * messages is refused, since a topic of it has ended.
 *
 * Which are refused is worked out before the first write, as the group would end topics
 * itself: but only where one of its topics has ended, or it has an end. A message whose
 * key is there already is none that would be added. */
static const struct script publish = {
	LOGLUA_LOG LOGLUA_ADD LOGLUA_ENDED
	"local writer, number = P .. 'writer:' .. ARGV[1], tonumber(ARGV[2])\n"
	"local record = redis.call('GET', writer)\n"
	"if record then\n"
	"  local had, ids = string.match(record, '^(%d+) (.*)$')\n"
	"  had = tonumber(had)\n"
	"  if had and had == number then return ids end\n"
	"  if had and had > number then\n"
	"    return redis.error_reply('ROWCAST a group of messages came late: passed over')\n"
	"  end\n"
	"end\n"
	"local refusal = look(ARGV[4])\n"
	"if refusal then return refusal end\n"
	"local old, topics, has_end, last_topic = {}, {}, false, ''\n"
	"for at = 7, #ARGV, 6 do\n"
	"  local key, topic = ARGV[at], ARGV[at + 2]\n"
	"  if key ~= '' and old[key] == nil then old[key] = keyed_entry(key) end\n"
	"  if topic ~= '' then\n"
	"    if topic ~= last_topic and ended[topic] == nil then\n"
	"      ended[topic] = false\n"
	"      topics[#topics + 1] = topic\n"
	"    end\n"
	"    last_topic = topic\n"
	"    has_end = has_end or ARGV[at + 3] == 'rowcast.end'\n"
	"  end\n"
	"end\n"
	"local refused, any_refused = {}, false\n"
	"if ask_ended(topics) or has_end then\n"
	"  local at, given, closed = 7, {}, {}\n"
	"  for n, size in string.gmatch(ARGV[6], '(%d+)%*(%d+)') do\n"
	"    for _ = 1, n do\n"
	"      local keys, ends = {}, {}\n"
	"      for m = at, at + 6 * size - 6, 6 do\n"
	"        local key, topic = ARGV[m], ARGV[m + 2]\n"
	"        if key == '' or not (old[key] or given[key] or keys[key]) then\n"
	"          if ended[topic] or closed[topic] or ends[topic] then\n"
	"            refused[at], any_refused = size, true\n"
	"          end\n"
	"          if ARGV[m + 3] == 'rowcast.end' then ends[topic] = true end\n"
	"          keys[key] = key ~= ''\n"
	"        end\n"
	"      end\n"
	"      if not refused[at] then\n"
	"        for key, is_one in pairs(keys) do given[key] = is_one end\n"
	"        for topic in pairs(ends) do closed[topic] = true end\n"
	"      end\n"
	"      at = at + 6 * size\n"
	"    end\n"
	"  end\n"
	"end\n"
	/* Whatever may refuse to write refuses here. */
	"redis.call('SET', writer, string.format('%.0f ', number - 1), 'PX', '3600000')\n"
	"if below(log.last, ARGV[3]) then rewind(ARGV[3]) end\n"
	"local words, run_ms, run_seq, run_n = {}, 0, 0, 0\n"
	"local function end_run()\n"
	"  if run_n > 0 then words[#words + 1] = id(run_ms, run_seq) .. '*' .. run_n end\n"
	"  run_n = 0\n"
	"end\n"
	"local at = 7\n"
	"while at <= #ARGV do\n"
	"  local key = ARGV[at]\n"
	"  if any_refused and refused[at] then\n"
	"    end_run()\n"
	"    words[#words + 1] = '!' .. refused[at]\n"
	"    at = at + 6 * refused[at] - 6\n"
	"  elseif key ~= '' and old[key] then\n"
	"    end_run()\n"
	"    words[#words + 1] = '=' .. old[key]\n"
	"  else\n"
	"    local i, ms, seq = add(fields_at(at))\n"
	"    if ARGV[at + 3] == 'rowcast.end' then note_end(ARGV[at + 2], ms, seq) end\n"
	"    if key ~= '' then\n"
	"      redis.call('SET', P .. 'key:' .. key, i, 'PX', ARGV[5])\n"
	"      old[key] = i\n"
	"    end\n"
	"    if run_n > 0 and (ms ~= run_ms or seq ~= run_seq + run_n) then end_run() end\n"
	"    if run_n == 0 then run_ms, run_seq = ms, seq end\n"
	"    run_n = run_n + 1\n"
	"  end\n"
	"  at = at + 6\n"
	"end\n"
	"end_run()\n"
	"local ids = table.concat(words, ' ')\n"
	"redis.call('SET', writer, string.format('%.0f ', number) .. ids, 'PX', '3600000')\n"
	"return ids\n",
};

/* A group on its way. */
struct group {
	struct append **appends;
	size_t n;
	size_t n_messages;     /* of those that are not refused */
	const char **args;
	size_t *lens;
	char **keys;           /* n_messages, owned; NULL where there is none */
	char (*times)[ENTRY_TIME_BYTES];
	char *sizes;           /* owned: of the appends, as the script takes them */
	char number[24], above[LOGID_TEXT_BYTES], now[24], keep[24];
};

char *
append_write_keep(char text[24], int64_t keep_for_s)
{
	if (keep_for_s <= 0)
		keep_for_s = 7 * 86400;
	if (keep_for_s > INT64_C(100) * 366 * 86400)
		keep_for_s = INT64_C(100) * 366 * 86400;  /* Redis refuses a time that overflows */
	snprintf(text, 24, "%" PRId64 "000", keep_for_s);
	return text;
}

char *
append_write_now(char text[24])
{
	snprintf(text, 24, "%" PRId64, clock_wall_us() / 1000);
	return text;
}

static void
name_writer(struct upstream *log)
{
	for (int i = 0; i < 8; i++)
		snprintf(log->writer + 4 * i, 5, "%04x", (unsigned)random_between(0, 0xffff));
}

/* refuse_unfit: what a reader would leave out must not be answered as stored. */
static void
refuse_unfit(struct upstream *log, struct append *append)
{
	append->existed = append->refused = append->ended = append->stored = false;
	append->n_existed = 0;
	for (size_t k = 0; k < append->n && !append->refused; k++) {
		const char *refusal = entry_refusal(&append->messages[k]);

		if (refusal != NULL) {
			log_warnx("upstream: %s: refused a message: %s", log->key, refusal);
			append->refused = true;
		}
	}
}

/* sizes_of returns, for the caller to free, how many messages each append has. */
static char *
sizes_of(const struct group *g)
{
	struct buf words = BUF_EMPTY;
	size_t n = 0, size = 0;

	for (size_t i = 0; i <= g->n; i++) {
		bool is_end = i == g->n;

		if (!is_end && (g->appends[i]->refused || g->appends[i]->n == 0))
			continue;
		if (n > 0 && (is_end || g->appends[i]->n != size)) {
			buf_printf(&words, "%zu*%zu ", n, size);
			n = 0;
		}
		if (!is_end) {
			size = g->appends[i]->n;
			n++;
		}
	}
	return buf_take(&words);
}

static void
fill_group(struct upstream *log, struct group *g, int64_t above, int64_t keep_for_s)
{
	size_t at = N_HEAD, k = 0;

	g->args = mem_alloc((N_HEAD + g->n_messages * ENTRY_ARGS) * sizeof(g->args[0]));
	g->lens = mem_alloc((N_HEAD + g->n_messages * ENTRY_ARGS) * sizeof(g->lens[0]));
	g->keys = mem_zalloc(g->n_messages * sizeof(g->keys[0]));
	g->times = mem_alloc(g->n_messages * sizeof(g->times[0]));
	snprintf(g->number, sizeof(g->number), "%" PRIu64, ++log->group);
	g->args[0] = log->writer;
	g->args[1] = g->number;
	g->args[2] = logid_write(g->above, above);
	g->args[3] = append_write_now(g->now);
	g->args[4] = append_write_keep(g->keep, keep_for_s);
	g->args[5] = g->sizes = sizes_of(g);
	for (int i = 0; i < N_HEAD; i++)
		g->lens[i] = strlen(g->args[i]);
	for (size_t i = 0; i < g->n; i++) {
		const struct append *append = g->appends[i];

		for (size_t m = 0; m < append->n && !append->refused; m++, k++, at += ENTRY_ARGS) {
			const struct message *message = &append->messages[m];

			if (message->key != NULL)
				g->keys[k] = message_scope_key(append->publisher, message->key);
			entry_write(message, g->keys[k], g->times[k], g->args + at, g->lens + at);
		}
	}
}

static void
free_group(struct group *g)
{
	for (size_t k = 0; k < g->n_messages; k++)
		free(g->keys[k]);
	free(g->keys);
	free(g->sizes);
	free(g->times);
	free(g->args);
	free(g->lens);
}

/* receive_wait takes the answer to append_send_wait: 0, or UPSTREAM_UNKNOWN, and the
 * connection is dropped. */
static int
receive_wait(struct upstream *log, mono_us deadline)
{
	struct redis_value *answer;
	bool has_it;

	if (log->n_replicas == 0)
		return 0;
	answer = redis_receive(log->redis, deadline);
	has_it = answer != NULL && redis_integer(answer) >= log->n_replicas;
	redis_value_free(answer);
	if (has_it)
		return 0;
	redis_drop(log->redis);
	return UPSTREAM_UNKNOWN;
}

void
append_send_wait(struct upstream *log, mono_us deadline)
{
	char n[16], ms[24];
	mono_us left = (deadline - clock_mono_us()) / 1000 * 3 / 4;

	if (log->n_replicas == 0)
		return;
	snprintf(n, sizeof(n), "%d", log->n_replicas);
	/* 0 would be for ever. It ends before we stop listening, or nobody would know
	 * whether the connection is any good. */
	snprintf(ms, sizeof(ms), "%" PRId64, left > 0 ? left : 1);
	redis_send(log->redis, 3, (const char *const[]){ "WAIT", n, ms }, NULL);
}

struct redis_value *
append_call(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[], mono_us deadline, int *outcome)
{
	bool load = false;

	for (int tries = 0; tries < 4; tries++) {
		struct redis_value *answer;
		mono_us answer_by;
		int wait_outcome;

		*outcome = redis_connect(log->redis, deadline);
		answer_by = clock_mono_in_ms(UPSTREAM_WAIT_MS);
		if (answer_by > deadline)
			answer_by = deadline;
		if (*outcome == 0 && load)
			*outcome = script_load(log, script, answer_by);
		if (*outcome != 0)
			return NULL;
		script_send(log, script, n, args, lens);
		append_send_wait(log, answer_by);
		answer = script_receive(log, answer_by, outcome);
		if (answer == NULL && *outcome == UPSTREAM_UNKNOWN)
			return NULL;
		wait_outcome = receive_wait(log, answer_by);
		if (answer != NULL && wait_outcome != 0) {
			redis_value_free(answer);
			*outcome = wait_outcome;
			return NULL;
		}
		if (answer != NULL || *outcome != 0)
			return answer;
		load = true;
	}
	*outcome = UPSTREAM_AWAY;
	return NULL;
}

/* read_word reads a word of the script's answer at *text, and moves on behind it.
 * false: it is none. */
static bool
read_word(const char **text, int64_t *id, uint64_t *n, bool *existed)
{
	size_t len;
	char *end;

	*existed = **text == '=';
	if (*existed)
		(*text)++;
	len = strspn(*text, "0123456789-");
	if (!logid_read(*text, len, id))
		return false;
	*text += len;
	*n = 1;
	if (**text == '*') {
		*n = strtoull(*text + 1, &end, 10);
		*text = end;
	}
	if (**text == ' ')
		(*text)++;
	else if (**text != '\0')
		return false;
	return *n > 0 && (uint64_t)*id % (LOGID_MAX_SEQ + 1) + *n <= LOGID_MAX_SEQ + 1;
}

/* read_refusal reads the word that says so of an append of n messages, and moves on behind
 * it. false: it is none. */
static bool
read_refusal(const char **text, size_t n)
{
	char *end;

	if (**text != '!' || strtoull(*text + 1, &end, 10) != n || (*end != ' ' && *end != '\0'))
		return false;
	*text = *end == ' ' ? end + 1 : end;
	return true;
}

/* forget_ended takes back what an answer has said of refusals. */
static void
forget_ended(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->appends[i]->ended)
			g->appends[i]->ended = g->appends[i]->refused = false;
}

/* take_ids sets what the answer says. false: it is no answer to this group. */
static bool
take_ids(const struct group *g, const struct redis_value *answer)
{
	size_t len;
	const char *text = redis_text(answer, &len);
	uint64_t left = 0;
	int64_t id = 0;
	bool existed = false;

	forget_ended(g);
	if (text == NULL)
		return false;
	for (size_t i = 0; i < g->n; i++) {
		struct append *append = g->appends[i];

		if (append->refused || append->n == 0)
			continue;
		append->existed = false;
		append->n_existed = 0;
		if (left == 0 && read_refusal(&text, append->n)) {
			append->refused = append->ended = true;
			continue;
		}
		for (size_t k = 0; k < append->n; k++, id++, left--) {
			if (left == 0 && !read_word(&text, &id, &left, &existed))
				return false;
			append->messages[k].id = id;
			append->existed |= existed;
			append->n_existed += existed;
		}
	}
	return left == 0 && *text == '\0';
}

static void
pause_before_retry(mono_us deadline)
{
	mono_us pause = random_between(PAUSE_LOW_MS, PAUSE_HIGH_MS) * 1000;
	mono_us left = deadline - clock_mono_us();
	struct timespec time;

	if (pause > left)
		pause = left;
	if (pause <= 0)
		return;
	time = (struct timespec){ .tv_nsec = (long)pause * 1000 };
	nanosleep(&time, NULL);
}

static int
append_until_known(struct upstream *log, struct group *g, mono_us deadline)
{
	bool is_unknown = false;
	int outcome = UPSTREAM_AWAY;

	for (mono_us left = deadline - clock_mono_us(); left > 0;
	    left = deadline - clock_mono_us() - TRY_MIN_US) {
		struct redis_value *answer = append_call(log, &publish,
		    N_HEAD + g->n_messages * ENTRY_ARGS, g->args, g->lens, deadline, &outcome);
		bool is_done = answer != NULL && take_ids(g, answer);

		if (answer != NULL && !is_done) {
			log_errorx("upstream: %s: an answer that makes no sense", log->key);
			redis_drop(log->redis);
			outcome = UPSTREAM_UNKNOWN;
		}
		redis_value_free(answer);
		if (is_done)
			return 0;
		is_unknown |= outcome == UPSTREAM_UNKNOWN;
		/* Once it is unknown it stays so until it is known: what another primary says
		 * now tells nothing of what is still under way to the one before. */
		if (redis_is_interrupted(log->redis)
		    || (!is_unknown && (outcome == UPSTREAM_FULL || outcome == UPSTREAM_REFUSED)))
			break;
		pause_before_retry(deadline);
	}
	return is_unknown ? UPSTREAM_UNKNOWN : outcome;
}

int
upstream_append(struct upstream *log, struct append *appends[], size_t n, int64_t above,
    int64_t keep_for_s, mono_us deadline)
{
	struct group g = { .appends = appends, .n = n };
	int outcome;

	for (size_t i = 0; i < n; i++) {
		refuse_unfit(log, appends[i]);
		if (!appends[i]->refused)
			g.n_messages += appends[i]->n;
	}
	if (log->writer[0] == '\0')
		name_writer(log);
	outcome = 0;
	if (g.n_messages > 0) {
		fill_group(log, &g, above, keep_for_s);
		outcome = append_until_known(log, &g, deadline);
		if (outcome != 0)
			forget_ended(&g);
		free_group(&g);
	}
	for (size_t i = 0; i < n; i++) {
		appends[i]->stored = outcome == 0 && !appends[i]->refused;
		if (outcome != 0)
			appends[i]->existed = false;
	}
	return outcome;
}
