/* A set of ids as runs of them: those that follow one another without a hole are one
 * run, so that what a table gives in order takes next to no memory. An embedded value
 * of one thread, or of who locks. */
#ifndef LIB_IDRUNS_H
#define LIB_IDRUNS_H

#include <stddef.h>
#include <stdint.h>

struct idrun {
	int64_t low, high;     /* and all between them */
};

/* All zero is empty and ready. */
struct idruns {
	struct idrun *runs;    /* owned, n of them, ascending; no two touch */
	size_t n, capacity;
};

void idruns_free(struct idruns *ids);   /* and it is empty and ready again */
void idruns_clear(struct idruns *ids);  /* the same, but keeps the memory */

/* idruns_add adds all from low to high; some may be in it already. The higher they are,
 * the less it costs; above all others next to nothing. */
void idruns_add(struct idruns *ids, int64_t low, int64_t high);

/* idruns_remove_upto removes those up to that id. */
void idruns_remove_upto(struct idruns *ids, int64_t upto);

/* idruns_count returns how many there are up to that id. */
uint64_t idruns_count(const struct idruns *ids, int64_t upto);

/* idruns_count_common returns how many up to that id are in both. */
uint64_t idruns_count_common(const struct idruns *a, const struct idruns *b, int64_t upto);

/* idruns_bound joins the highest runs, with the holes between them, until there are max
 * at most. */
void idruns_bound(struct idruns *ids, size_t max);

#endif
