#include "app/serve/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/access/credentials.h"
#include "app/hub/gap.h"
#include "lib/form.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/sse.h"
#include "lib/utf8.h"

enum { REQUESTED_SHOWN_BYTES = 64 };  /* of an invalid Last-Event-ID, in rowcast.gap */

/* What the query says. */
struct subscription {
	char **topics;        /* owned until a stream takes them */
	size_t n_topics;
	char *last_event_id;  /* owned; NULL: not given */
	bool cursor_off;
};

static void
subscription_free(struct subscription *sub)
{
	for (size_t i = 0; i < sub->n_topics; i++)
		free(sub->topics[i]);
	free(sub->topics);
	free(sub->last_event_id);
}

static bool
has_topic(const struct subscription *sub, const char *topic)
{
	for (size_t i = 0; i < sub->n_topics; i++)
		if (strcmp(sub->topics[i], topic) == 0)
			return true;
	return false;
}

/* add_topic returns NULL, or what is wrong. */
static const char *
add_topic(struct subscription *sub, const struct form *form)
{
	if (form->value_len == 0)
		return "topic must not be empty";
	if (form->value_len > TOPIC_MAX_BYTES)
		return "topic is longer than 255 bytes";
	if (!utf8_is_text(form->value, form->value_len))
		return "topic must be UTF-8 text";
	if (has_topic(sub, form->value))
		return NULL;
	if (sub->n_topics == STREAM_MAX_TOPICS)
		return "a stream can have at most 32 topics";
	sub->topics[sub->n_topics++] = mem_strdup(form->value);
	return NULL;
}

/* read_query fills *sub. Parameters of others are let pass: caches and proxies
 * add some. NULL, or what is wrong. */
static const char *
read_query(struct subscription *sub, const struct request *request)
{
	struct form form;
	const char *fault = NULL;
	int outcome;

	*sub = (struct subscription){ 0 };
	sub->topics = mem_alloc(STREAM_MAX_TOPICS * sizeof(char *));
	form_init(&form, request->query, strlen(request->query));
	while (fault == NULL && (outcome = form_next(&form)) != 0) {
		if (outcome == FORM_MALFORMED) {
			fault = "the query has a % without two hex digits";
		} else if (strcmp(form.name, "topic") == 0) {
			fault = add_topic(sub, &form);
		} else if (strcmp(form.name, "lastEventId") == 0) {
			if (strlen(form.value) != form.value_len)
				fault = "lastEventId must not contain U+0000";
			free(sub->last_event_id);
			sub->last_event_id = mem_strdup(form.value);
		} else if (strcmp(form.name, "cursor") == 0) {
			sub->cursor_off = strcmp(form.value, "off") == 0;
		}
	}
	form_free(&form);
	if (request->last_event_id != NULL) {
		free(sub->last_event_id);
		sub->last_event_id = mem_strdup(request->last_event_id);
	}
	/* An EventSource that has no id yet sends none; others send it empty. */
	if (sub->last_event_id != NULL && *sub->last_event_id == '\0') {
		free(sub->last_event_id);
		sub->last_event_id = NULL;
	}
	return fault;
}

/* parse_id reads a row id: decimal digits and nothing else. */
static bool
parse_id(const char *text, int64_t *id)
{
	char *end;

	if (text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*id = strtoll(text, &end, 10);
	return errno == 0;
}

/* Where a stream begins. */
struct start {
	int64_t cursor;
	bool resumes;        /* the client asked for what follows the cursor, and there may be some */
	const char *gap;     /* why that cannot be exact; NULL: it can, as far as is known here */
};

static struct start
find_start(const char *last_event_id, const struct store_bounds *bounds)
{
	int64_t id;

	if (last_event_id == NULL)
		return (struct start){ bounds->newest, false, NULL };
	if (!parse_id(last_event_id, &id))
		return (struct start){ bounds->newest, false, "invalid" };
	if (id > bounds->newest)
		return (struct start){ bounds->newest, false, "ahead" };
	/* Whether rows above it are gone is seen when the page is read, in the
	 * same moment as the page. */
	return (struct start){ id, id < bounds->newest, NULL };
}

/* add_gap says that the stream cannot begin where the client asked; rows that
 * are gone are found when the page is read, in replay.c. */
static void
add_gap(struct buf *out, const struct start *start, const char *requested,
    const struct store_bounds *bounds)
{
	char *shown = mem_strndup(requested, strnlen(requested, REQUESTED_SHOWN_BYTES));

	/* A cut may have hit the middle of a character. */
	while (*shown != '\0' && !utf8_is_valid(shown, strlen(shown)))
		shown[strlen(shown) - 1] = '\0';
	gap_add(out, start->cursor, start->gap, shown, bounds);
	free(shown);
}

/* take_filter takes what a stream keeps, for hours perhaps, in as little memory
 * as it needs. */
static struct filter
take_filter(struct subscription *sub, struct identity *id)
{
	struct filter filter = { .user = id->user, .n_topics = sub->n_topics };

	if (sub->n_topics > 0)
		filter.topics = mem_realloc(sub->topics, sub->n_topics * sizeof(char *));
	else
		free(sub->topics);
	id->user = NULL;
	sub->topics = NULL;
	sub->n_topics = 0;
	return filter;
}

static void
open_stream(struct worker *worker, struct request *request, struct subscription *sub,
    struct identity *id)
{
	struct service *service = worker->service;
	struct store_bounds bounds;
	struct start start;
	struct stream *s;

	if (worker->store == NULL || store_bounds(worker->store, &bounds) < 0) {
		reply_error(&request->reply, 503, "Retry-After: 1\r\n",
		    "the store cannot be read; see the log");
		return;
	}
	start = find_start(sub->last_event_id, &bounds);
	s = stream_new(take_filter(sub, id));
	s->cursor = start.cursor;
	s->expiry = id->expiry;
	s->cursor_off = sub->cursor_off;
	s->accepts_events = request->accept != NULL
	    && strstr(request->accept, "text/event-stream") != NULL;
	s->told = start.cursor;
	reply_stream_head(&request->reply, &s->unsent);
	if (!sub->cursor_off) {
		sse_retry(&s->unsent, random_between(atomic_load(&service->retry_min_ms),
		    atomic_load(&service->retry_max_ms)));
		sse_id(&s->unsent, start.cursor);
		buf_add_char(&s->unsent, '\n');
	}
	if (start.gap != NULL)
		add_gap(&s->unsent, &start, sub->last_event_id, &bounds);
	s->reply = request->reply;
	request->reply.conn = NULL;
	hub_join(service->hub, s, start.resumes);
}

void
events_handle(struct worker *worker, struct request *request)
{
	struct service *service = worker->service;
	struct subscription sub;
	struct identity id;
	const char *fault;

	if (!credentials_check(service->auth, request,
	    CREDENTIALS_HEADER | CREDENTIALS_COOKIE | CREDENTIALS_QUERY, &id))
		return;
	fault = read_query(&sub, request);
	if (fault != NULL) {
		reply_error(&request->reply, 400, NULL, fault);
		goto done;
	}
	for (size_t i = 0; i < sub.n_topics; i++) {
		if (!identity_may_read(&id, sub.topics[i])) {
			char *sentence = mem_printf("the token does not grant the topic %s", sub.topics[i]);

			reply_error(&request->reply, 403, NULL, sentence);
			free(sentence);
			goto done;
		}
	}
	open_stream(worker, request, &sub, &id);
done:
	subscription_free(&sub);
	identity_free(&id);
}
