/* Carrying out last wills. The first order of each may wait in the writer's queue for as
 * long as the store is locked or the log away; it comes back in any case. */

#include "app/publish/wills.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

struct will {
	TAILQ_ENTRY(will) link;
	struct writer_order order;
	struct message end;
	char *topic;             /* owned; the end's, and the order's */
	void *who;
};

static void
free_will(struct will *will)
{
	will->end.topic = NULL;
	message_free(&will->end);
	free(will->topic);
	free(will);
}

void
wills_init(struct wills *wills, struct writer *writer)
{
	*wills = (struct wills){ .writer = writer, .retry_at = INT64_MAX };
	mailbox_init(&wills->done);
	TAILQ_INIT(&wills->ordered);
	TAILQ_INIT(&wills->failed);
}

void
wills_free(struct wills *wills)
{
	struct will *will;

	while ((will = TAILQ_FIRST(&wills->failed)) != NULL) {
		TAILQ_REMOVE(&wills->failed, will, link);
		free_will(will);
	}
	mailbox_free(&wills->done);
}

static struct will *
will_of(struct mail *mail)
{
	struct writer_order *order = CONTAINER_OF(mail, struct writer_order, mail);

	return CONTAINER_OF(order, struct will, order);
}

static void
done(struct writer_order *order)
{
	mailbox_put(order->context, &order->mail);
}

static void
fail(struct wills *wills, struct will *will)
{
	TAILQ_INSERT_TAIL(&wills->failed, will, link);
	wills->retry_at = clock_mono_in_ms(WILLS_RETRY_MS);
}

/* order gives it to the writer; false: that takes nothing now. */
static bool
order(struct wills *wills, struct will *will)
{
	if (writer_order(wills->writer, &will->order) != 0)
		return false;
	TAILQ_INSERT_TAIL(&wills->ordered, will, link);
	return true;
}

void
wills_carry_out(struct wills *wills, const char *topic, bool ends,
    const struct store_will *in_store, void *who)
{
	struct will *will = mem_zalloc(sizeof(*will));

	will->who = who;
	will->topic = mem_strdup(topic);
	will->order = (struct writer_order){
		.append = { .messages = &will->end, .publisher = "" },
		.is_own = true, .done = done, .context = &wills->done,
	};
	if (ends) {
		will->end = (struct message){
			.topic = will->topic,
			.event = mem_strdup(MESSAGE_EVENT_END),
			.data = mem_strdup(WILLS_ABORTED),
			.data_len = strlen(WILLS_ABORTED),
		};
		will->order.append.n = 1;
		will->order.n_bytes = will->end.data_len;
	}
	if (in_store != NULL) {
		will->order.append.will_change = STORE_WILL_REVOKE;
		will->order.append.will = *in_store;
		will->order.append.will.topic = NULL;
	}
	if (!order(wills, will))
		fail(wills, will);
}

/* is_settled: is nothing left to be done? Where the topic has ended by itself, or the table
 * takes no end of it, the will is revoked all the same. */
static bool
is_settled(struct will *will)
{
	struct append *append = &will->order.append;

	if (will->order.fate == WRITER_STORED)
		return true;
	if (will->order.fate == WRITER_FAILED)
		return false;
	if (will->order.fate == WRITER_REFUSED)
		log_warnx("following: the table refuses the end of a topic that broke off");
	append->n = 0;
	will->order.n_bytes = 0;
	return append->will_change == STORE_WILL_KEEP;
}

void *
wills_hear(struct wills *wills)
{
	struct mail *mail = wills->heard;
	struct will *will;
	void *who;

	if (mail == NULL)
		mail = mailbox_take(&wills->done);
	for (struct mail *next; mail != NULL; mail = next) {
		next = mail->next;
		will = will_of(mail);
		TAILQ_REMOVE(&wills->ordered, will, link);
		who = will->who;
		will->who = NULL;
		if (is_settled(will))
			free_will(will);
		else if (will->order.fate == WRITER_FAILED || !order(wills, will))
			fail(wills, will);
		wills->heard = next;
		if (who != NULL)
			return who;
	}
	wills->heard = NULL;
	return NULL;
}

void
wills_retry(struct wills *wills)
{
	struct will_list again = TAILQ_HEAD_INITIALIZER(again);
	struct will *will;

	if (clock_mono_us() < wills->retry_at)
		return;
	wills->retry_at = INT64_MAX;
	TAILQ_CONCAT(&again, &wills->failed, link);
	while ((will = TAILQ_FIRST(&again)) != NULL) {
		TAILQ_REMOVE(&again, will, link);
		if (!order(wills, will))
			fail(wills, will);
	}
}

mono_us
wills_next(const struct wills *wills)
{
	return wills->retry_at;
}

bool
wills_are_ordered(const struct wills *wills)
{
	return !TAILQ_EMPTY(&wills->ordered);
}

bool
wills_are_done(const struct wills *wills)
{
	return TAILQ_EMPTY(&wills->ordered) && TAILQ_EMPTY(&wills->failed);
}
