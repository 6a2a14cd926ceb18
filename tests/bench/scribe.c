#include "tests/bench/scribe.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "lib/thread.h"
#include "tests/bench/loop.h"
#include "tests/bench/sse.h"

enum { GIVE_UP_US = 30000000 }; /* after the last token: what is not acknowledged by then is lost */

/* due_at is when a token is due, in microseconds from the beginning. */
static mono_us
due_at(const struct options *o, uint32_t number)
{
	return (mono_us)((double)number * 1e6 / ((double)o->answers * o->rate));
}

/* write_due writes all tokens that are due by now and were made before the end. */
static void
write_due(struct scribe *s, const struct way *way, void *of, char *text, mono_us end)
{
	const struct options *o = s->options;
	mono_us now = clock_mono_us();
	mono_us from = s->begun;

	while (way->has_room(of, s->made % o->answers)) {
		if (o->rate > 0) {
			mono_us due = from + due_at(o, s->made);

			if (due > now || due >= end)
				break;
			hist_add(&s->late, (uint64_t)(now - due));
		}
		message_write(text, o->size, s->made, now);
		way->add(of, s->made % o->answers, text, o->size);
		s->made++;
	}
	way->flush(of);
}

static void *
scribe_run(void *arg)
{
	struct scribe *s = arg;
	const struct options *o = s->options;
	const struct way *way = o->way;
	char *text = mem_alloc(o->size);
	mono_us end;
	void *of;

	loop_open();
	of = way->open(o, &s->written);
	s->begun = clock_mono_us();
	end = s->begun + (mono_us)((o->warmup + o->seconds) * 1e6);
	while (clock_mono_us() < end) {
		write_due(s, way, of, text, end);
		way->wait(of);
	}
	if (o->rate > 0)
		write_due(s, way, of, text, end); /* those of the last moment: how many there are depends on nothing */
	way->end(of);
	way->flush(of);
	while (!way->is_acknowledged(of) && clock_mono_us() < end + GIVE_UP_US)
		way->wait(of);
	way->close(of);
	loop_end();
	free(text);
	s->is_done = true;
	return NULL;
}

void
scribe_start(struct scribe *s, const struct options *o)
{
	s->options = o;
	thread_start(&s->thread, "scribe", scribe_run, s);
}

void
scribe_stop(struct scribe *s)
{
	pthread_join(s->thread, NULL);
}
