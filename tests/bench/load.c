/* load - the load client of the benchmark: it holds N event streams open,
 * publishes messages that carry the time they were sent, and prints what came
 * of it as one JSON object.
 *
 * One thread around one epoll descriptor, and one more where answers are written (scribe.h). Nothing is kept of a message beyond
 * the read it came in: each stream is a small state machine over the bytes
 * (http.c, sse.c) that notes numbers in a window of bits. The client measures
 * what it costs itself (client_busy), as it shares the machine with the server
 * and must not be what limits it.
 *
 * Everything is bounded: the program ends after --limit seconds whatever
 * happens, and speaks to 127.x.x.x only. */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/bench/foreign.h"
#include "tests/bench/loop.h"
#include "tests/bench/run.h"
#include "tests/bench/xadd.h"

enum { SETTLE_US = 500000 };            /* after opening: late subscriptions, freed memory */

void
run_mark(struct run *r, struct mark *m, int with_memory)
{
	struct rusage own;

	usage_read(&m->usage, r->options.processes, r->options.n_processes, with_memory);
	getrusage(RUSAGE_SELF, &own);
	m->client_cpu_us = (int64_t)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000 +
	    own.ru_utime.tv_usec + own.ru_stime.tv_usec;
	usage_read_machine(&m->machine);
	m->received = r->received;
	m->acked = r->acked;
	m->at = clock_mono_us();
}

void
run_turn_until(mono_us end)
{
	mono_us now;

	while ((now = clock_mono_us()) < end)
		loop_turn((int)((end - now) / 1000) + 1);
}

void
run_open_streams(struct run *r)
{
	run_mark(r, &r->empty, 1);
	r->opening_us = swarm_open_all(&r->swarm, RUN_OPEN_LIMIT_S);
	run_turn_until(clock_mono_us() + SETTLE_US);
	run_mark(r, &r->opened, 1);
}

/* hold: what N open streams cost while nothing is said. */
static void
hold(struct run *r)
{
	run_open_streams(r);
	run_mark(r, &r->from, 0);
	run_turn_until(r->from.at + (mono_us)(r->options.seconds * 1e6));
	run_mark(r, &r->to, 0);
}

static void
traffic(struct run *r)
{
	run_open_streams(r);
	traffic_run(r);
}

static void
answers(struct run *r)
{
	run_open_streams(r);
	answers_run(r);
}

/* by_hand: each row is sent off when the one before has arrived everywhere,
 * after a pause of varying length, so that no clock of the server's can fall
 * into step with it. The time is taken before the INSERT or XADD: commit included.
 * Of table and log one is NULL. */
static void
by_hand(struct run *r, struct foreign *table, struct xadd *log)
{
	run_open_streams(r);
	run_mark(r, &r->from, 0);
	for (uint32_t k = 0; k < r->options.count; k++) {
		mono_us now;
		uint32_t number;

		run_turn_until(clock_mono_us() + 5000 + (mono_us)k * 7919 % 20000);
		now = clock_mono_us();
		number = flights_add(&r->flights, FLIGHT_TO_ALL, r->options.n_streams, now);
		message_write(r->message, r->options.size, number, now);
		if (table != NULL)
			foreign_insert(table, r->message, r->options.size);
		else
			xadd_insert(log, r->message, r->options.size);
		hist_add(&r->ack, (uint64_t)(clock_mono_us() - now));
		r->acked++;
		flights_ack(&r->flights, number, true);
		traffic_drain(r);
	}
	run_mark(r, &r->to, 0);
}

static void
foreign(struct run *r)
{
	struct foreign *table = foreign_open(r->options.db);

	by_hand(r, table, NULL);
	foreign_close(table);
}

static void
xadd(struct run *r)
{
	struct xadd *log = xadd_open(&r->options.log);

	by_hand(r, NULL, log);
	xadd_close(log);
}

/* reopen opens all streams again, each from where it stopped, until every one
 * has got `rows` messages, or nothing came for a while; adds the time from the
 * first connect to the last message to task_us. */
static void
reopen(struct run *r, uint64_t rows)
{
	uint64_t wanted = r->received + rows * r->options.n_streams;
	uint64_t before = r->received;
	mono_us start = clock_mono_us(), moved = start;

	r->swarm.resumes = true;
	swarm_open_begin(&r->swarm);
	while (r->received < wanted) {
		if (!swarm_open_more(&r->swarm))
			r->opening_us = clock_mono_us() - start;
		loop_turn(20);
		if (r->received != before) {
			before = r->received;
			moved = clock_mono_us();
		} else if (clock_mono_us() - moved > 10 * 1000000) {
			break; /* what is missing shows in the completeness */
		}
	}
	r->task_us += moved - start;
}

static void
storm(struct run *r)
{
	uint64_t before;

	run_open_streams(r);
	r->to_send = r->options.lines; /* every stream has an id to come back with */
	traffic_pump(r);
	traffic_drain(r);
	swarm_cut(&r->swarm);
	before = r->acked;
	r->to_send = r->options.rows;
	traffic_pump(r);
	while (r->acked - before + r->options.lines <= r->options.rows && r->crew.refused == 0)
		loop_turn(20);
	r->received = 0;
	r->flights.expected = (r->acked - before) * r->options.n_streams;
	r->latency_from = clock_mono_us() + (mono_us)3600 * 1000000; /* these have no latency worth the name */
	if (r->options.back.n_addresses > 0) {
		memcpy(r->options.get.addresses, r->options.back.addresses, sizeof r->options.get.addresses);
		r->options.get.n_addresses = r->options.back.n_addresses;
	}
	run_mark(r, &r->from, 0);
	reopen(r, r->acked - before);
	run_mark(r, &r->to, 0);
}

/* replay: the same rows several times over, as a small table is soon read. */
static void
replay(struct run *r)
{
	run_mark(r, &r->empty, 1);
	r->opened = r->from = r->empty;
	r->latency_from = clock_mono_us();
	for (uint32_t k = 0; k < r->options.count; k++) {
		swarm_cut(&r->swarm);
		swarm_rewind(&r->swarm, r->options.after);
		r->flights.expected += (uint64_t)r->options.rows * r->options.n_streams;
		reopen(r, r->options.rows);
	}
	run_mark(r, &r->to, 0);
}

static void
fill(struct run *r)
{
	const struct options *o = &r->options;
	struct foreign *table = foreign_open(o->db);
	mono_us start = clock_mono_us();
	int64_t last_id = foreign_fill(table, o->rows, o->users, o->count, o->spread, o->size);

	foreign_close(table);
	printf("{\"mode\": \"fill\", \"rows\": %u, \"last_id\": %lld, \"seconds\": %.3f}\n", o->rows,
	    (long long)last_id, (double)(clock_mono_us() - start) / 1e6);
}

static void
too_long(int signal_number)
{
	static const char text[] = "load: not done within --limit seconds\n";

	(void)signal_number;
	if (write(STDERR_FILENO, text, sizeof text - 1) == -1)
		_exit(4);
	_exit(3);
}

static void
set_limits(const struct options *o)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur < (rlim_t)o->n_streams + o->n_publishers + o->answers + 16)
		errx(1, "%u streams need more descriptors than the %lu that `ulimit -n` allows", o->n_streams,
		    (unsigned long)files.rlim_cur);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, too_long);
	alarm((unsigned)o->limit + 1);
}

/* room is how many numbers may be on their way at a time. */
static uint32_t
room(const struct options *o)
{
	uint32_t n = 4 * o->n_publishers * o->lines;

	if (n < 4 * o->unfinished)
		n = 4 * o->unfinished;
	if (strcmp(o->mode, "storm") == 0)
		n += o->rows + o->lines;
	return n < 4096 ? 4096 : n;
}

void
run_begin(struct run *r)
{
	r->random = 2463534242u;
	r->message = mem_alloc(r->options.size);
	loop_open();
	flights_init(&r->flights, room(&r->options));
	r->flights.next = r->flights.oldest = r->options.first;
	swarm_init(&r->swarm, &r->options, r->flights.capacity, traffic_received, r);
	crew_init(&r->crew, &r->options, traffic_answered, r);
}

int
main(int argc, char **argv)
{
	static const struct { const char *name; void (*run)(struct run *r); } modes[] = {
		{ "lone", traffic }, { "load", traffic }, { "users", traffic }, { "bulk", traffic },
		{ "post", traffic }, { "answers", answers }, { "amid", amid_run },
		{ "hold", hold }, { "foreign", foreign }, { "xadd", xadd }, { "storm", storm },
		{ "replay", replay },
	};
	static struct run r;

	options_read(&r.options, argc, argv);
	set_limits(&r.options);
	if (strcmp(r.options.mode, "fill") == 0) {
		fill(&r);
		return 0;
	}
	run_begin(&r);
	for (size_t k = 0; k < sizeof modes / sizeof modes[0]; k++)
		if (strcmp(modes[k].name, r.options.mode) == 0)
			modes[k].run(&r);
	report_print(&r);
	return 0;
}
