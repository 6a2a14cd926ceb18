/* What is asked of the log so that a message is stored: a script, and that the
 * replicas have what it did. Of the thread that has the handle. */
#ifndef APP_UPSTREAM_REDIS_APPEND_H
#define APP_UPSTREAM_REDIS_APPEND_H

#include "app/upstream/redis/script.h"

/* append_call is script_call, for UPSTREAM_WAIT_MS or until the deadline, and returns
 * the answer once the replicas have what the script did; UPSTREAM_UNKNOWN, and the
 * connection is dropped, where they do not say so. */
struct redis_value *append_call(struct upstream *log, const struct script *script, size_t n,
    const char *const args[], const size_t lens[], mono_us deadline, int *outcome);

/* append_send_wait asks, where there are to be replicas, whether they have all that this
 * connection has seen. */
void append_send_wait(struct upstream *log, mono_us deadline);

/* Args of scripts: now in ms since 1970; how long a key is kept, in ms. Return text. */
char *append_write_now(char text[24]);
char *append_write_keep(char text[24], int64_t keep_for_s);

#endif
