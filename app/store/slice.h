/* How much retention deletes at once, and when again. Whatever else its thread has to
 * do waits until a slice is done, so the rows in one follow from how long the last
 * took. A plain value: its owner's thread only. */
#ifndef APP_STORE_SLICE_H
#define APP_STORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/clock.h"

struct slice {
	mono_us next;        /* when it is due */
	int rows;            /* in it, where nothing came in */
	size_t n_came;       /* rows of the last commit since the slice before: the owner sets it */
	int asked;           /* slice_rows returned that last */
};

void slice_init(struct slice *slice);

/* slice_rows: how many rows to delete now. */
int slice_rows(struct slice *slice);

/* slice_done takes how many were deleted (or -1), in the time since `began`, and sets
 * when the next is due. */
void slice_done(struct slice *slice, int n, mono_us began);

#endif
