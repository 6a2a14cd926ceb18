#include "tests/unit/check.h"

#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/pace.h"
#include "lib/mem.h"

/* A web server by hand: sockets to it, and a clock. */
enum { N_STREAMS = 64, MS = 1000, NO_FD = 1 << 20 };

struct site {
	int ours[N_STREAMS], web_server[N_STREAMS];
	mono_us now;
	struct pace pace;
};

static int
set_up(void **state)
{
	struct site *site = mem_zalloc(sizeof(*site));

	for (int i = 0; i < N_STREAMS; i++) {
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		site->ours[i] = fds[0];
		site->web_server[i] = fds[1];
	}
	site->now = 5000 * MS;
	*state = site;
	return 0;
}

static int
tear_down(void **state)
{
	struct site *site = *state;

	for (int i = 0; i < N_STREAMS; i++) {
		close(site->ours[i]);
		close(site->web_server[i]);
	}
	free(site);
	return 0;
}

/* run_round writes to n streams, which share the sockets evenly where they are more. */
static void
run_round(struct site *site, size_t n)
{
	size_t n_sockets = n < N_STREAMS ? n : N_STREAMS;
	struct pace_sample sample = { 0 };

	for (size_t i = 0; i < n; i++)
		pace_sample_offer(&sample, site->ours[i * n_sockets / n]);
	for (size_t i = 0; i < n_sockets; i++)
		assert_int_equal(write(site->ours[i], "x", 1), 1);
	pace_record(&site->pace, &sample, n, true, site->now);
}

/* read_some reads all that the streams from first to before `end` were sent. */
static void
read_some(struct site *site, size_t first, size_t end)
{
	char bytes[64];

	for (size_t i = first; i < end; i++)
		while (recv(site->web_server[i], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
}

/* asks_again lets the clock run to when the pace wants to be asked again, and returns how
 * long that was. */
static mono_us
ask_again(struct site *site)
{
	mono_us before = site->now;

	if (site->pace.next_part > site->now)
		site->now = site->pace.next_part;
	return site->now - before;
}

/* wait_for_round asks as the hub does until a round may begin, and returns how long after
 * the last one that is. */
static mono_us
wait_for_round(struct site *site, size_t n_waiting)
{
	while (!pace_allows(&site->pace, n_waiting, site->now))
		assert_true(ask_again(site) > 0);
	return site->now - site->pace.began;
}

/* pass_on runs rounds to n_streams, which the web server takes within that time, one stream
 * after the other, and returns how long after the last round the next begins. */
static mono_us
pass_on(struct site *site, size_t n_streams, mono_us needed, size_t n_waiting, int n_rounds)
{
	mono_us waited = 0;

	for (int i = 0; i < n_rounds; i++) {
		size_t n_read = 0;

		run_round(site, n_streams);
		while (!pace_allows(&site->pace, n_waiting, site->now)) {
			size_t n;

			assert_true(ask_again(site) > 0);
			n = (size_t)((site->now - site->pace.began) * N_STREAMS / needed);
			if (n > N_STREAMS)
				n = N_STREAMS;
			read_some(site, n_read, n);
			n_read = n;
		}
		waited = site->now - site->pace.began;
		read_some(site, 0, N_STREAMS);
	}
	return waited;
}

/* ---- the sample ---- */

static void
a_sample_is_of_all_that_were_written(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 10000; n = n * 3 / 2 + 1) {
		struct pace_sample sample = { 0 };

		for (size_t i = 0; i < n; i++)
			pace_sample_offer(&sample, NO_FD + (int)i);
		assert_true(sample.n <= PACE_SAMPLES);
		assert_true(sample.n >= (n < PACE_SAMPLES ? n : PACE_SAMPLES / 2));
		for (size_t i = 0; i < sample.n; i++)
			assert_int_equal(sample.fds[i] - NO_FD, i * sample.stride);
		assert_true(sample.n * sample.stride + sample.stride > n - 1);
	}
}

/* ---- idle, lone ---- */

static void
the_first_message_leaves_at_once(void **state)
{
	struct site *site = *state;

	assert_true(pace_allows(&site->pace, PACE_MANY - 1, site->now));
}

static void
a_message_long_after_the_last_one_leaves_at_once(void **state)
{
	struct site *site = *state;

	run_round(site, N_STREAMS);
	read_some(site, 0, N_STREAMS);
	site->now += 1000 * MS;
	assert_true(pace_allows(&site->pace, PACE_MANY - 1, site->now));
}

static void
a_lone_message_waits_until_the_last_one_was_taken_and_no_longer(void **state)
{
	struct site *site = *state;

	for (int i = 0; i < 3; i++) {
		mono_us waited = pass_on(site, N_STREAMS, 4 * MS, PACE_MANY - 1, 1);

		assert_true(waited >= 4 * MS && waited < 5 * MS);
	}
}

static void
a_round_to_few_streams_is_never_put_off(void **state)
{
	struct site *site = *state;

	run_round(site, PACE_SAMPLES - 1);
	assert_true(pace_allows(&site->pace, PACE_MANY, site->now));
}

/* ---- load ---- */

static void
where_more_wait_the_next_round_leaves_the_web_server_more(void **state)
{
	struct site *site = *state;
	mono_us waited = pass_on(site, N_STREAMS, 20 * MS, PACE_MANY, 4);

	assert_true(waited >= 30 * MS && waited <= 34 * MS);
}

static void
when_the_load_has_ended_nothing_is_waited_for(void **state)
{
	struct site *site = *state;

	pass_on(site, N_STREAMS, 20 * MS, PACE_MANY, 4);
	run_round(site, N_STREAMS);
	read_some(site, 0, N_STREAMS);
	site->now += 30 * MS;
	assert_true(pace_allows(&site->pace, PACE_MANY - 1, site->now));
}

static void
what_the_web_server_needs_is_learnt_within_a_few_rounds_from_either_side(void **state)
{
	struct site *site = *state;
	mono_us waited;

	pass_on(site, N_STREAMS, 2 * MS, PACE_MANY, 6);
	waited = pass_on(site, N_STREAMS, 12 * MS, PACE_MANY, 8);
	assert_true(waited >= 16 * MS && waited <= 20 * MS);
	waited = pass_on(site, N_STREAMS, 2 * MS, PACE_MANY, 12);
	assert_true(waited <= 5 * MS);
}

/* At 10 microseconds a stream, of which the clock sees half milliseconds. */
static void
it_is_so_from_10_to_10000_streams(void **state)
{
	struct site *site = *state;

	for (size_t n = 10; n <= 10000; n *= 10) {
		mono_us needed = (mono_us)n * 10;
		mono_us lone = pass_on(site, n, needed, PACE_MANY - 1, 4);
		mono_us load = pass_on(site, n, needed, PACE_MANY, 8);

		if (n < PACE_SAMPLES) {
			assert_int_equal(lone, 0);
			assert_int_equal(load, 0);
			continue;
		}
		assert_true(lone >= needed * 7 / 8 && lone <= needed + MS);
		assert_true(load >= lone && load <= needed * 7 / 4 + MS);
	}
}

/* ---- parts ---- */

/* write_part writes one more part of a round, to N_STREAMS of its streams. */
static void
write_part(struct site *site, bool is_over)
{
	struct pace_sample sample = { 0 };

	for (size_t i = 0; i < N_STREAMS; i++) {
		pace_sample_offer(&sample, site->ours[i]);
		assert_int_equal(write(site->ours[i], "x", 1), 1);
	}
	pace_record(&site->pace, &sample, N_STREAMS, is_over, site->now);
}

static void
a_part_is_what_the_web_server_needs_5_ms_for(void **state)
{
	struct site *site = *state;

	/* It is not known yet. */
	assert_int_equal(pace_part(&site->pace, 10000), 250);
	assert_int_equal(pace_part(&site->pace, 100), PACE_FIRST_PART);
	pass_on(site, 1000, 10 * MS, PACE_MANY - 1, 8);  /* 10 microseconds each */
	for (size_t n = 1; n <= 10000; n = n * 3 / 2 + 1) {
		size_t part = pace_part(&site->pace, n);
		size_t n_parts = (n + part - 1) / part;

		assert_true(part * 10 <= 6 * MS);
		/* No part is much smaller than the others, and none need be so small. */
		assert_true(n_parts == 1 || (n > (n_parts - 1) * part && part * 10 >= 2 * MS));
	}
	pass_on(site, 1000, 1000 * MS, PACE_MANY - 1, 20);
	assert_int_equal(pace_part(&site->pace, PACE_LEAST_PART), PACE_LEAST_PART);
}

static void
the_next_part_goes_once_half_of_the_last_is_taken_however_many_wait(void **state)
{
	struct site *site = *state;

	pass_on(site, N_STREAMS, 6 * MS, PACE_MANY, 8);
	write_part(site, false);
	for (size_t n_read = 0; n_read < N_STREAMS / 2; n_read++) {
		if (n_read % (N_STREAMS / 8) == 0) {
			ask_again(site);
			assert_false(pace_allows(&site->pace, PACE_MANY, site->now));
		}
		read_some(site, n_read, n_read + 1);
	}
	ask_again(site);
	assert_true(pace_allows(&site->pace, PACE_MANY, site->now));
}

static void
a_part_that_is_not_taken_holds_up_the_next_for_twice_its_time(void **state)
{
	struct site *site = *state;

	pass_on(site, N_STREAMS, 6 * MS, PACE_MANY - 1, 8);
	write_part(site, false);
	for (int i = 0; i < 3; i++) {
		mono_us before = site->now;

		while (!pace_allows(&site->pace, PACE_MANY - 1, site->now))
			assert_true(ask_again(site) > 0);
		assert_true(site->now - before >= 10 * MS && site->now - before <= 14 * MS);
		write_part(site, false);
	}
}

static void
what_is_learnt_is_of_all_parts_and_so_is_the_rest(void **state)
{
	struct site *site = *state;
	mono_us began = 0;

	for (int i = 0; i < 10; i++) {
		began = site->now;
		for (int part = 0; part < 4; part++) {
			write_part(site, part == 3);
			site->now += 5 * MS;
			read_some(site, 0, N_STREAMS);
			if (part < 3)
				assert_true(pace_allows(&site->pace, PACE_MANY, site->now));
		}
		while (!pace_allows(&site->pace, PACE_MANY, site->now))
			assert_true(ask_again(site) > 0);
	}
	assert_true(site->now - began >= 30 * MS && site->now - began <= 34 * MS);
}

/* ---- slow clients, and a web server that stands still ---- */

static void
what_slow_clients_leave_unread_is_not_waited_for(void **state)
{
	struct site *site = *state;
	mono_us waited = 0;

	for (int i = 0; i < 5; i++) {
		run_round(site, N_STREAMS);
		read_some(site, N_STREAMS / 4, N_STREAMS);  /* and a quarter is never read */
		waited = wait_for_round(site, PACE_MANY - 1);
	}
	assert_true(waited <= 3 * MS);
}

/* Though they are the most: once it is seen that they were behind before. */
static void
who_was_behind_before_is_not_waited_for(void **state)
{
	struct site *site = *state;
	mono_us waited = 0;

	pass_on(site, N_STREAMS, 4 * MS, PACE_MANY, 4);
	for (int i = 0; i < 3; i++) {
		run_round(site, N_STREAMS);
		read_some(site, N_STREAMS * 7 / 8, N_STREAMS);
		waited = wait_for_round(site, PACE_MANY - 1);
		assert_true(waited <= 4 * 5 * MS);
	}
	assert_true(waited <= MS);
}

static void
a_web_server_that_stands_still_is_waited_for_in_bounds(void **state)
{
	struct site *site = *state;
	mono_us waited;

	run_round(site, N_STREAMS);
	waited = wait_for_round(site, PACE_MANY - 1);  /* it is not known what it needs */
	assert_true(waited >= PACE_LONGEST_WAIT_US && waited <= PACE_LONGEST_WAIT_US + MS);
	read_some(site, 0, N_STREAMS);
	pass_on(site, N_STREAMS, 4 * MS, PACE_MANY - 1, 20);
	for (int i = 0; i < 10; i++) {  /* for a second in all, or more */
		run_round(site, N_STREAMS);
		waited = wait_for_round(site, PACE_MANY);
		assert_true(waited >= 15 * MS && waited <= PACE_LONGEST_WAIT_US + MS);
	}
	/* When it goes on, so do we. */
	read_some(site, 0, N_STREAMS);
	waited = pass_on(site, N_STREAMS, 4 * MS, PACE_MANY - 1, 1);
	assert_true(waited >= 4 * MS && waited < 5 * MS);
}

static void
a_stream_that_was_closed_holds_up_nothing(void **state)
{
	struct site *site = *state;

	run_round(site, N_STREAMS);
	read_some(site, 1, N_STREAMS);
	close(site->ours[0]);
	site->now += MS;
	assert_true(pace_allows(&site->pace, PACE_MANY - 1, site->now));
	site->ours[0] = dup(site->ours[1]);
}

#define PACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_sample_is_of_all_that_were_written),
	PACE_TEST(the_first_message_leaves_at_once),
	PACE_TEST(a_message_long_after_the_last_one_leaves_at_once),
	PACE_TEST(a_lone_message_waits_until_the_last_one_was_taken_and_no_longer),
	PACE_TEST(a_round_to_few_streams_is_never_put_off),
	PACE_TEST(where_more_wait_the_next_round_leaves_the_web_server_more),
	PACE_TEST(when_the_load_has_ended_nothing_is_waited_for),
	PACE_TEST(what_the_web_server_needs_is_learnt_within_a_few_rounds_from_either_side),
	PACE_TEST(it_is_so_from_10_to_10000_streams),
	PACE_TEST(a_part_is_what_the_web_server_needs_5_ms_for),
	PACE_TEST(the_next_part_goes_once_half_of_the_last_is_taken_however_many_wait),
	PACE_TEST(a_part_that_is_not_taken_holds_up_the_next_for_twice_its_time),
	PACE_TEST(what_is_learnt_is_of_all_parts_and_so_is_the_rest),
	PACE_TEST(what_slow_clients_leave_unread_is_not_waited_for),
	PACE_TEST(who_was_behind_before_is_not_waited_for),
	PACE_TEST(a_web_server_that_stands_still_is_waited_for_in_bounds),
	PACE_TEST(a_stream_that_was_closed_holds_up_nothing),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
