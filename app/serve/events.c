/* GET /events, up to the moment the hub takes the stream. Runs in whichever thread
 * read the request, a worker's or intake's, and waits for nothing: it asks the
 * tail what the newest id is and opens no store. Whether a replay can be exact is
 * not known here; catch-up finds that with the rows (hub/gap.h). */

#include "app/serve/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/access/credentials.h"
#include "app/serve/subscription.h"
#include "lib/hash.h"
#include "lib/mem.h"
#include "lib/random.h"
#include "lib/sse.h"
#include "lib/utf8.h"

enum { INVALID_ID_BYTES = 64 };  /* of an invalid Last-Event-ID, told in rowcast.gap; picked, not tuned */

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

/* set_cursor sets where the stream begins: behind what the client has seen, or else
 * behind the newest. Returns whether the store has to be read first, for rows or for
 * a gap: who has seen the newest needs neither. */
static bool
set_cursor(struct stream *s, const char *last_event_id, int64_t newest)
{
	s->cursor = newest;
	if (last_event_id == NULL)
		return false;
	if (parse_id(last_event_id, &s->cursor))
		return s->cursor != newest;
	s->cursor = newest;
	s->invalid_id = mem_strndup(last_event_id, strnlen(last_event_id, INVALID_ID_BYTES));
	/* The cut may be in the middle of a character. */
	while (*s->invalid_id != '\0' && !utf8_is_valid(s->invalid_id, strlen(s->invalid_id)))
		s->invalid_id[strlen(s->invalid_id) - 1] = '\0';
	return true;
}

/* set_start has the start looked for, where the client asked for older messages: an id
 * of its own says more, and wins. */
static void
set_start(struct stream *s, const struct subscription *sub, int64_t retry_ms)
{
	if (!sub->starts_older || sub->last_event_id != NULL)
		return;
	s->start = mem_zalloc(sizeof(*s->start));
	s->start->search.since = sub->since;
	s->start->search.last = sub->last;
	s->start->retry_ms = retry_ms;
}

/* take_filter takes what a stream keeps, for hours perhaps, in as little memory
 * as it needs. */
static struct filter
take_filter(struct subscription *sub, struct identity *id)
{
	struct filter filter = { .user = id->user, .n_topics = sub->n_topics,
	    .topics_only = sub->topics_only };

	if (sub->n_topics > 0)
		filter.topics = mem_realloc(sub->topics, sub->n_topics * sizeof(char *));
	else
		free(sub->topics);
	id->user = NULL;
	sub->topics = NULL;
	sub->n_topics = 0;
	return filter;
}

/* answer_unreadable is for when the store cannot be read: who can come back by
 * itself is told to, from where it would have begun, but for one whose id was
 * invalid, who is to be told the gap then, and one whose start is to be looked for. A copy
 * that is empty, and has not heard of the log yet, knows no id to begin at: who comes with
 * one keeps it. */
static void
answer_unreadable(struct service *service, struct request *request, const struct stream *s,
    bool blank)
{
	int64_t retry_ms = random_between(atomic_load(&service->retry_min_ms),
	    atomic_load(&service->retry_max_ms));

	if (s->accepts_events && encoding_is_sse(s->encoding)) {
		struct buf block = BUF_EMPTY;

		sse_retry(&block, retry_ms);
		if (s->invalid_id == NULL && s->start == NULL && !blank)
			sse_id(&block, s->cursor);
		buf_add_char(&block, '\n');
		reply_event(&request->reply, encoding_type(s->encoding), NULL, &block);
		buf_free(&block);
	} else {
		reply_retry(&request->reply, 503, retry_ms, blank
		    ? "upstream is away, and nothing of it is known here yet"
		    : "the store cannot be read; see the log");
	}
}

/* etag_of names what a poll answers, beside what its address says: by all that is committed,
 * of whomever, since what is erased or trimmed changes it too; by where the client stands,
 * which a header may say; by who asks, and for which form. A number of this process stands
 * for that, so that nobody learns any of it. `version` is of before `newest` was asked, and
 * that of before anything is read: what is answered may be newer, and is asked for anew
 * then, but not older. The caller frees it. */
static char *
etag_of(const struct stream *s, int64_t version, int64_t newest)
{
	char *all = mem_printf("%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %d %s %s", version, newest,
	    s->cursor, s->start != NULL ? s->start->search.since : 0, s->encoding,
	    s->filter.user, s->invalid_id != NULL ? s->invalid_id : "");
	char *etag = mem_printf("\"%016" PRIx64 "\"", hash_code(all));

	free(all);
	return etag;
}

/* set_end sets where a stream ends by itself. 0 or -1 (logged). */
static int
set_end(struct service *service, struct stream *s, const struct subscription *sub, int64_t newest)
{
	if (sub->until_end || sub->is_poll)
		stream_until_new(s);
	if (sub->is_poll)
		s->until->upto = newest;
	if (!sub->until_end)
		return 0;
	s->until->by_topics = true;
	return tail_ended(service->tail, s->filter.topics, s->filter.n_topics, s->until->ends);
}

/* begin_body adds what the response begins with, at once: a web server may hold the head
 * back until something follows it. For a poll something does. */
static void
begin_body(struct service *service, struct stream *s, int64_t retry_ms)
{
	size_t len = s->unsent.len;

	if (s->encoding == ENCODING_LIST)
		buf_add_char(&s->unsent, '{');
	else if (s->start == NULL)
		stream_add_first(s, &s->unsent, retry_ms, s->cursor, atomic_load(&service->heartbeat_ms));
	if (s->unsent.len == len && !stream_is_poll(s))
		buf_add_str(&s->unsent, encoding_silence(s->encoding));
}

/* knows: does the client have what this names? (RFC 9110 13.1.2: compared weakly, so
 * whatever is before the quotes.) */
static bool
knows(const struct request *request, const char *etag)
{
	return etag != NULL && request->if_none_match != NULL
	    && strstr(request->if_none_match, etag) != NULL;
}

static void
open_stream(struct service *service, struct request *request, struct subscription *sub,
    struct identity *id)
{
	/* Asked before the newest id, which is known when it is no longer blank. */
	bool blank = service->node != NULL && node_is_blank(service->node);
	struct stream *s = stream_new(take_filter(sub, id));
	int64_t retry_ms = random_between(atomic_load(&service->retry_min_ms),
	    atomic_load(&service->retry_max_ms)), version, newest;
	char *etag = NULL;
	bool resumes;

	s->encoding = sub->encoding;
	if (!sub->is_poll)
		hub_want(service->hub, s);
	version = tail_version(service->tail);
	newest = tail_newest(service->tail);
	resumes = set_cursor(s, sub->last_event_id, newest);
	set_start(s, sub, retry_ms);
	s->told = s->start != NULL ? INT64_MAX : s->cursor;
	s->expiry = id->expiry;
	s->issued_at = id->issued_at;
	s->cursor_form = sub->cursor_form;
	s->accepts_events = request_accepts_events(request);
	s->join = sub->join;
	sub->join = NULL;
	if (blank || tail_is_failing(service->tail) || set_end(service, s, sub, newest) < 0) {
		answer_unreadable(service, request, s, blank);
	} else if (stream_is_over(s, s->cursor)) {
		reply_send(&request->reply, 204, NULL, NULL, "", 0);
	} else {
		if (sub->is_poll)
			etag = etag_of(s, version, newest);
		if (knows(request, etag)) {
			reply_not_modified(&request->reply, etag);
		} else if (request->reply.head) {
			reply_event(&request->reply, encoding_type(s->encoding), etag, &BUF_EMPTY);
		} else {
			reply_stream_head(&request->reply, &s->unsent, encoding_type(s->encoding), etag);
			begin_body(service, s, retry_ms);
			s->reply = request->reply;
			request->reply.conn = NULL;
			hub_join(service->hub, s, resumes || s->start != NULL);
			s = NULL;
		}
	}
	free(etag);
	if (s != NULL)
		stream_free(s);
}

void
events_handle(struct service *service, struct request *request)
{
	struct subscription sub;
	struct identity id;

	if (!credentials_check(service->auth, request,
	    CREDENTIALS_HEADER | CREDENTIALS_QUERY | CREDENTIALS_COOKIE | CREDENTIALS_STREAM, &id))
		return;
	if (subscription_read(&sub, request) < 0) {
		reply_error(&request->reply, 400, NULL, sub.fault);
		goto done;
	}
	for (size_t i = 0; i < sub.n_topics; i++) {
		if (!identity_may_read(&id, sub.topics[i])) {
			char *sentence = mem_printf(message_topic_is_reserved(sub.topics[i])
			    ? "the topic %s needs a token with the scope rowcast:admin"
			    : "the token does not grant the topic %s", sub.topics[i]);

			denials_add(auth_denials(service->auth), message_topic_is_reserved(sub.topics[i])
			    ? DENIAL_SCOPE : DENIAL_TOPIC);
			reply_error(&request->reply, 403, NULL, sentence);
			free(sentence);
			goto done;
		}
	}
	open_stream(service, request, &sub, &id);
done:
	subscription_free(&sub);
	identity_free(&id);
}
