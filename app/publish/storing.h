/* Storing what was read of a body: orders to the writer, one at a time for each body, and
 * the line of those that have to wait. */
#ifndef APP_PUBLISH_STORING_H
#define APP_PUBLISH_STORING_H

#include "app/publish/following_state.h"

/* storing_order orders what was read, unless an order of the body is under way or it stands
 * in line. */
void storing_order(struct body *body);

/* storing_body returns whose order has come back; storing_hear goes on with it. */
struct body *storing_body(struct mail *mail);
void storing_hear(struct body *body);

/* storing_go_on lets those try again that stand in line, if it is time. */
void storing_go_on(struct following *following);

#endif
