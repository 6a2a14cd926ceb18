/* Two hashes from names to lists of members, and an array of all streams. Runs in
 * the hub's thread; of a stream it touches only its `place` and `members`. */

#include "app/hub/roster.h"

#include <stdlib.h>

#include "lib/mem.h"

static void
join(struct hash *index, const char *name, struct member *member, struct stream *s)
{
	struct listeners *listeners = hash_get(index, name);

	if (listeners == NULL) {
		listeners = mem_zalloc(sizeof(*listeners));
		listeners->name = mem_strdup(name);
		listeners->index = index;
		hash_put(index, listeners->name, listeners);
	}
	*member = (struct member){ s, listeners, NULL, listeners->first };
	if (listeners->first != NULL)
		listeners->first->previous = member;
	listeners->first = member;
	listeners->n++;
}

static void
leave(struct member *member)
{
	struct listeners *listeners = member->listeners;

	if (member->previous != NULL)
		member->previous->next = member->next;
	else
		listeners->first = member->next;
	if (member->next != NULL)
		member->next->previous = member->previous;
	if (--listeners->n == 0) {
		hash_remove(listeners->index, listeners->name);
		free(listeners->name);
		free(listeners);
	}
}

void
roster_add(struct roster *roster, struct stream *s)
{
	if (roster->n == roster->capacity) {
		roster->capacity = roster->capacity != 0 ? 2 * roster->capacity : 64;
		roster->streams = mem_realloc(roster->streams,
		    roster->capacity * sizeof(struct stream *));
	}
	s->place = roster->n++;
	roster->streams[s->place] = s;
	s->members = mem_alloc((1 + s->filter.n_topics) * sizeof(*s->members));
	join(&roster->users, s->filter.user, &s->members[0], s);
	for (size_t i = 0; i < s->filter.n_topics; i++)
		join(&roster->topics, s->filter.topics[i], &s->members[1 + i], s);
}

void
roster_remove(struct roster *roster, struct stream *s)
{
	struct stream *last = roster->streams[--roster->n];

	roster->streams[s->place] = last;
	last->place = s->place;
	for (size_t i = 0; i < 1 + s->filter.n_topics; i++)
		leave(&s->members[i]);
	free(s->members);
	s->members = NULL;
}

struct listeners *
roster_user(const struct roster *roster, const char *user)
{
	return hash_get(&roster->users, user);
}

struct listeners *
roster_topic(const struct roster *roster, const char *topic)
{
	return hash_get(&roster->topics, topic);
}

void
roster_free(struct roster *roster)
{
	free(roster->streams);
	hash_free(&roster->users);
	hash_free(&roster->topics);
	*roster = (struct roster){ 0 };
}
