/* An inquiry: a request to the rowcast that runs here, as a web server would make it.
 * Main's thread. */
#ifndef APP_COMMAND_INQUIRY_H
#define APP_COMMAND_INQUIRY_H

#include "app/setting/conf.h"
#include "lib/buf.h"

/* inquiry_get asks the rowcast that listens on `listen` for that path with that query,
 * and adds the body of its answer, ended by a NUL that is not counted. Whoever may
 * connect to that socket may ask anything. -1: logged. */
int inquiry_get(const struct conf *conf, const char *path, const char *query, struct buf *body);

/* inquiry_is_foreign logs that what answers there does not answer as a rowcast of this
 * version does. Returns -1, for its caller to return. */
int inquiry_is_foreign(const struct conf *conf);

#endif
