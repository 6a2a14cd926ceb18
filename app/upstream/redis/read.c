/* Following the log (upstream_read). One go over the line: XREAD, which waits where
 * there is nothing; the check, a script; WAIT. Nothing is returned before the replicas
 * have it: the script stands for the PING that WAIT needs behind a blocking XREAD, since
 * it waits for what was written up to the command before it. Where they do not have it
 * yet, PING and WAIT again, until they do or the connection is given up; then all that
 * was read is forgotten, and read anew.
 *
 * The check comes with every read, not with every connection: a key may be deleted, or
 * an older data set put in its place, between two of them. It comes after XREAD, so that
 * what it finds holds for what was read: was it another history, the floor it sets is
 * above all of that, and nothing is returned of it.
 *
 * How many entries are asked for follows from the bytes that entries have had of late,
 * so that an answer has about 1 MiB; MAX_ENTRIES bounds what comes where small ones
 * are followed by large ones. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/entry.h"
#include "app/upstream/redis/logid.h"
#include "app/upstream/redis/loglua.h"
#include "app/upstream/redis/script.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
	ANSWER_BYTES = 1 << 20,
	FIRST_ENTRIES = 16,
	MAX_ENTRIES = 1024,     /* 1 MiB each are 1 GiB; 5,000 at a time are no faster than 1,000 */
	ENTRY_OWN_BYTES = 64,   /* of an entry besides its names and values, about */
	FORGET_ENTRIES = 4 * MAX_ENTRIES,  /* what has come before so many counts half */
	WAIT_AGAIN_US = 300000,
	SAY_EVERY_US = 60 * 1000000,
};

/* ARGV: the anchor, after, both in Redis's form, now in ms. Returns the floor, the
 * newest id, and 1 where the log was another one. */
static const struct script check = {
	LOGLUA_LOG
	"way = write_nothing\n"
	"local anchor, after = ARGV[1], ARGV[2]\n"
	"local refusal = look(ARGV[3])\n"
	"if refusal then return refusal end\n"
	"local is_same = not below(log.last, after)\n"
	"if is_same and after ~= '0-0' then\n"
	/* Nothing was read by then: it began above a floor, which never falls. */
	"  if anchor == '0-0' then\n"
	"    is_same = not below(log.floor, after)\n"
	"  else\n"
	"    is_same = not below(log.floor, anchor) or anchor == log.deleted\n"
	"      or #redis.call('XRANGE', K, anchor, anchor, 'COUNT', '1') > 0\n"
	"      or redis.call('GET', P .. 'erased:' .. anchor) ~= false\n"
	"  end\n"
	"end\n"
	"if not is_same then\n"
	"  rewind(after)\n"
	"else\n"
	/* Where the clock is behind, Redis counts on in the same millisecond, and numbers
	 * there end at 4095. */
	"  local ms, seq = parts(log.last)\n"
	"  if seq > 2048 then\n"
	"    way()\n"
	"    log.last = id(ms + 1, 0)\n"
	"    redis.call('XSETID', K, log.last)\n"
	"  end\n"
	"end\n"
	"return { log.floor, log.last, is_same and 0 or 1 }\n",
};

/* What one go brings. */
struct go {
	int64_t after, anchor;
	int wait_ms;
	size_t n_asked;
	struct redis_value *entries, *checked;
};

void
read_free(struct upstream *log)
{
	redis_value_free(log->read.entries);
	free(log->read.messages);
	free(log->read.erased);
	free(log->read.forgets);
	log->read = (struct handle_read){ 0 };
}

/* number_of is the highest number that is not above the id in Redis's form, which may
 * be none of ours. false: it is no id at all. */
static bool
number_of(const char *text, size_t len, int64_t *number)
{
	const int64_t first_ms = logid_time_ms(0);
	unsigned long long ms, seq;
	char *end;

	if (logid_read(text, len, number))
		return true;
	if (len == 0 || text[0] < '0' || text[0] > '9')
		return false;
	ms = strtoull(text, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9')
		return false;
	seq = strtoull(end + 1, &end, 10);
	if (end != text + len)
		return false;
	if (ms < (unsigned long long)first_ms)
		*number = 0;
	else if (ms - (unsigned long long)first_ms >= (INT64_C(1) << 53) / (LOGID_MAX_SEQ + 1))
		*number = (INT64_C(1) << 53) - 1;
	else
		*number = (int64_t)(ms - (unsigned long long)first_ms) * (LOGID_MAX_SEQ + 1)
		    + (seq > LOGID_MAX_SEQ ? LOGID_MAX_SEQ : (int64_t)seq);
	return true;
}

static size_t
entries_to_ask(const struct handle_read *read)
{
	size_t n;

	if (read->n_entries == 0)
		return FIRST_ENTRIES;
	n = ANSWER_BYTES / (read->n_bytes / read->n_entries + 1);
	return n < 1 ? 1 : n > MAX_ENTRIES ? MAX_ENTRIES : n;
}

static bool
is_due(mono_us *said_at)
{
	mono_us now = clock_mono_us();

	if (*said_at != 0 && now - *said_at < SAY_EVERY_US)
		return false;
	*said_at = now;
	return true;
}

/* ---- asking ---- */

static void
send_read(struct upstream *log, const struct go *go)
{
	char count[24], block[24], from[LOGID_TEXT_BYTES];
	const char *args[9];
	size_t n = 0;

	snprintf(count, sizeof(count), "%zu", go->n_asked);
	snprintf(block, sizeof(block), "%d", go->wait_ms);
	logid_write(from, go->after);
	args[n++] = "XREAD";
	args[n++] = "COUNT";
	args[n++] = count;
	if (go->wait_ms > 0) {  /* BLOCK 0 is for ever */
		args[n++] = "BLOCK";
		args[n++] = block;
	}
	args[n++] = "STREAMS";
	args[n++] = log->key;
	args[n++] = log->read.position[0] != '\0' && log->read.after == go->after
	    ? log->read.position : from;
	redis_send(log->redis, n, args, NULL);
}

/* take_error: 0, or the outcome of an error in place of an answer. */
static int
take_error(struct upstream *log, const struct redis_value *answer)
{
	if (answer == NULL)
		return UPSTREAM_AWAY;
	return redis_kind(answer) == REDIS_ERROR ? redis_take_error(log->redis, answer) : 0;
}

/* wait_again asks until the replicas have it. The connection is looked at meanwhile:
 * it may lead to what is no longer the primary, and then they never will. */
static int
wait_again(struct upstream *log, mono_us deadline)
{
	uint64_t n_connects = redis_n_connects(log->redis);
	char n[16], ms[24];

	if (is_due(&log->read.lacking_said_at))
		log_warnx("upstream: %s: waiting for %d replicas to have what was added",
		    log->key, log->n_replicas);
	snprintf(n, sizeof(n), "%d", log->n_replicas);
	snprintf(ms, sizeof(ms), "%d", WAIT_AGAIN_US / 1000);
	while (clock_mono_us() < deadline && redis_connect(log->redis, deadline) == 0
	    && redis_n_connects(log->redis) == n_connects) {
		struct redis_value *pong, *waited;
		bool is_done, is_lost;

		redis_send(log->redis, 1, (const char *const[]){ "PING" }, NULL);
		redis_send(log->redis, 3, (const char *const[]){ "WAIT", n, ms }, NULL);
		pong = redis_receive(log->redis, deadline + WAIT_AGAIN_US);
		waited = pong != NULL ? redis_receive(log->redis, deadline + WAIT_AGAIN_US) : NULL;
		is_lost = waited == NULL || redis_kind(pong) == REDIS_ERROR
		    || redis_kind(waited) != REDIS_INTEGER;
		is_done = !is_lost && redis_integer(waited) >= log->n_replicas;
		redis_value_free(pong);
		redis_value_free(waited);
		if (is_done)
			return 0;
		if (is_lost)
			break;
	}
	redis_drop(log->redis);
	return UPSTREAM_AWAY;
}

static void
send_check(struct upstream *log, const struct go *go)
{
	char anchor[LOGID_TEXT_BYTES], after[LOGID_TEXT_BYTES], now[24];

	script_send(log, &check, 3, (const char *const[]){ logid_write(anchor, go->anchor),
	    logid_write(after, go->after), append_write_now(now) }, NULL);
}

static void
send_wait(struct upstream *log)
{
	append_send_wait(log, clock_mono_us() + WAIT_AGAIN_US);
}

/* receive_wait: the answer to send_wait, and what follows from it. */
static int
receive_wait(struct upstream *log, mono_us deadline)
{
	struct redis_value *waited;
	int outcome = 0;

	if (log->n_replicas == 0)
		return 0;
	waited = redis_receive(log->redis, deadline);
	if (waited == NULL || redis_kind(waited) != REDIS_INTEGER) {
		redis_drop(log->redis);
		outcome = UPSTREAM_AWAY;
	} else if (redis_integer(waited) < log->n_replicas) {
		outcome = wait_again(log, deadline);
	}
	redis_value_free(waited);
	return outcome;
}

/* receive_all takes the three answers. */
static int
receive_all(struct upstream *log, struct go *go)
{
	mono_us deadline = clock_mono_in_ms((int64_t)go->wait_ms + UPSTREAM_WAIT_MS);
	int outcome;

	go->entries = redis_receive(log->redis, deadline);
	if (go->entries == NULL)
		return UPSTREAM_AWAY;
	deadline = clock_mono_in_ms(UPSTREAM_WAIT_MS);
	go->checked = script_receive(log, deadline, &outcome);
	if (go->checked == NULL && outcome != 0) {
		redis_drop(log->redis);
		return outcome == UPSTREAM_UNKNOWN ? UPSTREAM_AWAY : outcome;
	}
	outcome = receive_wait(log, deadline);
	if (outcome == 0 && go->checked == NULL) {
		outcome = script_load(log, &check, deadline);
		if (outcome == 0) {
			send_check(log, go);
			send_wait(log);
			go->checked = script_receive(log, deadline, &outcome);
			if (go->checked != NULL)
				outcome = receive_wait(log, deadline);
			else if (outcome == 0 || outcome == UPSTREAM_UNKNOWN)
				outcome = UPSTREAM_AWAY;
			if (go->checked == NULL)
				redis_drop(log->redis);
		}
	}
	return outcome == 0 ? take_error(log, go->entries) : outcome;
}

/* ---- taking ---- */

static void
refuse_entry(struct upstream *log, const char *id, size_t id_len, const char *why)
{
	log->read.n_refused++;
	if (!is_due(&log->read.refused_said_at))
		return;
	log_warnx("upstream: %s: entry %.*s is left out: %s (%" PRIu64 " left out since this was"
	    " last said)", log->key, (int)id_len, id, why, log->read.n_refused);
	log->read.n_refused = 0;
}

static size_t
bytes_of(const struct redis_value *fields)
{
	size_t n_bytes = ENTRY_OWN_BYTES, len;

	for (size_t i = 0; i < redis_count(fields); i++)
		if (redis_text(redis_at(fields, i), &len) != NULL)
			n_bytes += len + 16;
	return n_bytes;
}

/* take_entry adds one to the news, unless it is at or below the floor. false: the
 * answer makes no sense. */
static bool
take_entry(struct upstream *log, struct upstream_news *news, const struct redis_value *entry)
{
	struct handle_read *read = &log->read;
	const struct redis_value *fields = redis_at(entry, 1);
	struct entry content = { .erase = 0 };
	int64_t number;
	bool is_numbered;
	const char *why;
	size_t len;
	const char *id;

	if (redis_kind(entry) != REDIS_ARRAY || redis_count(entry) != 2)
		return false;
	id = redis_text(redis_at(entry, 0), &len);
	if (id == NULL || len >= sizeof(read->position))
		return false;
	is_numbered = logid_read(id, len, &number);
	if ((!is_numbered && !number_of(id, len, &number))
	    || number < news->upto || (number == news->upto && is_numbered))
		return false;
	read->n_entries++;
	read->n_bytes += bytes_of(fields);
	memcpy(read->position, id, len + 1);
	read->after = number;
	news->upto = number;
	if (is_numbered)
		news->anchor = number;
	if (number <= news->floor)
		return true;
	why = is_numbered && number > 0 ? entry_read(fields, &content)
	    : "its id has no number: entries must be added under *";
	if (why != NULL) {
		refuse_entry(log, id, len, why);
		news->n_refused++;
	} else if (content.erase != 0) {
		news->erased[news->n_erased++] = content.erase;
	} else if (content.forget != 0) {
		read->forgets[news->n_forgets++] = (struct store_forget){ number, content.forget };
	} else {
		content.message.id = number;
		content.message.created_at = logid_time_ms(number) / 1000;
		news->messages[news->n++] = content.message;
	}
	return true;
}

static bool
take_entries(struct upstream *log, struct upstream_news *news)
{
	struct handle_read *read = &log->read;
	const struct redis_value *stream = redis_at(read->entries, 0);
	const struct redis_value *entries;
	size_t n;

	if (redis_kind(read->entries) == REDIS_NIL)
		return true;
	if (redis_kind(read->entries) != REDIS_ARRAY || redis_count(read->entries) != 1
	    || redis_kind(stream) != REDIS_ARRAY || redis_count(stream) != 2)
		return false;
	entries = redis_at(stream, 1);
	n = redis_count(entries);
	if (n > read->capacity) {
		read->messages = mem_realloc(read->messages, n * sizeof(read->messages[0]));
		read->erased = mem_realloc(read->erased, n * sizeof(read->erased[0]));
		read->forgets = mem_realloc(read->forgets, n * sizeof(read->forgets[0]));
		read->capacity = n;
	}
	news->messages = read->messages;
	news->erased = read->erased;
	news->forgets = read->forgets;
	if (read->n_entries > FORGET_ENTRIES) {
		read->n_entries /= 2;
		read->n_bytes /= 2;
	}
	for (size_t i = 0; i < n; i++)
		if (!take_entry(log, news, redis_at(entries, i)))
			return false;
	return true;
}

static bool
take_checked(struct upstream *log, const struct redis_value *checked, struct upstream_news *news)
{
	size_t floor_len, newest_len;
	const char *floor = redis_text(redis_at(checked, 0), &floor_len);
	const char *newest = redis_text(redis_at(checked, 1), &newest_len);

	if (floor == NULL || newest == NULL || !number_of(floor, floor_len, &news->floor)
	    || !number_of(newest, newest_len, &news->newest))
		return false;
	if (redis_integer(redis_at(checked, 2)) != 0)
		log_warnx("upstream: %s: this is not the log that was read up to here (an older data set,"
		    " entries lost in a failover, a deleted key): it goes on above %s, and who is"
		    " below is told that there is a gap", log->key, floor);
	return true;
}

static bool
take_news(struct upstream *log, struct go *go, struct upstream_news *news)
{
	if (redis_kind(go->checked) != REDIS_ARRAY || redis_count(go->checked) != 3
	    || !take_checked(log, go->checked, news))
		return false;
	redis_value_free(log->read.entries);
	log->read.entries = go->entries;
	go->entries = NULL;
	if (!take_entries(log, news)) {
		log->read.position[0] = '\0';
		return false;
	}
	if (news->upto < news->floor)
		news->upto = news->floor;
	return true;
}

int
upstream_read(struct upstream *log, int64_t after, int64_t anchor, int wait_ms,
    struct upstream_news *news)
{
	struct go go = { .after = after, .anchor = anchor, .wait_ms = wait_ms };
	int outcome = redis_connect(log->redis, clock_mono_in_ms(UPSTREAM_WAIT_MS));

	*news = (struct upstream_news){ .upto = after, .anchor = anchor };
	if (outcome != 0)
		return outcome;
	go.n_asked = entries_to_ask(&log->read);
	news->asked_at = clock_mono_us();
	send_read(log, &go);
	send_check(log, &go);
	send_wait(log);
	outcome = receive_all(log, &go);
	if (outcome == 0 && !take_news(log, &go, news)) {
		log_errorx("upstream: %s: an answer that makes no sense", log->key);
		redis_drop(log->redis);
		outcome = UPSTREAM_AWAY;
	}
	redis_value_free(go.entries);
	redis_value_free(go.checked);
	return outcome;
}
