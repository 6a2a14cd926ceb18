/* A mailbox: how one thread hands a thing over to another. */
#ifndef LIB_MAILBOX_H
#define LIB_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Embedded in what is handed over; a thing lies in one mailbox at a time. */
struct mail {
	struct mail *next;
};

struct mailbox {
	pthread_mutex_t lock;    /* guards first and last */
	struct mail *first;
	struct mail **last;      /* where the next one is linked */
	int wake_fd;             /* an eventfd, readable while the owner has something to take */
	_Atomic uint64_t n_rung; /* at least what wake_fd counts: 0 while it is not readable */
};

/* mailbox_init opens the eventfd and ends the process where it cannot.
 * mailbox_free closes it; whatever still lies inside is the caller's to take
 * first. */
void mailbox_init(struct mailbox *box);
void mailbox_free(struct mailbox *box);

/* mailbox_put gives the mail to the owner and wakes it. FIFO. Any thread. */
void mailbox_put(struct mailbox *box, struct mail *mail);

/* mailbox_wake wakes the owner without giving it anything. Any thread. */
void mailbox_wake(struct mailbox *box);

/* mailbox_take returns all that lies inside, the oldest first, linked by next,
 * or NULL, and quiets wake_fd. Does not wait. The owner's thread. */
struct mail *mailbox_take(struct mailbox *box);

/* mailbox_wait returns once there is something, or after timeout_ms (-1:
 * never). The owner's thread, where it has nothing else to wait for. */
void mailbox_wait(struct mailbox *box, int timeout_ms);

#endif
