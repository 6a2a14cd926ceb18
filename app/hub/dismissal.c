/* Ending the streams of a user, a slice in each turn of the loop, since one user may have
 * all the streams that there are; a larger one where turns are long.
 *
 * An order to kick is for the streams that are open when the hub sees it: each stream has
 * the number of its admission, and who comes back meanwhile has a higher one. An order to
 * revoke is for those whose token is revoked. Nobody slips through: revocations are known
 * before the order is given, and admission.c asks them; so a stream is either in the
 * roster by now, and is found here, or it is not let in.
 *
 * A user has one order at a time: a second one is joined to it. Orders are small, come no
 * faster than the tail reads rows, and are taken in each turn, so they have no bound.
 *
 * dismissal_kick and dismissal_revoke may be called by any thread and touch the mailbox
 * alone; all else is the hub's thread. */

#include "app/hub/dismissal.h"

#include <stdlib.h>
#include <string.h>

#include "app/access/revocations.h"
#include "app/access/verdict.h"
#include "app/hub/life.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/sse.h"

struct order {
	struct mail mail;
	TAILQ_ENTRY(order) link;
	bool kicks, revokes;
	uint64_t kicks_upto;    /* those admitted up to this number */
	char user[];
};

void
dismissal_init(struct dismissal *dismissal)
{
	*dismissal = (struct dismissal){ 0 };
	mailbox_init(&dismissal->ordered);
	TAILQ_INIT(&dismissal->running);
}

static void
finish(struct dismissal *dismissal, struct order *order)
{
	TAILQ_REMOVE(&dismissal->running, order, link);
	hash_remove(&dismissal->users, order->user);
	free(order);
}

void
dismissal_free(struct dismissal *dismissal)
{
	struct mail *mail, *next;

	for (mail = mailbox_take(&dismissal->ordered); mail != NULL; mail = next) {
		next = mail->next;
		free(CONTAINER_OF(mail, struct order, mail));
	}
	while (!TAILQ_EMPTY(&dismissal->running))
		finish(dismissal, TAILQ_FIRST(&dismissal->running));
	hash_free(&dismissal->users);
	mailbox_free(&dismissal->ordered);
}

/* ---- orders ---- */

static void
give(struct dismissal *dismissal, const char *user, bool kicks, bool revokes)
{
	struct order *order = mem_zalloc(sizeof(*order) + strlen(user) + 1);

	order->kicks = kicks;
	order->revokes = revokes;
	strcpy(order->user, user);
	mailbox_put(&dismissal->ordered, &order->mail);
}

void
dismissal_kick(struct dismissal *dismissal, const char *user)
{
	give(dismissal, user, true, false);
}

void
dismissal_revoke(struct dismissal *dismissal, const char *user)
{
	give(dismissal, user, false, true);
}

void
dismissal_take(struct dismissal *dismissal, struct hub_state *hub, struct mail *orders)
{
	struct mail *mail, *next;

	for (mail = orders; mail != NULL; mail = next) {
		struct order *order = CONTAINER_OF(mail, struct order, mail);
		struct order *running = hash_get(&dismissal->users, order->user);

		next = mail->next;
		if (order->kicks)
			order->kicks_upto = hub->n_admitted;
		if (running != NULL) {
			running->kicks |= order->kicks;
			running->revokes |= order->revokes;
			if (running->kicks_upto < order->kicks_upto)
				running->kicks_upto = order->kicks_upto;
			free(order);
		} else if (roster_user(&hub->roster, order->user) == NULL) {
			free(order);
		} else {
			TAILQ_INSERT_TAIL(&dismissal->running, order, link);
			hash_put(&dismissal->users, order->user, order);
		}
	}
}

/* ---- ends ---- */

void
dismissal_send_away(struct hub_state *hub, struct stream *s, enum stream_end why)
{
	int64_t upto = life_position(hub, s);
	struct buf bytes = BUF_EMPTY;

	/* One whose socket is full resumes from what it was last told. */
	if (s->state != STREAM_CLOSED && s->state != STREAM_BLOCKED
	    && s->cursor_form != STREAM_CURSOR_OFF && s->encoding != ENCODING_LIST) {
		if (encoding_is_sse(s->encoding))
			sse_retry(&bytes, random_between(hub->limits.retry_min_ms, hub->limits.retry_max_ms));
		if (upto > s->told || !encoding_is_sse(s->encoding))
			stream_add_last(s, &bytes, upto);
		else
			buf_add_char(&bytes, '\n');
		if (stream_write_buf(s, &bytes, hub->now) != 0) {
			/* It is closed anyway. */
		}
		buf_free(&bytes);
	}
	life_close(hub, s, why);
}

static void
tell_revoked(struct hub_state *hub, struct stream *s)
{
	struct buf event = BUF_EMPTY;

	if (s->state != STREAM_BLOCKED) {
		stream_tell(s, &event, "rowcast.revoked", VERDICT_REVOKED_DATA);
		if (stream_write_buf(s, &event, hub->now) != 0) {
			/* It is closed anyway. */
		}
		buf_free(&event);
	}
	life_close(hub, s, STREAM_END_REVOKED);
}

/* dismiss ends the streams of one order, as many as *left, which it counts down. true:
 * there are no more. */
static bool
dismiss(struct hub_state *hub, const struct order *order, int *left)
{
	struct listeners *listeners = roster_user(&hub->roster, order->user);

	/* Who is closed stays in the list until the end of the turn. */
	for (struct member *m = listeners != NULL ? listeners->first : NULL; m != NULL; m = m->next) {
		struct stream *s = m->stream;
		bool is_revoked;

		if (s->state == STREAM_CLOSED)
			continue;
		is_revoked = order->revokes
		    && revocations_cover(hub->revocations, order->user, s->issued_at);
		if (!is_revoked && !(order->kicks && s->number <= order->kicks_upto))
			continue;
		if (*left == 0)
			return false;
		(*left)--;
		if (is_revoked)
			tell_revoked(hub, s);
		else
			dismissal_send_away(hub, s, STREAM_END_KICKED);
	}
	return true;
}

void
dismissal_run(struct dismissal *dismissal, struct hub_state *hub)
{
	mono_us others = dismissal->ran_at != 0 ? hub->now - dismissal->ran_at : 0;
	int left = DISMISSAL_TURN_STREAMS;
	struct order *order;

	if (others > 0)
		left += (int)(others / DISMISSAL_STREAM_US);
	while ((order = TAILQ_FIRST(&dismissal->running)) != NULL && dismiss(hub, order, &left))
		finish(dismissal, order);
	dismissal->ran_at = dismissal_is_done(dismissal) ? 0 : clock_mono_us();
}

bool
dismissal_is_done(const struct dismissal *dismissal)
{
	return TAILQ_EMPTY(&dismissal->running);
}
