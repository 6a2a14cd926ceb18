/* A table of users, one entry each, with the latest second. It only grows: how long the
 * tokens are good that somebody else signs, nobody here knows. An entry takes some 100
 * bytes and is made by who may command, not by who is revoked.
 *
 * Every request asks, and hardly ever is anybody revoked: so while there is nobody, no
 * lock is taken, and else one that readers share, for one look into the table. */

#include "app/access/revocations.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

struct revocation {
	wall_s until;
	char user[];
};

struct revocations {
	pthread_rwlock_t lock;  /* guards the table and its entries */
	struct hash users;      /* name to struct revocation, owned */
	_Atomic bool is_used;   /* there is an entry */
};

struct revocations *
revocations_new(void)
{
	struct revocations *revocations = mem_zalloc(sizeof(*revocations));
	pthread_rwlockattr_t attr;

	/* As the rules of auth.c: who revokes does not wait for ever on a busy server. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&revocations->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return revocations;
}

void
revocations_free(struct revocations *revocations)
{
	if (revocations == NULL)
		return;
	for (size_t i = 0; i < revocations->users.n_slots; i++)
		if (revocations->users.slots[i].key != NULL)
			free(revocations->users.slots[i].value);
	hash_free(&revocations->users);
	pthread_rwlock_destroy(&revocations->lock);
	free(revocations);
}

bool
revocations_raise(struct revocations *revocations, const char *user, wall_s until)
{
	struct revocation *entry;
	bool is_new;

	pthread_rwlock_wrlock(&revocations->lock);
	entry = hash_get(&revocations->users, user);
	is_new = entry == NULL || entry->until < until;
	if (entry == NULL) {
		entry = mem_alloc(sizeof(*entry) + strlen(user) + 1);
		strcpy(entry->user, user);
		hash_put(&revocations->users, entry->user, entry);
	}
	if (is_new)
		entry->until = until;
	atomic_store(&revocations->is_used, true);
	pthread_rwlock_unlock(&revocations->lock);
	return is_new;
}

bool
revocations_cover(struct revocations *revocations, const char *user, wall_s issued_at)
{
	const struct revocation *entry;
	bool covers;

	if (!atomic_load(&revocations->is_used))
		return false;
	pthread_rwlock_rdlock(&revocations->lock);
	entry = hash_get(&revocations->users, user);
	covers = entry != NULL && issued_at <= entry->until;
	pthread_rwlock_unlock(&revocations->lock);
	return covers;
}
