/* GET /metrics. Runs in whichever thread read the request, a worker's or intake's. What is
 * told others have counted, each where it happens; here it is only read, and put into one
 * struct, whose members are in the order of the labels of the family that they are.
 *
 * What a scrape costs, measured: 0.13 ms more than /healthz, and 13 KB, nearly all of it for
 * the text of some 200 numbers. It waits for nobody: the numbers are atomics, and two of
 * them stand behind locks that are held for some tenths of a microsecond, by who connects
 * (users) and who commits (messages of others). The dearest that others do for it is
 * nothing; it asks the file system how large two files are, and SQLite nothing at all: when
 * the oldest row was committed the tail has asked, when the oldest became another one. */

#include "app/serve/metrics.h"

#include <string.h>
#include <sys/resource.h>

#include "app/serve/snapshot.h"
#include "lib/buf.h"
#include "lib/prometheus.h"

enum limit { LIMIT_MAX_STREAMS, LIMIT_MAX_STREAMS_PER_USER, LIMIT_DESCRIPTORS, LIMIT_KEEP_ROWS, LIMITS };
enum way { WAY_HTTP, WAY_TABLE, WAY_UPSTREAM, WAYS };
enum file { FILE_DB, FILE_WAL, FILES };
enum result { RESULT_OK, RESULT_FAILED, RESULTS };

/* A number each, or one for each value of the label; of two, those of the second for each
 * of the first. */
struct numbers {
	double build_info, started_at;
	double streams, users, streams_behind;
	double limits[LIMITS];
	double opened, deliveries;
	double ends[STREAM_ENDS], refused[STREAM_REFUSALS];
	double requests[SERVICE_PATHS][REPLY_STATUSES];
	double denials[DENIALS];
	double messages[WAYS];
	double replayed, gaps[GAPS - 1];
	struct histogram_counts commits, lag;
	double commit_failures[FAILURES];
	double bytes[FILES];
	double oldest_age, oldest, newest, sent, trimmed, queue;
	double reloads[RESULTS];
	double is_up, nodes, outbox, upstream_lag, refused_entries;
};

static const char *const versions[] = { PACKAGE_VERSION };

static const char *const limits[LIMITS] = {
	[LIMIT_MAX_STREAMS] = "max_streams",
	[LIMIT_MAX_STREAMS_PER_USER] = "max_streams_per_user",
	[LIMIT_DESCRIPTORS] = "descriptors",
	[LIMIT_KEEP_ROWS] = "keep_rows",
};

static const char *const ends[STREAM_ENDS] = {
	[STREAM_END_CLIENT] = "client",
	[STREAM_END_EXPIRED] = "expired",
	[STREAM_END_DRAIN] = "drain",
	[STREAM_END_KICKED] = "kicked",
	[STREAM_END_REVOKED] = "revoked",
	[STREAM_END_ENDED] = "ended",
	[STREAM_END_WRITE] = "write",
	[STREAM_END_STORE] = "store",
};

static const char *const refusals[STREAM_REFUSALS] = {
	[STREAM_REFUSED_MAX_STREAMS] = "max_streams",
	[STREAM_REFUSED_MAX_STREAMS_PER_USER] = "max_streams_per_user",
	[STREAM_REFUSED_DESCRIPTORS] = "descriptors",
};

static const char *const denials[DENIALS] = {
	[DENIAL_MISSING] = "missing",
	[DENIAL_INVALID] = "invalid",
	[DENIAL_EXPIRED] = "expired",
	[DENIAL_NOT_YET] = "not_yet",
	[DENIAL_USER] = "user",
	[DENIAL_AUDIENCE] = "audience",
	[DENIAL_ISSUER] = "issuer",
	[DENIAL_REVOKED] = "revoked",
	[DENIAL_SCOPE] = "scope",
	[DENIAL_TOPIC] = "topic",
	[DENIAL_ORIGIN] = "origin",
};

static const char *const ways[WAYS] = {
	[WAY_HTTP] = "http",
	[WAY_TABLE] = "table",
	[WAY_UPSTREAM] = "upstream",
};

static const char *const gaps[GAPS - 1] = {
	[GAP_EXPIRED - 1] = "expired",
	[GAP_AHEAD - 1] = "ahead",
	[GAP_INVALID - 1] = "invalid",
};

static const char *const failures[FAILURES] = {
	[FAILURE_BUSY] = "busy",
	[FAILURE_FULL] = "full",
	[FAILURE_REPLACED] = "replaced",
	[FAILURE_REFUSED] = "refused",
	[FAILURE_ERROR] = "error",
};

static const char *const files[FILES] = { [FILE_DB] = "db", [FILE_WAL] = "wal" };
static const char *const results[RESULTS] = { [RESULT_OK] = "ok", [RESULT_FAILED] = "failed" };

#define AT(member) .at = offsetof(struct numbers, member)
#define VALUES(name, values) { name, values, sizeof(values) / sizeof(values[0]) }

/* What a name does not have to say again, its help does not. */
const struct metrics_family metrics_families[] = {
	{ "rowcast_build_info", "gauge", "1, of this version of rowcast.",
	  { VALUES("version", versions) }, AT(build_info) },
	{ "process_start_time_seconds", "gauge", "When the process started, in Unix seconds.", AT(started_at) },
	{ "rowcast_streams", "gauge", "Open streams.", AT(streams) },
	{ "rowcast_users", "gauge", "Users with open streams.", AT(users) },
	{ "rowcast_streams_behind", "gauge", "Open streams that have not been sent yet what others have: they"
	  " replay, or are read slowly.", AT(streams_behind) },
	{ "rowcast_limit", "gauge", "What is set: keys of the configuration (0: no bound), and the file"
	  " descriptors that the process may have, of which 256 are kept free of streams.",
	  { VALUES("name", limits) }, AT(limits) },
	{ "rowcast_streams_opened_total", "counter", "Streams opened.", AT(opened) },
	{ "rowcast_deliveries_total", "counter", "Messages written to streams, each once for each stream;"
	  " replayed ones too.", AT(deliveries) },
	{ "rowcast_stream_closes_total", "counter", "Streams that ended. client: it hung up; expired: its"
	  " token; drain: rowcast stopped; write: the web server was gone when written to; store: what it was to"
	  " be sent could not be read.", { VALUES("reason", ends) }, AT(ends) },
	{ "rowcast_streams_refused_total", "counter", "Streams that were not opened, by the limit that stood"
	  " in the way.", { VALUES("reason", refusals) }, AT(refused) },
	{ "rowcast_requests_total", "counter", "Requests answered; one for a stream when its head was sent.",
	  { { "path", service_paths, SERVICE_PATHS }, { "code", reply_statuses, REPLY_STATUSES } }, AT(requests) },
	{ "rowcast_auth_failures_total", "counter", "Requests that were denied, by what was wrong with the"
	  " token, with what it grants, or with the origin of a cookie.",
	  { VALUES("reason", denials) }, AT(denials) },
	{ "rowcast_messages_total", "counter", "Messages published. http: by POST /msg here; table: inserted"
	  " into the table by any other program; upstream: brought to the log by others.", { VALUES("way", ways) }, AT(messages) },
	{ "rowcast_replayed_messages_total", "counter", "Deliveries to streams that read on from their cursor,"
	  " not live.", AT(replayed) },
	{ "rowcast_gaps_total", "counter", "Streams that were told rowcast.gap.", { VALUES("reason", gaps) },
	  AT(gaps) },
	{ "rowcast_commit_duration_seconds", "histogram", "How long transactions took that stored what POST"
	  " /msg published.", AT(commits) },
	{ "rowcast_delivery_lag_seconds", "histogram", "How long each live delivery took: from our commit, or"
	  " from when another program's row was found, to the write.", AT(lag) },
	{ "rowcast_commit_failures_total", "counter", "Transactions that stored nothing, and messages that the"
	  " table itself refused. busy: another program kept the table locked; full: the disk; replaced: the file"
	  " was taken away.", { VALUES("reason", failures) }, AT(commit_failures) },
	{ "rowcast_store_bytes", "gauge", "Size of the database's files.", { VALUES("file", files) }, AT(bytes) },
	{ "rowcast_oldest_age_seconds", "gauge", "Age of the oldest message that is retained; 0: there is"
	  " none.", AT(oldest_age) },
	{ "rowcast_oldest_id", "gauge", "Lowest id that is retained.", AT(oldest) },
	{ "rowcast_newest_id", "gauge", "Highest id ever given.", AT(newest) },
	{ "rowcast_sent_id", "gauge", "Id up to which live streams have been sent everything.", AT(sent) },
	{ "rowcast_trimmed_messages_total", "counter", "Messages deleted by retention or for their"
	  " expires_at.", AT(trimmed) },
	{ "rowcast_publish_queue_messages", "gauge", "Messages that wait for a commit, or are being"
	  " committed.", AT(queue) },
	{ "rowcast_reloads_total", "counter", "SIGHUPs. failed: the configuration before stayed in force.",
	  { VALUES("result", results) }, AT(reloads) },
	{ "rowcast_upstream_up", "gauge", "1 while the log that the machines share answers.",
	  .is_shared = true, AT(is_up) },
	{ "rowcast_nodes", "gauge", "Machines that are alive, this one too.", .is_shared = true, AT(nodes) },
	{ "rowcast_outbox_messages", "gauge", "Rows inserted here that the log does not have yet.",
	  .is_shared = true, AT(outbox) },
	{ "rowcast_upstream_lag_seconds", "gauge", "Time since this machine had all that the log has.",
	  .is_shared = true, AT(upstream_lag) },
	{ "rowcast_upstream_refused_entries_total", "counter", "Entries of the log that are no message and"
	  " were passed over.", .is_shared = true, AT(refused_entries) },
	{ 0 },
};

/* ---- reading ---- */

static void
copy(double *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (double)from[i];
}

static double
max_descriptors(void)
{
	struct rlimit files_allowed;

	return getrlimit(RLIMIT_NOFILE, &files_allowed) == 0 ? (double)files_allowed.rlim_cur : 0;
}

static double
oldest_age(const struct tail *tail)
{
	wall_s at = tail_oldest_at(tail);
	int64_t age = clock_wall_us() - at * 1000000;

	return at != 0 && age > 0 ? (double)age / 1e6 : 0;
}

static void
read_service(struct service *service, struct numbers *numbers)
{
	uint64_t n[DENIALS];
	struct store_bytes bytes;

	numbers->build_info = 1;
	numbers->started_at = (double)service->process_started_us / 1e6;
	for (size_t p = 0; p < SERVICE_PATHS; p++)
		for (size_t s = 0; s < REPLY_STATUSES; s++)
			numbers->requests[p][s] = (double)atomic_load_explicit(&service->requests[p].n[s],
			    memory_order_relaxed);
	denials_read(auth_denials(service->auth), n);
	copy(numbers->denials, n, DENIALS);
	tail_bytes(service->tail, &bytes);
	numbers->bytes[FILE_DB] = (double)bytes.db;
	numbers->bytes[FILE_WAL] = (double)bytes.wal;
	numbers->oldest_age = oldest_age(service->tail);
	numbers->reloads[RESULT_OK] = (double)atomic_load(&service->n_reloads);
	numbers->reloads[RESULT_FAILED] = (double)atomic_load(&service->n_failed_reloads);
}

static void
read_snapshot(const struct snapshot *now, struct numbers *numbers)
{
	const struct hub_counters *hub = &now->hub;

	numbers->streams = (double)hub->n_streams;
	numbers->users = (double)now->n_users;
	numbers->streams_behind = (double)hub->n_behind;
	numbers->limits[LIMIT_MAX_STREAMS] = (double)hub->max_streams;
	numbers->limits[LIMIT_MAX_STREAMS_PER_USER] = (double)hub->max_streams_per_user;
	numbers->limits[LIMIT_DESCRIPTORS] = max_descriptors();
	numbers->limits[LIMIT_KEEP_ROWS] = (double)now->writer.keep_rows;
	numbers->opened = (double)hub->n_joined;
	numbers->deliveries = (double)hub->n_delivered;
	copy(numbers->ends, hub->n_ends, STREAM_ENDS);
	copy(numbers->refused, hub->n_refused, STREAM_REFUSALS);
	numbers->denials[DENIAL_REVOKED] += (double)hub->n_revoked;
	numbers->messages[WAY_HTTP] = (double)now->writer.n_committed;
	numbers->messages[WAY_TABLE] = (double)(now->is_shared ? now->node.n_forwarded : now->n_foreign);
	numbers->messages[WAY_UPSTREAM] = (double)(now->is_shared ? now->n_foreign : 0);
	numbers->replayed = (double)hub->n_replayed;
	copy(numbers->gaps, hub->n_gaps + 1, GAPS - 1);
	numbers->commits = now->writer.commits;
	numbers->lag = hub->lag;
	for (size_t i = 0; i < FAILURES; i++)
		numbers->commit_failures[i] = (double)(now->writer.n_failures[i] + now->node.n_failures[i]);
	numbers->oldest = (double)now->store.oldest;
	numbers->newest = (double)now->store.newest;
	numbers->sent = (double)hub->sent;
	numbers->trimmed = (double)now->n_trimmed;
	numbers->queue = (double)now->writer.n_waiting;
	numbers->is_up = now->node.is_up;
	numbers->nodes = (double)now->node.n_nodes;
	numbers->outbox = (double)now->node.n_outbox;
	numbers->upstream_lag = (double)now->node.lag_us / 1e6;
	numbers->refused_entries = (double)now->node.n_refused;
}

/* ---- telling ---- */

/* add_labelled adds a sample for each value of the labels. */
static void
add_labelled(struct buf *text, const struct metrics_family *family, const double *values)
{
	size_t n_second = family->labels[1].name != NULL ? family->labels[1].n : 1;

	for (size_t i = 0; i < family->labels[0].n; i++)
		for (size_t k = 0; k < n_second; k++) {
			struct buf labels = BUF_EMPTY;

			buf_printf(&labels, "%s=\"%s\"", family->labels[0].name, family->labels[0].values[i]);
			if (family->labels[1].name != NULL)
				buf_printf(&labels, ",%s=\"%s\"", family->labels[1].name,
				    family->labels[1].values[k]);
			prometheus_sample(text, family->name, labels.bytes, values[i * n_second + k]);
			buf_free(&labels);
		}
}

static void
add_family(struct buf *text, const struct metrics_family *family, const struct numbers *numbers)
{
	const char *at = (const char *)numbers + family->at;

	prometheus_family(text, family->name, family->type, family->help);
	if (strcmp(family->type, "histogram") == 0)
		prometheus_histogram(text, family->name, (const struct histogram_counts *)(const void *)at);
	else if (family->labels[0].name != NULL)
		add_labelled(text, family, (const double *)(const void *)at);
	else
		prometheus_sample(text, family->name, NULL, *(const double *)(const void *)at);
}

void
metrics_handle(struct service *service, struct request *request)
{
	struct buf text = BUF_EMPTY;
	struct numbers numbers;
	struct snapshot now;

	snapshot_take(service, &now);
	read_service(service, &numbers);
	read_snapshot(&now, &numbers);
	for (const struct metrics_family *family = metrics_families; family->name != NULL; family++)
		if (!family->is_shared || now.is_shared)
			add_family(&text, family, &numbers);
	reply_send(&request->reply, 200, NULL, PROMETHEUS_CONTENT_TYPE, text.bytes, text.len);
	buf_free(&text);
}
