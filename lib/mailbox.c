/* The eventfd is written only when the first mail comes into an empty box, so
 * a busy owner costs its senders no system call. */

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
	if (read(box->wake_fd, &count, sizeof(count)) < 0) {
		/* EAGAIN: nobody had woken us. */
	}
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
