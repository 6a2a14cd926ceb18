/* Decides when the next round, or part of one, may begin. Runs in the hub's thread; of the
 * streams it only asks their sockets how much is unread. */

#include "app/hub/pace.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
	LOOK_US = 500,
	STILL_US = 3 * LOOK_US,  /* without progress, at least; and */
	STILL_PART = 4,          /* that part of the time since what was written last */
	LATE_FACTOR = 4, LATE_PART_FACTOR = 2,
	PART_US = 5000,
};

/* How much of what is measured goes into the estimate, and how much of the estimate it is
 * waited longer where more messages wait. Picked by measuring load: with a quarter for the
 * latter rounds carried fewer messages, and a delivery cost a tenth more CPU. */
static const double learned_part = 0.25, rest_part = 0.6;

static bool
is_unread(int fd)
{
	int unread;

	return ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

void
pace_sample_offer(struct pace_sample *sample, int fd)
{
	if (sample->stride == 0)
		sample->stride = 1;
	if (sample->n_seen++ % sample->stride != 0)
		return;
	if (sample->n == PACE_SAMPLES) {
		sample->n /= 2;
		sample->stride *= 2;
		for (size_t i = 0; i < sample->n; i++)
			sample->fds[i] = sample->fds[2 * i];
		if ((sample->n_seen - 1) % sample->stride != 0)
			return;
	}
	if (!is_unread(fd))
		sample->fds[sample->n++] = fd;
}

static void
look(struct pace *pace, mono_us now)
{
	size_t n_unread = 0;

	pace->n_looks++;
	for (size_t i = 0; i < pace->sample.n; i++)
		n_unread += is_unread(pace->sample.fds[i]);
	if (n_unread < pace->n_unread) {
		pace->n_unread = n_unread;
		pace->progressed = now;
	}
}

/* has_taken_half: has the web server taken half of what was written last? Where all streams
 * were behind when that began, nothing tells it. */
static bool
has_taken_half(const struct pace *pace)
{
	return pace->sample.n > 0 && 2 * pace->n_unread <= pace->sample.n;
}

/* has_taken: and all of it, as far as it will? */
static bool
has_taken(const struct pace *pace, mono_us now)
{
	mono_us still = (now - pace->part_began) / STILL_PART;

	return has_taken_half(pace) && (pace->n_unread == 0
	    || now - pace->progressed >= (still > STILL_US ? still : STILL_US));
}

/* learn: the web server has needed that long for the last round, or, where that was only
 * seen late, at most so long. */
static void
learn(struct pace *pace, mono_us needed, bool at_most)
{
	double us = (double)needed / (double)pace->n_written;

	if (pace->us_per_write == 0 || (at_most && us < pace->us_per_write))
		pace->us_per_write = us;
	else if (!at_most)
		pace->us_per_write += learned_part * (us - pace->us_per_write);
}

/* mostly returns so many times what the web server mostly needs for n writes. */
static mono_us
mostly(const struct pace *pace, size_t n, double times)
{
	double us = pace->us_per_write * (double)n * times;

	return us > 0 && us < PACE_LONGEST_WAIT_US ? (mono_us)us : PACE_LONGEST_WAIT_US;
}

/* look_again has it looked again later. false: it need not be, so much is it late. */
static bool
look_again(struct pace *pace, double times, mono_us now)
{
	pace->next_part = now + LOOK_US;
	return now - pace->part_began < mostly(pace, pace->part_n_written, times);
}

bool
pace_allows(struct pace *pace, size_t n_waiting, mono_us now)
{
	if (now < pace->next_part)
		return false;
	/* So few writes need no waiting, and nothing can be measured by them. */
	if (pace->is_taken || pace->n_written < PACE_SAMPLES)
		return true;
	look(pace, now);
	if (pace->in_round)
		return has_taken_half(pace) || !look_again(pace, LATE_PART_FACTOR, now);
	pace->is_taken = has_taken(pace, now);
	if (!pace->is_taken) {
		if (look_again(pace, LATE_FACTOR, now))
			return false;
		if (pace->sample.n > 0)
			learn(pace, now - pace->began, false);
		return true;
	}
	learn(pace, pace->progressed - pace->began, pace->n_looks == 1);
	if (n_waiting >= PACE_MANY)
		pace->next_part = pace->began + mostly(pace, pace->n_written, 1 + rest_part);
	return now >= pace->next_part;
}

size_t
pace_part(const struct pace *pace, size_t n)
{
	double most = pace->us_per_write > 0 ? PART_US / pace->us_per_write : PACE_FIRST_PART;
	size_t n_most = most > PACE_LEAST_PART ? (size_t)most : PACE_LEAST_PART;
	size_t n_parts = (n + n_most - 1) / n_most;

	return n_parts > 1 ? (n + n_parts - 1) / n_parts : n_most;
}

void
pace_record(struct pace *pace, const struct pace_sample *sample, size_t n_written, bool is_over,
    mono_us now)
{
	size_t n_before = pace->in_round ? pace->n_written : 0;

	*pace = (struct pace){
		.next_part = n_before + n_written < PACE_SAMPLES ? now : now + LOOK_US,
		.in_round = !is_over,
		.began = pace->in_round ? pace->began : now,
		.n_written = n_before + n_written,
		.part_began = now,
		.part_n_written = n_written,
		.sample = *sample,
		.n_unread = sample->n,
		.progressed = now,
		.us_per_write = pace->us_per_write,
	};
}
