/* Reads the query of GET /events: a table of its parameters, and a reader for each.
 * Any thread: it touches the subscription and nothing else. */

#include "app/serve/subscription.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/utf8.h"

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
read_topic(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	if (form->value_len == 0)
		return query_refuse(fault, "topic must not be empty");
	if (form->value_len > TOPIC_MAX_BYTES)
		return query_refuse(fault, "topic is longer than %d bytes", TOPIC_MAX_BYTES);
	if (!utf8_is_text(form->value, form->value_len))
		return query_refuse(fault, "topic must be UTF-8 text");
	if (has_topic(sub, form->value))
		return 0;
	if (sub->n_topics == STREAM_MAX_TOPICS)
		return query_refuse(fault, "a stream can have at most %d topics", STREAM_MAX_TOPICS);
	sub->topics[sub->n_topics++] = mem_strdup(form->value);
	return 0;
}

static int
read_last_event_id(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	if (strlen(form->value) != form->value_len)
		return query_refuse(fault, "lastEventId must not contain U+0000");
	sub->last_event_id = mem_strdup(form->value);
	return 0;
}

static int
read_cursor(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	if (strcmp(form->value, "off") == 0)
		sub->cursor_form = STREAM_CURSOR_OFF;
	else if (strcmp(form->value, "event") == 0)
		sub->cursor_form = STREAM_CURSOR_EVENT;
	else
		return query_refuse(fault, "cursor must be off or event");
	return 0;
}

static const struct query_parameter parameters[] = {
	{ "topic", read_topic, true, false },
	{ "lastEventId", read_last_event_id, false, true },
	{ "cursor", read_cursor, false, false },
	{ "token", NULL, false, true },  /* credentials.c's */
};

/* ---- the query ---- */

int
subscription_read(struct subscription *sub, const struct request *request)
{
	*sub = (struct subscription){ 0 };
	sub->topics = mem_alloc(STREAM_MAX_TOPICS * sizeof(char *));
	if (query_read(request->query, "/events", parameters,
	    sizeof(parameters) / sizeof(parameters[0]), sub, sub->fault) < 0)
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
