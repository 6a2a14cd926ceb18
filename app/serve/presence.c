/* Reads what /presence is asked. One machine by itself answers here, in the thread that
 * read the request; where several share a log, the thread of node/presence.h does, and
 * nobody else waits for that. */

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
	bool list;
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
read_list(void *into, char *fault, const struct form *form)
{
	if (strcmp(form->value, "1") != 0)
		return query_refuse(fault, "list must be 1");
	((struct asked *)into)->list = true;
	return 0;
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
	{ "token", NULL, false, true },  /* credentials.c's */
};

/* read_question: 0; or -1, and fault says what is wrong. *question is to be freed. */
static int
read_question(struct audience_question *question, const char *query, char *fault)
{
	struct asked asked = { 0 };
	int rc = query_read(query, "/presence", parameters,
	    sizeof(parameters) / sizeof(parameters[0]), &asked, fault);

	if (rc == 0 && asked.user != NULL && asked.list)
		rc = query_refuse(fault, "user and list cannot both be given");
	if (rc == 0 && asked.after != NULL && !asked.list)
		rc = query_refuse(fault, "after needs list=1");
	question->kind = asked.list ? AUDIENCE_LIST : asked.user != NULL ? AUDIENCE_USER : AUDIENCE_TOTAL;
	question->name = asked.list ? asked.after : asked.user;
	free(asked.list ? asked.user : asked.after);
	return rc;
}

static void
answer(struct service *service, struct request *request)
{
	struct audience_question question;
	char fault[QUERY_FAULT_BYTES];
	struct buf json = BUF_EMPTY;

	if (read_question(&question, request->query, fault) < 0) {
		reply_error(&request->reply, 400, NULL, fault);
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

void
presence_handle(struct service *service, struct request *request)
{
	struct identity id;

	if (request->is_local) {
		answer(service, request);
		return;
	}
	if (!credentials_check(service->auth, request,
	    CREDENTIALS_HEADER | CREDENTIALS_QUERY | CREDENTIALS_COOKIE, &id))
		return;
	if (id.may_admin)
		answer(service, request);
	else
		reply_error(&request->reply, 403, NULL,
		    "the token does not have the scope rowcast:admin");
	identity_free(&id);
}
