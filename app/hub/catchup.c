/* Catch-up's thread: reads one page after the other with its own handle of the
 * store, and puts it into the hub's mailbox. Of a stream it reads the filter only,
 * which never changes, and it has the search for where one begins while it has a page.
 *
 * Pages that are asked for wait in a line for each user, and the lines take turns,
 * a page a turn: a user can hold up nobody else's replay, whatever he asks for.
 * Pages of a stream that has gone are taken back while they wait, so a client that
 * connects and hangs up, again and again, is not worked for either.
 *
 * Where nobody waits the handle learns which rows are where (store_learn): those who come
 * then wait for the rows that they are sent, not for all those that are there. */

#include "app/hub/catchup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub/stream.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/thread.h"

TAILQ_HEAD(page_list, page);

/* The pages that a user waits for; there is one while there are any. */
struct line {
	char *user;              /* owned: it may outlive the stream that began it */
	struct page_list pages;
	TAILQ_ENTRY(line) link;
};

struct catchup {
	struct store *store;
	struct mailbox *done;
	pthread_t thread;
	pthread_mutex_t lock;    /* guards what follows; never held while reading */
	pthread_cond_t wake;
	struct hash users;       /* name to struct line */
	TAILQ_HEAD(, line) lines;  /* in the order of their turns */
	bool stopping;
};

/* ---- who is next ---- */

static void
add_page(struct catchup *catchup, struct page *page)
{
	struct line *line = hash_get(&catchup->users, page->filter->user);

	if (line == NULL) {
		line = mem_zalloc(sizeof(*line));
		line->user = mem_strdup(page->filter->user);
		TAILQ_INIT(&line->pages);
		hash_put(&catchup->users, line->user, line);
		TAILQ_INSERT_TAIL(&catchup->lines, line, link);
	}
	TAILQ_INSERT_TAIL(&line->pages, page, link);
	page->waits = true;
}

static void
remove_page(struct catchup *catchup, struct line *line, struct page *page)
{
	TAILQ_REMOVE(&line->pages, page, link);
	page->waits = false;
	if (!TAILQ_EMPTY(&line->pages))
		return;
	TAILQ_REMOVE(&catchup->lines, line, link);
	hash_remove(&catchup->users, line->user);
	free(line->user);
	free(line);
}

/* next_page takes the first page of the line whose turn it is, which is then the
 * last to have another. NULL: nobody waits. */
static struct page *
next_page(struct catchup *catchup)
{
	struct line *line = TAILQ_FIRST(&catchup->lines);
	struct page *page;

	if (line == NULL)
		return NULL;
	TAILQ_REMOVE(&catchup->lines, line, link);
	TAILQ_INSERT_TAIL(&catchup->lines, line, link);
	page = TAILQ_FIRST(&line->pages);
	remove_page(catchup, line, page);
	return page;
}

/* ---- reading ---- */

struct page *
page_new(struct stream *stream, const struct filter *filter, int64_t after)
{
	struct page *page = mem_zalloc(sizeof(*page));

	page->stream = stream;
	page->filter = filter;
	page->after = after;
	page->until = INT64_MAX;
	return page;
}

void
page_free(struct page *page)
{
	buf_free(&page->events);
	buf_free(&page->gap_row);
	join_free(&page->joined);
	free(page);
}

static void
note_end(struct page *page, const struct message *m)
{
	for (size_t i = 0; i < page->filter->n_topics && page->n_ends < STREAM_MAX_TOPICS; i++)
		if (strcmp(page->filter->topics[i], m->topic) == 0) {
			page->ends[page->n_ends].topic = i;
			page->ends[page->n_ends++].id = m->id;
		}
}

static bool
add_row(void *context, const struct message *m)
{
	struct page *page = context;

	if (m->id > page->until)
		return false;
	page->n++;
	page->n_gaps += message_is_gap(m);
	if (page->encoding == ENCODING_LIST && message_is_gap(m)) {
		if (page->gap_row.len == 0)
			buf_add(&page->gap_row, m->data, m->data_len);
		return true;
	}
	if (m->topic != NULL && message_is_end(m))
		note_end(page, m);
	join_add(&page->joined, page->join, page->encoding, &page->events, m);
	if (page->first_id == 0)
		page->first_id = m->id;
	page->last_id = m->id;
	return page->events.len + join_len(&page->joined) < STREAM_WRITE_BYTES;
}

/* search goes on with the search by what one read may cost. */
static void
search(struct catchup *catchup, struct page *page)
{
	struct stream_start *start = page->start;
	int rc = store_find(catchup->store, &start->search, page->filter, &start->after);

	page->searched = true;
	start->is_found = rc == 0;
	page->failed = rc != 0 && rc != STORE_AGAIN;
}

static void
read_page(struct catchup *catchup, struct page *page)
{
	if (page->start != NULL && !page->start->is_found) {
		search(catchup, page);
		return;
	}
	if (store_read(catchup->store, page->after, page->filter, add_row, page,
	    &page->bounds, &page->upto) != 0) {
		page->failed = true;
		return;
	}
	join_flush(&page->joined, &page->events);
	if (page->upto > page->until)
		page->upto = page->until;
	/* Bounds and rows are of one transaction: had retention come in between, the
	 * gap would be found here too. */
	if (page->gap == GAP_NONE && page->start == NULL)
		page->gap = gap_find(page->after, &page->bounds);
}

static void *
catchup_run(void *arg)
{
	struct catchup *catchup = arg;
	bool learns = true;  /* there may be something to learn */

	pthread_mutex_lock(&catchup->lock);
	for (;;) {
		struct page *page = next_page(catchup);

		if (page == NULL && catchup->stopping)
			break;
		if (page == NULL && learns) {
			pthread_mutex_unlock(&catchup->lock);
			learns = store_learn(catchup->store);
			pthread_mutex_lock(&catchup->lock);
			continue;
		}
		learns = true;
		if (page == NULL) {
			pthread_cond_wait(&catchup->wake, &catchup->lock);
			continue;
		}
		page->failed = catchup->stopping;
		pthread_mutex_unlock(&catchup->lock);
		if (!page->failed)
			read_page(catchup, page);
		mailbox_put(catchup->done, &page->mail);
		pthread_mutex_lock(&catchup->lock);
	}
	pthread_mutex_unlock(&catchup->lock);
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
	TAILQ_INIT(&catchup->lines);
	pthread_mutex_init(&catchup->lock, NULL);
	pthread_cond_init(&catchup->wake, NULL);
	thread_start(&catchup->thread, "catch-up", catchup_run, catchup);
	return catchup;
}

void
catchup_ask(struct catchup *catchup, struct page *page)
{
	pthread_mutex_lock(&catchup->lock);
	add_page(catchup, page);
	pthread_cond_signal(&catchup->wake);
	pthread_mutex_unlock(&catchup->lock);
}

bool
catchup_forget(struct catchup *catchup, struct page *page)
{
	bool waits;

	pthread_mutex_lock(&catchup->lock);
	waits = page->waits;
	if (waits)
		remove_page(catchup, hash_get(&catchup->users, page->filter->user), page);
	pthread_mutex_unlock(&catchup->lock);
	return waits;
}

void
catchup_stop(struct catchup *catchup)
{
	pthread_mutex_lock(&catchup->lock);
	catchup->stopping = true;
	pthread_cond_signal(&catchup->wake);
	pthread_mutex_unlock(&catchup->lock);
	pthread_join(catchup->thread, NULL);
	pthread_cond_destroy(&catchup->wake);
	pthread_mutex_destroy(&catchup->lock);
	hash_free(&catchup->users);
	store_close(catchup->store);
	free(catchup);
}
