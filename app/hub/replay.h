/* The replay: what a stream that is not live gets, from its cursor on. An
 * embedded value of the hub; all but start and stop in the hub's thread. */
#ifndef APP_HUB_REPLAY_H
#define APP_HUB_REPLAY_H

#include "app/hub/catchup.h"
#include "app/hub/hub_state.h"
#include "app/hub/slices.h"
#include "lib/mailbox.h"

struct replay {
	struct mailbox pages;    /* back from catch-up; its wake_fd is for the hub to watch */
	struct catchup *catchup;
	struct slices slices;    /* of the write being gathered; kept since it is large */
};

/* replay_start opens the store of that name for catch-up. 0; -1: logged. */
int replay_start(struct replay *replay, const char *store_name);

/* replay_run sends the pages that are back, then gives the streams that are
 * behind one write each from the ring, or asks catch-up for a page; as many of
 * them as one turn of the loop has the time for. */
void replay_run(struct replay *replay, struct hub_state *hub);

/* replay_forget takes the pages of the streams that have been closed in this
 * turn back from catch-up, but for one that is being read or is read already. */
void replay_forget(struct replay *replay, struct hub_state *hub);

/* replay_stop ends catch-up. All streams have been closed, the closed ones taken
 * out of the roster, and nothing is running that could touch them. */
void replay_stop(struct replay *replay);

#endif
