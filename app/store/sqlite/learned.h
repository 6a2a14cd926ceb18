/* What a handle has learned of the rows that are there: which segments may have any for a
 * filter (lib/sieve.h), so that who looks for few rows among many looks at few segments.
 * It is learned by learn.c. */
#ifndef APP_STORE_SQLITE_LEARNED_H
#define APP_STORE_SQLITE_LEARNED_H

#include <stdint.h>

#include "app/store/sqlite/handle.h"
#include "app/store/store.h"

/* learned_gap returns the key of a segment of a copy that has a row which tells of a gap: one
 * without user and topic that is looked for by itself. */
uint64_t learned_gap(void);

/* What a filter looks for in a segment. An embedded value of one reading. */
struct learned {
	const struct sieve *sieve;
	uint64_t *keys;   /* owned */
	size_t n;
};

/* learned_open: the filter is lent until learned_close. */
void learned_open(struct learned *learned, const struct store *store, const struct filter *filter);
void learned_close(struct learned *learned);

/* learned_up passes over the segments from that one upwards that have no row for the filter,
 * and returns the last that it passed; segment - 1 where it passes none. *left is what may
 * be spent, as of STORE_SCAN_MAX, and is lowered. learned_down goes downwards; segment + 1
 * where it passes none. */
int64_t learned_up(const struct learned *learned, int64_t segment, int *left);
int64_t learned_down(const struct learned *learned, int64_t segment, int *left);

#endif
