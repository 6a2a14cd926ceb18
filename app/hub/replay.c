/* Reading on: what a stream that is not live gets, from the ring where that
 * reaches back to its cursor, else from the store, page by page. Runs in the
 * hub's thread and never waits: catch-up reads the store in its own thread, and
 * meanwhile the stream must not be freed, since its filter is lent. Touches the
 * streams that are behind or paging; the ring is only read. */

#include "app/hub/replay.h"

#include <stdlib.h>

#include "app/hub/life.h"
#include "lib/mem.h"

/* One turn's work for streams that are behind, in entries of the ring looked at;
 * a stream counts as some for its write, or for asking. Where it does not suffice
 * the others have their turn in the next, so that neither the number of streams
 * that are behind nor what one of them passes over delays those that are live by
 * more than about a millisecond. Picked, not tuned. */
enum {
	TURN_LOOKS = 16384,
	STREAM_LOOKS = 128,        /* what a write costs, counted in looks */
	STREAM_MAX_LOOKS = 4096,
};

static void
ask_for_page(struct replay *replay, struct hub_state *hub, struct stream *s)
{
	struct page *page = page_new(s, &s->filter, s->is_refuted ? s->goes_on_from : s->cursor);

	if (s->invalid_id != NULL)
		page->gap = GAP_INVALID;
	else if (s->is_refuted)
		page->gap = GAP_AHEAD;
	page->start = s->start;
	page->encoding = s->encoding;
	page->join = s->join;
	if (s->until != NULL)
		page->until = s->until->upto;
	s->from_store = true;
	s->page = page;
	life_set_state(hub, s, STREAM_PAGING);
	catchup_ask(replay->catchup, page);
}

static void
count_sent(struct hub_state *hub, size_t n_messages, size_t n_gaps)
{
	HUB_COUNT(hub, n_delivered, n_messages);
	HUB_COUNT(hub, n_replayed, n_messages);
	HUB_COUNT(hub, n_gaps[GAP_EXPIRED], n_gaps);
}

/* read_on returns how many entries of the ring it has looked at. */
static size_t
read_on(struct replay *replay, struct hub_state *hub, struct stream *s)
{
	struct slices *slices = &replay->slices;
	size_t n_left = STREAM_MAX_LOOKS;
	int outcome = 0;

	if (s->from_store || !ring_holds(&hub->ring, s->cursor)) {
		ask_for_page(replay, hub, s);
		return 0;
	}
	/* What no round has begun to send yet, one will bring to all. */
	s->cursor = slices_collect(slices, &hub->ring, s, s->cursor, hub->sending, &n_left);
	/* As if it were older than the ring. */
	if (slices->lacks)
		s->from_store = true;
	if (slices->n > 0) {
		slices_told(slices, s);
		count_sent(hub, slices->n_messages, slices->n_gaps);
		outcome = stream_write(s, slices->iov, slices->n, slices->n_bytes, hub->now);
	}
	life_after_write(hub, s, outcome);
	return STREAM_MAX_LOOKS - n_left;
}

/* describe_gap adds what the page's gap says, and returns the id that the stream goes on
 * from. */
static int64_t
describe_gap(struct buf *data, struct stream *s, const struct page *page)
{
	struct store_bounds bounds = page->bounds;

	if (s->is_refuted) {
		/* The newest is the log's. Where the oldest is above it, that has come since. */
		bounds.newest = s->goes_on_from > bounds.oldest - 1 ? s->goes_on_from : bounds.oldest - 1;
		s->is_refuted = false;
		s->joined_at = 0;
		return gap_describe(data, GAP_AHEAD, s->cursor, NULL, &bounds);
	}
	return gap_describe(data, page->gap, page->after, s->invalid_id, &bounds);
}

/* keep_gap: in a list it comes last, and the first one says from where on. */
static void
keep_gap(struct stream *s, const struct buf *data)
{
	if (s->encoding == ENCODING_LIST && s->until->gap.len == 0)
		buf_add(&s->until->gap, data->bytes, data->len);
}

static void
add_gap(struct buf *out, struct stream *s, const struct page *page)
{
	struct buf data = BUF_EMPTY;

	s->told = describe_gap(&data, s, page);
	encoding_tell(s->encoding, out, MESSAGE_EVENT_GAP, s->told, &data);
	keep_gap(s, &data);
	buf_free(&data);
}

/* begin adds the first block of a stream for which the start had to be looked for, once
 * its first message is there, or there is none: the client stands before that. */
static void
begin(struct hub_state *hub, struct stream *s, struct buf *out, int64_t cursor)
{
	mono_us heartbeat = atomic_load_explicit(&hub->limits.heartbeat_us, memory_order_relaxed);

	stream_add_first(s, out, s->start->retry_ms, cursor, heartbeat / 1000);
	s->told = cursor;
	free(s->start);
	s->start = NULL;
}

/* list_begin begins the array, once, and returns how many bytes of its first message are
 * left out: the comma. */
static size_t
list_begin(struct stream *s, struct buf *out)
{
	if (s->until->has_listed)
		return 0;
	s->until->has_listed = true;
	buf_add_str(out, "\"messages\":[");
	return 1;
}

static void
send_page(struct hub_state *hub, struct stream *s, const struct page *page)
{
	/* Above the newest there is nothing to read, and where the stream stands
	 * another machine has brought it. */
	int64_t upto = page->upto > page->after ? page->upto : page->after;
	struct buf before = BUF_EMPTY;
	struct iovec iov[3];
	size_t n = 0, n_bytes, n_left_out = 0;
	int outcome = 0;

	/* At the end of the store the ring has the rest, and a poll nothing more: in a copy
	 * that may be below what the log has given. */
	if (upto >= page->bounds.newest || upto >= page->until)
		s->from_store = false;
	if (stream_is_poll(s) && !s->from_store && s->until->upto > upto)
		s->until->upto = upto;
	if (page->gap != GAP_NONE) {
		add_gap(&before, s, page);
		free(s->invalid_id);
		s->invalid_id = NULL;
		HUB_COUNT(hub, n_gaps[page->gap], 1);
		/* No row is retained in between, however far the store has looked; and
		 * above the newest nothing was read. */
		if (upto < s->told || (page->gap == GAP_AHEAD && page->after > page->bounds.newest))
			upto = s->told;
	}
	s->cursor = upto;
	if (s->start != NULL && (page->first_id != 0 || !s->from_store))
		begin(hub, s, &before, page->first_id != 0 ? page->first_id - 1 : upto);
	if (page->first_id != 0 && s->encoding == ENCODING_LIST)
		n_left_out = list_begin(s, &before);
	if (before.len > 0)
		iov[++n] = (struct iovec){ before.bytes, before.len };
	n_bytes = before.len;
	keep_gap(s, &page->gap_row);
	count_sent(hub, page->n - page->n_gaps, page->n_gaps);
	if (page->first_id != 0) {
		s->told = page->last_id;
		for (size_t i = 0; i < page->n_ends && s->until != NULL; i++)
			s->until->ends[page->ends[i].topic] = page->ends[i].id;
		iov[++n] = (struct iovec){ page->events.bytes + n_left_out, page->events.len - n_left_out };
		n_bytes += page->events.len - n_left_out;
	}
	if (n > 0)
		outcome = stream_write(s, iov, n, n_bytes, hub->now);
	life_after_write(hub, s, outcome);
	buf_free(&before);
}

/* search_on: the search goes on, or the rows are read from what it has found, in the
 * stream's next turn, or once its socket drains. */
static void
search_on(struct hub_state *hub, struct stream *s)
{
	if (s->start->is_found)
		s->cursor = s->start->after;
	/* The newest so many are those of when it was looked for, which was later. */
	if (s->start->is_found && stream_is_poll(s) && s->until->upto < s->start->search.newest)
		s->until->upto = s->start->search.newest;
	if (s->state == STREAM_PAGING)
		life_set_by_cursor(hub, s);
}

static void
take_page(struct hub_state *hub, const struct page *page)
{
	struct stream *s = page->stream;

	s->page = NULL;
	if (s->state == STREAM_CLOSED && s->list == NULL)
		stream_free(s);  /* the turn it was closed in is over; only the page held it */
	else if (s->state == STREAM_CLOSED)
		return;
	else if (page->failed)
		life_close(hub, s, STREAM_END_STORE);  /* logged; the client comes back and asks again */
	else if (page->searched)
		search_on(hub, s);
	else if (s->state == STREAM_PAGING)
		send_page(hub, s, page);
	/* else a heartbeat has filled its socket: it asks anew once that drains. */
}

void
replay_run(struct replay *replay, struct hub_state *hub)
{
	struct stream *last = TAILQ_LAST(&hub->behind, stream_list), *s = NULL;
	struct mail *mail, *next;
	size_t n_looks = 0;

	for (mail = mailbox_take(&replay->pages); mail != NULL; mail = next) {
		struct page *page = CONTAINER_OF(mail, struct page, mail);

		next = mail->next;
		take_page(hub, page);
		page_free(page);
	}
	/* Each stream leaves the list, or goes to its end for the next turn. */
	while (last != NULL && s != last && n_looks < TURN_LOOKS) {
		s = TAILQ_FIRST(&hub->behind);
		n_looks += STREAM_LOOKS + read_on(replay, hub, s);
	}
}

void
replay_forget(struct replay *replay, struct hub_state *hub)
{
	struct stream *s;

	TAILQ_FOREACH(s, &hub->closed, link) {
		if (s->page == NULL || !catchup_forget(replay->catchup, s->page))
			continue;
		page_free(s->page);
		s->page = NULL;
	}
}

int
replay_start(struct replay *replay, const char *store_name)
{
	mailbox_init(&replay->pages);
	replay->catchup = catchup_start(store_name, &replay->pages);
	return replay->catchup != NULL ? 0 : -1;
}

void
replay_stop(struct replay *replay)
{
	struct mail *mail, *next;

	catchup_stop(replay->catchup);
	for (mail = mailbox_take(&replay->pages); mail != NULL; mail = next) {
		struct page *page = CONTAINER_OF(mail, struct page, mail);

		next = mail->next;
		stream_free(page->stream);  /* closed before; only the page held it */
		page_free(page);
	}
	mailbox_free(&replay->pages);
}
