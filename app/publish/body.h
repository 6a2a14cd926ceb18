/* A body that is followed, as far as it is read. */
#ifndef APP_PUBLISH_BODY_H
#define APP_PUBLISH_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/publish/following_state.h"

/* body_run has it taken a step further, in this turn or the next. */
void body_run(struct body *body);

/* body_watch has epoll tell of these events of its connection; 0: of none. It is due before
 * the connection is given up. */
void body_watch(struct body *body, uint32_t events);

/* body_be_due has it be late when nothing is done with it for so long. */
void body_be_due(struct body *body, int ms);

/* body_receive reads what has come on the connection into `content`; NULL: throws it away. */
void body_receive(struct body *body, struct buf *content);

/* body_parse parses of what has come as much as a step may, as far as there is room in the
 * batch. */
void body_parse(struct body *body);

/* body_has_room: may more be parsed, and be read for that? */
bool body_has_room(const struct body *body);

/* body_has_content: has something come that is not parsed? */
bool body_has_content(const struct body *body);

/* body_count_read counts what the batch holds now, where it held so many bytes before. */
void body_count_read(struct body *body, size_t before);

/* body_hold counts what the message holds that has not ended. */
void body_hold(struct body *body);

/* body_drop_unstored forgets what was read and is not stored. */
void body_drop_unstored(struct body *body);

/* body_free frees it; its reply is given. */
void body_free(struct body *body);

#endif
