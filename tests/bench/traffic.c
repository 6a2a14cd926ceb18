#include "tests/bench/run.h"
#include "tests/bench/sse.h"

enum {
	GIVE_UP_US = 20000000,  /* a message not finished by then is lost; far above every latency seen */
	TURN_MS = 20            /* between two looks at the clock */
};

/* random_user is xorshift: any user, evenly enough. */
static uint32_t
random_user(struct run *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 17;
	r->random ^= r->random << 5;
	return r->random % r->options.n_streams;
}

static void
post(struct run *r, mono_us now)
{
	const struct options *o = &r->options;
	uint32_t user = o->to_users ? random_user(r) : 0;
	uint32_t receivers = o->to_users ? 1 : o->n_streams;
	uint32_t first = r->flights.next;

	r->body.len = 0;
	for (uint32_t k = 0; k < o->lines; k++) {
		uint32_t number = flights_add(&r->flights, o->to_users ? (int32_t)user : FLIGHT_TO_ALL, receivers, now);

		message_write(r->message, o->size, number, now);
		template_add(&r->body, o, o->body, user, r->message, o->size);
		if (o->lines > 1)
			buf_add_char(&r->body, '\n');
	}
	r->to_send -= o->lines;
	crew_post(&r->crew, user, &r->body, first, o->lines, now);
}

static bool
may_post(const struct run *r)
{
	const struct options *o = &r->options;

	return r->crew.n_idle > 0 && r->to_send >= o->lines && flights_have_room(&r->flights, o->lines) &&
	    (o->unfinished == 0 || r->flights.unfinished + o->lines <= o->unfinished);
}

void
traffic_pump(struct run *r)
{
	while (may_post(r))
		post(r, clock_mono_us());
}

void
traffic_received(void *arg, struct stream *stream, uint32_t number, mono_us sent, mono_us now)
{
	struct run *r = arg;

	r->received++;
	if (sent >= r->latency_from)
		hist_add(&r->latency, (uint64_t)(now - sent));
	flights_deliver(&r->flights, number, (int32_t)stream->index);
}

void
traffic_answered(void *arg, struct publisher *p, bool ok, mono_us now)
{
	struct run *r = arg;

	if (ok) {
		r->acked += p->n;
		if (p->started >= r->latency_from)
			hist_add(&r->ack, (uint64_t)(now - p->started));
	}
	for (uint32_t k = 0; k < p->n; k++)
		flights_ack(&r->flights, p->first + k, ok);
	traffic_pump(r);
}

/* pump_until pumps and turns the loop up to a moment. */
static void
pump_until(struct run *r, mono_us end)
{
	mono_us now;

	while ((now = clock_mono_us()) < end) {
		int left_ms = (int)((end - now) / 1000) + 1;

		flights_give_up(&r->flights, now - GIVE_UP_US);
		traffic_pump(r);
		loop_turn(left_ms < TURN_MS ? left_ms : TURN_MS);
	}
}

void
traffic_drain(struct run *r)
{
	while (r->flights.unfinished > 0) {
		flights_give_up(&r->flights, clock_mono_us() - GIVE_UP_US);
		loop_turn(TURN_MS);
	}
}

/* run_counted publishes as many as were asked for, from the first on. */
static void
run_counted(struct run *r)
{
	run_mark(r, &r->from, 0);
	r->latency_from = r->from.at;
	r->to_send = r->options.count;
	do {
		flights_give_up(&r->flights, clock_mono_us() - GIVE_UP_US);
		traffic_pump(r);
		loop_turn(TURN_MS);
	} while (r->to_send >= r->options.lines || r->flights.unfinished > 0);
	run_mark(r, &r->to, 0);
}

void
traffic_run(struct run *r)
{
	mono_us start = clock_mono_us();

	if (r->options.count > 0) {
		run_counted(r);
		return;
	}
	r->to_send = UINT64_MAX;
	r->latency_from = start + (mono_us)(r->options.warmup * 1e6);
	pump_until(r, r->latency_from);
	run_mark(r, &r->from, 0);
	pump_until(r, r->from.at + (mono_us)(r->options.seconds * 1e6));
	run_mark(r, &r->to, 0);
	r->to_send = 0;
	traffic_drain(r);
}
