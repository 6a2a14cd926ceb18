/* Last wills that are being carried out: the end of each is given to the writer, again and
 * again until it is stored. An embedded value of following's, whose thread alone calls. */
#ifndef APP_PUBLISH_WILLS_H
#define APP_PUBLISH_WILLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "app/publish/writer.h"
#include "lib/clock.h"
#include "lib/mailbox.h"

/* The data of the end that a last will appends. */
#define WILLS_ABORTED "{\"reason\":\"aborted\"}"

enum { WILLS_RETRY_MS = 250 };  /* after a try that failed; picked, not tuned */

struct will;
TAILQ_HEAD(will_list, will);

struct wills {
	struct writer *writer;      /* lent */
	struct mailbox done;        /* of the writer's orders; the owner waits for its wake_fd */
	struct mail *heard;         /* of what was taken from there, the rest */
	struct will_list ordered, failed;
	mono_us retry_at;           /* of those that failed */
};

void wills_init(struct wills *wills, struct writer *writer);

/* wills_free forgets those that are not carried out: they stand in the store. None may be
 * ordered. */
void wills_free(struct wills *wills);

/* wills_carry_out appends the end of the topic, which is copied, if `ends`, and revokes the
 * will in the store (NULL: it is in none). `who` is returned by wills_hear after the first
 * try. */
void wills_carry_out(struct wills *wills, const char *topic, bool ends,
    const struct store_will *will, void *who);

/* wills_hear takes in what became of those that were ordered. It returns who waits for one
 * of them, and is to be called again until that is NULL. */
void *wills_hear(struct wills *wills);

/* wills_are_ordered: does the writer have one of them? wills_are_done: is there none left? */
bool wills_are_ordered(const struct wills *wills);
bool wills_are_done(const struct wills *wills);

/* wills_retry tries those anew that failed, if it is time. wills_next returns when it is. */
void wills_retry(struct wills *wills);
mono_us wills_next(const struct wills *wills);  /* INT64_MAX: none has failed */

#endif
