/* Presence: the thread that tells the log who is connected to this machine, and asks it
 * who is connected to all. */
#ifndef APP_NODE_PRESENCE_H
#define APP_NODE_PRESENCE_H

#include <stddef.h>

#include "app/fastcgi/reply.h"
#include "app/node/audience.h"
#include "app/setting/conf.h"
#include "lib/tally.h"

enum { PRESENCE_QUESTIONS_MAX = 64 };  /* that wait; beyond, presence_ask refuses */

enum presence_outcome {
	PRESENCE_FULL = 1,
};

struct presence;

/* presence_start tells the log that this machine is there, under the name of the
 * setting `node`; copy is the name of its store (store_position). NULL: logged; another
 * machine of that node's name is alive. A log that is away is no hindrance. users is lent
 * until presence_stop. */
struct presence *presence_start(const struct conf *conf, const char *copy, struct tally *users);

/* presence_ask takes the question and the reply, and answers: of all machines, or while
 * the log is away of this one alone, and says so. PRESENCE_FULL: too many wait, nothing
 * was taken. Does not wait. Any thread. */
int presence_ask(struct presence *presence, struct audience_question *question,
    struct reply *reply);

/* presence_n_nodes returns how many machines were alive at the last beat, this one
 * among them; 1 while the log is away. Any thread. */
size_t presence_n_nodes(const struct presence *presence);

/* presence_stop answers who has asked, takes this machine out of the log, where that is
 * there, and ends the thread. Takes a few seconds where the log has just gone away. */
void presence_stop(struct presence *presence);

#endif
