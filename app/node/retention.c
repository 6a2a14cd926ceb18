/* Retention's thread. It has a connection of its own, so that a slice holds up nobody
 * who publishes or reads here; how large a slice is, the log's side knows. */

#include "app/node/retention.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "app/upstream/upstream.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	IDLE_MS = 1000,  /* pause when there is nothing to delete, or another does it */
	BUSY_MS = 10,    /* pause between slices while there is */
};

struct retention {
	struct upstream *log;
	char *node;
	struct mailbox wake;   /* for its descriptor only: it is time to stop */
	_Atomic int64_t keep_for_s, keep_rows;
	_Atomic bool stopping;
	pthread_t thread;
};

static void *
retention_run(void *arg)
{
	struct retention *r = arg;

	while (!atomic_load(&r->stopping)) {
		int64_t n_deleted = 0;
		bool more = false;
		int rc = upstream_trim(r->log, r->node, atomic_load(&r->keep_for_s),
		    atomic_load(&r->keep_rows), &n_deleted, &more);

		mailbox_wait(&r->wake, rc == 0 && more ? BUSY_MS : IDLE_MS);
	}
	return NULL;
}

void
retention_reload(struct retention *r, const struct conf *conf)
{
	atomic_store(&r->keep_for_s, conf->keep_for_s);
	atomic_store(&r->keep_rows, conf->keep_rows);
}

struct retention *
retention_start(const struct conf *conf)
{
	struct retention *r = mem_zalloc(sizeof(*r));

	r->log = upstream_open(conf);
	r->node = mem_strdup(conf->node);
	retention_reload(r, conf);
	mailbox_init(&r->wake);
	thread_start(&r->thread, "retention", retention_run, r);
	return r;
}

void
retention_stop(struct retention *r)
{
	atomic_store(&r->stopping, true);
	mailbox_wake(&r->wake);
	upstream_interrupt(r->log);
	pthread_join(r->thread, NULL);
	mailbox_free(&r->wake);
	upstream_close(r->log);
	free(r->node);
	free(r);
}
