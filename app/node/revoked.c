/* Keeps what the log knows of revoked users complete. Every machine tells it what it reads,
 * before its position is beyond the message: so no message that any machine has taken is
 * missing there, and who tells first does not matter. What all of them miss is a message
 * that retention deletes, or somebody erases, before any machine has read it.
 *
 * All is exchanged whenever the log is there again. A failover may have taken the last
 * word of it back, data may have been lost: the machines still know. */

#include "app/node/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* Users, gathered; owned. */
struct list {
	struct store_revocation *revocations;
	size_t n, capacity;
};

static void
add(void *context, const char *user, wall_s until)
{
	struct list *list = context;

	if (list->n == list->capacity) {
		list->capacity = list->capacity > 0 ? 2 * list->capacity : 16;
		list->revocations = mem_realloc(list->revocations,
		    list->capacity * sizeof(list->revocations[0]));
	}
	list->revocations[list->n++] = (struct store_revocation){ mem_strdup(user), until };
}

static void
list_free(struct list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		union { const char *kept; char *owned; } user = { list->revocations[i].user };

		free(user.owned);
	}
	free(list->revocations);
}

/* is_settled: a log that does not take it will not do so the next time either. */
static bool
is_settled(int outcome)
{
	return outcome == 0 || outcome == UPSTREAM_FULL || outcome == UPSTREAM_REFUSED;
}

bool
revoked_tell(struct upstream *log, const struct upstream_news *news)
{
	struct list list = { NULL, 0, 0 };
	int outcome = 0;

	for (size_t i = 0; i < news->n; i++) {
		const struct message *m = &news->messages[i];

		if (m->topic != NULL && strcmp(m->topic, MESSAGE_TOPIC_CONTROL) == 0
		    && m->event != NULL && strcmp(m->event, "revoke") == 0 && m->user != NULL)
			add(&list, m->user, m->created_at);
	}
	if (list.n > 0)
		outcome = upstream_revoke(log, list.revocations, list.n);
	list_free(&list);
	return is_settled(outcome);
}

bool
revoked_exchange(struct upstream *log, struct store *store)
{
	const struct store_revocation *theirs;
	struct list ours = { NULL, 0, 0 };
	int64_t after = 0;
	int outcome = -1;
	size_t n;

	if (store_read_revoked(store, &after, add, &ours) == 0)
		outcome = upstream_revoke(log, ours.revocations, ours.n);
	list_free(&ours);
	if (outcome == 0)
		outcome = upstream_revoked(log, &theirs, &n);
	if (outcome == 0 && n > 0)
		return store_revoke(store, theirs, n) == 0;
	return is_settled(outcome);
}
