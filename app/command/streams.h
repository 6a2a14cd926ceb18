/* What `rowcast status --streams` prints. Main's thread. */
#ifndef APP_COMMAND_STREAMS_H
#define APP_COMMAND_STREAMS_H

#include "app/setting/conf.h"

/* streams_print asks the running rowcast who is connected, and prints it: the machines,
 * then every user, page by page. -1: logged. */
int streams_print(const struct conf *conf);

/* streams_print_json prints it as the object that /presence answers, with every user in
 * "list". Where it fails midway, the object is broken off. */
int streams_print_json(const struct conf *conf);

#endif
