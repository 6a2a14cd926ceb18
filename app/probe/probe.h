/* Looks at what the proxies on the way do to a stream: rowcast probe. */
#ifndef APP_PROBE_PROBE_H
#define APP_PROBE_PROBE_H

#include <stdint.h>

/* probe_built_with says, for --version, with what it was built: "with libcurl 7.88.1". */
const char *probe_built_with(void);

/* probe_run looks at the stream at url, that of /events; its query is left out. The token
 * is any; user is whose it is, NULL where that is not known. silence_ms: the longest
 * silence to try, which is how long it takes, and up to a minute more where there are
 * faults. Findings go to stdout. 0: nothing in the way; 1: a fault, named; 2: it could not
 * run, said on stderr. One thread, and a bounded amount of memory. */
int probe_run(const char *url, const char *token, const char *user, int64_t silence_ms);

#endif
