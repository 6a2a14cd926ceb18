/* POST /msg?follow=1, up to the moment that its body is followed. Runs in whichever thread
 * read the request, a worker's or intake's. */

#include "app/serve/follow.h"

#include <stdlib.h>
#include <string.h>

#include "app/access/credentials.h"
#include "app/fastcgi/arrival.h"
#include "app/publish/publication.h"
#include "app/serve/msg.h"
#include "app/serve/query.h"
#include "lib/mem.h"

/* What the query asks for. */
struct asked {
	bool follows;
	struct publication publication;   /* one draft, which has the topic */
	struct draft draft;
};

bool
follow_is_asked(const struct request *request)
{
	static const char name[] = "follow";

	if (strcmp(request->method, "POST") != 0)
		return false;
	for (const char *at = request->query; at != NULL; at = strchr(at, '&')) {
		at += *at == '&';
		if (strncmp(at, name, strlen(name)) == 0 && strchr("=&", at[strlen(name)]) != NULL)
			return true;
	}
	return false;
}

/* ---- the query ---- */

static int
read_follow(void *into, char fault[QUERY_FAULT_BYTES], const struct form *form)
{
	struct asked *asked = into;

	if (strcmp(form->value, "1") != 0)
		return query_refuse(fault, "follow must be 1; leave it out to send a body as a whole");
	asked->follows = true;
	return 0;
}

static int
read_topic(void *into, char fault[QUERY_FAULT_BYTES], const struct form *form)
{
	struct asked *asked = into;
	struct field_reader reader = { .error = asked->publication.error };
	struct field_value value = { .kind = FIELD_TEXT, .text = form->value, .len = form->value_len };

	if (field_read(&reader, &asked->draft, "topic", &value) == 0)
		return 0;
	return query_refuse(fault, "%s", asked->publication.error);
}

static int
read_other(void *into __attribute__((unused)), char fault[QUERY_FAULT_BYTES],
    const struct form *form)
{
	return query_refuse(fault, "with follow=1 %s does not belong in the query", form->name);
}

static const struct query_parameter parameters[] = {
	{ "topic", read_topic, false, false },
	{ "follow", read_follow, false, false },
	{ "msg", read_other, true, false },
	{ "data", read_other, true, false },
	{ "user", read_other, true, false },
	{ "event", read_other, true, false },
	{ "all", read_other, true, false },
	{ "key", read_other, true, false },
	{ "ttl", read_other, true, false },
};

/* read_query: false: it is answered why not. */
static bool
read_query(struct request *request, struct asked *asked)
{
	char fault[QUERY_FAULT_BYTES];
	int outcome = query_read(request->query, "/msg?follow=1", parameters,
	    sizeof(parameters) / sizeof(parameters[0]), asked, fault);
	const char *sentence = outcome != 0 ? fault
	    : asked->draft.message.topic == NULL ? "follow=1 needs a topic in the query" : NULL;

	if (sentence != NULL)
		reply_error(&request->reply, 400, NULL, sentence);
	return sentence == NULL;
}

/* ---- the head ---- */

/* form_of returns the body's form; -1: it is answered that it has none of them. */
static int
form_of(struct request *request)
{
	static const char *const types[FOLLOWED_FORMS] = {
		[FOLLOWED_LINES] = "application/x-ndjson",
		[FOLLOWED_EVENTS] = "text/event-stream",
	};
	int form = publication_type(request->content_type, types, FOLLOWED_FORMS);

	if (form == FOLLOWED_FORMS)
		reply_error(&request->reply, 415, NULL, "with follow=1 the Content-Type must be"
		    " application/x-ndjson or text/event-stream");
	else if (form < 0)
		reply_error(&request->reply, 415, NULL, PUBLICATION_CHARSET);
	return form < FOLLOWED_FORMS ? form : -1;
}

/* may_write: false: it is answered why not. */
static bool
may_write(struct service *service, struct request *request, struct asked *asked,
    const struct identity *id)
{
	int status;

	asked->publication.drafts = &asked->draft;
	asked->publication.n = 1;
	status = publication_authorize(&asked->publication, id);
	if (status == 0)
		return true;
	denials_add(auth_denials(service->auth), DENIAL_SCOPE);
	reply_error(&request->reply, status, NULL, asked->publication.error);
	return false;
}

/* is_open: false: the topic has ended, or never does, which is answered. */
static bool
is_open(struct service *service, struct request *request, char *topic)
{
	int64_t end = 0;

	if (message_topic_is_reserved(topic)) {
		reply_error(&request->reply, 400, NULL, "a topic that begins with rowcast. does not end,"
		    " and so cannot be followed");
		return false;
	}
	/* Where it cannot be read, the writer is told. */
	if (tail_ended(service->tail, &topic, 1, &end) < 0 || end == 0)
		return true;
	reply_error(&request->reply, 409, NULL, "the topic has ended");
	return false;
}

static void
hand_over(struct service *service, struct request *request, struct asked *asked,
    const struct identity *id, enum followed_form form)
{
	struct conn *conn = request->reply.conn;
	struct following_request to = {
		.user = id->user, .topic = asked->draft.message.topic, .form = form,
		.max_message_bytes = atomic_load(&service->max_message_bytes),
	};
	struct buf body = conn->arrival != NULL ? arrival_hand_over(conn->arrival) : request->body;

	request->body = BUF_EMPTY;
	if (following_take(service->following, &to, &body, &request->reply) != 0)
		reply_error(&request->reply, 503, "Retry-After: 1\r\n", "nothing was stored: too many"
		    " bodies are being followed; try again");
	buf_free(&body);
}

void
follow_handle(struct service *service, struct request *request)
{
	struct asked asked = { 0 };
	struct identity id;
	int form;

	if (!credentials_check(service->auth, request, CREDENTIALS_HEADER | CREDENTIALS_COOKIE, &id))
		return;
	if (!msg_is_encoded(request) && read_query(request, &asked)
	    && may_write(service, request, &asked, &id) && (form = form_of(request)) >= 0
	    && is_open(service, request, asked.draft.message.topic))
		hand_over(service, request, &asked, &id, (enum followed_form)form);
	message_free(&asked.draft.message);
	identity_free(&id);
}
