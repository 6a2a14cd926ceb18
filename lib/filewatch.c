/* Watching a file through inotify, by way of its folder. A watch belongs to one
 * thread at a time; nothing here waits. */

#include "lib/filewatch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/mem.h"

int
filewatch_open(struct filewatch *w, const char *path)
{
	char *copy = mem_strdup(path);
	int failed, saved;

	w->name = mem_strdup(basename(copy));
	free(copy);
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return -1;
	copy = mem_strdup(path);
	failed = inotify_add_watch(w->fd, dirname(copy),
	    IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0;
	free(copy);
	if (failed) {
		saved = errno;
		close(w->fd);
		w->fd = -1;
		errno = saved;
		return -1;
	}
	return 0;
}

void
filewatch_close(struct filewatch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	free(w->name);
	*w = (struct filewatch){ .fd = -1 };
}

int
filewatch_read(struct filewatch *w)
{
	alignas(struct inotify_event) char events[4096];
	int ours = 0;
	ssize_t n;

	while (w->fd >= 0 && (n = read(w->fd, events, sizeof(events))) > 0) {
		for (const char *at = events; at < events + n; ) {
			const struct inotify_event *e = (const void *)at;

			/* An overflown queue may have lost an event about ours. */
			if (e->mask & IN_Q_OVERFLOW
			    || (e->len > 0 && strncmp(e->name, w->name, strlen(w->name)) == 0))
				ours = 1;
			at += sizeof(*e) + e->len;
		}
	}
	return ours;
}
