/* The follower: the one thread that brings what the log has into this machine's copy,
 * and deletes there what the log has no longer. */
#ifndef APP_NODE_FOLLOWER_H
#define APP_NODE_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "app/node/wiring.h"
#include "app/setting/conf.h"
#include "app/store/failure.h"
#include "app/store/store.h"
#include "lib/clock.h"

struct follower;
struct writeback;

/* follower_start takes the store, a STORE_COPY handle. writeback, which is lent, is told
 * what its commits leave beside the file; NULL: nobody. wiring is copied. NULL: logged,
 * and the store is closed. */
struct follower *follower_start(const struct conf *conf, struct store *store,
    struct writeback *writeback, const struct node_wiring *wiring);

/* follower_reload takes over keep_for from conf. Any thread. */
void follower_reload(struct follower *follower, const struct conf *conf);

/* follower_wait waits for the first answer of the log, for timeout_ms at most. 0: it
 * has come, and was told (wiring's heard); UPSTREAM_REFUSED: the log will not be read
 * by us (logged); UPSTREAM_AWAY: nothing has come yet. The starting thread. */
int follower_wait(struct follower *follower, int timeout_ms);

/* follower_is_blank: the copy holds nothing, and the log has not been heard of yet: no
 * id that means anything is known here. Any thread. */
bool follower_is_blank(struct follower *follower);

/* Any thread. */
struct follower_counters {
	bool is_up;            /* the log answered when it was last asked */
	bool is_failing;       /* the copy could not take what came */
	mono_us lag_us;        /* so long ago the copy last had all that the log had given */
	uint64_t n_refused;    /* entries of the log that are no message */
	uint64_t n_trimmed;    /* rows deleted from the copy: retention, expires_at */
	uint64_t n_failures[FAILURES];  /* commits to the copy that came to nothing */
};
void follower_count(struct follower *follower, struct follower_counters *counters);

/* follower_stop brings in what the machine knows to have been given (wiring's seen), as
 * far as that takes no longer than FOLLOWER_LAST_MS; ends the thread and closes the
 * store. */
enum { FOLLOWER_LAST_MS = 2000 };
void follower_stop(struct follower *follower);

#endif
