#include "tests/bench/flights.h"

#include <stdlib.h>

#include "lib/mem.h"

static struct flight *
flight_at(struct flights *f, uint32_t number)
{
	return &f->ring[number & (f->capacity - 1)];
}

static bool
is_finished(const struct flight *flight)
{
	return flight->pending == 0 && flight->acked;
}

void
flights_init(struct flights *f, uint32_t capacity)
{
	*f = (struct flights){ .capacity = 1024, .next = 1, .oldest = 1 };
	while (f->capacity < capacity)
		f->capacity *= 2;
	f->ring = mem_zalloc(f->capacity * sizeof *f->ring);
}

void
flights_free(struct flights *f)
{
	free(f->ring);
	f->ring = NULL;
}

bool
flights_have_room(const struct flights *f, uint32_t n)
{
	return f->next - f->oldest + n <= f->capacity;
}

uint32_t
flights_add(struct flights *f, int32_t target, uint32_t receivers, mono_us now)
{
	uint32_t number = f->next++;

	*flight_at(f, number) = (struct flight){
		.number = number, .pending = receivers, .target = target, .sent = now
	};
	f->expected += receivers;
	f->unfinished++;
	return number;
}

/* finished is called when a flight has become finished. */
static void
finished(struct flights *f)
{
	f->unfinished--;
	while (f->oldest != f->next && is_finished(flight_at(f, f->oldest)))
		f->oldest++;
}

void
flights_ack(struct flights *f, uint32_t number, bool ok)
{
	struct flight *flight = flight_at(f, number);

	if (flight->number != number || flight->acked)
		return;
	flight->acked = true;
	if (!ok) {
		f->expected -= flight->pending;
		flight->pending = 0;
	}
	if (is_finished(flight))
		finished(f);
}

void
flights_deliver(struct flights *f, uint32_t number, int32_t stream)
{
	struct flight *flight = flight_at(f, number);

	if (flight->number != number)
		return;
	if (flight->target != FLIGHT_TO_ALL && flight->target != stream) {
		f->misdelivered++;
		return;
	}
	if (flight->pending == 0)
		return;
	flight->pending--;
	if (is_finished(flight))
		finished(f);
}

void
flights_give_up(struct flights *f, mono_us before)
{
	while (f->oldest != f->next) {
		struct flight *flight = flight_at(f, f->oldest);

		if (flight->sent >= before)
			return;
		flight->acked = true;
		flight->pending = 0;
		finished(f);
	}
}
