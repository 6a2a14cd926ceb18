/* A relay: an event stream on stdin, copied into a topic row by row, and the topic's end
 * with it. Main's thread, while it is the only one. */
#ifndef APP_COMMAND_RELAY_H
#define APP_COMMAND_RELAY_H

#include "app/setting/conf.h"

/* relay_run copies stdin to its end, and ends the topic in any case. 0: as the stream says,
 * which had come to its own end, and each event of it is stored. -1 (logged): as aborted,
 * or it could not be ended, or somebody else had. */
int relay_run(const struct conf *conf, const char *topic);

#endif
