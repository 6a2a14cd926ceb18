/* An entry of the stream as a message, and the other way round: what may stand in it.
 * Plain functions: any thread. */
#ifndef APP_UPSTREAM_REDIS_ENTRY_H
#define APP_UPSTREAM_REDIS_ENTRY_H

#include <stdint.h>

#include "app/store/message.h"
#include "app/upstream/redis/redis.h"

enum {
	ENTRY_DATA_MAX_BYTES = 1 << 20,   /* as much as a store takes */
	/* The longest that is made of a user and a key of ours; a longer one is passed over. */
	ENTRY_KEY_MAX_BYTES = 3 * USER_MAX_BYTES + 1 + KEY_MAX_BYTES,
	ENTRY_ARGS = 6,                   /* that entry_write makes */
	ENTRY_TIME_BYTES = 24,
};

/* One of the three. */
struct entry {
	struct message message;  /* without id and time; its strings are lent by the fields */
	int64_t erase;           /* not 0: this message is erased */
	int64_t forget;          /* not 0: ends up to this id are not remembered any more */
};

/* entry_refusal says in a few words why a message would break a stream, or its copies
 * would refuse it; NULL: it would not. */
const char *entry_refusal(const struct message *m);

/* entry_read reads the fields of an entry, an array of names and values. NULL, or as
 * entry_refusal. */
const char *entry_read(const struct redis_value *fields, struct entry *entry);

/* entry_write sets the args of a message for the scripts that add it: key, user,
 * topic, event, expires_at, data, empty where there is none; time has room for one. */
void entry_write(const struct message *m, const char *key, char time[ENTRY_TIME_BYTES],
    const char *args[ENTRY_ARGS], size_t lens[ENTRY_ARGS]);

#endif
