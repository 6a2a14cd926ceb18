/* How a body that is followed ends: what becomes of its topic, and what is answered. Each
 * call may free the body. */
#ifndef APP_PUBLISH_ENDING_H
#define APP_PUBLISH_ENDING_H

#include "app/publish/following_state.h"

/* ending_begin ends a body of which all is stored that will be. */
void ending_begin(struct body *body);

/* ending_hear_will goes on when its will is carried out, or was tried to be: it will be. */
void ending_hear_will(struct body *body);

/* ending_answer sends the ids on. ending_give_up: their peer does not take them. */
void ending_answer(struct body *body);
void ending_give_up(struct body *body);

#endif
