/* Keeps what the log knows of ended topics complete. Whoever publishes by way of rowcast
 * asks the log, which notes an end as it takes it. But anybody may add one to the log: so
 * each machine tells it of the ends that it reads, before its position is beyond them.
 *
 * All is exchanged whenever the log is there again, as in revoked.c: a page at a time, since
 * these are many. */

#include "app/node/ended.h"

#include <stdlib.h>

#include "lib/mem.h"

/* Ends of one page; the topics are owned. */
struct page {
	struct store_end ends[UPSTREAM_ENDS];
	size_t n;
};

/* add is a store_end_row. */
static void
add(void *context, const struct store_end *end)
{
	struct page *page = context;

	page->ends[page->n] = *end;
	page->ends[page->n++].topic = mem_strdup(end->topic);
}

static void
empty(struct page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		union { const char *kept; char *owned; } topic = { page->ends[i].topic };

		free(topic.owned);
	}
	page->n = 0;
}

/* is_settled: a log that does not take it will not do so the next time either. */
static bool
is_settled(int outcome)
{
	return outcome == 0 || outcome == UPSTREAM_FULL || outcome == UPSTREAM_REFUSED;
}

bool
ended_tell(struct upstream *log, const struct upstream_news *news)
{
	struct page page = { .n = 0 };
	int outcome = 0;

	for (size_t i = 0; i < news->n && is_settled(outcome); i++) {
		const struct message *m = &news->messages[i];

		if (!message_is_end(m) || m->topic == NULL)
			continue;
		add(&page, &(struct store_end){ m->topic, m->id, m->created_at });
		if (page.n == UPSTREAM_ENDS) {
			outcome = upstream_end(log, page.ends, page.n);
			empty(&page);
		}
	}
	if (page.n > 0)
		outcome = upstream_end(log, page.ends, page.n);
	empty(&page);
	return is_settled(outcome);
}

/* tell_all tells the log of all that the copy knows. 0, -1 where that cannot be read, or an
 * upstream_outcome. */
static int
tell_all(struct upstream *log, struct store *store)
{
	struct page page = { .n = 0 };
	int64_t after = 0;
	int outcome;
	bool more;

	do {
		outcome = store_read_ends(store, after, UPSTREAM_ENDS, add, &page);
		if (outcome == 0 && page.n > 0) {
			after = page.ends[page.n - 1].id;
			outcome = upstream_end(log, page.ends, page.n);
		}
		more = page.n == UPSTREAM_ENDS;
		empty(&page);
	} while (outcome == 0 && more);
	return outcome;
}

/* take_all has the copy take all that the log knows. As tell_all. */
static int
take_all(struct upstream *log, struct store *store)
{
	const struct store_end *ends;
	int64_t after = 0, forgotten;
	int outcome;
	size_t n;

	do {
		outcome = upstream_ended(log, after, &ends, &n, &forgotten);
		if (outcome == 0 && (n > 0 || forgotten > 0) && store_end(store, ends, n, forgotten) != 0)
			outcome = -1;
		if (outcome == 0 && n > 0)
			after = ends[n - 1].id;
	} while (outcome == 0 && n > 0);
	return outcome;
}

bool
ended_exchange(struct upstream *log, struct store *store)
{
	int outcome = tell_all(log, store);

	return is_settled(outcome == 0 ? take_all(log, store) : outcome);
}
