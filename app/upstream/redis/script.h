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
 * of what was sent, which the caller frees, or NULL with *outcome, an upstream_outcome.
 * script_call does both, connecting first. */
void script_send(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[]);
struct redis_value *script_receive(struct upstream *log, const struct script *script,
    mono_us deadline, int *outcome);
struct redis_value *script_call(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[], mono_us deadline, int *outcome);

#endif
