/* The tail: the one thread that reads new rows, encodes each once, and hands
 * them to the hub in the order of their ids; and `rowcast.gap` in the place of those
 * that retention deleted before they could be read. It is also who knows, for all other
 * threads, what ids the store holds and whether it can be read; and who has the hub do
 * what messages on MESSAGE_TOPIC_CONTROL say. */
#ifndef APP_HUB_TAIL_H
#define APP_HUB_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "app/store/origin.h"
#include "app/store/store.h"

struct hub;
struct tail;

/* Called once, by the tail's thread, when the store is no longer the one that
 * was opened: what it had was handed to the hub, and nothing more comes. */
typedef void tail_lost(void);

/* tail_start begins to read above `after` in the store of that name. NULL:
 * logged. hub is lent until tail_stop, and so is origin, which is told what was read (NULL:
 * nobody asks); lost may be NULL. */
struct tail *tail_start(const char *store_name, int64_t after, struct hub *hub,
    struct origin *origin, tail_lost *lost);

/* tail_committed wakes the tail after a commit of this process; id is the highest
 * that it committed, 0 where there is none. tail_bounds tells at least that id
 * from then on. Any thread. */
void tail_committed(struct tail *tail, int64_t id);

/* tail_bounds returns what the store held when the tail last read it, at most a
 * second ago, and what tail_committed and tail_heard have told since. Where the store cannot be
 * read it is what was there before. Does not wait. Any thread. */
void tail_bounds(const struct tail *tail, struct store_bounds *bounds);

/* tail_heard is for a machine that shares a log with others: the log has given this
 * id, which this machine's copy may not have yet. A new stream begins above it:
 * tail_newest and tail_bounds tell at least that id from then on. Wakes nobody, and
 * says nothing of what was read or sent. Any thread. */
void tail_heard(struct tail *tail, int64_t id);

/* tail_look reads what has just been committed, as far as nobody who asks may be a moment
 * late with it: whose tokens were revoked, which the hub knows of when it returns. Where
 * nothing was committed it costs 2 microseconds. Any thread; it waits for
 * others that ask, some microseconds each. */
void tail_look(struct tail *tail);

/* tail_newest looks, and returns the highest id that the store has given at this very moment,
 * whoever committed it: a stream that begins with what comes from now on begins
 * above it. Where the store cannot be read it is what tail_bounds tells. As tail_look. */
int64_t tail_newest(struct tail *tail);

/* tail_version looks, and returns a number that is another one after each commit, of whomever,
 * of whatever; good in this process only. As tail_look. */
int64_t tail_version(struct tail *tail);

/* tail_ended tells of each topic at which id it has ended, as of this very moment; 0: it has
 * not. 0 or -1 (logged). Some microseconds a topic; as tail_look. */
int tail_ended(struct tail *tail, char *const topics[], size_t n, int64_t ids[]);

/* tail_oldest_at returns when the oldest row that is retained was committed, as it was a
 * second or so ago; 0 where there is none. Any thread. */
wall_s tail_oldest_at(const struct tail *tail);

/* tail_bytes tells how large the store is at this moment: it asks the file system, some
 * microseconds. Any thread. */
void tail_bytes(const struct tail *tail, struct store_bytes *bytes);

/* tail_is_failing: could the store not be read when the tail last tried? It tries
 * at least once a second. Any thread. */
bool tail_is_failing(const struct tail *tail);

/* What a row on MESSAGE_TOPIC_STATUS begins with, before the number of streams of that topic
 * that its process has. */
#define TAIL_WATCHERS "{\"watchers\":"

/* tail_is_watched: has another process, on this machine or any other, said within
 * TAIL_WATCHED_MS that somebody watches there? Any thread. */
enum { TAIL_WATCHED_MS = 3000 };
bool tail_is_watched(const struct tail *tail);

/* tail_stop reads once more what was committed before it was called, hands
 * it to the hub and ends the thread. */
void tail_stop(struct tail *tail);

#endif
