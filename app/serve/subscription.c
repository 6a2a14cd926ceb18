/* Reads the query of GET /events: a table of its parameters, and a reader for each.
 * Any thread: it touches the subscription and nothing else. */

#include "app/serve/subscription.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"
#include "lib/units.h"
#include "lib/utf8.h"

#define SINCE_MAX 4102444800  /* the year 2100, as in the table */

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

/* is_word: is the value this word and nothing behind it? */
static bool
is_word(const struct form *form, const char *word)
{
	return strcmp(form->value, word) == 0 && strlen(word) == form->value_len;
}

static int
read_cursor(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	if (is_word(form, "off"))
		sub->cursor_form = STREAM_CURSOR_OFF;
	else if (is_word(form, "event"))
		sub->cursor_form = STREAM_CURSOR_EVENT;
	else
		return query_refuse(fault, "cursor must be off or event");
	return 0;
}

static bool
is_digits(const struct form *form)
{
	return form->value_len > 0 && strspn(form->value, "0123456789") == form->value_len;
}

/* read_since takes everything, a time ago, or a time. A second counts from its beginning,
 * as the table's do. */
static int
read_since(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;
	wall_s now = clock_wall_s();
	int64_t value;

	sub->starts_older = true;
	if (is_word(form, "all"))
		return 0;
	if (is_digits(form)) {
		if (units_number(form->value, &value) == 0 && value <= SINCE_MAX) {
			sub->since = value;
			return 0;
		}
	} else if (strlen(form->value) == form->value_len && units_time_ms(form->value, &value) == 0) {
		value = value / 1000 + (value % 1000 != 0);
		sub->since = value < now ? now - value : 0;
		return 0;
	}
	return query_refuse(fault, "since must be all, a time such as 10m, or Unix seconds (not"
	    " milliseconds)");
}

static int
read_last(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;
	int64_t value;

	if (!is_digits(form) || units_number(form->value, &value) < 0 || value < 1
	    || value > SUBSCRIPTION_MAX_LAST)
		return query_refuse(fault, "last must be a number of messages from 1 to %d",
		    SUBSCRIPTION_MAX_LAST);
	sub->starts_older = true;
	sub->last = (size_t)value;
	return 0;
}

static int
read_format(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	if (!is_word(form, "json"))
		return query_refuse(fault, "format must be json");
	sub->encoding = ENCODING_JSON;
	return 0;
}

static int
read_inbox(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	sub->topics_only = is_word(form, "off");
	if (!sub->topics_only && !is_word(form, "on"))
		return query_refuse(fault, "inbox must be on or off");
	return 0;
}

/* read_join: what rowcast itself tells is never joined. */
static int
read_join(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	if (form->value_len == 0 || form->value_len > EVENT_MAX_BYTES
	    || strlen(form->value) != form->value_len
	    || strncmp(form->value, "rowcast.", strlen("rowcast.")) == 0)
		return query_refuse(fault, "join must be the name of an event, of at most %d bytes",
		    EVENT_MAX_BYTES);
	sub->join = mem_strdup(form->value);
	return 0;
}

static int
read_until(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	sub->until_end = is_word(form, "end");
	return sub->until_end ? 0 : query_refuse(fault, "until must be end");
}

static int
read_poll(void *into, char *fault, const struct form *form)
{
	struct subscription *sub = into;

	sub->is_poll = is_word(form, "1");
	return sub->is_poll ? 0 : query_refuse(fault, "poll must be 1");
}

static const struct query_parameter parameters[] = {
	{ "topic", read_topic, true, false },
	{ "lastEventId", read_last_event_id, false, true },
	{ "cursor", read_cursor, false, false },
	{ "since", read_since, false, false },
	{ "last", read_last, false, false },
	{ "inbox", read_inbox, false, false },
	{ "format", read_format, false, false },
	{ "join", read_join, false, false },
	{ "until", read_until, false, false },
	{ "poll", read_poll, false, false },
	{ "token", NULL, false, true },  /* credentials.c's */
};

/* ---- the query ---- */

/* choose_encoding goes by what the client accepts: JSON as a whole only where there is an
 * end to it. */
static void
choose_encoding(struct subscription *sub, enum request_type type)
{
	if (type == REQUEST_LINES)
		sub->encoding = ENCODING_LINES;
	else if (type == REQUEST_OBJECT && sub->is_poll)
		sub->encoding = ENCODING_LIST;
}

int
subscription_read(struct subscription *sub, const struct request *request)
{
	*sub = (struct subscription){ 0 };
	sub->topics = mem_alloc(STREAM_MAX_TOPICS * sizeof(char *));
	if (query_read(request->query, "/events", parameters,
	    sizeof(parameters) / sizeof(parameters[0]), sub, sub->fault) < 0)
		return -1;
	if (sub->n_topics == 0 && (sub->topics_only || sub->until_end))
		return query_refuse(sub->fault, "%s needs a topic",
		    sub->topics_only ? "inbox=off" : "until=end");
	choose_encoding(sub, request_prefers(request));
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
	free(sub->join);
}
