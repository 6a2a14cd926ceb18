/* What rowcast tells Prometheus. */
#ifndef APP_SERVE_METRICS_H
#define APP_SERVE_METRICS_H

#include "app/serve/service.h"

enum { METRICS_LABELS = 2 };

/* A family of numbers under one name. */
struct metrics_family {
	const char *name, *type, *help;
	struct {
		const char *name;             /* NULL: there is no such label */
		const char *const *values;    /* n of them: all that there are */
		size_t n;
	} labels[METRICS_LABELS];
	bool is_shared;                   /* only where several machines share a log */
	size_t at;                        /* metrics.c's: where its numbers are */
};

/* All of them, in the order in which they are told: the one place that says which there
 * are. The last has no name. */
extern const struct metrics_family metrics_families[];

/* GET /metrics: each family, and each of its label values, from the start; for whoever may
 * reach the path. */
handler metrics_handle;

#endif
