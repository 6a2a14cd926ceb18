/* Admission: which streams may join, and what the others are told. The hub's
 * thread. */
#ifndef APP_HUB_ADMISSION_H
#define APP_HUB_ADMISSION_H

#include "app/hub/hub_state.h"
#include "lib/mailbox.h"

/* admission_run takes the streams that want to join, linked by their mail, in
 * order. Those within the limits enter the roster and are sent what their
 * `unsent` holds; the others are answered and freed. */
void admission_run(struct hub_state *hub, struct mail *joining);

#endif
