/* The log upstream: where several machines share one, it has every message first,
 * and each machine's store is a copy of it (store.h). The calls that such a log has;
 * the one implementation so far is Redis Streams, in the folder redis: the only one
 * that speaks Redis.
 *
 * A message exists once `upstream_replicas` replicas have it. Before that no call
 * here says that it is stored, and none passes it to anybody. Ids are those of the
 * log: they rise, they are sparse, every machine gives the same ones.
 *
 * A handle belongs to one thread at a time; threads that need the log open one each.
 * It connects when it is first asked something, and again whenever the connection is
 * lost or leads to what is no longer the primary; that is logged once a minute at
 * most. No call waits longer than it says. */
#ifndef APP_UPSTREAM_UPSTREAM_H
#define APP_UPSTREAM_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/setting/conf.h"
#include "app/store/store.h"
#include "lib/clock.h"
#include "lib/idruns.h"

enum upstream_outcome {
	UPSTREAM_AWAY = 1,  /* it cannot be reached: nothing was asked of it, or the handle is interrupted */
	UPSTREAM_UNKNOWN,   /* it was asked, and whether it was done is not known */
	UPSTREAM_FULL,      /* it has no room: nothing was stored */
	UPSTREAM_REFUSED,   /* it will not do it for us, by what it is or how it is set up: logged */
};

/* What one call, or one connection, waits for at most where nothing else is said. */
enum { UPSTREAM_WAIT_MS = 2000 };

struct upstream;

/* upstream_is_built: is there an implementation in this program? */
bool upstream_is_built(void);

/* upstream_built_with says which, for --version: "with Redis (...)". */
const char *upstream_built_with(void);

/* upstream_is_possible: can this program use what the setting `upstream` names, if it
 * names anything? false: logged. */
bool upstream_is_possible(const struct conf *conf);

/* upstream_open does not connect. conf is copied, as far as it is needed. */
struct upstream *upstream_open(const struct conf *conf);
void upstream_close(struct upstream *log);  /* NULL: nothing */

/* upstream_interrupt ends the call under way soon, and every later one at once, with
 * UPSTREAM_AWAY or UPSTREAM_UNKNOWN. Any thread, while the handle is open. */
void upstream_interrupt(struct upstream *log);

/* upstream_look connects and asks whether the log can be used, and says in *what, a
 * sentence that the caller frees, what it holds or what is wrong. As other calls. */
int upstream_look(struct upstream *log, char **what);

/* ---- publishing ---- */

/* upstream_append adds the n appends as one group, each whole or not at all, under ids
 * above `above` (the highest that this machine has seen), and sets `existed`, `refused`,
 * `ended`, `stored` and the ids as store_append does. A group of which it does not hear is asked for
 * again until it is known, and so is never added twice; but not after `deadline`. 0, or
 * UPSTREAM_AWAY, UPSTREAM_FULL, UPSTREAM_REFUSED: nothing was stored; UPSTREAM_UNKNOWN:
 * all of it or nothing. keep_for_s is how long a key is remembered (0: a week). */
int upstream_append(struct upstream *log, struct append *appends[], size_t n, int64_t above,
    int64_t keep_for_s, mono_us deadline);

/* upstream_forward brings rows of an outbox to the log, each once, whoever asks and
 * how often: `once` is remembered for a week, and for an hour after a later batch of
 * this handle. *n_dropped: messages whose key was there already, or whose topic has
 * ended. To ids, if it is not NULL, the ids of the others are added, whoever brought them
 * there. One try, as far as the outcome says; the caller asks again. 0: the log has them
 * all. */
int upstream_forward(struct upstream *log, const struct outgoing *rows, size_t n,
    int64_t above, int64_t keep_for_s, size_t *n_dropped, struct idruns *ids);

/* ---- following ---- */

/* What is above a position. All of it belongs to the handle until its next call. */
struct upstream_news {
	struct message *messages;   /* n of them, ids ascending, what would break a stream left out */
	size_t n;
	int64_t *erased;            /* ids of messages that somebody deleted */
	size_t n_erased;
	const struct store_forget *forgets;  /* from where on ends are not remembered, ids ascending */
	size_t n_forgets;
	int64_t upto;               /* complete up to here: the position to read on from */
	int64_t anchor;             /* the entry that was read last, or the one that was passed in */
	int64_t floor;              /* all up to here is gone from the log, by retention or otherwise */
	int64_t newest;             /* the highest id that the log has given, at asked_at or later */
	mono_us asked_at;
	size_t n_refused;           /* entries that were left out; logged once a minute */
};

/* upstream_read reads on from `after`, once the replicas have it, for wait_ms at most
 * where there is nothing. Where the log no longer has what this copy was filled from
 * (an older data set, a failover that lost entries, a deleted key), that is mended:
 * from then on it gives ids above all that were given, and the floor is there.
 *
 * So where floor > after, entries in between may be missing: whoever stands between
 * the two has missed something, and news begins above the floor; upto is never below
 * it. after 0: a copy that has nothing yet, and misses nothing. */
int upstream_read(struct upstream *log, int64_t after, int64_t anchor, int wait_ms,
    struct upstream_news *news);

/* ---- what one machine does for all ---- */

/* upstream_trim deletes a slice of what is older than keep_for_s or beyond the newest
 * keep_rows (0: no bound), if `node` has the lease or nobody else has it; *n_deleted:
 * how many entries. *more: there is more to delete now. */
int upstream_trim(struct upstream *log, const char *node, int64_t keep_for_s, int64_t keep_rows,
    int64_t *n_deleted, bool *more);

/* ---- who was revoked ----
 *
 * A message that revokes (store.h) is trimmed some day, and a machine may come after that.
 * So whoever follows the log tells it, before its copy has the message, who was revoked;
 * and takes over what the log knows, whenever it finds it again. */

/* upstream_revoke tells the log; a second is never lowered. 0: the replicas have it. News
 * of upstream_read stay good. */
int upstream_revoke(struct upstream *log, const struct store_revocation *revocations, size_t n);

/* upstream_revoked lends all that the log knows, until the handle's next call of this. News
 * of upstream_read stay good. */
int upstream_revoked(struct upstream *log, const struct store_revocation **revocations, size_t *n);

/* ---- topics that have ended ----
 *
 * The log knows which have, since who publishes to it asks nobody else; the ends that others
 * add to it are told by those who follow it. It forgets them by an entry that says so, when
 * none of the topic's messages is retained any more, and the end is older than they are
 * kept. Machines tell each other by way of it as of who was revoked. */

/* upstream_end tells the log of ends that it has, or had; of two ends of a topic the first
 * counts. 0: the replicas have it. News of upstream_read stay good. */
int upstream_end(struct upstream *log, const struct store_end *ends, size_t n);

/* upstream_ended lends the ends that the log knows, in the order of ids and at most
 * UPSTREAM_ENDS of those above `after`, none where there are no more, until the handle's
 * next call of this. *forgotten: up to which id there are none any more; it is known with
 * the first of them (after 0). News of upstream_read stay good. */
enum { UPSTREAM_ENDS = 1000 };
int upstream_ended(struct upstream *log, int64_t after, const struct store_end **ends, size_t *n,
    int64_t *forgotten);

/* ---- presence: who is connected, on which machine ---- */

enum {
	UPSTREAM_BEAT_MS = 5000,       /* between two beats of a machine */
	UPSTREAM_GONE_MS = 15000,      /* without one it is gone */
};

/* One user's open streams on this machine; 0: no longer there. */
struct upstream_user {
	const char *user;
	size_t n_streams;
};

/* upstream_beat says that `node` is alive and that these users' streams have changed;
 * is_first: they are all there are, but for those that follow at once. `copy` is its store's name (store_position): a
 * machine of that node's name with another copy that is alive is UPSTREAM_REFUSED
 * (logged), and nothing is changed. UPSTREAM_UNKNOWN: also where the log does not know
 * of what was said before, of all but the first. After any outcome but 0 what it knows
 * of this node is not known, until all of its users are told anew. */
int upstream_beat(struct upstream *log, const char *node, const char *copy,
    const struct upstream_user *users, size_t n, bool is_first);

/* upstream_leave takes the node out: it stops. */
int upstream_leave(struct upstream *log, const char *node, const char *copy);

struct upstream_node {
	const char *node;
	size_t n_streams, n_users;     /* of upstream_user_nodes: that user's streams, and 1 */
	int64_t seen;                  /* Unix seconds */
};

/* Each answers with what the machines that are alive have said; arrays and strings
 * belong to the handle until its next call. upstream_users: in the order of bytes, those
 * after `after` (NULL: from the first), max at most, each once with the sum of its
 * streams. upstream_user_nodes: where one user has streams, and how many. n_users NULL: they
 * are not counted, which costs the log the most. */
int upstream_nodes(struct upstream *log, const struct upstream_node **nodes, size_t *n,
    size_t *n_users);
int upstream_users(struct upstream *log, const char *after, size_t max,
    const struct upstream_user **users, size_t *n);
int upstream_user_nodes(struct upstream *log, const char *user,
    const struct upstream_node **nodes, size_t *n);

#endif
