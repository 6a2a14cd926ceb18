/* A binary heap of timers, the one due first on top; each timer knows its place,
 * so that it can be moved or taken out. One thread at a time. */

#include "lib/timers.h"

#include <stdlib.h>

#include "lib/mem.h"

static void
put(struct timers *timers, size_t i, struct timer *t)
{
	timers->heap[i] = t;
	t->place = i + 1;
}

static void
sift_up(struct timers *timers, size_t i, struct timer *t)
{
	while (i > 0 && timers->heap[(i - 1) / 2]->due > t->due) {
		put(timers, i, timers->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	put(timers, i, t);
}

static void
sift_down(struct timers *timers, size_t i, struct timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= timers->n)
			break;
		if (child + 1 < timers->n
		    && timers->heap[child + 1]->due < timers->heap[child]->due)
			child++;
		if (timers->heap[child]->due >= t->due)
			break;
		put(timers, i, timers->heap[child]);
		i = child;
	}
	put(timers, i, t);
}

void
timers_clear(struct timers *timers, struct timer *t)
{
	size_t i;
	struct timer *last;

	if (t->place == 0)
		return;
	i = t->place - 1;
	t->place = 0;
	last = timers->heap[--timers->n];
	if (last == t)
		return;
	if (i > 0 && timers->heap[(i - 1) / 2]->due > last->due)
		sift_up(timers, i, last);
	else
		sift_down(timers, i, last);
}

void
timers_set(struct timers *timers, struct timer *t, mono_us due)
{
	timers_clear(timers, t);
	t->due = due;
	if (timers->n == timers->capacity) {
		timers->capacity = timers->capacity != 0 ? 2 * timers->capacity : 64;
		timers->heap = mem_realloc(timers->heap,
		    timers->capacity * sizeof(struct timer *));
	}
	sift_up(timers, timers->n++, t);
}

struct timer *
timers_first(const struct timers *timers)
{
	return timers->n > 0 ? timers->heap[0] : NULL;
}

void
timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
