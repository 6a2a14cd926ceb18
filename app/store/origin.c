/* Compares two sets of ids under one lock: those that were read and are not judged yet,
 * and those that our publishers were given and that were not read yet. Both rise, so what
 * is judged is forgotten, and mostly each is one run or none.
 *
 * A row may be read before its publisher knows its id. So while a publisher has a group
 * under way, ids above the highest that was known when the group began are not judged:
 * those of the group are among them. */

#include "app/store/origin.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/mem.h"

/* Beyond, what is read is judged at once, and what we were given is taken for as many
 * more as lie between; for a reader that is far behind while others publish too. Picked,
 * not tuned. */
enum { RUNS_MAX = 4096 };

struct origin {
	pthread_mutex_t lock;
	struct idruns ours, read;
	struct {
		bool is_busy;
		int64_t above;      /* its group is */
	} publishers[ORIGIN_PUBLISHERS];
	int64_t highest;        /* of all ids that were told */
	uint64_t n_foreign;
};

struct origin *
origin_new(void)
{
	struct origin *origin = mem_zalloc(sizeof(*origin));

	pthread_mutex_init(&origin->lock, NULL);
	return origin;
}

void
origin_free(struct origin *origin)
{
	if (origin == NULL)
		return;
	idruns_free(&origin->ours);
	idruns_free(&origin->read);
	pthread_mutex_destroy(&origin->lock);
	free(origin);
}

static void
note_highest(struct origin *origin, int64_t id)
{
	if (id > origin->highest)
		origin->highest = id;
}

static void
judge(struct origin *origin)
{
	int64_t upto = INT64_MAX, last;

	if (origin->read.n == 0)
		return;
	for (size_t i = 0; i < ORIGIN_PUBLISHERS && origin->read.n <= RUNS_MAX; i++)
		if (origin->publishers[i].is_busy && origin->publishers[i].above < upto)
			upto = origin->publishers[i].above;
	last = origin->read.runs[origin->read.n - 1].high;
	if (last < upto)
		upto = last;
	origin->n_foreign += idruns_count(&origin->read, upto)
	    - idruns_count_common(&origin->read, &origin->ours, upto);
	idruns_remove_upto(&origin->read, upto);
	idruns_remove_upto(&origin->ours, upto);
}

void
origin_begin(struct origin *origin, enum origin_publisher publisher)
{
	if (origin == NULL)
		return;
	pthread_mutex_lock(&origin->lock);
	origin->publishers[publisher].is_busy = true;
	origin->publishers[publisher].above = origin->highest;
	pthread_mutex_unlock(&origin->lock);
}

void
origin_given(struct origin *origin, int64_t low, int64_t high)
{
	if (origin == NULL)
		return;
	pthread_mutex_lock(&origin->lock);
	note_highest(origin, high);
	idruns_add(&origin->ours, low, high);
	idruns_bound(&origin->ours, RUNS_MAX);
	pthread_mutex_unlock(&origin->lock);
}

void
origin_end(struct origin *origin, enum origin_publisher publisher)
{
	if (origin == NULL)
		return;
	pthread_mutex_lock(&origin->lock);
	origin->publishers[publisher].is_busy = false;
	judge(origin);
	pthread_mutex_unlock(&origin->lock);
}

void
origin_read(struct origin *origin, const struct idruns *ids)
{
	if (origin == NULL || ids->n == 0)
		return;
	pthread_mutex_lock(&origin->lock);
	note_highest(origin, ids->runs[ids->n - 1].high);
	for (size_t i = 0; i < ids->n; i++)
		idruns_add(&origin->read, ids->runs[i].low, ids->runs[i].high);
	judge(origin);
	pthread_mutex_unlock(&origin->lock);
}

uint64_t
origin_n_foreign(struct origin *origin)
{
	uint64_t n;

	if (origin == NULL)
		return 0;
	pthread_mutex_lock(&origin->lock);
	n = origin->n_foreign;
	pthread_mutex_unlock(&origin->lock);
	return n;
}
