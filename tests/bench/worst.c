/* worst - what the worst inputs cost: times each parser and encoder, as a thread
 * that others share comes by it, on a plain input and on those it has most
 * trouble with, and prints medians as one JSON object.
 *
 *     worst ROWCAST FOLDER [REPEAT]
 *
 * Requests go over a FastCGI connection to a rowcast that serves (served.h), and
 * what counts is the CPU time that it takes from connecting to the end of the
 * answer. Whatever else is done in this process and takes its CPU time: a row that
 * the tail or catch-up reads and encodes, a token that is checked. CPU time, since
 * a neighbour's work would show in any other.
 * FOLDER has to be there; a table, a socket and a key are made in it. */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/access/auth.h"
#include "app/hub/block.h"
#include "app/setting/conf.h"
#include "app/store/store.h"
#include "lib/jsontext.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/bench/inputs.h"
#include "tests/bench/served.h"

enum {
	REPEAT = 9,
	REPEAT_MAX = 99,
	SAMPLE_US = 2000,       /* what takes less is done several times for a sample */
	WARM_RUNS = 5,
	KIB = 1 << 10,
};

struct bench {
	struct served served;
	struct auth *auth;
	struct store *store;
	int64_t last;           /* of the table, before the row that is read */
	size_t repeat;
};

/* A job does to an input what a thread does; it may prepare it first. */
struct job {
	const char *name;       /* with the thread */
	size_t size;
	void (*make)(struct inputs *inputs, size_t size);
	void (*prepare)(struct bench *bench, const struct input *input);
	void (*run)(struct bench *bench, const struct input *input);
	bool served;            /* by the other process */
};

/* ---- the jobs ---- */

static void
store_row_of(struct bench *bench, const struct input *input)
{
	struct message m = { .data = input->bytes.bytes, .data_len = input->bytes.len };
	struct append append = { .messages = &m, .n = 1, .publisher = "42" }, *all = &append;

	if (store_append(bench->store, &all, 1) != 0 || append.refused)
		errx(1, "%s: the table does not take it", input->name);
	bench->last = m.id - 1;
}

static bool
encode(void *block, const struct message *m)
{
	block_add(block, m);
	return true;
}

static void
read_row(struct bench *bench, const struct filter *filter)
{
	struct block *block = block_new();
	struct store_bounds bounds;
	int64_t upto;

	if (store_read(bench->store, bench->last, filter, encode, block, &bounds, &upto) != 0
	    || block->n != 1)
		errx(1, "the row cannot be read");
	block_free(block);
}

static void
run_tail(struct bench *bench, const struct input *input __attribute__((unused)))
{
	read_row(bench, NULL);
}

static void
run_catchup(struct bench *bench, const struct input *input __attribute__((unused)))
{
	char user[] = "42";
	struct filter filter = { .user = user };

	read_row(bench, &filter);
}

static void
run_json(struct bench *bench __attribute__((unused)), const struct input *input)
{
	struct buf out = BUF_EMPTY;

	jsontext_add_string(&out, input->bytes.bytes);
	buf_free(&out);
}

static void
run_token(struct bench *bench, const struct input *input)
{
	struct identity id;

	if (auth_check(bench->auth, input->bytes.bytes, &id) == 0)
		identity_free(&id);
}

static void
run_request(struct bench *bench, const struct input *input)
{
	int status = served_ask(&bench->served, &input->bytes);

	/* Hanging up is as good as an answer. */
	if (status < 0 || (status >= 200 && status < 300))
		errx(1, "%s: this was to be refused", input->name);
}

static const struct job jobs[] = {
	{ "tail: a row", 64 * KIB, inputs_texts, store_row_of, run_tail, false },
	{ "tail: a row", 1024 * KIB, inputs_texts, store_row_of, run_tail, false },
	{ "catch-up: a row", 64 * KIB, inputs_texts, store_row_of, run_catchup, false },
	{ "tail: a row that is not UTF-8", 64 * KIB, inputs_ill_formed, store_row_of, run_tail, false },
	{ "writer: a row", 64 * KIB, inputs_texts, NULL, store_row_of, false },
	{ "intake, worker: a token", 8000, inputs_tokens, NULL, run_token, false },
	{ "intake, worker: head of GET /events", 64000, inputs_heads, NULL, run_request, true },
	{ "intake, worker: 32 topics, a token with topics", 8000, inputs_grants, NULL, run_request, true },
	{ "worker: POST /msg, form", 64000, inputs_forms, NULL, run_request, true },
	{ "worker: POST /msg, JSON", 64000, inputs_objects, NULL, run_request, true },
	{ "worker: POST /msg, text", 64000, inputs_bodies, NULL, run_request, true },
	{ "worker: POST /msg, NDJSON", 900000, inputs_lines, NULL, run_request, true },
	{ "rowcast tail: a text as JSON", 64 * KIB, inputs_texts, NULL, run_json, false },
};

/* ---- measuring ---- */

static int
compare(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return first < second ? -1 : first > second;
}

static double
cpu_us(const struct bench *bench, const struct job *job)
{
	struct timespec t;

	if (job->served)
		return served_cpu_us(&bench->served);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* time_runs returns the microseconds of each of n runs. */
static double
time_runs(struct bench *bench, const struct job *job, const struct input *input, size_t n)
{
	double start = cpu_us(bench, job);

	for (size_t i = 0; i < n; i++)
		job->run(bench, input);
	return (cpu_us(bench, job) - start) / (double)n;
}

static double
measure(struct bench *bench, const struct job *job, const struct input *input)
{
	double samples[REPEAT_MAX], once;
	size_t n;

	if (job->prepare != NULL)
		job->prepare(bench, input);
	for (int i = 0; i < WARM_RUNS; i++)
		time_runs(bench, job, input, 1);
	once = time_runs(bench, job, input, 1);
	n = once < SAMPLE_US ? (size_t)(SAMPLE_US / (once + 1)) + 1 : 1;
	for (size_t i = 0; i < bench->repeat; i++)
		samples[i] = time_runs(bench, job, input, n);
	qsort(samples, bench->repeat, sizeof(samples[0]), compare);
	return samples[bench->repeat / 2];
}

static void
print_job(struct bench *bench, const struct job *job, bool first)
{
	static struct inputs inputs;
	struct buf out = BUF_EMPTY;
	size_t worst = 0;

	job->make(&inputs, job->size);
	for (size_t i = 0; i < inputs.n; i++) {
		buf_add_char(&inputs.list[i].bytes, '\0');  /* not counted; some want a string */
		inputs.list[i].bytes.len--;
		inputs.list[i].us = measure(bench, job, &inputs.list[i]);
		if (inputs.list[i].us > inputs.list[worst].us)
			worst = i;
	}
	buf_printf(&out, "%s\n{\"name\":", first ? "" : ",");
	jsontext_add_string(&out, job->name);
	buf_printf(&out, ",\"bytes\":%zu,\"plain_us\":%.1f,\"worst_us\":%.1f,\"ratio\":%.2f,\"worst\":",
	    job->size, inputs.list[0].us, inputs.list[worst].us, inputs.list[worst].us / inputs.list[0].us);
	jsontext_add_string(&out, inputs.list[worst].name);
	buf_add_str(&out, ",\"inputs\":{");
	for (size_t i = 0; i < inputs.n; i++) {
		if (i > 0)
			buf_add_char(&out, ',');
		jsontext_add_string(&out, inputs.list[i].name);
		buf_printf(&out, ":%.1f", inputs.list[i].us);
	}
	buf_add_str(&out, "}}");
	fwrite(out.bytes, 1, out.len, stdout);
	fflush(stdout);
	buf_free(&out);
	inputs_free(&inputs);
}

static void
open_own(struct bench *bench, const char *folder)
{
	char *key = mem_printf("jwt_key_file=%s/key", folder);
	char *store = mem_printf("sqlite:%s/worst.db", folder);
	struct conf conf;

	if (conf_load(&conf, "/dev/null", &key, 1) < 0 || (bench->auth = auth_open(&conf)) == NULL
	    || (bench->store = store_open(store, STORE_OWNER)) == NULL)
		exit(1);
	conf_free(&conf);
	free(store);
	free(key);
}

int
main(int argc, char *argv[])
{
	struct bench bench = { .repeat = REPEAT };

	if (argc != 3 && argc != 4)
		errx(2, "usage: worst ROWCAST FOLDER [REPEAT]");
	if (argc == 4)
		bench.repeat = strtoul(argv[3], NULL, 10);
	if (bench.repeat < 1 || bench.repeat > REPEAT_MAX)
		errx(2, "REPEAT is 1 to %d", REPEAT_MAX);
	served_start(&bench.served, argv[1], argv[2], inputs_key);
	open_own(&bench, argv[2]);
	printf("{\"repeat\":%zu,\"jobs\":[", bench.repeat);
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		print_job(&bench, &jobs[i], i == 0);
	printf("\n]}\n");
	store_close(bench.store);
	auth_close(bench.auth);
	served_stop(&bench.served);
	return 0;
}
