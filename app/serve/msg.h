/* POST /msg: checks what somebody wants to publish and hands it to the writer. */
#ifndef APP_SERVE_MSG_H
#define APP_SERVE_MSG_H

#include "app/serve/service.h"

/* msg_handle is the handler of POST /msg and of its old form GET /msg?msg=: checks
 * who is asking and for what, and hands the messages to the writer, which answers
 * after the commit. Any thread; does not wait. */
handler msg_handle;

/* msg_judge is the judge of POST /msg: a body is welcome from who has a token. */
judge msg_judge;

/* msg_is_encoded: has the body a Content-Encoding that would have to be undone
 * (RFC 9110 8.4)? Then the request is answered here. */
bool msg_is_encoded(struct request *request);

/* msg_body_max returns the largest body that is read, in bytes: one message of
 * the largest size, every byte escaped as \uXXXX, or 1 MiB of NDJSON lines. */
size_t msg_body_max(size_t max_message_bytes);

/* msg_refuse_large answers a request whose body is larger. */
void msg_refuse_large(struct request *request);

#endif
