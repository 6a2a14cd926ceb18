/* Waiting for commits. Run by the thread that has the handle, the tail's or that of
 * `rowcast tail`; it reads the file and changes the handle only.
 *
 * A commit writes to the WAL, which inotify tells; but that is too early: the
 * frames are written first, and only then does the shared index, in memory that
 * makes no events, show the commit. So after an event the thread reads
 * data_version again and again, every 0.2 ms at first, then ever less often, for
 * 50 ms.
 *
 * What our own writer commits makes events too, and it wakes us itself. While it
 * does, events are not read, and the checks stay as far apart as they have become:
 * others' rows are read with its next commit at the latest. */

#include "app/store/store.h"

#include <poll.h>

#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "lib/log.h"
#include "lib/sql.h"

enum {
	/* After an event, how often and for how long. Measured: insert to seen in 0.4-0.6 ms. */
	CHECK_FIRST_US = 200,
	CHECK_LAST_US = 2000,
	CHECK_FOR_US = 50000,
	WATCH_AGAIN_US = 1000,        /* so far apart, an event is news again: a commit makes one for every page */
	CHECK_ANYWAY_US = 50000,      /* where inotify is not to be had or lost an event */
	WAIT_MAX_US = 1000000,        /* so that the caller reads the table though nothing happens */
};

/* 1.8 microseconds. */
bool
store_has_changed(struct store *store)
{
	int64_t version = store->seen_version;

	if (sql_step(store->data_version) == SQL_ROW)
		version = sql_int64(store->data_version, 0);
	sql_reset(store->data_version);
	if (version == store->seen_version)
		return false;
	store->seen_version = version;
	return true;
}

void
store_wait(struct store *store, int wake_fd)
{
	mono_us until = clock_mono_us() + WAIT_MAX_US;

	if (!store->watch_tried) {
		store->watch_tried = true;
		/* Where the name is a link, commits are written elsewhere. */
		if (filewatch_open(&store->watch, sql_path(store->sql)) < 0)
			log_warn("store: %s: cannot be watched; foreign rows will be seen"
			    " within %d ms", store->path, CHECK_ANYWAY_US / 1000);
	}
	while (!store_has_changed(store)) {
		mono_us now = clock_mono_us();
		bool checking = now < store->check_until;
		bool watching = !checking
		    || (store->check_us >= WATCH_AGAIN_US && now - store->woken_at > CHECK_FOR_US);
		struct pollfd p[2] = {
			{ .fd = wake_fd, .events = POLLIN },
			{ .fd = store->watch.fd, .events = POLLIN },
		};
		struct timespec wait = { .tv_nsec = (checking ? store->check_us : CHECK_ANYWAY_US) * 1000 };

		if (now >= until)
			return;
		ppoll(p, watching ? 2 : 1, &wait, NULL);
		if (p[0].revents != 0) {
			store->woken_at = clock_mono_us();
			store_has_changed(store);  /* what woke us is about to be read */
			return;
		}
		/* Not before the wait: store_read has just looked. */
		if (replaced_check(store))
			return;
		if (checking)
			store->check_us = store->check_us * 5 / 4 < CHECK_LAST_US
			    ? store->check_us * 5 / 4 : CHECK_LAST_US;
		if (filewatch_read(&store->watch)) {
			store->check_until = clock_mono_us() + CHECK_FOR_US;
			if (watching)
				store->check_us = CHECK_FIRST_US;
		}
	}
}
