/* The text for Prometheus, line by line. */

#include "tests/unit/check.h"

#include "lib/prometheus.h"

static struct buf text;

static void
is(const char *expected)
{
	assert_string_equal(text.bytes, expected);
	buf_free(&text);
}

TEST(a_family_has_its_help_and_its_type)
{
	prometheus_family(&text, "rowcast_streams", "gauge", "Open streams.");
	is("# HELP rowcast_streams Open streams.\n# TYPE rowcast_streams gauge\n");
}

TEST(whole_numbers_are_whole_and_others_have_microseconds)
{
	prometheus_sample(&text, "a", NULL, 0);
	prometheus_sample(&text, "a", "x=\"y\"", 9007199254740991.0);
	prometheus_sample(&text, "a", NULL, 1795745415.123456);
	prometheus_sample(&text, "a", NULL, 0.25);
	is("a 0\na{x=\"y\"} 9007199254740991\na 1795745415.123456\na 0.250000\n");
}

TEST(a_histogram_is_in_seconds_and_ends_with_infinity)
{
	struct histogram histogram = { 0 };
	struct histogram_counts counts;

	histogram_add(&histogram, 100, 2);
	histogram_add(&histogram, 1500000, 1);
	histogram_add(&histogram, 20000000, 1);
	histogram_read(&histogram, &counts);
	prometheus_histogram(&text, "h", &counts);
	is("h_bucket{le=\"0.0001\"} 2\nh_bucket{le=\"0.0002\"} 2\nh_bucket{le=\"0.0005\"} 2\n"
	    "h_bucket{le=\"0.001\"} 2\nh_bucket{le=\"0.002\"} 2\nh_bucket{le=\"0.005\"} 2\n"
	    "h_bucket{le=\"0.01\"} 2\nh_bucket{le=\"0.02\"} 2\nh_bucket{le=\"0.05\"} 2\n"
	    "h_bucket{le=\"0.1\"} 2\nh_bucket{le=\"0.2\"} 2\nh_bucket{le=\"0.5\"} 2\n"
	    "h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"5\"} 3\n"
	    "h_bucket{le=\"10\"} 3\nh_bucket{le=\"+Inf\"} 4\nh_sum 21.500200\nh_count 4\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_its_help_and_its_type),
		cmocka_unit_test(whole_numbers_are_whole_and_others_have_microseconds),
		cmocka_unit_test(a_histogram_is_in_seconds_and_ends_with_infinity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
