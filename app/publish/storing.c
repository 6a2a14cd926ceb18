/* Storing what was read of a body. While one batch is with the writer, the next is read. */

#include "app/publish/storing.h"

#include <stdlib.h>

#include "app/publish/body.h"
#include "lib/mem.h"

enum { FULL_MS = 10 };  /* after the writer took no more; picked, not tuned */

struct body *
storing_body(struct mail *mail)
{
	struct writer_order *order = CONTAINER_OF(mail, struct writer_order, mail);

	return CONTAINER_OF(order, struct body, order);
}

static void
stored(struct writer_order *order)
{
	mailbox_put(order->context, &order->mail);
}

/* completes: is that which is ordered now the last of a body that owes its topic nothing
 * more? */
static bool
completes(const struct body *body, size_t n)
{
	return body->is_read && body->followed.status == 0 && body->from + n == body->flying.n
	    && body->followed.batch.n == 0
	    && (body->followed.has_ended || body->end == BODY_WHOLE);
}

static enum store_will_change
will_change(const struct body *body, size_t n)
{
	if (completes(body, n))
		return body->is_willed ? STORE_WILL_REVOKE : STORE_WILL_KEEP;
	return body->is_willed || body->will.life == 0 ? STORE_WILL_KEEP : STORE_WILL_WRITE;
}

static void
stand_in_line(struct body *body)
{
	if (body->is_in_line)
		return;
	body->is_in_line = true;
	TAILQ_INSERT_TAIL(&body->following->in_line, body, line_link);
}

void
storing_order(struct body *body)
{
	struct following *following = body->following;
	size_t n, n_bytes = 0;

	if (body->is_ordered || body->is_in_line)
		return;
	if (body->flying.n == 0) {
		size_t before = body->followed.batch.n_bytes;

		body->flying = body->followed.batch;
		body->followed.batch = (struct batch){ 0 };
		body->from = 0;
		body->one_by_one = false;
		body_count_read(body, before);
	}
	if (body->flying.n == 0)
		return;
	n = body->one_by_one ? 1 : body->flying.n;
	for (size_t i = body->from; i < body->from + n; i++)
		n_bytes += body->flying.messages[i].data_len;
	if (following->full_until != 0 || (following->n_ordered > 0
	    && (following->n_ordered + n > FOLLOWING_ORDERED_MESSAGES
	    || following->n_ordered_bytes + n_bytes > FOLLOWING_ORDERED_BYTES))) {
		stand_in_line(body);
		return;
	}
	body->order = (struct writer_order){
		.append = {
			.messages = body->flying.messages + body->from, .n = n,
			.publisher = body->user,
			.will_change = will_change(body, n), .will = body->will,
		},
		.n_bytes = n_bytes,
		.done = stored,
		.context = &following->stored,
	};
	if (writer_order(following->writer, &body->order) != 0) {
		following->full_until = clock_mono_in_ms(FULL_MS);
		stand_in_line(body);
		return;
	}
	body->is_ordered = true;
	following->n_ordered += n;
	following->n_ordered_bytes += n_bytes;
}

void
storing_hear(struct body *body)
{
	struct following *following = body->following;
	const struct append *append = &body->order.append;

	body->is_ordered = false;
	following->n_ordered -= append->n;
	following->n_ordered_bytes -= body->order.n_bytes;
	switch (body->order.fate) {
	case WRITER_STORED:
		for (size_t i = 0; i < append->n; i++)
			idlist_add(&body->ids, append->messages[i].id);
		if (append->will_change != STORE_WILL_KEEP)
			body->is_willed = append->will_change == STORE_WILL_WRITE;
		body->from += append->n;
		if (body->from == body->flying.n) {
			batch_free(&body->flying);
			body->from = 0;
		}
		break;
	case WRITER_ENDED:
		followed_refuse(&body->followed, 409, "the topic has ended");
		body->is_of_ended = true;
		break;
	case WRITER_REFUSED:
		if (append->n > 1)
			body->one_by_one = true;
		else
			followed_refuse(&body->followed, FIELD_BAD, "line %zu: the table refuses the"
			    " message; see the log", body->flying.lines[body->from]);
		break;
	case WRITER_FAILED:
		/* Of a log it is not known whether it was written. */
		body->is_willed |= append->will_change == STORE_WILL_WRITE;
		followed_refuse(&body->followed, 503, "%s", body->order.sentence);
	}
	if (body->order.fate != WRITER_STORED && !(body->order.fate == WRITER_REFUSED
	    && body->one_by_one && append->n > 1))
		body_drop_unstored(body);
	body_run(body);
}

/* Who has to wait on is in line again, in the same order. */
void
storing_go_on(struct following *following)
{
	struct body_list line = TAILQ_HEAD_INITIALIZER(line);
	struct body *body;

	if (following->full_until != 0) {
		if (clock_mono_us() < following->full_until)
			return;
		following->full_until = 0;
	} else if (following->n_ordered >= FOLLOWING_ORDERED_MESSAGES / 2) {
		return;
	}
	TAILQ_CONCAT(&line, &following->in_line, line_link);
	while ((body = TAILQ_FIRST(&line)) != NULL) {
		TAILQ_REMOVE(&line, body, line_link);
		body->is_in_line = false;
		storing_order(body);
		if (!body->is_in_line)
			body_run(body);
	}
}
