/* A program that knows nothing of rowcast but the log that its machines share: it
 * adds entries with XADD, as redis-cli would. */
#ifndef BENCH_XADD_H
#define BENCH_XADD_H

#include <stddef.h>

#include "tests/bench/options.h"

struct xadd;

/* xadd_open connects and logs in; it ends the program where it cannot, as does
 * xadd_insert where Redis refuses. */
struct xadd *xadd_open(const struct log_side *log);
void xadd_close(struct xadd *x);

/* xadd_insert adds one entry, for log->user or, without one, for everyone, and waits for
 * its id. */
void xadd_insert(struct xadd *x, const char *text, size_t len);

#endif
