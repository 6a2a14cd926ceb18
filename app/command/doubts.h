/* Doubts: what is allowed, and may not work. Each is a warning in the log. Main's thread. */
#ifndef APP_COMMAND_DOUBTS_H
#define APP_COMMAND_DOUBTS_H

#include "app/setting/conf.h"
#include "app/store/store.h"

/* doubts_of_conf warns of settings that do not go with each other, with this machine's
 * limits, or with the samples of web servers that are shipped. file: where the settings
 * were read from, if it is there. */
void doubts_of_conf(const struct conf *conf, const char *file);

/* doubts_of_store warns of where the store lies. */
void doubts_of_store(const struct store_look *look);

#endif
