#include "tests/unit/check.h"

#include <sys/socket.h>
#include <unistd.h>

#include "app/hub/pace.h"
#include "lib/mem.h"

enum { N_STREAMS = 64 };

/* Live streams, each a socket whose other end is the web server's. */
struct crowd {
	struct roster roster;
	int web_server[N_STREAMS];
};

static int
gather_crowd(void **state)
{
	struct crowd *crowd = mem_zalloc(sizeof(*crowd));

	for (int i = 0; i < N_STREAMS; i++) {
		struct stream *s = stream_new((struct filter){ .user = mem_strdup("42") });
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		s->fd = fds[0];
		s->state = STREAM_LIVE;
		crowd->web_server[i] = fds[1];
		roster_add(&crowd->roster, s);
	}
	*state = crowd;
	return 0;
}

static int
disperse_crowd(void **state)
{
	struct crowd *crowd = *state;

	for (int i = 0; i < N_STREAMS; i++) {
		struct stream *s = crowd->roster.streams[0];

		roster_remove(&crowd->roster, s);
		stream_free(s);
		close(crowd->web_server[i]);
	}
	roster_free(&crowd->roster);
	free(crowd);
	return 0;
}

static void
leave_unread(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->roster.n; i++)
		assert_int_equal(write(crowd->roster.streams[i]->fd, "x", 1), 1);
}

static void
read_all(struct crowd *crowd)
{
	char byte;

	for (int i = 0; i < N_STREAMS; i++)
		assert_int_equal(read(crowd->web_server[i], &byte, 1), 1);
}

static void
the_first_message_leaves_at_once(void **state)
{
	struct crowd *crowd = *state;
	struct pace pace = PACE_INITIAL;

	assert_true(pace_allows(&pace, &crowd->roster, 1));
}

static void
a_round_waits_as_long_as_the_one_before_was_large(void **state)
{
	struct crowd *crowd = *state;
	struct pace pace = PACE_INITIAL;

	pace_record(&pace, 1000, 5000000);
	assert_int_equal(pace.next_round, 5000000 + 20 * 1000);
	assert_false(pace_allows(&pace, &crowd->roster, pace.next_round - 1));
	assert_true(pace_allows(&pace, &crowd->roster, pace.next_round));
}

static void
a_round_to_few_streams_is_never_put_off(void **state)
{
	struct crowd *crowd = *state;
	struct pace pace = PACE_INITIAL;

	leave_unread(crowd);
	pace_record(&pace, 1, 5000000);
	assert_true(pace_allows(&pace, &crowd->roster, pace.next_round));
	read_all(crowd);
}

static void
a_web_server_that_is_behind_is_waited_for_once_a_round(void **state)
{
	struct crowd *crowd = *state;
	struct pace pace = PACE_INITIAL;
	mono_us put_off_to;

	leave_unread(crowd);
	pace_record(&pace, 1000, 5000000);
	assert_false(pace_allows(&pace, &crowd->roster, pace.next_round));
	put_off_to = pace.next_round;
	assert_true(put_off_to > 5000000 + 20 * 1000);
	assert_true(pace_allows(&pace, &crowd->roster, put_off_to));
	read_all(crowd);
}

static void
the_estimate_follows_the_web_server_within_its_bounds(void **state)
{
	struct crowd *crowd = *state;
	struct pace pace = PACE_INITIAL;
	mono_us now = 0;

	for (int i = 0; i < 1000; i++) {
		pace_record(&pace, 1000, now);
		now = pace.next_round;
		pace_allows(&pace, &crowd->roster, now);
	}
	assert_true(pace.us_per_write < 5);
	assert_true(pace.us_per_write >= 4);
	leave_unread(crowd);
	for (int i = 0; i < 1000; i++) {
		pace_record(&pace, 1000, now);
		now = pace.next_round;
		pace_allows(&pace, &crowd->roster, now);
	}
	assert_true(pace.us_per_write > 50);
	assert_true(pace.us_per_write <= 60);
	read_all(crowd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_message_leaves_at_once),
	cmocka_unit_test(a_round_waits_as_long_as_the_one_before_was_large),
	cmocka_unit_test(a_round_to_few_streams_is_never_put_off),
	cmocka_unit_test(a_web_server_that_is_behind_is_waited_for_once_a_round),
	cmocka_unit_test(the_estimate_follows_the_web_server_within_its_bounds),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, gather_crowd, disperse_crowd);
}
