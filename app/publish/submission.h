/* Submissions: what a request publishes, on its way through the writer to the request's
 * answer. */
#ifndef APP_PUBLISH_SUBMISSION_H
#define APP_PUBLISH_SUBMISSION_H

#include "app/fastcgi/reply.h"
#include "app/publish/publication.h"
#include "app/publish/writer.h"

/* submission_give takes what is in *p and *reply; publisher is copied. The reply
 * is sent after the commit: 201 (200 where the key was there), 409 where its topic has
 * ended, or 503 where the store could not take it, or the log, or it is not known whether
 * the log did.
 * WRITER_FULL: nothing was taken. A reply that has no connection is rowcast's own
 * message: nobody is answered, and it is not counted. Does not wait. Any thread. */
int submission_give(struct writer *writer, struct publication *p, const char *publisher,
    struct reply *reply);

#endif
