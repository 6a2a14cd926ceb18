/* Retention of the log, which all machines share: a thread that deletes from it, where
 * this machine has been let (upstream_trim: one at a time has the lease). What is gone
 * there the followers delete from the copies. */
#ifndef APP_NODE_RETENTION_H
#define APP_NODE_RETENTION_H

#include "app/setting/conf.h"

struct retention;

/* conf is lent for the call. */
struct retention *retention_start(const struct conf *conf);

/* retention_reload takes over keep_for and keep_rows. Any thread. */
void retention_reload(struct retention *retention, const struct conf *conf);

void retention_stop(struct retention *retention);

#endif
