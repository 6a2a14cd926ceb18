/* What rowcast tells of itself. Runs in whichever thread read the request, a
 * worker's or intake's, and only reads what other threads have counted: no store
 * is opened for it, and nothing is waited for. */

#include "app/serve/status.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "app/access/credentials.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/jsontext.h"
#include "lib/mem.h"

/* How long a row with it is of use; machines' clocks differ. Picked, not tuned. */
enum { STATUS_KEPT_S = 10 };

/* All that is told, read in one go. */
struct snapshot {
	struct hub_counters hub;
	struct writer_counters writer;
	struct store_bounds store;
	bool is_shared;           /* with other machines; then there is `node` */
	struct node_counters node;
	bool readable;            /* the store is */
	int64_t uptime_s;
	size_t n_users;
};

static struct snapshot
take_snapshot(struct service *service)
{
	struct snapshot now = { 0 };

	hub_count(service->hub, &now.hub);
	writer_count(service->writer, &now.writer);
	tail_bounds(service->tail, &now.store);
	now.is_shared = service->node != NULL;
	if (now.is_shared) {
		node_count(service->node, &now.node);
		now.writer.n_trimmed += now.node.n_trimmed;
	}
	now.readable = !tail_is_failing(service->tail);
	tally_total(hub_users(service->hub), &now.n_users);
	now.uptime_s = (clock_mono_us() - service->started_at) / 1000000;
	return now;
}

static void
answer_healthy(struct request *request, const char *text)
{
	reply_send(&request->reply, 200, NULL, "text/plain; charset=utf-8", text, strlen(text));
}

void
status_handle_health(struct service *service, struct request *request)
{
	struct snapshot now = take_snapshot(service);

	if (!now.readable)
		reply_error(&request->reply, 503, NULL, "the store cannot be read; see the log");
	else if (now.is_shared ? now.node.is_failing : now.writer.failing)
		reply_error(&request->reply, 503, NULL, "the last commit did not succeed; see the log");
	else if (now.is_shared && !now.node.is_up)
		answer_healthy(request, "upstream is away");  /* its streams are worth keeping */
	else
		answer_healthy(request, "ok");
}

/* What is counted, once for both forms: name (in /metrics with rowcast_ before
 * it), Prometheus type, what it is, value. */
#define METRICS(METRIC) \
	METRIC(streams, gauge, "open streams", hub.n_streams) \
	METRIC(streams_joined_total, counter, "streams opened", hub.n_joined) \
	METRIC(streams_refused_total, counter, "streams over a limit", hub.n_refused) \
	METRIC(messages_read_total, counter, "messages that came to the table, from anybody", hub.n_read) \
	METRIC(deliveries_total, counter, "messages sent to streams", hub.n_delivered) \
	METRIC(gaps_total, counter, "replays that began with rowcast.gap", hub.n_gaps) \
	METRIC(messages_committed_total, counter, "messages stored by /msg", writer.n_committed) \
	METRIC(commits_total, counter, "transactions that stored them", writer.n_commits) \
	METRIC(messages_trimmed_total, counter, "messages deleted by retention", writer.n_trimmed) \
	METRIC(last_commit_failed, gauge, "1 after a commit that failed", writer.failing) \
	METRIC(oldest_id, gauge, "lowest id retained", store.oldest) \
	METRIC(newest_id, gauge, "highest id ever given", store.newest) \
	METRIC(sent_id, gauge, "id up to which live streams have all", hub.sent) \
	METRIC(users, gauge, "users with open streams", n_users) \
	METRIC(uptime_seconds, gauge, "time since the start", uptime_s)

/* And where several machines share a log: upstream. */
#define SHARED_METRICS(METRIC) \
	METRIC(upstream_up, gauge, "1 while the log that the machines share answers", node.is_up) \
	METRIC(nodes, gauge, "machines that are alive", node.n_nodes) \
	METRIC(outbox_messages, gauge, "rows inserted here that the log does not have yet", \
	    node.n_outbox) \
	METRIC(outbox_dropped_total, counter, "rows inserted here whose key others have", \
	    node.n_dropped) \
	METRIC(upstream_lag_seconds, gauge, "time since this machine had all that the log has", \
	    node.lag_s) \
	METRIC(upstream_refused_entries_total, counter, "entries of the log that are no message", \
	    node.n_refused)

/* A histogram, flat like all the rest: who wants the median of the last seconds takes the
 * counts of two moments. */
static void
add_histogram(struct buf *json, const char *name, const struct histogram_counts *counts)
{
	for (int i = 0; i < HISTOGRAM_BOUNDS; i++)
		buf_printf(json, ",\"%s_upto_%" PRId64 "us\":%" PRIu64, name, histogram_bounds[i],
		    counts->upto[i]);
	buf_printf(json, ",\"%s_count\":%" PRIu64 ",\"%s_sum_us\":%" PRIu64, name, counts->n, name,
	    counts->sum_us);
}

void
status_handle_metrics(struct service *service, struct request *request)
{
	struct snapshot now = take_snapshot(service);
	struct buf text = BUF_EMPTY;

#define ADD(name, type, help, member) \
	buf_printf(&text, "# HELP rowcast_" #name " " help "\n# TYPE rowcast_" #name " " #type "\n" \
	    "rowcast_" #name " %" PRId64 "\n", (int64_t)now.member);
	METRICS(ADD)
	if (now.is_shared) {
		SHARED_METRICS(ADD)
	}
#undef ADD
	reply_send(&request->reply, 200, NULL, "text/plain; version=0.0.4; charset=utf-8",
	    text.bytes, text.len);
	buf_free(&text);
}

/* add_numbers adds what /status tells, from its first member to the closing brace. */
static void
add_numbers(struct buf *json, const struct service *service, const struct snapshot *now)
{
	struct store_bytes bytes;

	buf_add_str(json, "\"version\":\"" PACKAGE_VERSION "\",\"node\":");
	jsontext_add_string(json, service->conf->node);
	buf_printf(json, ",\"time_ms\":%" PRId64, clock_wall_us() / 1000);
#define ADD(name, type, help, member) \
	buf_printf(json, ",\"" #name "\":%" PRId64, (int64_t)now->member);
	METRICS(ADD)
	if (now->is_shared) {
		SHARED_METRICS(ADD)
	}
#undef ADD
	add_histogram(json, "delivery_lag", &now->hub.lag);
	/* Only here, since to find out costs: /metrics is asked for by anybody. */
	tail_bytes(service->tail, &bytes);
	buf_printf(json, ",\"store_db_bytes\":%" PRId64 ",\"store_wal_bytes\":%" PRId64, bytes.db,
	    bytes.wal);
	buf_printf(json, ",\"allocated_bytes\":%zu}", mem_allocated());
}

static void
answer_status(struct service *service, struct request *request)
{
	struct snapshot now = take_snapshot(service);
	struct buf json = BUF_EMPTY;

	buf_add_char(&json, '{');
	add_numbers(&json, service, &now);
	reply_send(&request->reply, 200, NULL, "application/json", json.bytes, json.len);
	buf_free(&json);
}

void
status_handle_status(struct service *service, struct request *request)
{
	struct identity id;

	if (request->is_local) {
		answer_status(service, request);
		return;
	}
	if (!credentials_check(service->auth, request,
	    CREDENTIALS_HEADER | CREDENTIALS_COOKIE, &id))
		return;
	if (id.may_admin)
		answer_status(service, request);
	else
		reply_error(&request->reply, 403, NULL,
		    "the token does not have the scope rowcast:admin");
	identity_free(&id);
}

/* Each process tells of itself while somebody watches at any of them. Who watches elsewhere
 * is known by the rows themselves: one that says that its process has watchers makes the
 * others begin, and as theirs do not say so, all end when the last watcher has gone. */
void
status_publish(struct service *service)
{
	struct snapshot now = take_snapshot(service);
	struct buf json = BUF_EMPTY;
	struct publication own = { 0 };
	struct reply nobody = { 0 };
	struct message *m;

	if (now.hub.n_watchers == 0 && !tail_is_watched(service->tail))
		return;
	/* Nobody would see it, and it would stand before others when the log is back. */
	if (now.is_shared && !now.node.is_up)
		return;
	buf_printf(&json, TAIL_WATCHERS "%zu,\"process\":%ld,\"time\":%" PRId64 ",",
	    now.hub.n_watchers, (long)getpid(), clock_wall_s());
	add_numbers(&json, service, &now);
	own.drafts = mem_zalloc(sizeof(*own.drafts));
	own.n = 1;
	m = &own.drafts[0].message;
	m->topic = mem_strdup(MESSAGE_TOPIC_STATUS);
	m->data_len = json.len;
	m->data = buf_take(&json);
	m->expiry = EXPIRY_AT(clock_wall_s() + STATUS_KEPT_S);
	if (writer_submit(service->writer, &own, "", &nobody) != 0)
		publication_free(&own);
}
