/* Who was revoked, in Redis: a hash from users to the latest second. Messages are trimmed,
 * and machines that come later have to know. It is filled by those who read the stream and
 * not by those who add to it, so that any XADD revokes. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/handle.h"
#include "lib/mem.h"

enum {
	BATCH_USERS = 1000,  /* in one call: Redis stands still for some ms */
	NUMBER_BYTES = 24,
};

/* ARGV: users and seconds. */
static const struct script script_revoke = {
	"local h = KEYS[2] .. 'revoked'\n"
	"for i = 1, #ARGV, 2 do\n"
	"  local was = tonumber(redis.call('HGET', h, ARGV[i]) or nil)\n"
	"  if not was or was < tonumber(ARGV[i + 1]) then\n"
	"    redis.call('HSET', h, ARGV[i], ARGV[i + 1])\n"
	"  end\n"
	"end\n"
	"return 1\n"
};

static const struct script script_revoked = {
	"return redis.call('HGETALL', KEYS[2] .. 'revoked')\n"
};

static mono_us
deadline(void)
{
	return clock_mono_us() + UPSTREAM_WAIT_MS * 1000;
}

void
revoked_free(struct upstream *log)
{
	redis_value_free(log->revoked.answer);
	free(log->revoked.users);
}

static int
revoke_batch(struct upstream *log, const struct store_revocation *revocations, size_t n)
{
	const char *args[2 * BATCH_USERS];
	char (*numbers)[NUMBER_BYTES] = mem_alloc(n * sizeof(numbers[0]));
	struct redis_value *answer;
	int outcome;

	for (size_t i = 0; i < n; i++) {
		snprintf(numbers[i], NUMBER_BYTES, "%" PRId64, revocations[i].until);
		args[2 * i] = revocations[i].user;
		args[2 * i + 1] = numbers[i];
	}
	answer = append_call(log, &script_revoke, 2 * n, args, NULL, deadline(), &outcome);
	redis_value_free(answer);
	free(numbers);
	return answer != NULL ? 0 : outcome;
}

int
upstream_revoke(struct upstream *log, const struct store_revocation *revocations, size_t n)
{
	int outcome = 0;

	for (size_t at = 0; at < n && outcome == 0; at += BATCH_USERS)
		outcome = revoke_batch(log, revocations + at, n - at < BATCH_USERS ? n - at : BATCH_USERS);
	return outcome;
}

int
upstream_revoked(struct upstream *log, const struct store_revocation **revocations, size_t *n)
{
	struct handle_revoked *revoked = &log->revoked;
	size_t n_texts;
	int outcome;

	*n = 0;
	redis_value_free(revoked->answer);
	revoked->answer = append_call(log, &script_revoked, 0, NULL, NULL, deadline(), &outcome);
	if (revoked->answer == NULL)
		return outcome;
	n_texts = redis_count(revoked->answer);
	revoked->users = mem_realloc(revoked->users, (n_texts / 2 + 1) * sizeof(*revoked->users));
	for (size_t i = 0; i + 1 < n_texts; i += 2) {
		const char *user = redis_text(redis_at(revoked->answer, i), NULL);
		const char *until = redis_text(redis_at(revoked->answer, i + 1), NULL);

		/* Whoever else writes there: what is no user is passed over. */
		if (user != NULL && *user != '\0' && until != NULL)
			revoked->users[(*n)++] = (struct store_revocation){ user, strtoll(until, NULL, 10) };
	}
	*revocations = revoked->users;
	return 0;
}
