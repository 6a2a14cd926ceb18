/* GET /metrics: which families there are from the start, and that what happens is counted
 * once, in its place. The names and labels are written out: whoever watches a rowcast
 * relies on them. */

#include "tests/unit/capture.h"
#include "tests/unit/check.h"
#include "tests/unit/harness.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/serve/metrics.h"
#include "lib/mem.h"

static struct rowcast rowcast;
static struct table table;   /* the same one; without a handle of its own */
static char *bearer, *admin;

static int
setup(void **state __attribute__((unused)))
{
	rowcast_start(&rowcast, LIST("workers = 2", "max_streams = 100", "keep_rows = 5000",
	    "max_streams_per_user = 3"));
	table.name = rowcast.conf.store;
	bearer = bearer_of(&rowcast, "u", NULL);
	admin = bearer_of(&rowcast, "root", "rowcast:admin rowcast:publish");
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	free(bearer);
	free(admin);
	rowcast_stop(&rowcast);
	return 0;
}

static const char *
asked(int status, const char *method, const char *path, const char *query, const char *token,
    const char *body)
{
	return fetch(&rowcast, status, LIST("REQUEST_METHOD", method, "SCRIPT_NAME", path,
	    "QUERY_STRING", query, "CONTENT_TYPE", body != NULL ? "text/plain" : "",
	    "HTTP_AUTHORIZATION", token), body);
}

/* told returns the text; the caller frees it. */
static char *
told(void)
{
	return mem_strdup(strstr(asked(200, "GET", "/metrics", "", "", NULL), "\r\n\r\n") + 4);
}

static bool
find(const char *text, const char *sample, double *value)
{
	char *line = mem_printf("\n%s ", sample);
	const char *at = strstr(text, line);

	if (at != NULL)
		*value = strtod(at + strlen(line), NULL);
	free(line);
	return at != NULL;
}

static double
value_of(const char *sample)
{
	char *text = told();
	double value = 0;

	if (!find(text, sample, &value))
		fail_msg("no %s in %s", sample, text);
	free(text);
	return value;
}

/* In the order of the families, with all their values. */
static const char *const families[] = {
	"rowcast_build_info gauge version=" PACKAGE_VERSION,
	"process_start_time_seconds gauge",
	"rowcast_streams gauge",
	"rowcast_users gauge",
	"rowcast_streams_behind gauge",
	"rowcast_limit gauge name=max_streams,max_streams_per_user,descriptors,keep_rows",
	"rowcast_streams_opened_total counter",
	"rowcast_deliveries_total counter",
	"rowcast_stream_closes_total counter"
	" reason=client,expired,drain,kicked,revoked,ended,write,store",
	"rowcast_streams_refused_total counter reason=max_streams,max_streams_per_user,descriptors",
	"rowcast_requests_total counter path=/events,/msg,/healthz,/metrics,/status,/presence,other"
	" code=200,201,204,304,400,401,403,404,405,408,409,413,415,429,503",
	"rowcast_auth_failures_total counter"
	" reason=missing,invalid,expired,not_yet,user,audience,issuer,revoked,scope,topic,origin",
	"rowcast_messages_total counter way=http,table,upstream",
	"rowcast_replayed_messages_total counter",
	"rowcast_gaps_total counter reason=expired,ahead,invalid",
	"rowcast_commit_duration_seconds histogram",
	"rowcast_delivery_lag_seconds histogram",
	"rowcast_commit_failures_total counter reason=busy,full,replaced,refused,error",
	"rowcast_store_bytes gauge file=db,wal",
	"rowcast_oldest_age_seconds gauge",
	"rowcast_oldest_id gauge",
	"rowcast_newest_id gauge",
	"rowcast_sent_id gauge",
	"rowcast_trimmed_messages_total counter",
	"rowcast_publish_queue_messages gauge",
	"rowcast_reloads_total counter result=ok,failed",
	"rowcast_upstream_up gauge",
	"rowcast_nodes gauge",
	"rowcast_outbox_messages gauge",
	"rowcast_upstream_lag_seconds gauge",
	"rowcast_upstream_refused_entries_total counter",
};

enum { N_FAMILIES = sizeof(families) / sizeof(families[0]), N_ALONE = N_FAMILIES - 5 };

/* describe says of a family what stands in the table above. */
static char *
describe(const struct metrics_family *family)
{
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "%s %s", family->name, family->type);
	for (size_t l = 0; l < METRICS_LABELS && family->labels[l].name != NULL; l++)
		for (size_t i = 0; i < family->labels[l].n; i++)
			buf_printf(&text, "%s%s%s%s", i > 0 ? "," : " ",
			    i > 0 ? "" : family->labels[l].name, i > 0 ? "" : "=", family->labels[l].values[i]);
	return buf_take(&text);
}

TEST(the_table_has_each_family_with_each_of_its_labels_and_no_other)
{
	for (size_t i = 0; i < N_FAMILIES; i++) {
		char *text = describe(&metrics_families[i]);

		assert_string_equal(text, families[i]);
		assert_int_equal(metrics_families[i].is_shared, i >= N_ALONE);
		assert_true(strlen(metrics_families[i].help) > 10);
		free(text);
	}
	assert_null(metrics_families[N_FAMILIES].name);
}

/* must_have: a sample, which is 0 at the start where nothing can have happened. */
static void
must_have(const char *text, const char *sample, bool is_zero)
{
	double value = -1;

	if (!find(text, sample, &value))
		fail_msg("no %s", sample);
	if (is_zero)
		assert_true(value == 0);
}

/* The request that asks is all that has happened, and it is not answered yet. */
TEST(each_value_of_a_label_is_there_from_the_start_and_counters_are_0)
{
	char *text = told();

	for (size_t i = 0; i < N_ALONE; i++) {
		const struct metrics_family *family = &metrics_families[i];
		bool is_counter = strcmp(family->type, "counter") == 0;
		char *head = mem_printf("# HELP %s %s\n# TYPE %s %s\n%s", family->name, family->help,
		    family->name, family->type, family->name);

		expect_text(text, head);
		free(head);
		if (strcmp(family->type, "histogram") == 0) {
			char *count = mem_printf("%s_count", family->name);

			must_have(text, count, true);
			free(count);
			continue;
		}
		for (size_t a = 0; a < (family->labels[0].name != NULL ? family->labels[0].n : 1); a++)
			for (size_t b = 0; b < (family->labels[1].name != NULL ? family->labels[1].n : 1); b++) {
				char *sample = family->labels[0].name == NULL ? mem_strdup(family->name)
				    : family->labels[1].name == NULL ? mem_printf("%s{%s=\"%s\"}", family->name,
				        family->labels[0].name, family->labels[0].values[a])
				    : mem_printf("%s{%s=\"%s\",%s=\"%s\"}", family->name, family->labels[0].name,
				        family->labels[0].values[a], family->labels[1].name,
				        family->labels[1].values[b]);

				must_have(text, sample, is_counter);
				free(sample);
			}
	}
	for (size_t i = N_ALONE; i < N_FAMILIES; i++)
		assert_null(strstr(text, metrics_families[i].name));
	assert_int_equal(text[strlen(text) - 1], '\n');
	/* One send has to take it. */
	assert_in_range(strlen(text), 1000, 60000);
	free(text);
}

TEST(what_is_set_is_told_as_it_is_in_force)
{
	struct conf conf = rowcast.conf;

	assert_true(value_of("rowcast_limit{name=\"max_streams\"}") == 100);
	assert_true(value_of("rowcast_limit{name=\"max_streams_per_user\"}") == 3);
	assert_true(value_of("rowcast_limit{name=\"keep_rows\"}") == 5000);
	assert_true(value_of("rowcast_limit{name=\"descriptors\"}") >= 256);
	conf.max_streams = 99;
	conf.keep_rows = 4999;
	hub_reload(rowcast.service.hub, &conf);
	writer_reload(rowcast.service.writer, &conf);
	assert_true(value_of("rowcast_limit{name=\"max_streams\"}") == 99);
	assert_true(value_of("rowcast_limit{name=\"keep_rows\"}") == 4999);
	assert_true(value_of("rowcast_build_info{version=\"" PACKAGE_VERSION "\"}") == 1);
	assert_in_range((int64_t)value_of("process_start_time_seconds"), clock_wall_s() - 600,
	    clock_wall_s());
	assert_true(value_of("rowcast_store_bytes{file=\"db\"}") >= 4096);
}

/* raises has a request answered and looks at which samples rose: this one, by one. */
static void
raises(const char *sample, int status, const char *method, const char *path, const char *query,
    const char *token, const char *body)
{
	double before = value_of(sample);

	asked(status, method, path, query, token, body);
	if (value_of(sample) != before + 1)
		fail_msg("%s was %g and is %g", sample, before, value_of(sample));
}

#define REQUESTS(path, code) "rowcast_requests_total{path=\"" path "\",code=\"" code "\"}"
#define DENIED(reason) "rowcast_auth_failures_total{reason=\"" reason "\"}"

TEST(each_answer_is_counted_by_its_path_whatever_the_prefix_and_by_its_status)
{
	raises(REQUESTS("/msg", "201"), 201, "POST", "/app/msg", "key=k", bearer, "x");
	raises(REQUESTS("/msg", "200"), 200, "POST", "/msg", "key=k", bearer, "x");
	raises(REQUESTS("/msg", "400"), 400, "POST", "/msg", "", "", "x");
	raises(REQUESTS("/msg", "405"), 405, "PUT", "/msg", "", bearer, "x");
	raises(REQUESTS("/events", "200"), 200, "HEAD", "/events", "", bearer, NULL);
	raises(REQUESTS("/events", "401"), 401, "GET", "/events", "", "Bearer x", NULL);
	raises(REQUESTS("/healthz", "200"), 200, "GET", "/healthz", "", "", NULL);
	raises(REQUESTS("/status", "200"), 200, "GET", "/status", "", admin, NULL);
	raises(REQUESTS("/presence", "200"), 200, "GET", "/presence", "", admin, NULL);
	raises(REQUESTS("/presence", "200"), 200, "GET", "/presence", "user=u&detail=1", admin, NULL);
	raises(REQUESTS("other", "404"), 404, "GET", "/wp-login.php", "", "", NULL);
}

/* The answer to a scrape is counted when it is given: the next one tells. */
TEST(a_scrape_counts_too)
{
	double before = value_of(REQUESTS("/metrics", "200"));

	assert_true(value_of(REQUESTS("/metrics", "200")) == before + 1);
	assert_true(value_of(REQUESTS("/metrics", "200")) == before + 2);
}

TEST(a_stream_is_counted_when_its_head_is_sent_and_when_it_is_over)
{
	double before = value_of(REQUESTS("/events", "200"));
	double gone = value_of("rowcast_stream_closes_total{reason=\"client\"}");
	double opened = value_of("rowcast_streams_opened_total");
	struct peer stream;

	call(&rowcast, &stream);
	say_request(&stream, false, LIST("REQUEST_METHOD", "GET", "SCRIPT_NAME", "/events",
	    "HTTP_AUTHORIZATION", bearer), NULL);
	expect_head(&stream);
	WAIT_FOR(value_of(REQUESTS("/events", "200")) == before + 1);
	WAIT_FOR(value_of("rowcast_streams") == 1);
	assert_true(value_of("rowcast_users") == 1);
	assert_true(value_of("rowcast_streams_opened_total") == opened + 1);
	hang_up(&stream);
	WAIT_FOR(value_of("rowcast_streams") == 0);
	assert_true(value_of("rowcast_stream_closes_total{reason=\"client\"}") == gone + 1);
	assert_true(value_of(REQUESTS("/events", "200")) == before + 1);
}

TEST(what_is_denied_is_counted_once_by_what_was_wrong)
{
	raises(DENIED("missing"), 400, "GET", "/events", "", "", NULL);
	raises(DENIED("invalid"), 401, "GET", "/events", "", "Bearer x", NULL);
	raises(DENIED("scope"), 403, "GET", "/status", "", bearer, NULL);
	raises(DENIED("scope"), 403, "GET", "/presence", "", bearer, NULL);
	raises(DENIED("scope"), 403, "POST", "/msg", "all=1", bearer, "x");
	raises(DENIED("scope"), 403, "GET", "/events", "topic=rowcast.status", bearer, NULL);
	raises(DENIED("topic"), 403, "GET", "/events", "topic=prices", bearer, NULL);
}

TEST(messages_are_counted_by_the_way_they_came_and_each_once)
{
	double http = value_of("rowcast_messages_total{way=\"http\"}");
	double by_table = value_of("rowcast_messages_total{way=\"table\"}");
	double commits = value_of("rowcast_commit_duration_seconds_count");

	for (int i = 0; i < 20; i++) {
		asked(201, "POST", "/msg", "", bearer, "by http");
		table_run(&table, "INSERT INTO message(data) VALUES('by another program'), ('and one more')");
	}
	asked(201, "POST", "/msg", "key=once", bearer, "x");
	asked(200, "POST", "/msg", "key=once", bearer, "x");
	WAIT_FOR(value_of("rowcast_messages_total{way=\"table\"}") == by_table + 40);
	assert_true(value_of("rowcast_messages_total{way=\"http\"}") == http + 21);
	assert_true(value_of("rowcast_messages_total{way=\"upstream\"}") == 0);
	assert_true(value_of("rowcast_commit_duration_seconds_count") == commits + 22);
	assert_true(value_of("rowcast_commit_duration_seconds_sum") > 0);
	assert_true(value_of("rowcast_publish_queue_messages") == 0);
	WAIT_FOR(value_of("rowcast_sent_id") == value_of("rowcast_newest_id"));
}

TEST(what_rowcast_tells_of_itself_is_no_message_of_anybodys)
{
	double http = value_of("rowcast_messages_total{way=\"http\"}");
	double by_table = value_of("rowcast_messages_total{way=\"table\"}");
	double newest = value_of("rowcast_newest_id");

	/* As another process of this file would. */
	table_run(&table, "INSERT INTO message(topic, data) VALUES('rowcast.status', '{\"watchers\":0,}')");
	table_run(&table, "INSERT INTO message(data) VALUES('x')");
	WAIT_FOR(value_of("rowcast_sent_id") == newest + 2);
	WAIT_FOR(value_of("rowcast_messages_total{way=\"table\"}") == by_table + 1);
	assert_true(value_of("rowcast_messages_total{way=\"http\"}") == http);
}

TEST(the_oldest_has_its_age_and_what_is_deleted_is_counted)
{
	double trimmed = value_of("rowcast_trimmed_messages_total");

	table_run(&table, "DELETE FROM message");
	WAIT_FOR(value_of("rowcast_oldest_age_seconds") == 0);
	table_run(&table, "INSERT INTO message(data, created_at)"
	    " VALUES('x', CAST(strftime('%s','now') AS INTEGER) - 1000)");
	WAIT_FOR(value_of("rowcast_oldest_age_seconds") >= 1000);
	assert_in_range((int64_t)value_of("rowcast_oldest_age_seconds"), 1000, 1600);
	assert_true(value_of("rowcast_oldest_id") == value_of("rowcast_newest_id"));
	table_run(&table, "UPDATE message SET expires_at = 1");
	WAIT_FOR(value_of("rowcast_trimmed_messages_total") == trimmed + 1);
}

TEST(commits_that_fail_are_counted_by_the_reason)
{
	double refused = value_of("rowcast_commit_failures_total{reason=\"refused\"}");
	double error = value_of("rowcast_commit_failures_total{reason=\"error\"}");

	capture_begin();
	table_run(&table, "CREATE TRIGGER no BEFORE INSERT ON message WHEN NEW.data = 'bad'"
	    " BEGIN SELECT RAISE(ABORT, 'not this one'); END");
	asked(400, "POST", "/msg", "", bearer, "bad");
	assert_true(value_of("rowcast_commit_failures_total{reason=\"refused\"}") == refused + 1);
	table_run(&table, "ALTER TABLE message RENAME COLUMN key TO renamed");
	asked(503, "POST", "/msg", "", bearer, "lost");
	assert_true(value_of("rowcast_commit_failures_total{reason=\"error\"}") == error + 1);
	table_run(&table, "ALTER TABLE message RENAME COLUMN renamed TO key; DROP TRIGGER no");
	asked(201, "POST", "/msg", "", bearer, "stored");
	capture_end();
	assert_true(value_of("rowcast_commit_failures_total{reason=\"refused\"}") == refused + 1);
	assert_true(value_of("rowcast_commit_failures_total{reason=\"error\"}") == error + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_each_family_with_each_of_its_labels_and_no_other),
		cmocka_unit_test(each_value_of_a_label_is_there_from_the_start_and_counters_are_0),
		cmocka_unit_test(what_is_set_is_told_as_it_is_in_force),
		cmocka_unit_test(each_answer_is_counted_by_its_path_whatever_the_prefix_and_by_its_status),
		cmocka_unit_test(a_scrape_counts_too),
		cmocka_unit_test(what_is_denied_is_counted_once_by_what_was_wrong),
		cmocka_unit_test(a_stream_is_counted_when_its_head_is_sent_and_when_it_is_over),
		cmocka_unit_test(messages_are_counted_by_the_way_they_came_and_each_once),
		cmocka_unit_test(what_rowcast_tells_of_itself_is_no_message_of_anybodys),
		cmocka_unit_test(the_oldest_has_its_age_and_what_is_deleted_is_counted),
		cmocka_unit_test(commits_that_fail_are_counted_by_the_reason),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
