/* Who was revoked, in Redis: a hash from users to the latest second. Messages are trimmed,
 * and machines that come later have to know. It is filled by those who read the stream and
 * not by those who add to it, so that any XADD revokes. */

#include <stdlib.h>

#include "app/upstream/redis/append.h"
#include "app/upstream/redis/handle.h"
#include "app/upstream/redis/pairs.h"
#include "lib/clock.h"
#include "lib/mem.h"

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

void
revoked_free(struct upstream *log)
{
	redis_value_free(log->revoked.answer);
	free(log->revoked.users);
}

int
upstream_revoke(struct upstream *log, const struct store_revocation *revocations, size_t n)
{
	struct pair *pairs = mem_alloc(n * sizeof(pairs[0]));
	int outcome;

	for (size_t i = 0; i < n; i++)
		pairs[i] = (struct pair){ revocations[i].user, revocations[i].until };
	outcome = pairs_tell(log, &script_revoke, pairs, n);
	free(pairs);
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
	revoked->answer = append_call(log, &script_revoked, 0, NULL, NULL,
	    clock_mono_in_ms(UPSTREAM_WAIT_MS), &outcome);
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
