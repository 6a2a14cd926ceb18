/* A tally: names, and how often each is there; in the order of their bytes, with what
 * has changed since somebody last asked. Any thread. */
#ifndef LIB_TALLY_H
#define LIB_TALLY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { TALLY_LEVELS = 16 };  /* enough for 4^16 names */

struct tally_entry;
TAILQ_HEAD(tally_list, tally_entry);

/* All zero is empty and ready, but for the lock of a system where that is not: this
 * one's is (PTHREAD_MUTEX_INITIALIZER). An empty one owns nothing. */
struct tally {
	pthread_mutex_t lock;    /* guards all else; held for a page of names at most */
	struct tally_entry *first[TALLY_LEVELS];
	struct tally_list changed;  /* since taken, where is_watched */
	bool is_watched;
	uint64_t dice;
	size_t n_names, n;
};

/* tally_add adds one of that name, tally_remove takes one away that is there. The name
 * is copied, and gone with the last. */
void tally_add(struct tally *tally, const char *name);
void tally_remove(struct tally *tally, const char *name);

/* tally_total returns how many there are, in *n_names of how many names. */
size_t tally_total(struct tally *tally, size_t *n_names);

/* tally_of returns how many of one name. */
size_t tally_of(struct tally *tally, const char *name);

/* Takes one name and how many there are. It is called under the lock: it copies what it
 * wants, and calls no tally. */
typedef void tally_row(void *context, const char *name, size_t n);

/* tally_page passes, in order, the names after that one (NULL: from the first), max at
 * most, and returns how many. */
size_t tally_page(struct tally *tally, const char *after, size_t max, tally_row *row,
    void *context);

/* tally_watch begins to note which names change, until tally_unwatch. tally_take_changed passes those, each
 * once, with what there is now, which may be none, max at most; forgets that they had
 * changed, and returns how many. row NULL: only that. */
void tally_watch(struct tally *tally);
void tally_unwatch(struct tally *tally);
size_t tally_take_changed(struct tally *tally, size_t max, tally_row *row, void *context);

#endif
