/* A message: one row of the table, on its way in or out. A plain value: whoever
 * has it may read and change it, in any thread. */
#ifndef APP_STORE_MESSAGE_H
#define APP_STORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

/* Bounds on the names in a message, in bytes; picked, not tuned. Data is
 * bounded by the setting max_message and by the table's own 1 MiB. */
enum {
	USER_MAX_BYTES = 255,
	TOPIC_MAX_BYTES = 255,
	EVENT_MAX_BYTES = 255,
	KEY_MAX_BYTES = 255,
};

struct message {
	int64_t id;         /* row id, from 1; the store sets it, until then it is no id */
	char *user;         /* who may read it; NULL: everyone */
	char *topic;        /* streams of this topic only; NULL: any stream */
	char *event;        /* event name; NULL: the default, "message" */
	char *data;         /* UTF-8; data_len bytes and a NUL */
	size_t data_len;
	char *key;          /* idempotency key as the publisher gave it; NULL: none */
	struct expiry expiry;  /* not sent from then on */
	wall_s created_at;  /* 0: now; the store sets it */
};

/* Topics of rowcast's own (see message_topic_is_reserved). */
#define MESSAGE_TOPIC_CONTROL "rowcast.control"  /* events kick and revoke, of a user */
#define MESSAGE_TOPIC_STATUS "rowcast.status"    /* what each rowcast tells of itself */

/* In a copy: history was lost in its place. */
#define MESSAGE_EVENT_GAP "rowcast.gap"

/* The event of the message that ends its topic: the last one there is of it (store.h). */
#define MESSAGE_EVENT_END "rowcast.end"

/* message_topic_is_reserved: does the name begin with "rowcast."? Only who has the scope
 * rowcast:admin reads such a topic, or sends to it over HTTP. */
bool message_topic_is_reserved(const char *topic);

/* message_is_gap: does it tell of a gap in a machine's copy (app/node/follower.c)? The table
 * takes no such event from anybody. */
bool message_is_gap(const struct message *m);

/* message_is_end: does it end its topic? */
bool message_is_end(const struct message *m);

/* message_free frees the strings, which the message owns, not the struct. */
void message_free(struct message *m);

/* message_scope_key returns, for the caller to free, a key that no other publisher can
 * also make: the slash between the two is the only one that is not escaped. */
char *message_scope_key(const char *publisher, const char *key);

#endif
