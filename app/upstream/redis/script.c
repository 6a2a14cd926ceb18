/* Calling scripts (script.h). The SHA-1 is worked out here, so that a call needs no
 * round trip before it; one that Redis does not know yet, or has forgotten, shows by
 * its NOSCRIPT, and nothing was done. */

#include "app/upstream/redis/script.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "lib/log.h"
#include "lib/mem.h"

enum {
	N_OWN_ARGS = 5,   /* EVALSHA, SHA-1, 2, the two keys */
	MAX_LOADS = 3,    /* in one call: somebody may empty the cache in between */
	SAY_EVERY_US = 60 * 1000000,
};

#define OWN_REFUSAL "ROWCAST "

static void
write_sha1(char text[2 * SHA_DIGEST_LENGTH + 1], const char *script)
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	SHA1((const unsigned char *)script, strlen(script), digest);
	for (int i = 0; i < SHA_DIGEST_LENGTH; i++) {
		text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	text[2 * SHA_DIGEST_LENGTH] = '\0';
}

/* sha1_of lends it until the next call: worked out for each call it would cost as much
 * as a message. */
static const char *
sha1_of(struct upstream *log, const struct script *script)
{
	size_t i = 0;

	while (i < HANDLE_SCRIPTS - 1 && log->scripts[i].script != NULL
	    && log->scripts[i].script != script)
		i++;
	if (log->scripts[i].script != script) {
		log->scripts[i].script = script;
		write_sha1(log->scripts[i].sha1, script->text);
	}
	return log->scripts[i].sha1;
}

void
script_send(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[])
{
	const char **all = mem_alloc((N_OWN_ARGS + n) * sizeof(all[0]));
	size_t *all_lens = mem_alloc((N_OWN_ARGS + n) * sizeof(all_lens[0]));

	all[0] = "EVALSHA";
	all[1] = sha1_of(log, script);
	all[2] = "2";
	all[3] = log->key;
	all[4] = log->prefix;
	for (size_t i = 0; i < N_OWN_ARGS; i++)
		all_lens[i] = strlen(all[i]);
	for (size_t i = 0; i < n; i++) {
		all[N_OWN_ARGS + i] = args[i];
		all_lens[N_OWN_ARGS + i] = lens != NULL ? lens[i] : strlen(args[i]);
	}
	redis_send(log->redis, N_OWN_ARGS + n, all, all_lens);
	free(all);
	free(all_lens);
}

static bool
has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int
take_error(struct upstream *log, const struct redis_value *error)
{
	size_t len;
	const char *text = redis_text(error, &len);
	mono_us now = clock_mono_us();

	if (has_prefix(text, "NOSCRIPT"))
		return 0;
	if (!has_prefix(text, OWN_REFUSAL))
		return redis_take_error(log->redis, error);
	if (log->refusal_said_at == 0 || now - log->refusal_said_at >= SAY_EVERY_US) {
		log_errorx("upstream: %s: %s", log->key, text + strlen(OWN_REFUSAL));
		log->refusal_said_at = now;
	}
	return UPSTREAM_REFUSED;
}

struct redis_value *
script_receive(struct upstream *log, mono_us deadline, int *outcome)
{
	struct redis_value *answer = redis_receive(log->redis, deadline);

	*outcome = 0;
	if (answer == NULL) {
		*outcome = UPSTREAM_UNKNOWN;
	} else if (redis_kind(answer) == REDIS_ERROR) {
		*outcome = take_error(log, answer);
		redis_value_free(answer);
		answer = NULL;
	}
	return answer;
}

int
script_load(struct upstream *log, const struct script *script, mono_us deadline)
{
	struct redis_value *answer;
	int outcome = 0;

	redis_send(log->redis, 3, (const char *const[]){ "SCRIPT", "LOAD", script->text }, NULL);
	answer = redis_receive(log->redis, deadline);
	if (answer == NULL)
		return UPSTREAM_AWAY;
	if (redis_kind(answer) == REDIS_ERROR)
		outcome = redis_take_error(log->redis, answer);
	redis_value_free(answer);
	return outcome;
}

struct redis_value *
script_call(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[], mono_us deadline, int *outcome)
{
	for (int loads = 0; loads <= MAX_LOADS; loads++) {
		struct redis_value *answer;

		*outcome = redis_connect(log->redis, deadline);
		if (*outcome == 0 && loads > 0)
			*outcome = script_load(log, script, deadline);
		if (*outcome != 0)
			return NULL;
		script_send(log, script, n, args, lens);
		answer = script_receive(log, deadline, outcome);
		if (answer != NULL || *outcome != 0)
			return answer;
	}
	*outcome = UPSTREAM_AWAY;
	return NULL;
}
