/* Reads what /presence is asked. One machine by itself answers here, in the thread that
 * read the request; where several share a log, the thread of node/presence.h does, and
 * nobody else waits for that. What is asked stream by stream (detail=1) the hub's thread
 * answers, for this machine: what the others' streams have been sent changes with every
 * message, and is not in the log. */

#include "app/serve/presence.h"

#include <stdlib.h>
#include <string.h>

#include "app/access/credentials.h"
#include "app/node/audience.h"
#include "app/node/presence.h"
#include "app/serve/query.h"
#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

/* The parameters as they came. */
struct asked {
	char *user, *after;  /* owned; NULL: not given */
	bool list, detail;
};

static int
read_name(char **name, const char *parameter, char *fault, const struct form *form)
{
	if (form->value_len == 0)
		return query_refuse(fault, "%s must not be empty", parameter);
	if (form->value_len > USER_MAX_BYTES)
		return query_refuse(fault, "%s is longer than %d bytes", parameter, USER_MAX_BYTES);
	if (!utf8_is_text(form->value, form->value_len))
		return query_refuse(fault, "%s must be UTF-8 text", parameter);
	*name = mem_strdup(form->value);
	return 0;
}

static int
read_user(void *into, char *fault, const struct form *form)
{
	return read_name(&((struct asked *)into)->user, "user", fault, form);
}

static int
read_switch(bool *on, const char *parameter, char *fault, const struct form *form)
{
	if (strcmp(form->value, "1") != 0)
		return query_refuse(fault, "%s must be 1", parameter);
	*on = true;
	return 0;
}

static int
read_list(void *into, char *fault, const struct form *form)
{
	return read_switch(&((struct asked *)into)->list, "list", fault, form);
}

static int
read_detail(void *into, char *fault, const struct form *form)
{
	return read_switch(&((struct asked *)into)->detail, "detail", fault, form);
}

static int
read_after(void *into, char *fault, const struct form *form)
{
	return read_name(&((struct asked *)into)->after, "after", fault, form);
}

static const struct query_parameter parameters[] = {
	{ "user", read_user, false, false },
	{ "list", read_list, false, false },
	{ "after", read_after, false, true },
	{ "detail", read_detail, false, false },
	{ "token", NULL, false, true },  /* credentials.c's */
};

/* read_question: 0; or -1, and fault says what is wrong. *question is to be freed. */
static int
read_question(struct audience_question *question, bool *detail, const char *query, char *fault)
{
	struct asked asked = { 0 };
	int rc = query_read(query, "/presence", parameters,
	    sizeof(parameters) / sizeof(parameters[0]), &asked, fault);

	if (rc == 0 && asked.user != NULL && asked.list)
		rc = query_refuse(fault, "user and list cannot both be given");
	if (rc == 0 && asked.after != NULL && !asked.list)
		rc = query_refuse(fault, "after needs list=1");
	if (rc == 0 && asked.detail && asked.user == NULL && !asked.list)
		rc = query_refuse(fault, "detail needs user or list=1");
	*detail = asked.detail;
	question->kind = asked.list ? AUDIENCE_LIST : asked.user != NULL ? AUDIENCE_USER : AUDIENCE_TOTAL;
	question->name = asked.list ? asked.after : asked.user;
	free(asked.list ? asked.user : asked.after);
	return rc;
}

/* ---- stream by stream ---- */

/* A page of the tally, being copied. */
struct page {
	struct census *census;
	size_t n_left;   /* before there are more than a page */
};

static void
copy_name(void *context, const char *name, size_t n __attribute__((unused)))
{
	struct page *page = context;

	if (page->n_left == 0) {
		page->census->has_more = true;
		return;
	}
	page->n_left--;
	buf_add(&page->census->names, name, strlen(name) + 1);
	page->census->n++;
}

/* answer_detail asks the hub, which alone knows its streams: this machine's. */
static void
answer_detail(struct service *service, struct request *request,
    const struct audience_question *question)
{
	struct census *census = census_new();
	struct page page = { census, CENSUS_USERS };

	census->node = service->conf->node;
	census->is_list = question->kind == AUDIENCE_LIST;
	if (census->is_list)
		tally_page(hub_users(service->hub), question->name, CENSUS_USERS + 1, copy_name, &page);
	else
		copy_name(&page, question->name, 0);
	census->reply = request->reply;
	request->reply.conn = NULL;
	if (hub_ask(service->hub, census) == HUB_CROWDED) {
		reply_retry(&census->reply, 503, 1000, "too many ask for /presence at once");
		census_free(census);
	}
}

/* ---- all of it ---- */

void
presence_handle(struct service *service, struct request *request)
{
	struct audience_question question;
	bool detail;
	char fault[QUERY_FAULT_BYTES];
	struct buf json = BUF_EMPTY;

	if (!service_may_admin(service, request,
	    CREDENTIALS_HEADER | CREDENTIALS_QUERY | CREDENTIALS_COOKIE))
		return;
	if (read_question(&question, &detail, request->query, fault) < 0) {
		reply_error(&request->reply, 400, NULL, fault);
	} else if (detail) {
		answer_detail(service, request, &question);
	} else if (service->node == NULL) {
		audience_here(&json, &question, hub_users(service->hub), service->conf->node, false);
		reply_send(&request->reply, 200, NULL, "application/json", json.bytes, json.len);
	} else if (presence_ask(node_presence(service->node), &question,
	    &request->reply) == PRESENCE_FULL) {
		reply_retry(&request->reply, 503, 1000, "too many ask for /presence at once");
	}
	buf_free(&json);
	audience_question_free(&question);
}
