/* Reads the query of GET /events: a table of its parameters, and a reader for each.
 * Any thread: it touches the subscription and nothing else. The work is linear in
 * the query: reading ends with the first fault, and only that is compared with the
 * names in the table. */

#include "app/serve/subscription.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/form.h"
#include "lib/mem.h"
#include "lib/nearest.h"
#include "lib/utf8.h"

/* refuse writes the fault, and returns -1 for its caller to return. */
static int refuse(struct subscription *sub, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
refuse(struct subscription *sub, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(sub->fault, sizeof(sub->fault), format, ap);
	va_end(ap);
	return -1;
}

/* ---- the parameters ---- */

static bool
has_topic(const struct subscription *sub, const char *topic)
{
	for (size_t i = 0; i < sub->n_topics; i++)
		if (strcmp(sub->topics[i], topic) == 0)
			return true;
	return false;
}

static int
read_topic(struct subscription *sub, const struct form *form)
{
	if (form->value_len == 0)
		return refuse(sub, "topic must not be empty");
	if (form->value_len > TOPIC_MAX_BYTES)
		return refuse(sub, "topic is longer than %d bytes", TOPIC_MAX_BYTES);
	if (!utf8_is_text(form->value, form->value_len))
		return refuse(sub, "topic must be UTF-8 text");
	if (has_topic(sub, form->value))
		return 0;
	if (sub->n_topics == STREAM_MAX_TOPICS)
		return refuse(sub, "a stream can have at most %d topics", STREAM_MAX_TOPICS);
	sub->topics[sub->n_topics++] = mem_strdup(form->value);
	return 0;
}

static int
read_last_event_id(struct subscription *sub, const struct form *form)
{
	if (strlen(form->value) != form->value_len)
		return refuse(sub, "lastEventId must not contain U+0000");
	sub->last_event_id = mem_strdup(form->value);
	return 0;
}

static int
read_cursor(struct subscription *sub, const struct form *form)
{
	if (strcmp(form->value, "off") == 0)
		sub->cursor_form = STREAM_CURSOR_OFF;
	else if (strcmp(form->value, "event") == 0)
		sub->cursor_form = STREAM_CURSOR_EVENT;
	else
		return refuse(sub, "cursor must be off or event");
	return 0;
}

/* The token is credentials.c's. */
static int
read_token(struct subscription *sub __attribute__((unused)),
    const struct form *form __attribute__((unused)))
{
	return 0;
}

enum { TOPIC, LAST_EVENT_ID, CURSOR, TOKEN, N_PARAMETERS };

static const char *const names[N_PARAMETERS] = { "topic", "lastEventId", "cursor", "token" };

static const struct {
	int (*read)(struct subscription *sub, const struct form *form);
	bool repeats;          /* may be given several times */
	bool absent_if_empty;  /* as an EventSource has no id yet, and a page no token */
} parameters[N_PARAMETERS] = {
	[TOPIC] = { read_topic, true, false },
	[LAST_EVENT_ID] = { read_last_event_id, false, true },
	[CURSOR] = { read_cursor, false, false },
	[TOKEN] = { read_token, false, true },
};

/* is_harmless: may the name stand in a sentence that somebody reads, in a log or a
 * page perhaps? */
static bool
is_harmless(const struct form *form)
{
	size_t len = strspn(form->name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	return len > 0 && len == form->name_len && len <= NEAREST_MAX_BYTES;
}

static int
refuse_unknown(struct subscription *sub, const struct form *form)
{
	const char *name = is_harmless(form) ? form->name : "of that name";
	size_t near = form->name_len == strlen(form->name)
	    ? nearest_of(form->name, names, N_PARAMETERS) : N_PARAMETERS;

	if (near < N_PARAMETERS)
		return refuse(sub, "/events has no parameter %s: did you mean %s?", name, names[near]);
	return refuse(sub, "/events has no parameter %s, only topic, lastEventId, cursor and token",
	    name);
}

/* read_pair reads one parameter; seen has a bit for each that was there. */
static int
read_pair(struct subscription *sub, const struct form *form, unsigned *seen)
{
	size_t i = 0;

	if (form->name[0] == '_')
		return 0;
	while (i < N_PARAMETERS && (strcmp(names[i], form->name) != 0 ||
	    strlen(names[i]) != form->name_len))
		i++;
	if (i == N_PARAMETERS)
		return refuse_unknown(sub, form);
	if (form->value_len == 0 && parameters[i].absent_if_empty)
		return 0;
	if (*seen & 1u << i && !parameters[i].repeats)
		return refuse(sub, "%s can be given only once", names[i]);
	*seen |= 1u << i;
	return parameters[i].read(sub, form);
}

/* ---- the query ---- */

static int
read_query(struct subscription *sub, const char *query)
{
	struct form form;
	int outcome, result = 0;
	unsigned seen = 0;

	form_init(&form, query, strlen(query));
	while (result == 0 && (outcome = form_next(&form)) != 0) {
		if (outcome == FORM_MALFORMED)
			result = refuse(sub, "the query has a %% without two hex digits");
		else if (outcome == FORM_TOO_MANY)
			result = refuse(sub, "the query has too many parameters");
		else
			result = read_pair(sub, &form, &seen);
	}
	form_free(&form);
	return result;
}

int
subscription_read(struct subscription *sub, const struct request *request)
{
	*sub = (struct subscription){ 0 };
	sub->topics = mem_alloc(STREAM_MAX_TOPICS * sizeof(char *));
	if (read_query(sub, request->query) < 0)
		return -1;
	if (request->last_event_id != NULL && *request->last_event_id != '\0') {
		free(sub->last_event_id);
		sub->last_event_id = mem_strdup(request->last_event_id);
	}
	return 0;
}

void
subscription_free(struct subscription *sub)
{
	for (size_t i = 0; i < sub->n_topics; i++)
		free(sub->topics[i]);
	free(sub->topics);
	free(sub->last_event_id);
}
