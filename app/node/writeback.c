/* The thread sleeps until there is enough to write back. While it is at it, or has
 * failed and pauses, it is not asked again: so it cannot become busy with little. */

#include "app/node/writeback.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum { AGAIN_MS = 1000 };  /* after what failed */

struct writeback {
	struct store *store;
	struct mailbox wake;       /* without mail: it was asked, or is to stop */
	size_t n_before;           /* as it was last noted */
	_Atomic size_t n_written;  /* so many of them are in the file */
	_Atomic bool is_asked, stopping;
	pthread_t thread;
};

static void *
writeback_run(void *arg)
{
	struct writeback *w = arg;

	for (;;) {
		size_t n_bytes;
		int outcome;

		mailbox_wait(&w->wake, -1);
		mailbox_take(&w->wake);
		if (atomic_load(&w->stopping))
			return NULL;
		outcome = store_write_back(w->store, &n_bytes);
		if (outcome == STORE_REPLACED)
			return NULL;  /* the tail notices too, and ends the process */
		if (outcome != 0)
			mailbox_wait(&w->wake, AGAIN_MS);
		atomic_store(&w->n_written, n_bytes);
		atomic_store(&w->is_asked, false);
	}
}

/* ---- what other threads call ---- */

struct writeback *
writeback_start(struct store *store)
{
	struct writeback *w = mem_zalloc(sizeof(*w));

	w->store = store;
	mailbox_init(&w->wake);
	thread_start(&w->thread, "writeback", writeback_run, w);
	return w;
}

void
writeback_note(struct writeback *w, size_t n_bytes)
{
	size_t n_written;

	if (n_bytes < w->n_before)  /* it was begun from its start again */
		atomic_store(&w->n_written, 0);
	w->n_before = n_bytes;
	n_written = atomic_load(&w->n_written);
	if (n_bytes < n_written || n_bytes - n_written < WRITEBACK_BYTES)
		return;
	if (!atomic_exchange(&w->is_asked, true))
		mailbox_wake(&w->wake);
}

void
writeback_stop(struct writeback *w)
{
	atomic_store(&w->stopping, true);
	mailbox_wake(&w->wake);
	pthread_join(w->thread, NULL);
	mailbox_free(&w->wake);
	store_close(w->store);
	free(w);
}
