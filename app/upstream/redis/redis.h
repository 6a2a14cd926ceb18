/* A connection to the Redis that is the primary now, and no more of hiredis than that
 * takes. Found by asking Sentinel where the setting `upstream` names one.
 *
 * A connection belongs to one thread at a time, but for redis_interrupt. Passwords
 * stand in no log and in no error text. */
#ifndef APP_UPSTREAM_REDIS_REDIS_H
#define APP_UPSTREAM_REDIS_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/setting/conf.h"
#include "app/upstream/redis/value.h"
#include "lib/clock.h"

struct redis;

struct redis *redis_new(const struct conf *conf);
void redis_free(struct redis *redis);          /* NULL: nothing */
void redis_interrupt(struct redis *redis);     /* any thread: see upstream_interrupt */
bool redis_is_interrupted(const struct redis *redis);

/* redis_connect makes sure of a connection to the primary, before the deadline: it
 * finds it, authenticates, selects, asks for its ROLE; again and again, with jitter,
 * until there is one. Where there is one it costs nothing, but for a question to a
 * Sentinel once a second: one that has named another primary since ends it.
 * 0, UPSTREAM_AWAY or UPSTREAM_REFUSED (logged: wrong password, no permission). */
int redis_connect(struct redis *redis, mono_us deadline);

/* redis_drop ends the connection: an answer showed that it leads nowhere (READONLY,
 * LOADING, MASTERDOWN, NOREPLICAS), or none came. */
void redis_drop(struct redis *redis);

/* redis_n_connects counts the connections: what was loaded into one is not in the next. */
uint64_t redis_n_connects(const struct redis *redis);

/* redis_send adds a command to what is sent; lens NULL: the args end in NUL. */
void redis_send(struct redis *redis, size_t n, const char *const args[], const size_t lens[]);

/* redis_receive sends what was added, and returns the next answer, in the order of
 * the commands, which the caller frees; NULL: none came before the deadline, or the
 * connection was lost: it is dropped, and what was asked is unknown. */
struct redis_value *redis_receive(struct redis *redis, mono_us deadline);

/* redis_take_error: drops the connection where an error says that it leads nowhere,
 * and returns the upstream_outcome that it stands for (UPSTREAM_FULL for OOM). */
int redis_take_error(struct redis *redis, const struct redis_value *error);

/* redis_place says where it is connected to, or was last: "host:port", or a path; good
 * until the next redis_connect. */
const char *redis_place(const struct redis *redis);

/* redis_why says why the last redis_connect failed, or what the last error or loss was
 * about: a sentence without an end, good until the next call. */
const char *redis_why(const struct redis *redis);

#endif
