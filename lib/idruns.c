/* Runs of ids in an array. New ones are nearly always the highest, so they are looked
 * for from the end. */

#include "lib/idruns.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

void
idruns_free(struct idruns *ids)
{
	free(ids->runs);
	*ids = (struct idruns){ 0 };
}

void
idruns_clear(struct idruns *ids)
{
	ids->n = 0;
}

/* replace puts one run in the place of those from first to the one before end. */
static void
replace(struct idruns *ids, size_t first, size_t end, struct idrun run)
{
	if (ids->n == ids->capacity) {
		ids->capacity = ids->capacity != 0 ? 2 * ids->capacity : 8;
		ids->runs = mem_realloc(ids->runs, ids->capacity * sizeof(*ids->runs));
	}
	memmove(ids->runs + first + 1, ids->runs + end, (ids->n - end) * sizeof(*ids->runs));
	ids->n = ids->n - (end - first) + 1;
	ids->runs[first] = run;
}

void
idruns_add(struct idruns *ids, int64_t low, int64_t high)
{
	struct idrun run = { low, high };
	size_t first = ids->n, end = ids->n;

	while (end > 0 && ids->runs[end - 1].low > high + 1)
		end--;
	/* Those that it touches become one with it. */
	for (first = end; first > 0 && ids->runs[first - 1].high + 1 >= low; first--) {
		if (ids->runs[first - 1].low < run.low)
			run.low = ids->runs[first - 1].low;
		if (ids->runs[first - 1].high > run.high)
			run.high = ids->runs[first - 1].high;
	}
	replace(ids, first, end, run);
}

void
idruns_remove_upto(struct idruns *ids, int64_t upto)
{
	size_t n = 0;

	while (n < ids->n && ids->runs[n].high <= upto)
		n++;
	ids->n -= n;
	if (ids->n == 0)
		return;
	memmove(ids->runs, ids->runs + n, ids->n * sizeof(*ids->runs));
	if (ids->runs[0].low <= upto)
		ids->runs[0].low = upto + 1;
}

static uint64_t
length(int64_t low, int64_t high)
{
	return high < low ? 0 : (uint64_t)(high - low) + 1;
}

static int64_t
lower(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

uint64_t
idruns_count(const struct idruns *ids, int64_t upto)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ids->n; i++)
		n += length(ids->runs[i].low, lower(ids->runs[i].high, upto));
	return n;
}

uint64_t
idruns_count_common(const struct idruns *a, const struct idruns *b, int64_t upto)
{
	uint64_t n = 0;

	for (size_t i = 0, k = 0; i < a->n && k < b->n; ) {
		int64_t low = a->runs[i].low > b->runs[k].low ? a->runs[i].low : b->runs[k].low;
		int64_t high = lower(a->runs[i].high, b->runs[k].high);

		n += length(low, lower(high, upto));
		if (a->runs[i].high < b->runs[k].high)
			i++;
		else
			k++;
	}
	return n;
}

void
idruns_bound(struct idruns *ids, size_t max)
{
	for (; ids->n > max; ids->n--)
		ids->runs[ids->n - 2].high = ids->runs[ids->n - 1].high;
}
