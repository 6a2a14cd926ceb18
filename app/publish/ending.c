/* Ending a body that is followed. What is left of it then intake throws away. */

#include "app/publish/ending.h"

#include <sys/epoll.h>

#include "app/publish/body.h"

/* part is before the connection is given up; where the body still comes, intake has it then. */
static void
part(struct body *body)
{
	body_watch(body, 0);
	body->reply.conn->deadline = clock_mono_in_ms(FOLLOWING_LINGER_MS);
}

/* refuse answers that the body came to nothing, and frees it. */
static void
refuse(struct body *body)
{
	struct reply *reply = &body->reply;
	int status = body->followed.status;

	part(body);
	if (body->end == BODY_CUT)
		reply_drop(reply);
	else if (status == 503)
		reply_error(reply, 503, "Retry-After: 1\r\n", body->followed.error);
	else
		reply_error(reply, status, NULL, body->followed.error);
	body_free(body);
}

void
ending_give_up(struct body *body)
{
	body_watch(body, 0);
	reply_done(&body->reply, false);
	body_free(body);
}

void
ending_answer(struct body *body)
{
	struct reply *reply = &body->reply;
	bool comes = body->end == BODY_COMES;
	size_t before = body->answer.reader.at + body->answer.at;

	/* A peer may read nothing before it has written all. */
	if (comes && body->watched != 0)
		body_receive(body, NULL);
	switch (body->end == BODY_CUT ? IDANSWER_BROKEN
	    : idanswer_send(&body->answer, reply, &body->ids)) {
	case IDANSWER_SENT:
		part(body);
		reply_done(reply, true);
		body_free(body);
		return;
	case IDANSWER_BROKEN:
		ending_give_up(body);
		return;
	case IDANSWER_MORE:
		body_run(body);
		break;
	case IDANSWER_FULL:
		break;
	}
	body_watch(body, EPOLLOUT | (body->end == BODY_COMES ? EPOLLIN : 0));
	if (before != body->answer.reader.at + body->answer.at || body->timer.place == 0)
		body_be_due(body, FOLLOWING_ANSWER_MS);
}

static void
begin_answer(struct body *body)
{
	body_watch(body, 0);
	timers_clear(&body->following->timers, &body->timer);
	idanswer_begin(&body->answer, &body->reply, &body->ids);
	body->is_answering = true;
	ending_answer(body);
}

/* say_why words a refusal by the way in which the body has come to its end. */
static void
say_why(struct body *body)
{
	if (body->end == BODY_SILENT)
		followed_refuse(&body->followed, 408, "nothing of the body came for too long: what came"
		    " before is stored, and the topic has ended as aborted");
	else
		followed_refuse(&body->followed, 503, "rowcast is being stopped: what came before is"
		    " stored, and the topic has ended as aborted");
}

void
ending_begin(struct body *body)
{
	struct following *following = body->following;
	const struct store_will *will = body->is_willed ? &body->will : NULL;
	bool is_good = body->followed.status == 0
	    && (body->followed.has_ended || body->end == BODY_WHOLE);

	holding_end(&body->holding);
	if (!is_good)
		say_why(body);
	if ((is_good || body->is_of_ended) && will == NULL) {
		if (is_good)
			begin_answer(body);
		else
			refuse(body);
		return;
	}
	body_watch(body, 0);
	timers_clear(&following->timers, &body->timer);
	body->waits_for_will = true;
	wills_carry_out(&following->wills, body->followed.topic, !is_good && !body->is_of_ended, will,
	    body);
}

void
ending_hear_will(struct body *body)
{
	body->waits_for_will = body->is_willed = false;
	if (body->followed.status == 0)
		begin_answer(body);
	else
		refuse(body);
}
