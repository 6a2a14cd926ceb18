/* Writes the text format. Nothing is kept here. */

#include "lib/prometheus.h"

#include <inttypes.h>

void
prometheus_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
prometheus_sample(struct buf *out, const char *name, const char *labels, double value)
{
	buf_add_str(out, name);
	if (labels != NULL)
		buf_printf(out, "{%s}", labels);
	if (value == (double)(int64_t)value)
		buf_printf(out, " %" PRId64 "\n", (int64_t)value);
	else
		buf_printf(out, " %.6f\n", value);
}

void
prometheus_histogram(struct buf *out, const char *name, const struct histogram_counts *counts)
{
	for (int i = 0; i < HISTOGRAM_BOUNDS; i++)
		buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
		    (double)histogram_bounds[i] / 1e6, counts->upto[i]);
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
	    counts->n, name, (double)counts->sum_us / 1e6, name, counts->n);
}
