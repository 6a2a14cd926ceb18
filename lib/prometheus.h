/* The text in which Prometheus is told numbers (its text format 0.0.4). Plain functions,
 * any thread. */
#ifndef LIB_PROMETHEUS_H
#define LIB_PROMETHEUS_H

#include "lib/buf.h"
#include "lib/histogram.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* prometheus_family begins a family: its samples follow. type is gauge, counter or
 * histogram; help is one line without a backslash. */
void prometheus_family(struct buf *out, const char *name, const char *type, const char *help);

/* prometheus_sample adds a value. labels are as they stand between the braces,
 * `a="b",c="d"`; NULL: none. Below 2^53 whole numbers are exact; above 2^63 is no value. */
void prometheus_sample(struct buf *out, const char *name, const char *labels, double value);

/* prometheus_histogram adds a histogram's samples, in seconds. */
void prometheus_histogram(struct buf *out, const char *name, const struct histogram_counts *counts);

#endif
