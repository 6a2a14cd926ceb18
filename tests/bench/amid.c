/* Messages for single users amid broadcasts.
 *
 * The users are a process of their own, forked before the first stream, which holds their
 * streams and publishes to them: in one loop with the many, a message would wait until
 * the client has read its broadcasts, and that is not the server's doing. */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/run.h"

enum {
	SINGLE_FIRST = 1 << 30,  /* above all numbers of the broadcasts, which these users get too */
	TURN_MS = 20
};

/* What the child has to tell. */
struct told {
	struct hist latency;
	uint64_t expected, received, misdelivered, refused, ended;
	uint64_t duplicates, out_of_order;
};

static void
tell(FILE *to, const void *bytes, size_t n)
{
	if (fwrite(bytes, n, 1, to) != 1 || fflush(to) != 0)
		err(1, "write");
}

static void
hear(FILE *from, void *bytes, size_t n)
{
	if (fread(bytes, n, 1, from) != 1)
		errx(1, "the other half of the client is gone");
}

/* pause_us is how long until the next message: as long each time, or half to one and a
 * half of it, so that no clock of the server's, or the broadcasts, can fall into step. */
static mono_us
pause_us(double rate, bool varies)
{
	double share = varies ? 0.5 + (double)rand() / RAND_MAX : 1;

	return (mono_us)(share * 1e6 / rate);
}

/* publish_until publishes `rate` messages a second, whatever has become of the ones before. */
static void
publish_until(struct run *r, double rate, bool varies, mono_us end)
{
	mono_us due = clock_mono_us() + pause_us(rate, varies), now;

	while ((now = clock_mono_us()) < end) {
		mono_us left = (due < end ? due : end) - now;

		if (now >= due) {
			r->to_send++;
			traffic_pump(r);
			due += pause_us(rate, varies);
			continue;
		}
		loop_turn(left / 1000 < TURN_MS ? (int)(left / 1000) + 1 : TURN_MS);
	}
	r->to_send = 0;
}

static FILE *
stream_of(int fd, const char *how)
{
	FILE *stream = fdopen(fd, how);

	if (stream == NULL)
		err(1, "fdopen");
	return stream;
}

static void
be_the_users(struct run *r, FILE *from_parent, FILE *to_parent)
{
	static struct told told;
	struct options *o = &r->options;
	char go;

	o->user_base = o->n_streams;
	o->n_streams = o->users;
	o->first = SINGLE_FIRST;
	o->to_users = true;
	o->body = o->single_body;
	loop_end();
	run_begin(r);
	swarm_open_all(&r->swarm, RUN_OPEN_LIMIT_S);
	tell(to_parent, "", 1);
	hear(from_parent, &go, 1);
	r->latency_from = clock_mono_us();
	publish_until(r, o->single_rate, true, r->latency_from + (mono_us)(o->seconds * 1e6));
	traffic_drain(r);
	told = (struct told){ .latency = r->latency, .expected = r->flights.expected, .received = r->received,
		.misdelivered = r->flights.misdelivered, .refused = r->crew.refused, .ended = r->swarm.ended,
		.duplicates = r->swarm.duplicates, .out_of_order = r->swarm.out_of_order };
	tell(to_parent, &told, sizeof told);
}

/* users_start returns with the users' streams open. */
static pid_t
users_start(struct run *r, FILE **to_child, FILE **from_child)
{
	int down[2], up[2];
	pid_t pid;
	char ready;

	if (pipe(down) == -1 || pipe(up) == -1 || (pid = fork()) == -1)
		err(1, "fork");
	if (pid == 0) {
		close(down[1]);
		close(up[0]);
		alarm((unsigned)r->options.limit + 1); /* a child has none of its parent's */
		be_the_users(r, stream_of(down[0], "r"), stream_of(up[1], "w"));
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	*to_child = stream_of(down[1], "w");
	*from_child = stream_of(up[0], "r");
	hear(*from_child, &ready, 1);
	return pid;
}

void
amid_run(struct run *r)
{
	static struct told told;
	const struct options *o = &r->options;
	FILE *to_child, *from_child;
	pid_t pid = users_start(r, &to_child, &from_child);

	run_open_streams(r);
	publish_until(r, o->rate, false, clock_mono_us() + (mono_us)(o->warmup * 1e6));
	r->latency_from = clock_mono_us();
	tell(to_child, "", 1);
	run_mark(r, &r->from, 0);
	publish_until(r, o->rate, false, r->from.at + (mono_us)(o->seconds * 1e6));
	run_mark(r, &r->to, 0);
	traffic_drain(r);
	hear(from_child, &told, sizeof told);
	waitpid(pid, NULL, 0);

	/* The single ones are counted with the others, but for their times. */
	r->single = told.latency;
	r->flights.expected += told.expected;
	r->received += told.received;
	r->flights.misdelivered += told.misdelivered;
	r->crew.refused += told.refused;
	r->swarm.ended += told.ended;
	r->swarm.duplicates += told.duplicates;
	r->swarm.out_of_order += told.out_of_order;
}
