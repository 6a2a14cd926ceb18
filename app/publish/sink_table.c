/* The store as the writer's sink: one transaction for a group. Between the commits
 * retention deletes a slice of what is not kept, and after one that failed it is tried
 * whether another would work. The writer's thread alone uses the store's handle. */

#include <stdlib.h>

#include "app/publish/sink.h"
#include "app/store/slice.h"
#include "lib/mem.h"

struct sink_table {
	struct sink sink;
	struct store *store;
	struct slice slice;          /* of retention */
	mono_us next_probe;          /* while failing */
	size_t n_failed_bytes;       /* of the last commit that failed */
};

static struct sink_table *
table_of(struct sink *sink)
{
	return CONTAINER_OF(sink, struct sink_table, sink);
}

static size_t
count_messages(struct append *const appends[], size_t n)
{
	size_t n_messages = 0;

	for (size_t i = 0; i < n; i++)
		n_messages += appends[i]->n;
	return n_messages;
}

static size_t
count_bytes(struct append *const appends[], size_t n)
{
	size_t n_bytes = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t m = 0; m < appends[i]->n; m++)
			n_bytes += appends[i]->messages[m].data_len;
	return n_bytes;
}

static int
table_append(struct sink *sink, struct append *appends[], size_t n,
    mono_us deadline __attribute__((unused)))
{
	struct sink_table *table = table_of(sink);
	int outcome = store_append(table->store, appends, n);

	table->slice.n_came = count_messages(appends, n);
	if (outcome != 0) {
		table->n_failed_bytes = count_bytes(appends, n);
		table->next_probe = clock_mono_in_ms(SINK_PROBE_MS);
	}
	return outcome;
}

static const char *
table_sentence(int outcome)
{
	return outcome == STORE_BUSY
	    ? "nothing was stored: another program keeps the store locked; try again"
	    : outcome == STORE_FULL
	    ? "nothing was stored: there is no room left on the disk"
	    : outcome == STORE_REPLACED
	    ? "nothing was stored: the store's file was replaced or deleted; try again once"
	    " rowcast has started anew"
	    : "nothing was stored: the store cannot be written; see the log";
}

static enum failure
table_failure(int outcome)
{
	return failure_of(outcome);
}

/* Those behind in the queue have waited for the lock as long as the group has. */
static bool
table_is_for_all(int outcome)
{
	return outcome == STORE_BUSY;
}

static void
trim(struct sink_table *table)
{
	mono_us began = clock_mono_us();
	int n;

	if (began < table->slice.next)
		return;
	n = store_trim(table->store, atomic_load(&table->sink.keep_for_s),
	    atomic_load(&table->sink.keep_rows), slice_rows(&table->slice));
	if (n > 0)
		atomic_fetch_add(&table->sink.n_trimmed, (uint64_t)n);
	slice_done(&table->slice, n, began);
}

/* probe finds out whether a commit that failed would work now, so that nobody has to
 * publish for /healthz to be right. */
static void
probe(struct sink_table *table)
{
	if (!atomic_load(&table->sink.failing) || clock_mono_us() < table->next_probe)
		return;
	if (store_probe(table->store, table->n_failed_bytes) == 0)
		atomic_store(&table->sink.failing, false);
	table->next_probe = clock_mono_in_ms(SINK_PROBE_MS);
}

/* Retention looks at least as often as a probe is due. */
static void
table_tend(struct sink *sink)
{
	trim(table_of(sink));
	probe(table_of(sink));
}

static mono_us
table_next(struct sink *sink)
{
	return table_of(sink)->slice.next;
}

static void
table_close(struct sink *sink)
{
	struct sink_table *table = table_of(sink);

	store_close(table->store);
	free(table);
}

struct sink *
sink_table(struct store *store)
{
	static const struct sink_kind kind = {
		table_append, table_sentence, table_failure, table_is_for_all, table_tend, table_next,
		table_close,
	};
	struct sink_table *table = mem_zalloc(sizeof(*table));

	table->sink.kind = &kind;
	table->store = store;
	slice_init(&table->slice);
	return &table->sink;
}
