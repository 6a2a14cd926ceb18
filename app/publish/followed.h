/* What is followed: a body that is read while it comes, each line or event of it a message
 * to one topic. A plain value, of the thread that has it; it knows neither the connection
 * nor the writer. */
#ifndef APP_PUBLISH_FOLLOWED_H
#define APP_PUBLISH_FOLLOWED_H

#include <stdbool.h>
#include <stddef.h>

#include "app/publish/field.h"
#include "app/store/message.h"
#include "lib/buf.h"
#include "lib/eventstream.h"
#include "lib/lines.h"

enum followed_form {
	FOLLOWED_LINES,   /* application/x-ndjson: each line an object of fields, as of /msg */
	FOLLOWED_EVENTS,  /* text/event-stream: of an event its data and its name count */
	FOLLOWED_FORMS,
};

/* Messages that were read and are not stored yet. Their topic is lent by the followed. */
struct batch {
	struct message *messages;  /* owned */
	size_t *lines;             /* owned: where each stood in the body, from 1 */
	size_t n, capacity;
	size_t n_bytes;            /* of data */
};

void batch_free(struct batch *batch);  /* leaves it empty */

struct followed {
	char *topic;               /* owned */
	enum followed_form form;
	size_t max_message_bytes;
	size_t max_messages;       /* of the whole body; beyond: 413 */
	struct lines lines;        /* by the form, one of the two */
	struct eventstream events;
	struct batch batch;        /* what was read: the caller takes it away */
	size_t n_messages;         /* read so far */
	bool has_ended;            /* the end of the topic was read: the batch's last message */
	int status;                /* 0; or what the body is refused with, */
	char error[FIELD_ERROR_BYTES];  /* and why, in one sentence that begins with the line */
};

/* followed_init copies the topic. */
void followed_init(struct followed *followed, enum followed_form form, const char *topic,
    size_t max_message_bytes, size_t max_messages);
void followed_free(struct followed *followed);

/* followed_read reads the next piece of the body. */
void followed_read(struct followed *followed, const char *bytes, size_t n);

/* followed_end: the body has come to its end; a last line may lack its own. */
void followed_end(struct followed *followed);

/* followed_is_over: nothing more of the body is read, since it has ended the topic or is
 * refused. Messages from before may be in the batch. */
bool followed_is_over(const struct followed *followed);

/* followed_refuse refuses the body, unless it is already: what is in the batch stays. */
void followed_refuse(struct followed *followed, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* followed_holds returns how many bytes it has in memory of a message that has not ended. */
size_t followed_holds(const struct followed *followed);

#endif
