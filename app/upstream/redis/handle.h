/* The handle of the Redis log: one connection, with what each of its files remembers
 * from call to call. Included by the files of this folder only.
 *
 * A handle belongs to one thread at a time, so nothing in it is locked. */
#ifndef APP_UPSTREAM_REDIS_HANDLE_H
#define APP_UPSTREAM_REDIS_HANDLE_H

#include <stddef.h>
#include <stdint.h>

#include "app/upstream/redis/redis.h"
#include "app/upstream/upstream.h"

/* What upstream_read keeps. */
struct handle_read {
	struct redis_value *entries;  /* the last answer, which the news are lent from; NULL: none */
	struct message *messages;     /* room for `capacity` */
	int64_t *erased;              /* the same */
	struct store_forget *forgets; /* the same */
	size_t capacity;
	char position[64];            /* in Redis's form, where `after` stands: an id may be none of ours */
	int64_t after;                /* 0: not known */
	size_t n_entries, n_bytes;    /* of late, for how many are asked for at once */
	uint64_t n_refused;           /* since the log said so */
	mono_us refused_said_at, lacking_said_at;
};

/* What upstream_forward keeps: the `once` of the batch before. */
struct handle_forward {
	char (*once)[33];
	size_t n;
};

/* What presence.c keeps. */
struct handle_presence {
	struct redis_value *answer;   /* what the following are lent from; NULL: none */
	struct upstream_node *nodes;  /* owned, and so are the users */
	struct upstream_user *users;
	uint64_t n_beats;
};

/* What script.c keeps: the SHA-1 of a script that was called. */
struct handle_script {
	const struct script *script;  /* NULL: none yet */
	char sha1[41];
};

enum { HANDLE_SCRIPTS = 8 };  /* a thread calls six at most; one more would only cost */

/* What ended.c keeps. */
struct handle_ended {
	struct redis_value *answer;   /* what the ends are lent from; NULL: none */
	struct store_end *ends;       /* owned */
};

/* What revoked.c keeps. */
struct handle_revoked {
	struct redis_value *answer;   /* what the users are lent from; NULL: none */
	struct store_revocation *users;  /* owned */
};

struct upstream {
	struct redis *redis;
	char *key;           /* of the stream: the setting upstream_key */
	char *prefix;        /* "{key}:", of everything else of ours */
	int n_replicas;      /* upstream_replicas, resolved */
	char writer[33];     /* upstream_append: random, of this handle alone; "": none yet */
	uint64_t group;      /* the number of its last group */
	struct handle_script scripts[HANDLE_SCRIPTS];
	struct handle_read read;
	struct handle_forward forward;
	struct handle_presence presence;
	struct handle_revoked revoked;
	struct handle_ended ended;
	size_t n_trim;       /* upstream_trim: entries of a slice; 0: none was made yet */
	mono_us refusal_said_at;  /* script_receive */
};

/* What upstream_close frees besides. */
void read_free(struct upstream *log);
void forward_free(struct upstream *log);
void presence_answers_free(struct upstream *log);
void revoked_free(struct upstream *log);
void ended_free(struct upstream *log);

#endif
