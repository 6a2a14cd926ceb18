/* The size of retention's slices. Keeps nothing but what is in the struct. */

#include "app/store/slice.h"

enum {
	/* 500 rows of a table of a million took 25 ms here. */
	MIN_ROWS = 20,
	MAX_ROWS = 1000,
	SLICE_US = 5000,  /* aimed at */
	IDLE_MS = 1000,   /* pause when there is nothing to delete */
	BUSY_MS = 10,     /* pause between slices while there is */
};

void
slice_init(struct slice *slice)
{
	*slice = (struct slice){ .rows = MIN_ROWS };
}

int
slice_rows(struct slice *slice)
{
	/* Where thousands come in at once, as many have to be deleted, or the table
	 * would outgrow its bounds for as long as that goes on. */
	slice->asked = (size_t)slice->rows < slice->n_came * 2 ? (int)slice->n_came * 2
	    : slice->rows;
	return slice->asked;
}

void
slice_done(struct slice *slice, int n, mono_us began)
{
	mono_us now = clock_mono_us(), took = now - began;

	if (slice->asked == slice->rows) {
		if (took > SLICE_US * 2)
			slice->rows = slice->rows / 2 > MIN_ROWS ? slice->rows / 2 : MIN_ROWS;
		else if (n == slice->rows && took < SLICE_US && slice->rows < MAX_ROWS)
			slice->rows += slice->rows / 4;
	}
	slice->n_came = 0;
	slice->next = now + (n == slice->asked ? BUSY_MS : IDLE_MS) * 1000;
}
