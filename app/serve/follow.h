/* POST /msg?follow=1: judges by the head who writes to which topic, and hands the body on to
 * those that are followed (app/publish/following.h). */
#ifndef APP_SERVE_FOLLOW_H
#define APP_SERVE_FOLLOW_H

#include "app/serve/service.h"

/* follow_is_asked: is the request to /msg one of these? */
bool follow_is_asked(const struct request *request);

/* follow_handle answers the request, or takes it, whether all of its body is there or not.
 * Any thread; does not wait. */
handler follow_handle;

#endif
