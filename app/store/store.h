/* The store: where messages are kept, and the calls that it has. A committed row
 * is a published message, whoever committed it. Ids grow with the order of
 * commits, so "read what is above the last id" can never skip one.
 *
 * A handle belongs to one thread at a time; threads that need the store open
 * one each. The one implementation so far is SQLite's, in the folder sqlite: the
 * only one that knows SQL. */
#ifndef APP_STORE_STORE_H
#define APP_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/store/message.h"

enum store_outcome {
	STORE_BUSY = 1,  /* another program holds the lock longer than we wait */
	STORE_FULL,      /* no room on the disk */
	STORE_REPLACED,  /* it is no longer the store that was opened; see below */
	STORE_AGAIN,     /* store_find has not found it yet: it is to be called again */
};

enum store_access {
	STORE_OWNER,     /* creates the store or upgrades it, then reads and writes */
	STORE_COPY,      /* the same of a machine's copy of the log that several share: see below */
	STORE_READER,    /* reads a store that is there, a copy too */
};

/* What one read may spend on looking for rows: so many of the table's rows, passed
 * or passed over because they have expired, or fewer where it has a filter. Whoever
 * waits for another's read so waits for 2 to 3 ms at most, on an idle machine. */
enum { STORE_SCAN_MAX = 4096 };

struct store;

/* A store can be taken away under those who use it: its file deleted, moved,
 * replaced, or a backup restored in it. What is written then, nobody would ever
 * find, and ids of another history mean nothing to the cursors of this one. So a
 * handle that notices answers STORE_REPLACED from then on (logged, once) and is
 * good for nothing but to be closed; the program had better start anew. */

/* store_open opens what the setting `store` names ("sqlite:PATH"). NULL:
 * logged, with the file's name and what can be done about it. */
struct store *store_open(const char *name, enum store_access access);

/* store_close closes the handle; NULL: nothing. An owner whose store was
 * replaced first brings all that was stored to where the file is now, if it is
 * anywhere, and leaves nothing of it to whatever has its name. */
void store_close(struct store *store);

/* A last will: that its topic is to end, since what somebody writes to it may break off
 * (app/publish/following.h). It stands in the store so that it outlives the process. */
struct store_will {
	int64_t life;       /* of the process that wrote it */
	int64_t number;     /* of the will; only within that life */
	const char *topic;  /* lent */
};

enum store_will_change {
	STORE_WILL_KEEP,    /* nothing */
	STORE_WILL_WRITE,   /* it stands from now on */
	STORE_WILL_REVOKE,  /* no more; topic need not be set */
	STORE_WILL_CHANGES,
};

/* What one publisher asks to be appended: all of it or nothing. */
struct append {
	struct message *messages;  /* lent; n of them; id is filled in */
	size_t n;
	const char *publisher;     /* keys are unique for a publisher, not for all */
	enum store_will_change will_change;  /* together with the messages, which may be none */
	struct store_will will;    /* whose; of a life of the caller's, or one that is over */
	bool existed;              /* out: a key was there already: its id, nothing inserted */
	size_t n_existed;          /* out: of the messages, those with such a key */
	bool refused;              /* out: the store itself refused it, the others stand */
	bool ended;                /* out: that was because a topic of it has ended (see below) */
	bool stored;               /* out: all of it is in the store, or was there already */
};

/* store_append commits the n appends in one transaction, durably: when it
 * returns 0, every append that is not refused will survive a power failure.
 * STORE_BUSY, STORE_FULL, STORE_REPLACED, -1 (logged): nothing was stored; but
 * where an application's trigger ended the transaction (RAISE(ROLLBACK)), it goes
 * on in another, and those before may be `stored` or `refused` nevertheless. */
int store_append(struct store *store, struct append *appends[], size_t n);

/* store_probe commits, after an append that failed, n_bytes (1 MiB at most) that
 * nobody sees, and takes them back: 0 where that works again, else as
 * store_append, but nothing is logged and nobody is waited for. */
int store_probe(struct store *store, size_t n_bytes);

/* What lies in the store. */
struct store_bounds {
	int64_t oldest;  /* lowest id retained; newest + 1 where there is no row */
	int64_t newest;  /* highest id ever given; 0 before the first */
	int64_t trimmed; /* highest id that retention has deleted; 0 before the first. Who stands
	                  * below it has missed messages; rows that expired, or that somebody
	                  * erased, are none that were missed. In a file from before this was kept
	                  * all that was gone when it was upgraded counts as trimmed. */
	int64_t given;   /* highest id that anybody can have been given: newest; in a copy
	                  * INT64_MAX, since another machine may be ahead of this one */
};

/* 0 or -1 (logged) */
int store_bounds(struct store *store, struct store_bounds *bounds);

/* store_created_at returns the row's created_at; 0 where there is no such row, or it cannot
 * be read. */
wall_s store_created_at(struct store *store, int64_t id);

/* What the store takes on the disk. */
struct store_bytes {
	int64_t db, wal;  /* the file, and what was committed but not yet brought into it */
};

/* store_bytes asks the file system, some microseconds; 0 for what is not there. Any
 * thread, beside the one that has the handle. */
void store_bytes(const struct store *store, struct store_bytes *bytes);

/* Which rows: those for everyone and those for this user, without a topic or
 * with one of these; and what tells of a gap, in any case. */
struct filter {
	char *user;
	char **topics;
	size_t n_topics;
	bool topics_only;  /* none without a topic; there are some to ask for */
};

/* A store_row takes one row; m and its strings are lent until it returns.
 * false ends the reading after this row. */
typedef bool store_row(void *context, const struct message *m);

/* store_read passes to `row`, in the order of ids, every row above `after` that
 * matches the filter (NULL: every row) and has not expired, until `row` ends the
 * reading or STORE_SCAN_MAX has been spent on looking for them. In *bounds is
 * what the store held at that very moment; in *upto the id up to which the
 * caller has now seen everything: the last row's where `row` ended the reading,
 * else as far as it was looked, which without any such row is bounds->newest. So
 * where *upto is below bounds->newest there may be more, though nothing was
 * passed: the caller asks again, from *upto. It is always above `after` where
 * there is any row above that, and never below bounds->oldest - 1; nor below `after`, if that
 * is up to bounds->given: who is ahead of a copy stays where he is. 0, -1 (logged)
 * or STORE_REPLACED; in each case the rows that were passed are right, and with
 * STORE_REPLACED *upto is too: the old file, which is read, still has what was
 * stored before. */
int store_read(struct store *store, int64_t after, const struct filter *filter,
    store_row *row, void *context, struct store_bounds *bounds, int64_t *upto);

/* store_learn has this handle learn a part of what lets store_read and store_find pass over
 * rows that a filter does not match, so that they cost what they find, not what is there:
 * some 0.5 ms, and 2 bytes a row at most. Whoever has nothing else to do calls it until it returns false: there is no more
 * to be learned for now. */
bool store_learn(struct store *store);

/* ---- who was revoked ----
 *
 * A message on MESSAGE_TOPIC_CONTROL with the event `revoke` and a user revokes that
 * user's tokens which were issued up to its created_at. The store keeps of each user the
 * latest such second, from the commit of the message on, whoever commits it, and for
 * ever: not even the erasure of the message takes it back. */

typedef void store_revoked(void *context, const char *user, wall_s until);

/* store_read_revoked passes those that were revoked, or revoked anew, after *after, a
 * position of which the first is 0 and which is moved. 0 or -1 (logged): what was passed is
 * right, and where *after stands. */
int store_read_revoked(struct store *store, int64_t *after, store_revoked *take, void *context);

/* ---- topics that have ended ----
 *
 * A message with the event MESSAGE_EVENT_END ends its topic, from its commit on, whoever
 * commits it: every later one of the topic is refused. It has neither a user nor an expiry,
 * and its topic is none that is reserved. Not even its erasure takes it back. An end is
 * remembered for as long as any message of its topic is retained, and for keep_for. */

/* store_ended sets ids[i] to the id of the message that ended topics[i], 0 where it has
 * not ended; some microseconds for each of the n. 0 or -1 (logged). */
int store_ended(struct store *store, char *const topics[], size_t n, int64_t ids[]);

/* What is looked for by who knows no id to read on from: where the rows begin that are
 * asked for. The caller sets the first two and leaves the rest 0. */
struct store_search {
	wall_s since;    /* those that were committed then or later; 0: all */
	size_t last;     /* and of them the newest so many; 0: all */

	bool has_begun;  /* the rest is store_find's: how far it has come */
	int64_t newest;  /* when it began */
	int64_t low, high;  /* the rows `since` begin above an id from low to high */
	int64_t below;   /* of what is above that, all from here on was looked at, */
	size_t n;        /* so many were found, */
	int64_t lowest;  /* and this was the last of them */
};

/* store_find sets *after to the id above which a reading with that filter begins, so that
 * it passes what is asked for, and what has been committed since the search began.
 *
 * `last`: the newest so many rows that match and have not expired; where there are
 * fewer, all of them; where there is none, *after is the newest id. It costs what rows
 * and segments of them it looks at, from the newest down.
 *
 * `since`: rows are in the order in which they were committed, and so, almost, of their
 * created_at, which any program may set. The first row is found by halving: of 16 rows
 * after one another at least half are to be dated `since` or later, and the first of
 * them that is dated so is the first that is passed; then everything that was committed after it
 * is, whatever its date. So among rows in order it is exact, one that is dated otherwise
 * than those around it misleads nobody, and no row after the first is left out.
 *
 * One call spends what one read may; and as long a time at most, but for one row. 0;
 * STORE_AGAIN; -1 (logged) or STORE_REPLACED. */
int store_find(struct store *store, struct store_search *search, const struct filter *filter,
    int64_t *after);

/* What store_look has seen. */
struct store_look {
	bool exists;      /* else store_open would make it */
	bool has_unread;  /* the rest may be too low: commits wait in a file beside it */
	int64_t version;  /* of its schema; 0: it has none of our tables yet */
	int64_t version_made;  /* of the schema that this program makes, and would upgrade it to */
	int64_t n_rows;
	struct store_bounds bounds;
	struct store_bytes bytes;
	const char *network;  /* a constant: the kind of network file system that it is on; NULL: none */
	char folder[4096];    /* the real one; SQLite makes files in it */
	bool is_shared;       /* a group may write to it, */
	bool hands_group_on;  /* and what anybody makes there is the group's */
};

/* store_look says whether the store could be opened for that (not STORE_READER), without
 * opening it: nothing is made or changed. It counts the rows, which takes as long as there
 * are many. 0; -1: logged, each reason why not. */
int store_look(const char *name, enum store_access access, struct store_look *look);

/* store_has_changed: has another handle, of this process or any other, committed
 * since this was last asked through this one? The first time it is so. */
bool store_has_changed(struct store *store);

/* store_wait returns when something may have been committed since the last
 * store_read through this handle, when the store was replaced, when wake_fd is
 * readable, or after a second at the latest, so that who reads in a loop knows
 * whether the store can be read now. It may return for nothing. A commit that
 * nothing tells of is noticed within 50 ms. */
void store_wait(struct store *store, int wake_fd);

/* store_trim deletes, in one transaction of at most max_rows rows: first those
 * whose expires_at has passed, then from the oldest on those older than
 * keep_for_s seconds and those beyond the newest keep_rows (0: no bound); of
 * the latter the highest id is noted in the same transaction (bounds.trimmed).
 * Counting a large table costs, so rows beyond keep_rows may stand until they
 * are a hundredth of it. Then as many ends at most are forgotten of those that need not be
 * remembered any more (keep_for_s 0: none). Returns how many rows were deleted, fewer than max_rows
 * where there is no more to do for now, or -1 (logged, unless merely busy). */
int store_trim(struct store *store, int64_t keep_for_s, int64_t keep_rows, int max_rows);

/* ---- last wills ---- */

/* store_live begins a life, if the handle has none, and returns it: it lasts until
 * store_close, or the end of the process, whatever ends that. An owner's handle, or one of a
 * copy; what the latter commits from then on survives a power failure, too. */
int64_t store_live(struct store *store);

typedef void store_will_row(void *context, const struct store_will *will);

/* store_read_wills passes the wills of lives that are over, and returns how many there are of
 * others that last, without those of that one; or -1 (logged). */
int store_read_wills(struct store *store, int64_t life, store_will_row *take, void *context);

/* ---- a copy ----
 *
 * Where several machines share a log (app/upstream/upstream.h), each machine's store
 * is a copy of it. Rows come by store_follow alone, under the ids of the log, which
 * are sparse. It holds every message above bounds.trimmed and up to bounds.newest
 * that is neither erased nor expired. What anybody inserts into `message`, or deletes
 * from it, goes to the outbox in the same transaction, and from there to the log.
 *
 * STORE_COPY makes a copy of a store that does not exist or holds no message, and
 * refuses one with messages of its own; STORE_OWNER refuses a copy. The calls below
 * are for a STORE_COPY handle, and store_append, store_probe and store_trim are not. A
 * commit of them survives the end of the process, but perhaps not a power failure:
 * the log has it all. What others commit is as durable as they ask for. */

struct store_position {
	int64_t newest;  /* followed up to here; 0: nothing yet */
	int64_t anchor;  /* the id of the last entry that was read, which is to be in the log still; 0: none */
	char name[33];   /* random, of this file and of no other but its clones: 32 hex digits */
};

/* 0 or -1 (logged) */
int store_position(struct store *store, struct store_position *position);

/* From this place of the log on, the ends up to an id are not remembered. */
struct store_forget {
	int64_t id;    /* of the entry that says so */
	int64_t upto;
};

/* What one read of the log has brought. */
struct store_news {
	const struct message *messages;  /* n of them, ids ascending, above the newest before */
	size_t n;
	const int64_t *erased;           /* ids of messages that are erased, these or older ones */
	size_t n_erased;
	const struct store_forget *forgets;  /* n_forgets of them, ids ascending, as the messages' */
	size_t n_forgets;
	int64_t trimmed;                 /* all up to here was gone before this copy had it; 0: nothing */
	int64_t newest, anchor;          /* as in struct store_position; never lowered */
};

/* store_follow takes it into the copy, in one transaction. A key that another row
 * has already is left out, and so is a message of a topic that ended before it; of those
 * *n_ended is set to how many there were (NULL: nothing is). 0, STORE_BUSY, STORE_FULL, STORE_REPLACED or -1 (logged, as
 * store_append): nothing of it was taken. */
int store_follow(struct store *store, const struct store_news *news, size_t *n_ended);

/* What is committed lies beside the file at first. Commits of a STORE_COPY handle leave
 * it there, since to write it back waits for the disk, and what the log has brought would
 * wait behind it; but for one page, each time that the place is used anew; and until it
 * is STORE_BESIDE_MAX bytes, so that it does not grow without end where nobody else
 * writes it back. */
enum { STORE_BESIDE_MAX = 64 << 20 };

/* store_beside returns how many bytes that were at this handle's last commit: those that
 * are in the file already are counted until the place is used again. */
size_t store_beside(struct store *store);

/* store_write_back writes them back, and waits for the disk; no commit waits for it.
 * *n_bytes: so many of store_beside are in the file now. 0, STORE_REPLACED, or an outcome
 * as of store_follow. For a thread that nobody waits for, with a STORE_COPY handle of
 * its own. */
int store_write_back(struct store *store, size_t *n_bytes);

/* store_trim_copy deletes, in one transaction, at most max_rows rows that have expired
 * or whose id is upto or below; the highest of the latter is bounds.trimmed from then
 * on. But where a row `rowcast.gap` stands at upto, the log has not trimmed what is
 * below it, but lost it: this copy alone has it still, and keeps it for keep_for_s
 * seconds (0: until upto is higher). Returns how many, or -1 (logged, unless merely
 * busy). */
int store_trim_copy(struct store *store, int64_t upto, int64_t keep_for_s, int max_rows);

/* store_write_wills does what the appends say of wills, in one transaction, and nothing
 * else: their messages go to the log. As store_follow. */
int store_write_wills(struct store *store, struct append *const appends[], size_t n);

struct store_revocation {
	const char *user;
	wall_s until;
};

/* store_revoke takes into the copy, in one transaction, what is known elsewhere; a second
 * is never lowered. As store_follow. */
int store_revoke(struct store *store, const struct store_revocation *revocations, size_t n);

/* An end, as the machines tell each other of it. */
struct store_end {
	const char *topic;
	int64_t id;
	wall_s ended_at;
};

typedef void store_end_row(void *context, const struct store_end *end);

/* store_read_ends passes, in the order of their ids, at most `max` of those above `after`;
 * what is passed is lent until it returns. 0 or -1 (logged). */
int store_read_ends(struct store *store, int64_t after, int max, store_end_row *take, void *context);

/* store_end takes into the copy, in one transaction, the ends that are known elsewhere, and
 * forgets those up to an id (0: none). Of two ends of a topic the first counts. As
 * store_follow. */
int store_end(struct store *store, const struct store_end *ends, size_t n, int64_t forgotten);

/* A row of the outbox: a message that was inserted here, or a message that was deleted
 * here. */
struct outgoing {
	int64_t number;          /* in the order of the commits */
	const char *once;        /* random, of this row alone: 32 hex digits */
	struct message message;  /* without id; its key is unique for all, not for a publisher */
	bool replaces;           /* INSERT OR REPLACE: the message that has its key, if any, is
	                          * erased first, as by an `erase` of its id */
	int64_t erase;           /* not 0: no message, but the id of one that was deleted */
};

/* false ends the reading after this row, which is lent until it returns */
typedef bool store_outgoing_row(void *context, const struct outgoing *row);

/* store_read_outbox passes its rows in order, from the first on. 0, -1 (logged) or
 * STORE_REPLACED. */
int store_read_outbox(struct store *store, store_outgoing_row *row, void *context);

/* store_empty_outbox deletes the rows up to that number: the log has them. As
 * store_follow. */
int store_empty_outbox(struct store *store, int64_t number);

/* store_count_outbox: how many rows wait there, from the first number to the last, or -1
 * (logged). Costs the same however many they are. */
int64_t store_count_outbox(struct store *store);

#endif
