/* A mailbox: a list behind a lock, and an eventfd that wakes its owner. Any thread
 * puts; one thread, the owner, takes and waits.
 *
 * The eventfd is written only when the first mail comes into an empty box, so a
 * busy owner costs its senders no system call; and it is read only after it was
 * written, so that an owner of several boxes may look into all of them. */

#include "lib/mailbox.h"

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/log.h"

void
mailbox_init(struct mailbox *box)
{
	pthread_mutex_init(&box->lock, NULL);
	box->first = NULL;
	box->last = &box->first;
	atomic_init(&box->n_rung, 0);
	box->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->wake_fd < 0)
		fatal("mailbox: eventfd");
}

void
mailbox_free(struct mailbox *box)
{
	close(box->wake_fd);
	box->wake_fd = -1;
	pthread_mutex_destroy(&box->lock);
}

void
mailbox_wake(struct mailbox *box)
{
	uint64_t one = 1;

	/* Before the write, which the owner may run on at once: it would find the
	 * eventfd readable, not read it, and go round until we are run again. And a
	 * count, not a flag: a flag taken down for the ring before would leave the
	 * eventfd readable for ever. */
	atomic_fetch_add(&box->n_rung, 1);
	if (write(box->wake_fd, &one, sizeof(one)) < 0) {
		/* Only EAGAIN is possible: the counter is at its top, so the owner
		 * is awake already. */
	}
}

void
mailbox_put(struct mailbox *box, struct mail *mail)
{
	int was_empty;

	mail->next = NULL;
	pthread_mutex_lock(&box->lock);
	was_empty = box->first == NULL;
	*box->last = mail;
	box->last = &mail->next;
	pthread_mutex_unlock(&box->lock);
	if (was_empty)
		mailbox_wake(box);
}

struct mail *
mailbox_take(struct mailbox *box)
{
	struct mail *all;
	uint64_t count;

	/* Quiet first, then take: a mail put in between wakes once too often,
	 * the other order could miss it. */
	if (atomic_load(&box->n_rung) > 0
	    && read(box->wake_fd, &count, sizeof(count)) == sizeof(count))
		atomic_fetch_sub(&box->n_rung, count);
	/* else nobody had woken us, or is about to. */
	pthread_mutex_lock(&box->lock);
	all = box->first;
	box->first = NULL;
	box->last = &box->first;
	pthread_mutex_unlock(&box->lock);
	return all;
}

void
mailbox_wait(struct mailbox *box, int timeout_ms)
{
	struct pollfd p = { .fd = box->wake_fd, .events = POLLIN };

	poll(&p, 1, timeout_ms);
}
