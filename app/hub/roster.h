/* The roster: who is listening. All open streams, and by name those of each
 * user and of each topic. An embedded value of the hub's thread. */
#ifndef APP_HUB_ROSTER_H
#define APP_HUB_ROSTER_H

#include <stddef.h>

#include "app/hub/stream.h"
#include "lib/hash.h"

/* Those who listen under one name. */
struct listeners {
	char *name;              /* owned */
	struct hash *index;      /* the one it is entered in */
	struct member *first;
	size_t n;
};

/* One stream under one name. */
struct member {
	struct stream *stream;
	struct listeners *listeners;
	struct member *previous, *next;
};

/* All zero is empty. */
struct roster {
	struct stream **streams; /* owned array, in no order */
	size_t n;
	size_t capacity;
	struct hash users;       /* name to struct listeners; none is empty */
	struct hash topics;
};

/* roster_add enters a stream; roster_remove takes it out. The stream stays the
 * caller's. Moves the last stream to the removed one's place. */
void roster_add(struct roster *roster, struct stream *s);
void roster_remove(struct roster *roster, struct stream *s);

/* NULL where nobody listens under that name. */
struct listeners *roster_user(const struct roster *roster, const char *user);
struct listeners *roster_topic(const struct roster *roster, const char *topic);

/* roster_free releases the arrays of a roster that has no stream. */
void roster_free(struct roster *roster);

#endif
