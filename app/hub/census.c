/* Words what the roster knows of some users' streams as JSON. Runs in the hub's thread,
 * but for census_new; only reads the roster and streams.
 *
 * Nobody else may look at a stream, so the hub itself writes this, and everybody's
 * messages wait meanwhile: hence users are looked up by name, never searched for, and
 * an answer has a bound in users, in streams of each and in bytes. What of a user does
 * not fit is seen by `streams`, which counts all; what of a page does not, by `next`. */

#include "app/hub/census.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/hub/life.h"
#include "lib/jsontext.h"
#include "lib/mem.h"

struct census *
census_new(void)
{
	return mem_zalloc(sizeof(struct census));
}

void
census_free(struct census *census)
{
	if (census->reply.conn != NULL)
		reply_drop(&census->reply);
	buf_free(&census->names);
	free(census);
}

static const char *
state_name(const struct stream *s)
{
	switch (s->state) {
	case STREAM_LIVE:
	case STREAM_AHEAD:
		return "live";
	case STREAM_BLOCKED:
		return "blocked";
	default:
		return "behind";
	}
}

/* add_stream: false where it does not fit, and then nothing is added. */
static bool
add_stream(struct buf *json, const struct hub_state *hub, const struct stream *s, bool is_first)
{
	int64_t cursor = life_position(hub, s);
	size_t before = json->len;

	buf_printf(json, "%s{\"since\":%" PRId64 ",\"state\":\"%s\",\"cursor\":%" PRId64
	    ",\"behind\":%" PRId64 ",\"topics\":[", is_first ? "" : ",", s->since, state_name(s),
	    cursor, hub->sent > cursor ? hub->sent - cursor : 0);
	for (size_t i = 0; i < s->filter.n_topics; i++) {
		if (i > 0)
			buf_add_char(json, ',');
		jsontext_add_string(json, s->filter.topics[i]);
	}
	buf_add_str(json, "]}");
	if (json->len <= CENSUS_BYTES)
		return true;
	json->len = before;
	return false;
}

/* add_user adds the members of the user's object, but not its end: false where not all
 * that was to be told of it has fitted. */
static bool
add_user(struct buf *json, const struct hub_state *hub, const char *user,
    const struct listeners *listeners, size_t max_streams)
{
	size_t n_told = 0;
	bool fits = true;

	buf_add_str(json, "\"user\":");
	jsontext_add_string(json, user);
	buf_printf(json, ",\"streams\":%zu,\"detail\":[", listeners != NULL ? listeners->n : 0);
	for (struct member *m = listeners != NULL ? listeners->first : NULL;
	    m != NULL && n_told < max_streams && fits; m = m->next) {
		fits = add_stream(json, hub, m->stream, n_told == 0);
		n_told++;
	}
	buf_add_char(json, ']');
	return fits && json->len <= CENSUS_BYTES;
}

/* add_list adds those who fit, and of the first what does. */
static void
add_list(struct buf *json, const struct census *census, const struct hub_state *hub)
{
	const char *name = census->names.bytes, *last = NULL;
	bool has_more = census->has_more, is_first = true;

	buf_add_str(json, ",\"users\":[");
	for (size_t i = 0; i < census->n; i++, name += strlen(name) + 1) {
		const struct listeners *listeners = roster_user(&hub->roster, name);
		size_t before = json->len;

		if (listeners != NULL) {
			buf_add_str(json, is_first ? "{" : ",{");
			if (!add_user(json, hub, name, listeners, CENSUS_USER_STREAMS) && !is_first) {
				json->len = before;
				has_more = true;
				break;
			}
			buf_add_char(json, '}');
			is_first = false;
		}
		last = name;
	}
	buf_add_str(json, "],\"next\":");
	if (has_more && last != NULL)
		jsontext_add_string(json, last);
	else
		buf_add_str(json, "null");
}

void
census_answer(struct census *census, const struct hub_state *hub)
{
	struct buf json = BUF_EMPTY;

	buf_add_str(&json, "{\"node\":");
	jsontext_add_string(&json, census->node);
	if (census->is_list) {
		add_list(&json, census, hub);
	} else {
		buf_add_char(&json, ',');
		add_user(&json, hub, census->names.bytes, roster_user(&hub->roster, census->names.bytes),
		    CENSUS_LONE_STREAMS);
	}
	buf_add_char(&json, '}');
	reply_send(&census->reply, 200, NULL, "application/json", json.bytes, json.len);
	buf_free(&json);
	census_free(census);
}
