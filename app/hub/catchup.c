/* Catch-up's thread: takes pages out of its mailbox one after the other, reads each
 * with its own handle of the store, and puts it into the hub's mailbox. Of a stream
 * it reads the filter only, which never changes. */

#include "app/hub/catchup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "app/hub/stream.h"
#include "lib/mem.h"
#include "lib/sse.h"
#include "lib/thread.h"

struct catchup {
	struct store *store;
	struct mailbox asked;
	struct mailbox *done;
	_Atomic bool stopping;
	pthread_t thread;
};

struct page *
page_new(struct stream *stream, const struct filter *filter, int64_t after)
{
	struct page *page = mem_zalloc(sizeof(*page));

	page->stream = stream;
	page->filter = filter;
	page->after = after;
	return page;
}

void
page_free(struct page *page)
{
	buf_free(&page->events);
	free(page);
}

static bool
add_row(void *context, const struct message *m)
{
	struct page *page = context;

	sse_id(&page->events, m->id);
	sse_event(&page->events, m->event, m->data, m->data_len);
	page->last_id = m->id;
	page->n++;
	return page->events.len < STREAM_WRITE_BYTES;
}

static void
read_page(struct catchup *catchup, struct page *page)
{
	if (store_read(catchup->store, page->after, page->filter, add_row, page,
	    &page->bounds, &page->upto) != 0) {
		page->failed = true;
		return;
	}
	/* Bounds and rows are of one transaction: had retention come in between, the
	 * gap would be found here too. */
	if (page->gap == GAP_NONE)
		page->gap = gap_find(page->after, &page->bounds);
}

static void *
catchup_run(void *arg)
{
	struct catchup *catchup = arg;

	while (!atomic_load(&catchup->stopping)) {
		struct mail *mail, *next;

		mailbox_wait(&catchup->asked, -1);
		for (mail = mailbox_take(&catchup->asked); mail != NULL; mail = next) {
			struct page *page = CONTAINER_OF(mail, struct page, mail);

			next = mail->next;
			if (atomic_load(&catchup->stopping))
				page->failed = true;
			else
				read_page(catchup, page);
			mailbox_put(catchup->done, &page->mail);
		}
	}
	return NULL;
}

struct catchup *
catchup_start(const char *store_name, struct mailbox *done)
{
	struct catchup *catchup = mem_zalloc(sizeof(*catchup));

	catchup->done = done;
	catchup->store = store_open(store_name, STORE_READER);
	if (catchup->store == NULL) {
		free(catchup);
		return NULL;
	}
	mailbox_init(&catchup->asked);
	thread_start(&catchup->thread, "catch-up", catchup_run, catchup);
	return catchup;
}

void
catchup_ask(struct catchup *catchup, struct page *page)
{
	mailbox_put(&catchup->asked, &page->mail);
}

void
catchup_stop(struct catchup *catchup)
{
	struct mail *mail, *next;

	atomic_store(&catchup->stopping, true);
	mailbox_wake(&catchup->asked);
	pthread_join(catchup->thread, NULL);
	for (mail = mailbox_take(&catchup->asked); mail != NULL; mail = next) {
		struct page *page = CONTAINER_OF(mail, struct page, mail);

		next = mail->next;
		page->failed = true;
		mailbox_put(catchup->done, &page->mail);
	}
	mailbox_free(&catchup->asked);
	store_close(catchup->store);
	free(catchup);
}
