/* An outlet: where a command publishes, the store or the log that several machines share.
 * A value of main's thread. */
#ifndef APP_COMMAND_OUTLET_H
#define APP_COMMAND_OUTLET_H

#include <stddef.h>
#include <stdint.h>

#include "app/setting/conf.h"
#include "app/store/store.h"

struct upstream;

struct outlet {
	const char *command;    /* lent: its name, for what is logged */
	struct store *store;    /* one of the two, owned */
	struct upstream *log;
	int64_t keep_for_s;
};

/* outlet_open fills *outlet; outlet_close is due whatever it returns. 0, or -1 (logged). */
int outlet_open(struct outlet *outlet, const char *command, const struct conf *conf);
void outlet_close(struct outlet *outlet);

/* outlet_group returns how many of n appends can be committed at once. */
size_t outlet_group(const struct outlet *outlet, size_t n);

/* outlet_commit commits them, in one transaction; the ids are known then. -1 (nothing was
 * stored) or UPSTREAM_UNKNOWN: logged, that is on stderr, for the person who called us. */
int outlet_commit(struct outlet *outlet, struct append *appends[], size_t n);

#endif
