/* The tail: the one thread that reads new rows, encodes each once, and gives
 * them to the hub in the order of their ids. */
#ifndef APP_HUB_TAIL_H
#define APP_HUB_TAIL_H

#include <stdbool.h>
#include <stdint.h>

struct hub;
struct tail;

/* Called once, by the tail's thread, when the store is no longer the one that
 * was opened: what it had was given to the hub, and nothing more comes. */
typedef void tail_lost(void);

/* tail_start begins to read above `after` in the store of that name. NULL:
 * logged. hub is lent until tail_stop, lost may be NULL. */
struct tail *tail_start(const char *store_name, int64_t after, struct hub *hub, tail_lost *lost);

/* tail_wake says that something was committed just now. Any thread. */
void tail_wake(struct tail *tail);

/* tail_is_failing: could the store not be read when the tail last tried? Any
 * thread. */
bool tail_is_failing(const struct tail *tail);

/* tail_stop reads once more what was committed before it was called, gives it
 * to the hub and ends the thread. */
void tail_stop(struct tail *tail);

#endif
