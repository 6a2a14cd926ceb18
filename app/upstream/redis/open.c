/* A handle of the log: opened, closed, and looked at. */

#include <inttypes.h>
#include <stdlib.h>

#include "app/upstream/redis/handle.h"
#include "app/upstream/redis/link.h"
#include "app/upstream/redis/logid.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

bool
upstream_is_built(void)
{
	return true;
}

const char *
upstream_built_with(void)
{
	return link_has_tls() ? "with Redis (redis://, rediss://, unix:, redis-sentinel://)"
	    : "with Redis (redis://, unix:, redis-sentinel://), without TLS for it";
}

bool
upstream_is_possible(const struct conf *conf)
{
	if (!conf->upstream.tls || link_has_tls())
		return true;
	log_errorx("upstream: rediss:// needs a rowcast that was built with hiredis_ssl (hiredis 1.0 "
	    "or later), and this one was not: use redis:// over a network that you trust, a tunnel "
	    "(stunnel, WireGuard), or build it where pkg-config finds hiredis_ssl");
	return false;
}

struct upstream *
upstream_open(const struct conf *conf)
{
	struct upstream *log = mem_zalloc(sizeof(*log));

	log->redis = redis_new(conf);
	log->key = mem_strdup(conf->upstream_key);
	log->prefix = mem_printf("{%s}:", conf->upstream_key);
	log->n_replicas = conf->upstream_replicas;
	return log;
}

void
upstream_close(struct upstream *log)
{
	if (log == NULL)
		return;
	read_free(log);
	forward_free(log);
	presence_answers_free(log);
	revoked_free(log);
	ended_free(log);
	redis_free(log->redis);
	free(log->key);
	free(log->prefix);
	free(log);
}

void
upstream_interrupt(struct upstream *log)
{
	redis_interrupt(log->redis);
}

/* ---- looking ---- */

/* ask sends a command and returns its answer; NULL: none, or an error, which is taken for
 * a permission that looking needs and nothing else does. */
static struct redis_value *
ask(struct upstream *log, mono_us deadline, size_t n, const char *const args[])
{
	struct redis_value *answer;

	redis_send(log->redis, n, args, NULL);
	answer = redis_receive(log->redis, deadline);
	if (answer != NULL && redis_kind(answer) != REDIS_ERROR)
		return answer;
	redis_value_free(answer);
	return NULL;
}

/* has_setting: does CONFIG GET say so of this setting? */
static bool
has_setting(const struct redis_value *config, const char *name, const char *value)
{
	for (size_t i = 0; i + 1 < redis_count(config); i += 2)
		if (redis_is_text(redis_at(config, i), name))
			return redis_is_text(redis_at(config, i + 1), value);
	return false;
}

/* warn tells how Redis is set up, where that may be asked and is not as it should be. */
static void
warn(struct upstream *log, mono_us deadline)
{
	const char *const get[] = { "CONFIG", "GET", "*" };
	const char *place = redis_place(log->redis);
	struct redis_value *config = ask(log, deadline, 3, get);

	if (config == NULL)
		return;
	if (has_setting(config, "appendonly", "no"))
		log_warnx("upstream: %s: appendonly is no: what was published since its last snapshot is "
		    "lost when it ends", place);
	if (!has_setting(config, "maxmemory", "0") && !has_setting(config, "maxmemory-policy", "noeviction"))
		log_warnx("upstream: %s: maxmemory-policy is not noeviction: where its memory is full it "
		    "may throw all messages away", place);
	if (log->n_replicas > 0 && has_setting(config, "min-replicas-to-write", "0"))
		log_warnx("upstream: %s: min-replicas-to-write is 0: a primary that is cut off goes on "
		    "taking what others publish, and loses it", place);
	redis_value_free(config);
}

static void
add_replicas(struct upstream *log, mono_us deadline, struct buf *what)
{
	const char *const ask_role[] = { "ROLE" };
	struct redis_value *role = ask(log, deadline, 1, ask_role);
	size_t n;

	if (role == NULL)
		return;
	n = redis_count(redis_at(role, 2));
	buf_printf(what, ", replicas: %zu", n);
	if (n < (size_t)log->n_replicas)
		log_warnx("upstream: %s: it has %zu replicas, and upstream_replicas is %d: nothing is "
		    "acknowledged or sent until it has more", redis_place(log->redis), n, log->n_replicas);
	redis_value_free(role);
}

/* How many entries the stream has, and the last id that it gave. A script, since XINFO
 * by itself would send the first and the last entry whole. An ACL from before topics ended
 * shows by what it does not allow. */
static const char held_script[] =
	"redis.call('ZMSCORE', KEYS[2] .. 'ended', '')\n"
	"local info = redis.pcall('XINFO', 'STREAM', KEYS[1])\n"
	"if info.err then\n"
	"  if string.find(info.err, 'no such key') then return {0, '0-0'} end\n"
	"  return info\n"
	"end\n"
	"local of = {}\n"
	"for i = 1, #info, 2 do of[info[i]] = info[i + 1] end\n"
	"return {of['length'], of['last-generated-id']}\n";

/* A clock that is further ahead is wrong, and so are the ids that it gave. */
#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* add_held says what a stream holds whose ids are right. */
static int
add_held(struct upstream *log, const struct redis_value *held, struct buf *what)
{
	const char *place = redis_place(log->redis), *last;
	size_t len;
	int64_t id;

	last = redis_text(redis_at(held, 1), &len);
	if (last == NULL || !logid_read(last, len, &id)
	    || logid_time_ms(id) > clock_wall_us() / 1000 + DAY_MS) {
		buf_printf(what, "%s: the last id of the stream %s is %s, which no clock that is right "
		    "has given: put the clocks right, and take another `upstream_key` or delete that one",
		    place, log->key, last != NULL ? last : "none");
		return UPSTREAM_REFUSED;
	}
	if (id == 0)
		buf_printf(what, "%s: no messages yet", place);
	else
		buf_printf(what, "%s: entries: %" PRId64 ", the last id: %" PRId64, place,
		    redis_integer(redis_at(held, 0)), id);
	return 0;
}

static int
look(struct upstream *log, mono_us deadline, struct buf *what)
{
	const char *const eval[] = { "EVAL", held_script, "2", log->key, log->prefix };
	struct redis_value *held;
	int outcome = redis_connect(log->redis, deadline);

	if (outcome != 0)
		return outcome;
	redis_send(log->redis, 5, eval, NULL);
	held = redis_receive(log->redis, deadline);
	if (held == NULL) {
		log_warnx("upstream: %s", redis_why(log->redis));
		return UPSTREAM_AWAY;
	}
	if (redis_kind(held) == REDIS_ERROR) {
		outcome = redis_take_error(log->redis, held);
	} else {
		outcome = add_held(log, held, what);
		if (outcome != 0)
			log_errorx("upstream: %.*s", (int)what->len, what->bytes);
	}
	redis_value_free(held);
	if (outcome != 0)
		return outcome;
	add_replicas(log, deadline, what);
	warn(log, deadline);
	return 0;
}

int
upstream_look(struct upstream *log, char **what)
{
	struct buf text = BUF_EMPTY;
	int outcome = look(log, clock_mono_in_ms(UPSTREAM_WAIT_MS), &text);

	if (text.len == 0)
		buf_add_str(&text, redis_why(log->redis));
	*what = buf_take(&text);
	return outcome;
}
