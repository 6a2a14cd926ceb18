/* Where the primary is: Sentinels know. One of them is asked, over a connection that
 * stays; where it does not answer, or what it says leads nowhere, the next. */
#ifndef APP_UPSTREAM_REDIS_PRIMARY_H
#define APP_UPSTREAM_REDIS_PRIMARY_H

#include "app/setting/setting.h"
#include "lib/clock.h"

enum { PRIMARY_WHY_BYTES = 320 };

/* What came of a question; 0: the primary is named. */
enum primary_outcome {
	PRIMARY_SILENT = 1,  /* no Sentinel answers */
	PRIMARY_UNKNOWN,     /* each that answers knows no such master, or wants a password */
};

struct primary;

/* where is lent for as long as the primary lives. wake_fd ends every wait. */
struct primary *primary_new(const struct setting_upstream *where, int wake_fd);
void primary_free(struct primary *primary);  /* NULL: nothing */

/* primary_find asks for it, until the deadline: one Sentinel, and each other once where
 * that has no answer. 0: host (lent until the next call) and port; else an outcome, and
 * why. */
int primary_find(struct primary *primary, mono_us deadline, const char **host, int *port,
    char why[PRIMARY_WHY_BYTES]);

/* primary_doubt: what was found led nowhere, so the next Sentinel is asked next. */
void primary_doubt(struct primary *primary);

#endif
