/* Direct: what names a user goes to that user's streams while a round has to wait.
 * An embedded value of the hub's thread. */
#ifndef APP_HUB_DIRECT_H
#define APP_HUB_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/hub/hub_state.h"
#include "app/hub/slices.h"

/* All zero may send nothing. */
struct direct {
	int64_t looked;        /* all that the ring has up to here was looked at */
	size_t n_left;         /* what may be spent until the next round, in looks */
	uint64_t wait;         /* the number of this waiting between two rounds */
	struct slices slices;  /* of the write being gathered; kept since it is large */
};

/* direct_allow says how much may be sent until the next round, by how many
 * streams the last one has written. */
void direct_allow(struct direct *direct, size_t n_written);

/* direct_may: may anything be sent? direct_has_more: and is there in the ring
 * what was not looked at? */
bool direct_may(const struct direct *direct);
bool direct_has_more(const struct direct *direct, const struct hub_state *hub);

/* direct_run looks at what is new in the ring, as much as one turn of the loop has
 * the time for, and brings the users that it names up to date. */
void direct_run(struct direct *direct, struct hub_state *hub);

#endif
