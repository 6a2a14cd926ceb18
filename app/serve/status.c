/* What rowcast tells of itself, but for Prometheus (metrics.c). Runs in whichever thread
 * read the request, a worker's or intake's, and waits for nothing. */

#include "app/serve/status.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "app/access/credentials.h"
#include "app/publish/submission.h"
#include "app/serve/snapshot.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/jsontext.h"
#include "lib/mem.h"

/* How long a row with it is of use; machines' clocks differ. Picked, not tuned. */
enum { STATUS_KEPT_S = 10 };

static void
answer_healthy(struct request *request, const char *text)
{
	reply_send(&request->reply, 200, NULL, "text/plain; charset=utf-8", text, strlen(text));
}

void
status_handle_health(struct service *service, struct request *request)
{
	struct snapshot now;

	snapshot_take(service, &now);
	if (!now.readable)
		reply_error(&request->reply, 503, NULL, "the store cannot be read; see the log");
	else if (now.is_shared ? now.node.is_failing : now.writer.failing)
		reply_error(&request->reply, 503, NULL, "the last commit did not succeed; see the log");
	else if (now.is_shared && !now.node.is_up)
		answer_healthy(request, "upstream is away");  /* its streams are worth keeping */
	else
		answer_healthy(request, "ok");
}

/* What is told: name, value. */
#define NUMBERS(NUMBER) \
	NUMBER(streams, hub.n_streams) \
	NUMBER(streams_joined_total, hub.n_joined) \
	NUMBER(streams_refused_total, n_refused) \
	NUMBER(messages_read_total, hub.n_read) \
	NUMBER(deliveries_total, hub.n_delivered) \
	NUMBER(gaps_total, n_gaps) \
	NUMBER(messages_committed_total, writer.n_committed) \
	NUMBER(commits_total, writer.commits.n) \
	NUMBER(messages_trimmed_total, n_trimmed) \
	NUMBER(last_commit_failed, writer.failing) \
	NUMBER(oldest_id, store.oldest) \
	NUMBER(newest_id, store.newest) \
	NUMBER(sent_id, hub.sent) \
	NUMBER(users, n_users) \
	NUMBER(uptime_seconds, uptime_s)

/* And where several machines share a log: upstream. */
#define SHARED_NUMBERS(NUMBER) \
	NUMBER(upstream_up, node.is_up) \
	NUMBER(nodes, node.n_nodes) \
	NUMBER(outbox_messages, node.n_outbox) \
	NUMBER(outbox_dropped_total, node.n_dropped) \
	NUMBER(upstream_lag_seconds, node.lag_us / 1000000) \
	NUMBER(upstream_refused_entries_total, node.n_refused)

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

/* add_numbers adds what /status tells, from its first member to the closing brace. */
static void
add_numbers(struct buf *json, const struct service *service, const struct snapshot *now)
{
	struct store_bytes bytes;

	buf_add_str(json, "\"version\":\"" PACKAGE_VERSION "\",\"node\":");
	jsontext_add_string(json, service->conf->node);
	buf_printf(json, ",\"time_ms\":%" PRId64, clock_wall_us() / 1000);
#define ADD(name, member) \
	buf_printf(json, ",\"" #name "\":%" PRId64, (int64_t)(now->member));
	NUMBERS(ADD)
	if (now->is_shared) {
		SHARED_NUMBERS(ADD)
	}
#undef ADD
	add_histogram(json, "delivery_lag", &now->hub.lag);
	tail_bytes(service->tail, &bytes);
	buf_printf(json, ",\"store_db_bytes\":%" PRId64 ",\"store_wal_bytes\":%" PRId64, bytes.db,
	    bytes.wal);
	buf_printf(json, ",\"allocated_bytes\":%zu}", mem_allocated());
}

void
status_handle_status(struct service *service, struct request *request)
{
	struct buf json = BUF_EMPTY;
	struct snapshot now;

	if (!service_may_admin(service, request, CREDENTIALS_HEADER | CREDENTIALS_COOKIE))
		return;
	snapshot_take(service, &now);
	buf_add_char(&json, '{');
	add_numbers(&json, service, &now);
	reply_send(&request->reply, 200, NULL, "application/json", json.bytes, json.len);
	buf_free(&json);
}

/* Each process tells of itself while somebody watches at any of them. Who watches elsewhere
 * is known by the rows themselves: one that says that its process has watchers makes the
 * others begin, and as theirs do not say so, all end when the last watcher has gone. */
void
status_publish(struct service *service)
{
	struct snapshot now;
	struct buf json = BUF_EMPTY;
	struct publication own = { 0 };
	struct reply nobody = { 0 };
	struct message *m;

	snapshot_take(service, &now);
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
	if (submission_give(service->writer, &own, "", &nobody) != 0)
		publication_free(&own);
}
