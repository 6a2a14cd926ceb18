/* Bringing the outbox to the log (upstream_forward): each row has a random `once`, which
 * the script remembers together with the id that it got. So a batch may be asked for
 * again by anybody, also by a process that knows nothing of the first time.
 *
 * An erasure deletes the entry and adds one that tells of it, so that a machine that
 * was away erases it as well. It counts as known in the stream's bookkeeping
 * (loglua.h), or a later look would take it for a foreign hand; and its id is
 * remembered for a week, or a machine that read it last would take its absence for
 * another history. Its key is free by itself: a key without its entry counts as none. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/entry.h"
#include "app/upstream/redis/logid.h"
#include "app/upstream/redis/loglua.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	N_HEAD = 4,                   /* the script's args before the `once` of the batch before */
	ROW_ARGS = 3 + ENTRY_ARGS,
};

/* ARGV: above, now in ms, ms that a key is kept, how many `once` follow, these; then
 * of each row: once, the id to erase in Redis's form and as a number, or empty, and
 * ENTRY_ARGS; a message that replaces has for the number `replaces`. An entry that this
 * batch erases has its key no longer, though that was asked before the first write.
 * Returns how many messages were dropped, since their key was there already or their topic
 * has ended, and then the ids of the others, with a blank before each. */
static const struct script forward = {
	LOGLUA_LOG LOGLUA_ADD LOGLUA_ENDED
	"local n_before, week = tonumber(ARGV[4]), '604800000'\n"
	"local known, old, topics = {}, {}, {}\n"
	"local refusal = look(ARGV[2])\n"
	"if refusal then return refusal end\n"
	"for at = 5 + n_before, #ARGV, 9 do\n"
	"  known[at] = redis.call('GET', P .. 'once:' .. ARGV[at])\n"
	"  local key = ARGV[at + 3]\n"
	"  if not known[at] and key ~= '' and old[key] == nil then old[key] = keyed_entry(key) end\n"
	"  local topic = ARGV[at + 5]\n"
	"  if topic ~= '' and ended[topic] == nil then\n"
	"    ended[topic] = false\n"
	"    topics[#topics + 1] = topic\n"
	"  end\n"
	"end\n"
	"ask_ended(topics)\n"
	"if below(log.last, ARGV[1]) then rewind(ARGV[1]) end\n"
	"local dropped, erased, gone, ids = 0, 0, {}, {}\n"
	"local function erase(i, number)\n"
	"  erased = erased + redis.call('XDEL', K, i)\n"
	"  redis.call('SET', P .. 'erased:' .. i, '', 'PX', week)\n"
	"  gone[i] = true\n"
	"  return add({ 'erase', number })\n"
	"end\n"
	"for at = 5 + n_before, #ARGV, 9 do\n"
	"  local i, key = known[at], ARGV[at + 3]\n"
	"  if not i then\n"
	"    if ARGV[at + 1] ~= '' then\n"
	"      i = erase(ARGV[at + 1], ARGV[at + 2])\n"
	"    elseif key ~= '' and old[key] and not gone[old[key]] and ARGV[at + 2] == '' then\n"
	"      i = '=' .. old[key]\n"
	"    elseif ended[ARGV[at + 5]] then\n"
	"      i = '=!'\n"
	"    else\n"
	"      if key ~= '' and old[key] and not gone[old[key]] then\n"
	"        local ms, seq = parts(old[key])\n"
	"        erase(old[key], string.format('%.0f', (ms - 1577836800000) * 4096 + seq))\n"
	"      end\n"
	"      local ms, seq\n"
	"      i, ms, seq = add(fields_at(at + 3))\n"
	"      if ARGV[at + 6] == 'rowcast.end' then note_end(ARGV[at + 5], ms, seq) end\n"
	"      if key ~= '' then\n"
	"        redis.call('SET', P .. 'key:' .. key, i, 'PX', ARGV[3])\n"
	"        old[key] = i\n"
	"      end\n"
	"    end\n"
	"    redis.call('SET', P .. 'once:' .. ARGV[at], i, 'PX', week)\n"
	"  end\n"
	"  if string.sub(i, 1, 1) == '=' then dropped = dropped + 1\n"
	"  elseif ARGV[at + 1] == '' then ids[#ids + 1] = ' ' .. i end\n"
	"end\n"
	"if erased > 0 then\n"
	"  log.gone = log.gone + erased\n"
	"  set_floor(log.floor)\n"
	"end\n"
	"for b = 5, 4 + n_before do redis.call('PEXPIRE', P .. 'once:' .. ARGV[b], '3600000') end\n"
	"return dropped .. table.concat(ids)\n",
};

void
forward_free(struct upstream *log)
{
	free(log->forward.once);
	log->forward = (struct handle_forward){ NULL, 0 };
}

/* was_before: a batch that is asked for again is not the one before. */
static bool
was_before(const struct upstream *log, const struct outgoing *rows, size_t n)
{
	return log->forward.n > 0 && strcmp(log->forward.once[0], rows[0].once) != 0 && n > 0;
}

static void
remember(struct upstream *log, const struct outgoing *rows, size_t n)
{
	log->forward.once = mem_realloc(log->forward.once, n * sizeof(log->forward.once[0]));
	log->forward.n = n;
	for (size_t i = 0; i < n; i++)
		snprintf(log->forward.once[i], sizeof(log->forward.once[i]), "%s", rows[i].once);
}

/* take_answer reads what the script returns. */
static void
take_answer(const struct redis_value *answer, size_t *n_dropped, struct idruns *ids)
{
	size_t len;
	const char *text = redis_text(answer, &len);
	int64_t id;

	if (text == NULL)
		return;
	*n_dropped = strtoul(text, NULL, 10);
	for (text += strcspn(text, " "); *text == ' '; text += len) {
		text++;
		len = strcspn(text, " ");
		if (ids != NULL && logid_read(text, len, &id))
			idruns_add(ids, id, id);
	}
}

int
upstream_forward(struct upstream *log, const struct outgoing *rows, size_t n,
    int64_t above, int64_t keep_for_s, size_t *n_dropped, struct idruns *ids)
{
	size_t n_before = n > 0 && was_before(log, rows, n) ? log->forward.n : 0;
	size_t n_args = N_HEAD + n_before;
	size_t room = n_args + n * ROW_ARGS;
	const char **args;
	size_t *lens;
	char (*times)[ENTRY_TIME_BYTES], (*erase)[2][LOGID_TEXT_BYTES];
	char above_text[LOGID_TEXT_BYTES], now[24], keep[24], before[24];
	struct redis_value *answer;
	int outcome;

	*n_dropped = 0;
	if (n == 0)
		return 0;
	args = mem_alloc(room * sizeof(args[0]));
	lens = mem_alloc(room * sizeof(lens[0]));
	times = mem_alloc(n * sizeof(times[0]));
	erase = mem_alloc(n * sizeof(erase[0]));
	snprintf(before, sizeof(before), "%zu", n_before);
	args[0] = logid_write(above_text, above);
	args[1] = append_write_now(now);
	args[2] = append_write_keep(keep, keep_for_s);
	args[3] = before;
	for (size_t i = 0; i < n_before; i++)
		args[N_HEAD + i] = log->forward.once[i];
	for (size_t i = 0; i < N_HEAD + n_before; i++)
		lens[i] = strlen(args[i]);
	for (size_t i = 0; i < n; i++) {
		const struct outgoing *row = &rows[i];
		const char *refusal = row->erase != 0 ? NULL : entry_refusal(&row->message);
		const char **of_row = args + n_args;
		size_t *of_row_lens = lens + n_args;

		if (refusal != NULL) {
			/* Its table has refused such: it would stand in the way of all others. */
			log_errorx("upstream: %s: row %" PRId64 " of the outbox is passed over: %s",
			    log->key, row->number, refusal);
			continue;
		}
		of_row[0] = row->once;
		erase[i][0][0] = erase[i][1][0] = '\0';
		if (row->erase != 0) {
			const struct message none = { .data = (char[]){ "" } };

			logid_write(erase[i][0], row->erase);
			snprintf(erase[i][1], sizeof(erase[i][1]), "%" PRId64, row->erase);
			entry_write(&none, NULL, times[i], of_row + 3, of_row_lens + 3);
			of_row[3 + ENTRY_ARGS - 1] = "";
		} else {
			if (row->replaces)
				snprintf(erase[i][1], sizeof(erase[i][1]), "replaces");
			entry_write(&row->message, row->message.key, times[i], of_row + 3, of_row_lens + 3);
		}
		of_row[1] = erase[i][0];
		of_row[2] = erase[i][1];
		for (int k = 0; k < 3; k++)
			of_row_lens[k] = strlen(of_row[k]);
		n_args += ROW_ARGS;
	}
	answer = append_call(log, &forward, n_args, args, lens,
	    clock_mono_in_ms(2 * UPSTREAM_WAIT_MS), &outcome);
	if (answer != NULL) {
		take_answer(answer, n_dropped, ids);
		remember(log, rows, n);
	}
	redis_value_free(answer);
	free(args);
	free(lens);
	free(times);
	free(erase);
	return answer != NULL ? 0 : outcome;
}
