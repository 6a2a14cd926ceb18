/* How new messages come to live streams: they wait in an inbox, bounded, until the
 * hub takes them into the ring, and are sent by rounds; between two of these the
 * web server is left time, as much as pace.c says, and meanwhile direct.c sends
 * what need not wait. news_put is the tail's thread and touches the inbox, under
 * its lock; all else is the hub's. */

#include "app/hub/news.h"

#include "app/hub/life.h"
#include "lib/mem.h"

void
news_init(struct news *news, struct mailbox *wake, int64_t sent)
{
	*news = (struct news){ .wake = wake, .upto = sent };
	news->last = &news->first;
	pthread_mutex_init(&news->lock, NULL);
	pthread_cond_init(&news->taken, NULL);
	news->round = round_new();
}

void
news_free(struct news *news)
{
	struct mail *mail, *next;

	for (mail = news->first; mail != NULL; mail = next) {
		next = mail->next;
		block_free(CONTAINER_OF(mail, struct block, mail));
	}
	round_free(news->round);
	pthread_cond_destroy(&news->taken);
	pthread_mutex_destroy(&news->lock);
}

void
news_put(struct news *news, struct block *block)
{
	bool was_empty;

	pthread_mutex_lock(&news->lock);
	while (news->n_bytes > NEWS_INBOX_BYTES)
		pthread_cond_wait(&news->taken, &news->lock);
	was_empty = news->first == NULL;
	block->mail.next = NULL;
	*news->last = &block->mail;
	news->last = &block->mail.next;
	news->n_bytes += block_size(block);
	news->n_for_many += block->n_for_many;
	pthread_mutex_unlock(&news->lock);
	if (was_empty)
		mailbox_wake(news->wake);
}

static bool
inbox_is_empty(struct news *news)
{
	bool empty;

	pthread_mutex_lock(&news->lock);
	empty = news->first == NULL;
	pthread_mutex_unlock(&news->lock);
	return empty;
}

/* take_inbox moves the inbox into the ring. What is taken early, while a round has
 * to wait, counts as waiting until one begins that sends it. */
static void
take_inbox(struct news *news, struct hub_state *hub, bool early)
{
	struct mail *mail, *next;

	pthread_mutex_lock(&news->lock);
	mail = news->first;
	news->first = NULL;
	news->last = &news->first;
	if (!early) {
		news->n_bytes = news->n_for_many = 0;
		pthread_cond_signal(&news->taken);
	}
	pthread_mutex_unlock(&news->lock);
	for (; mail != NULL; mail = next) {
		struct block *block = CONTAINER_OF(mail, struct block, mail);

		next = mail->next;
		HUB_COUNT(hub, n_read, block->n - block->n_gaps);
		ring_add(&hub->ring, block);
	}
}

/* has_news: is there anything that live streams have not been sent yet? */
static bool
has_news(struct news *news, const struct hub_state *hub)
{
	return hub->ring.top > hub->sent || !inbox_is_empty(news);
}

/* n_waiting returns how many messages wait that name no user: others cost few writes, and most
 * were sent meanwhile (direct.c). Where the last round did not come to the end of what it was
 * to send, they are many. */
static size_t
n_waiting(struct news *news, const struct hub_state *hub)
{
	size_t n;

	pthread_mutex_lock(&news->lock);
	n = news->n_for_many;
	pthread_mutex_unlock(&news->lock);
	return hub->sent < news->upto ? n + PACE_MANY : n;
}

static void
after_write(void *hub, struct stream *s, int outcome)
{
	life_after_write(hub, s, outcome);
}

/* catch_up_with settles those of a list of streams ahead that rounds have come up to. */
static void
catch_up_with(struct hub_state *hub, struct stream_list *ahead)
{
	struct stream *s, *next;

	for (s = TAILQ_FIRST(ahead); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->cursor <= hub->sent)
			life_after_write(hub, s, 0);
	}
}

static void
begin_round(struct news *news, struct hub_state *hub)
{
	if (hub->sent >= news->upto) {
		take_inbox(news, hub, false);
		news->upto = hub->ring.top;
	}
	hub->sending = round_begin(news->round, &hub->roster, &hub->ring, hub->sent);
}

static void
end_round(struct hub_state *hub)
{
	hub->sent = hub->sending;
	atomic_store_explicit(&hub->counters.sent, hub->sent, memory_order_relaxed);
	catch_up_with(hub, &hub->ahead);
	catch_up_with(hub, &hub->unproven);
	ring_forget(&hub->ring, hub->sent);
}

/* run_part writes the next part of the round under way, or the first of another. */
static void
run_part(struct news *news, struct hub_state *hub)
{
	struct round_tally tally;

	if (hub->sending == hub->sent)
		begin_round(news, hub);
	tally = round_write(news->round, &hub->roster,
	    pace_part(&news->pace, round_n_left(news->round)), hub->now, after_write, hub);
	HUB_COUNT(hub, n_delivered, tally.n_delivered);
	HUB_COUNT(hub, n_gaps[GAP_EXPIRED], tally.n_gaps);
	if (tally.n_delivered > 0)
		round_count_lag(news->round, &hub->lag, clock_mono_us());
	pace_record(&news->pace, &tally.sample, tally.n_written, tally.is_over, hub->now);
	direct_allow(&news->direct, tally.n_written);
	if (tally.is_over)
		end_round(hub);
}

void
news_run(struct news *news, struct hub_state *hub)
{
	if (!has_news(news, hub))
		return;
	if (pace_allows(&news->pace, n_waiting(news, hub), hub->now)) {
		run_part(news, hub);
	} else if (direct_may(&news->direct)) {
		take_inbox(news, hub, true);
		direct_run(&news->direct, hub);
	}
}

void
news_run_all(struct news *news, struct hub_state *hub)
{
	while (has_news(news, hub))
		run_part(news, hub);
}

mono_us
news_due(struct news *news, const struct hub_state *hub, mono_us latest)
{
	if (!has_news(news, hub))
		return latest;
	if (direct_has_more(&news->direct, hub)
	    || (direct_may(&news->direct) && !inbox_is_empty(news)))
		return hub->now;
	return news->pace.next_part < latest ? news->pace.next_part : latest;
}
