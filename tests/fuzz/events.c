/* events_handle on any query and Last-Event-ID, with the places of auth_check,
 * the tail and the hub taken: so it is seen which stream the hub would get and
 * what its client would be told first, by a page of a store with those bounds.
 * The input is lines: two numbers (the newest id, and how many rows are retained),
 * Last-Event-ID and Accept (there where the line begins with '+'), and the query. */

#include "tests/fuzz/answer.h"
#include "tests/fuzz/eventsource.h"

#include <inttypes.h>

#include "app/serve/events.h"
#include "app/hub/gap.h"
#include "app/hub/stream.h"
#include "app/serve/subscription.h"

enum { RETRY_MIN_MS = 2000, RETRY_MAX_MS = 6000, HEARTBEAT_MS = 1500, EXPIRES_AT = 4000000000 };

static struct store_bounds bounds;
static struct stream *joined;  /* owned */
static bool joined_resumes;

struct denials *
auth_denials(struct auth *auth __attribute__((unused)))
{
	static struct denials denials;

	return &denials;
}

unsigned
auth_check(struct auth *auth __attribute__((unused)), const char *token __attribute__((unused)),
    struct identity *id)
{
	*id = (struct identity){ .user = mem_strdup("42"), .n_topics = 2, .expiry = EXPIRY_AT(EXPIRES_AT) };
	id->topics = mem_alloc(2 * sizeof(id->topics[0]));
	id->topics[0] = mem_strdup("news");
	id->topics[1] = mem_strdup("room/*");
	return 0;
}

int64_t
tail_newest(struct tail *tail __attribute__((unused)))
{
	return bounds.newest;
}

int64_t
tail_version(struct tail *tail __attribute__((unused)))
{
	return 7;
}

/* Rooms have ended, half the way up. */
int
tail_ended(struct tail *tail __attribute__((unused)), char *const topics[], size_t n, int64_t ids[])
{
	for (size_t i = 0; i < n; i++)
		ids[i] = strcmp(topics[i], "news") != 0 ? bounds.newest / 2 + 1 : 0;
	return 0;
}

bool
tail_is_failing(const struct tail *tail __attribute__((unused)))
{
	return false;
}

void
hub_want(struct hub *hub __attribute__((unused)), struct stream *s __attribute__((unused)))
{
}

void
hub_join(struct hub *hub __attribute__((unused)), struct stream *s, bool resumes)
{
	REQUIRE(joined == NULL);
	joined = s;
	joined_resumes = resumes;
}

static void
read_bounds(struct input *in)
{
	char *line = input_line(in), *end;
	int64_t newest = strtoll(line, &end, 10), n_retained = strtoll(end, NULL, 10);

	bounds.newest = newest > 0 && newest < INT64_MAX ? newest : 0;
	bounds.oldest = n_retained > 0 && n_retained <= bounds.newest
	    ? bounds.newest - n_retained + 1 : bounds.newest + 1;
	bounds.trimmed = bounds.oldest - 1;
	bounds.given = bounds.newest;
	free(line);
}

/* value_of returns 0 and more for a number in decimal digits, -1 where it is
 * none, -2 where it is larger than any id. */
static int64_t
value_of(const char *text)
{
	__int128 value = 0;

	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		if (value <= INT64_MAX)
			value = 10 * value + (*text - '0');
	}
	return value <= INT64_MAX ? (int64_t)value : -2;
}

/* ---- what the client is told ---- */

struct told {
	char *reason;   /* of rowcast.gap; owned; NULL: there was none */
	char *requested;
	int64_t goes_on_from;
	int n_cursors;  /* rowcast.cursor */
};

static void
take_event(void *arg, const struct buf *event, const struct buf *data, const struct buf *last_id)
{
	struct told *told = arg;
	json_t *json = json_loadb(data->bytes, data->len, JSON_REJECT_DUPLICATES, NULL);
	char id[32];

	if (eventsource_is(event, "rowcast.cursor")) {
		REQUIRE(told->n_cursors++ == 0 && told->reason == NULL && json_object_size(json) == 3);
		REQUIRE(json_integer_value(json_object_get(json, "id")) == joined->cursor);
		REQUIRE(strcmp(json_string_value(json_object_get(json, "user")), "42") == 0);
		REQUIRE(json_number_value(json_object_get(json, "heartbeat")) == HEARTBEAT_MS / 1000.0);
		json_decref(json);
		return;
	}
	REQUIRE(eventsource_is(event, "rowcast.gap") && told->reason == NULL);
	REQUIRE(json_object_size(json) == 4);
	told->reason = mem_strdup(json_string_value(json_object_get(json, "reason")));
	told->requested = mem_strdup(json_string_value(json_object_get(json, "requested")));
	REQUIRE(json_integer_value(json_object_get(json, "oldest")) == bounds.oldest);
	REQUIRE(json_integer_value(json_object_get(json, "newest")) == bounds.newest);
	snprintf(id, sizeof(id), "%" PRId64, told->goes_on_from);
	REQUIRE(eventsource_is(last_id, id));
	json_decref(json);
}

/* check_start: who has no id of its own is told nothing yet, but that the head is there. */
static void
check_start(const struct stream *s, const char *header)
{
	char *text = mem_strndup(s->unsent.bytes, s->unsent.len);
	const char *blank = strstr(text, "\r\n\r\n");

	REQUIRE(header == NULL || *header == '\0');
	REQUIRE(blank != NULL && strcmp(blank + 4, stream_is_poll(s) ? "" : ":\n") == 0);
	REQUIRE(joined_resumes && s->told == INT64_MAX && s->cursor == bounds.newest && s->invalid_id == NULL);
	REQUIRE(s->start->search.last <= SUBSCRIPTION_MAX_LAST && s->start->search.since >= 0
	    && s->start->search.since <= INT64_C(4102444800));
	REQUIRE(s->start->retry_ms >= RETRY_MIN_MS && s->start->retry_ms <= RETRY_MAX_MS);
	free(text);
}

static void
check_told(const struct stream *s, const char *header)
{
	struct told told = { NULL, NULL, s->cursor, 0 };
	struct buf gap = BUF_EMPTY, data = BUF_EMPTY;
	struct eventsource es = { .dispatch = take_event, .arg = &told };
	char *text = mem_strndup(s->unsent.bytes, s->unsent.len);
	const char *blank = strstr(text, "\r\n\r\n");
	char id[32];

	REQUIRE(blank != NULL && strlen(text) == s->unsent.len);
	eventsource_read(&es, blank + 4, strlen(blank + 4));
	snprintf(id, sizeof(id), "%" PRId64, s->cursor);
	REQUIRE(told.n_cursors == (s->cursor_form == STREAM_CURSOR_EVENT));
	if (s->cursor_form == STREAM_CURSOR_OFF)
		REQUIRE(es.retry_ms == -1 && strcmp(blank + 4, stream_is_poll(s) ? "" : ":\n") == 0);
	else
		REQUIRE(es.retry_ms >= RETRY_MIN_MS && es.retry_ms <= RETRY_MAX_MS
		    && eventsource_is(&es.last_id, id));
	REQUIRE(told.reason == NULL);
	REQUIRE(s->told == s->cursor && s->cursor >= 0);
	REQUIRE(joined_resumes || (s->cursor == bounds.newest && s->invalid_id == NULL));
	if (joined_resumes) {
		enum gap found = s->invalid_id != NULL ? GAP_INVALID : gap_find(s->cursor, &bounds);

		if (found != GAP_NONE) {
			told.goes_on_from = gap_describe(&data, found, s->cursor, s->invalid_id, &bounds);
			encoding_tell(ENCODING_PLAIN, &gap, MESSAGE_EVENT_GAP, told.goes_on_from, &data);
			REQUIRE(told.goes_on_from >= 0 && told.goes_on_from <= bounds.newest);
			eventsource_read(&es, gap.bytes, gap.len);
			REQUIRE(told.reason != NULL);
		}
	}
	if (header != NULL && *header != '\0') {
		int64_t id_asked = value_of(header);

		/* Who has seen the newest has nothing to be replayed. */
		REQUIRE(joined_resumes == (id_asked != bounds.newest));
		REQUIRE(s->cursor == (id_asked >= 0 ? id_asked : bounds.newest));
		REQUIRE((s->invalid_id != NULL) == (id_asked < 0));
		if (id_asked < 0)
			REQUIRE(strcmp(told.reason, "invalid") == 0);
		else if (id_asked > bounds.newest)
			REQUIRE(strcmp(told.reason, "ahead") == 0);
		else
			REQUIRE(told.reason == NULL || strcmp(told.reason, "expired") == 0);
		if (told.reason != NULL)
			REQUIRE(id_asked < 0 ? strncmp(header, told.requested, strlen(told.requested)) == 0
			    : value_of(told.requested) == id_asked);
	}
	free(told.reason);
	free(told.requested);
	free(text);
	buf_free(&gap);
	buf_free(&data);
	eventsource_free(&es);
}

/* check_begun: what is no event stream begins with a byte that says nothing, or the cursor. */
static void
check_begun(const struct stream *s)
{
	char *text = mem_strndup(s->unsent.bytes, s->unsent.len);
	const char *body = strstr(text, "\r\n\r\n") + 4;

	if (s->encoding == ENCODING_LIST)
		REQUIRE(strcmp(body, "{") == 0 && s->until != NULL);
	else if (s->cursor_form == STREAM_CURSOR_EVENT && s->start == NULL)
		REQUIRE(strncmp(body, "{\"event\":\"rowcast.cursor\",\"id\":", 32) == 0 && strchr(body, '\n')[1] == '\0');
	else
		REQUIRE(strcmp(body, stream_is_poll(s) ? "" : "\n") == 0);
	free(text);
}

static void
check_until(const struct stream *s)
{
	REQUIRE(s->until->by_topics || s->until->upto == bounds.newest);
	REQUIRE(!s->until->by_topics || s->filter.n_topics > 0);
	/* Who joins has something to wait for, but for who polls. */
	REQUIRE(s->until->upto != INT64_MAX || !stream_has_come_to_its_end(s, s->cursor));
}

static void
check_filter(const struct filter *filter)
{
	REQUIRE(strcmp(filter->user, "42") == 0 && filter->n_topics <= STREAM_MAX_TOPICS);
	for (size_t i = 0; i < filter->n_topics; i++) {
		const char *topic = filter->topics[i];

		REQUIRE(strcmp(topic, "news") == 0 || strncmp(topic, "room/", 5) == 0);
		REQUIRE(strlen(topic) <= TOPIC_MAX_BYTES && text_is_utf8(topic, strlen(topic)));
		for (size_t other = 0; other < i; other++)
			REQUIRE(strcmp(topic, filter->topics[other]) != 0);
	}
}

/* check_query: what can be said of a query without reading it again. */
static void
check_query(const char *query, const struct stream *s, const char *header)
{
	/* U+0000 would cut an id short, and another one be resumed from. */
	if (strncmp(query, "lastEventId=", 12) == 0 && strchr(query, '&') == NULL)
		REQUIRE(strstr(query, "%00") == NULL);
	if (strstr(query, "topic") == NULL && strchr(query, '%') == NULL)
		REQUIRE(s->filter.n_topics == 0);
	if (header == NULL && strstr(query, "lastEventId") == NULL && strchr(query, '%') == NULL)
		REQUIRE(joined_resumes == (s->start != NULL) && s->cursor == bounds.newest);
	if (strstr(query, "since=") == NULL && strstr(query, "last=") == NULL && strchr(query, '%') == NULL)
		REQUIRE(s->start == NULL);
	if (strstr(query, "format=") == NULL && strchr(query, '%') == NULL)
		REQUIRE(s->encoding != ENCODING_JSON);
	/* Whatever else it has, a stream is asked for in words that are known. */
	if (strchr(query, '%') == NULL && strchr(query, '+') == NULL && strstr(query, "token") == NULL
	    && *query != '_' && strstr(query, "&_") == NULL && query[strspn(query, "&")] != '\0')
		REQUIRE(strstr(query, "topic=") != NULL || strstr(query, "lastEventId") != NULL
		    || strstr(query, "cursor=") != NULL || strstr(query, "since=") != NULL
		    || strstr(query, "last=") != NULL || strstr(query, "format=json") != NULL
		    || strstr(query, "inbox=o") != NULL || strstr(query, "join=") != NULL
		    || strstr(query, "until=end") != NULL || strstr(query, "poll=1") != NULL);
	if (strcmp(query, "cursor=off") == 0)
		REQUIRE(s->cursor_form == STREAM_CURSOR_OFF);
	if (strcmp(query, "cursor=event") == 0)
		REQUIRE(s->cursor_form == STREAM_CURSOR_EVENT);
	if (strcmp(query, "format=json") == 0)
		REQUIRE(s->encoding == ENCODING_JSON || s->encoding == ENCODING_LINES);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct service service = { .retry_min_ms = RETRY_MIN_MS, .retry_max_ms = RETRY_MAX_MS,
		.heartbeat_ms = HEARTBEAT_MS };
	struct input in = { (const char *)data, size };
	struct request request = { .method = "GET", .path = "/events", .uri = "/events",
		.authorization = "Bearer t" };
	char *header, *accept, *query;
	int fd = answer_owed(&request.reply), status;

	read_bounds(&in);
	request.last_event_id = header = input_option(&in);
	request.accept = accept = input_option(&in);
	request.query = query = input_line(&in);
	events_handle(&service, &request);
	REQUIRE(request.reply.conn == NULL);
	if (joined != NULL) {
		REQUIRE(joined->expiry.at == EXPIRES_AT && joined->reply.conn != NULL);
		check_filter(&joined->filter);
		if (joined->until != NULL)
			check_until(joined);
		if (!encoding_is_sse(joined->encoding))
			check_begun(joined);
		else if (joined->start != NULL)
			check_start(joined, header);
		else
			check_told(joined, header);
		check_query(query, joined, header);
		stream_free(joined);
		joined = NULL;
	} else {
		status = answer_error_or(fd, 204);
		REQUIRE(status == 400 || status == 403 || (status == 204 && strstr(query, "topic") != NULL)
		    || (status == 204 && strchr(query, '%') != NULL));
	}
	close(fd);
	free(header);
	free(accept);
	free(query);
	return 0;
}
