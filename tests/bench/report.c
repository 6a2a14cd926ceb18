#include <stdio.h>
#include <string.h>

#include "tests/bench/run.h"

/* Every figure is divided by something that may be 0 in some mode. */
static double
ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

typedef double figure(const struct run *r, int process);

static double
cpu_us(const struct run *r, int k)
{
	return (double)(r->to.usage.cpu_us[k] - r->from.usage.cpu_us[k]);
}

static double
cpu_us_per_delivery(const struct run *r, int k)
{
	return ratio(cpu_us(r, k), (double)(r->to.received - r->from.received));
}

static double
cpu_us_per_message(const struct run *r, int k)
{
	return ratio(cpu_us(r, k), (double)(r->to.acked - r->from.acked));
}

static double
cpu_percent(const struct run *r, int k)
{
	return 100 * ratio(cpu_us(r, k), (double)(r->to.at - r->from.at));
}

static double
cpu_ms(const struct run *r, int k)
{
	return cpu_us(r, k) / 1000;
}

static double
memory_empty(const struct run *r, int k)
{
	return (double)r->empty.usage.pss_bytes[k];
}

static double
memory_open(const struct run *r, int k)
{
	return (double)r->opened.usage.pss_bytes[k];
}

static double
memory_per_stream(const struct run *r, int k)
{
	return ratio(memory_open(r, k) - memory_empty(r, k), r->options.n_streams);
}

/* others_percent is what processes that are neither server nor client took. */
static double
others_percent(const struct run *r, double client_us)
{
	double us = (double)(r->to.machine.busy_us - r->from.machine.busy_us) - client_us;

	for (int k = 0; k < r->options.n_processes; k++)
		us -= cpu_us(r, k);
	return us > 0 ? 100 * ratio(us, (double)(r->to.at - r->from.at)) : 0;
}

/* print_figure prints {"name": sum of its processes, ..., "total": of all}. */
static void
print_figure(const struct run *r, const char *title, figure *of)
{
	const struct options *o = &r->options;
	double total = 0;

	printf(", \"%s\": {", title);
	for (int k = 0; k < o->n_processes; k++) {
		const char *name = o->processes[k].name;
		double sum = 0;
		int first = 0;

		while (strcmp(o->processes[first].name, name) != 0)
			first++;
		if (first != k)
			continue;
		for (int j = k; j < o->n_processes; j++)
			if (strcmp(o->processes[j].name, name) == 0)
				sum += of(r, j);
		total += sum;
		printf("\"%s\": %.3f, ", name, sum);
	}
	printf("\"total\": %.3f}", total);
}

static void
print_times(const char *title, const struct hist *h)
{
	printf(", \"%s\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"n\": %llu}", title,
	    (double)hist_at(h, 0.5) / 1000, (double)hist_at(h, 0.9) / 1000, (double)hist_at(h, 0.99) / 1000,
	    (double)h->max / 1000, (unsigned long long)h->n);
}

static void
print_count(const char *title, uint64_t n)
{
	printf(", \"%s\": %llu", title, (unsigned long long)n);
}

static void
print_rate(const char *title, double n, mono_us us)
{
	printf(", \"%s\": %.1f", title, ratio(n, (double)us / 1e6));
}

void
report_print(const struct run *r)
{
	const struct options *o = &r->options;
	double received = (double)(r->to.received - r->from.received);
	double client_us = (double)(r->to.client_cpu_us - r->from.client_cpu_us);
	mono_us measured = r->to.at - r->from.at;

	printf("{\"mode\": \"%s\"", o->mode);
	print_count("streams", o->n_streams);
	print_count("publishers", o->n_publishers);
	print_count("unfinished", o->unfinished);
	print_count("lines", o->lines);
	print_count("size", o->size);
	print_count("first", o->first);
	print_count("answers", o->answers);
	printf(", \"open_seconds\": %.4f", (double)r->opening_us / 1e6);
	print_rate("open_per_s", o->n_streams, r->opening_us);
	printf(", \"task_seconds\": %.4f", (double)r->task_us / 1e6);
	print_rate("task_rows_per_s", (double)r->received, r->task_us);

	print_count("expected", r->flights.expected);
	print_count("delivered", r->received);
	print_count("missing", r->flights.expected > r->received ? r->flights.expected - r->received : 0);
	printf(", \"completeness\": %.6f",
	    r->flights.expected > 0 ? (double)r->received / (double)r->flights.expected : 1);
	print_count("duplicates", r->swarm.duplicates);
	print_count("out_of_order", r->swarm.out_of_order);
	print_count("misdelivered", r->flights.misdelivered);
	print_count("streams_ended", r->swarm.ended);
	print_count("opens_retried", r->swarm.retried);
	print_count("told", r->swarm.told);
	print_count("messages", r->flights.next - o->first);
	print_count("refused", r->crew.refused);
	print_count("bad_status", (uint64_t)r->crew.last_bad_status);
	print_count("reconnected", r->crew.reconnected);
	print_count("transactions", r->transactions);
	print_count("wrong_ids", r->wrong_ids);

	printf(", \"seconds\": %.3f", (double)measured / 1e6);
	print_rate("deliveries_per_s", received, measured);
	print_rate("messages_per_s", (double)(r->to.acked - r->from.acked), measured);
	print_rate("stream_bytes_per_s", (double)r->swarm.bytes, r->to.at - r->opened.at);
	print_times("latency_ms", &r->latency);
	print_times("single_ms", &r->single);
	print_times("ack_ms", &r->ack);
	print_times("late_ms", &r->late);
	print_figure(r, "cpu_us_per_delivery", cpu_us_per_delivery);
	print_figure(r, "cpu_us_per_message", cpu_us_per_message);
	print_figure(r, "cpu_percent", cpu_percent);
	print_figure(r, "cpu_ms", cpu_ms);
	print_figure(r, "memory_empty", memory_empty);
	print_figure(r, "memory_open", memory_open);
	print_figure(r, "memory_per_stream", memory_per_stream);
	printf(", \"others_percent\": %.1f", others_percent(r, client_us));
	printf(", \"idle_percent\": %.1f",
	    100 * ratio((double)(r->to.machine.idle_us - r->from.machine.idle_us), (double)measured));
	printf(", \"client_busy\": %.3f", ratio(client_us, (double)measured));
	printf(", \"client_us_per_message\": %.3f", ratio(client_us, (double)(r->to.acked - r->from.acked)));
	printf(", \"client_us_per_delivery\": %.3f}\n", ratio(client_us, received));
}
