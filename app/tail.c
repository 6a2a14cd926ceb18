/* Whoever committed a row, it comes to the streams through here and nowhere
 * else, so order and completeness have one place to be right. Between two looks
 * the thread sleeps in store_wait(), woken by our own writer at once and by
 * others through the store. */

#include "app/tail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app/block.h"
#include "app/hub.h"
#include "app/store.h"
#include "lib/mailbox.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
	BLOCK_MAX_BYTES = 256 << 10,  /* a block is handed over at the latest at this size */
	BLOCK_MAX_MESSAGES = 4096,    /* or this; both picked, not tuned */
	RETRY_MS = 200,               /* after a store that could not be read */
};

struct tail {
	struct store *store;
	struct hub *hub;
	int64_t last;             /* everything up to here was given to the hub */
	struct mailbox wake;      /* used for its descriptor only: nothing is put inside */
	_Atomic bool stopping;
	pthread_t thread;
};

static bool
add_row(void *context, const struct message *m)
{
	struct block *block = context;

	block_add(block, m);
	return block->bytes.len < BLOCK_MAX_BYTES && block->n < BLOCK_MAX_MESSAGES;
}

/* read_news gives the hub one block. 1: there may be more at once; 0: that was
 * all; -1: the store could not be read, and nothing is lost by trying again. */
static int
read_news(struct tail *tail)
{
	struct block *block = block_new();
	struct store_bounds bounds;
	int64_t upto;

	if (store_read(tail->store, tail->last, NULL, add_row, block, &bounds, &upto) < 0) {
		block_free(block);
		return -1;
	}
	if (upto <= tail->last) {
		block_free(block);
		return 0;
	}
	block->upto = upto;
	tail->last = upto;
	hub_publish(tail->hub, block);
	return upto < bounds.newest;
}

static void *
tail_run(void *arg)
{
	struct tail *tail = arg;

	for (;;) {
		/* Asked before reading: what was committed before the stop is read. */
		bool last_round = atomic_load(&tail->stopping);
		int rc;

		while ((rc = read_news(tail)) > 0)
			;
		if (last_round)
			return NULL;
		if (rc < 0)
			mailbox_wait(&tail->wake, RETRY_MS);
		else
			store_wait(tail->store, tail->wake.wake_fd);
		mailbox_take(&tail->wake);
	}
}

struct tail *
tail_start(const char *store_name, int64_t after, struct hub *hub)
{
	struct tail *tail = mem_zalloc(sizeof(*tail));

	tail->hub = hub;
	tail->last = after;
	tail->store = store_open(store_name, STORE_READER);
	if (tail->store == NULL) {
		free(tail);
		return NULL;
	}
	mailbox_init(&tail->wake);
	thread_start(&tail->thread, "tail", tail_run, tail);
	return tail;
}

void
tail_wake(struct tail *tail)
{
	mailbox_wake(&tail->wake);
}

void
tail_stop(struct tail *tail)
{
	atomic_store(&tail->stopping, true);
	mailbox_wake(&tail->wake);
	pthread_join(tail->thread, NULL);
	mailbox_free(&tail->wake);
	store_close(tail->store);
	free(tail);
}
