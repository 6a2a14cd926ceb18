/* Scripts: what Redis does for us in one step. Called by its SHA-1, so that two
 * versions of rowcast know their own, and loaded again where Redis has forgotten it. */
#ifndef APP_UPSTREAM_REDIS_SCRIPT_H
#define APP_UPSTREAM_REDIS_SCRIPT_H

#include "app/upstream/redis/handle.h"

struct script {
	const char *text;     /* Lua; KEYS[1] is the stream, KEYS[2] the prefix of all else */
};

/* script_send adds a call of the script to what is sent to the connection that there
 * is; n args, lens as in redis_send. script_receive returns its answer, in the order
 * of what was sent, which the caller frees and which is no error, or NULL with *outcome,
 * an upstream_outcome, or 0: Redis does not know the script (any more), nothing was
 * done. script_load teaches it: 0 or an upstream_outcome. script_call does all of it,
 * connecting first. What a script refuses by itself, in an error that begins with
 * ROWCAST and is a sentence from there on, is UPSTREAM_REFUSED and logged once a minute. */
void script_send(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[]);
struct redis_value *script_receive(struct upstream *log, mono_us deadline, int *outcome);
int script_load(struct upstream *log, const struct script *script, mono_us deadline);
struct redis_value *script_call(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[], mono_us deadline, int *outcome);

#endif
