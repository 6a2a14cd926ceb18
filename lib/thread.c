/* Starting a thread. Called while the program starts. */

#include "lib/thread.h"

#include <errno.h>

#include "lib/log.h"

/* Threads here keep their buffers on the heap, and JSON is parsed to a bounded
 * depth; the default 8 MiB only count against the limits of containers. */
enum { STACK_BYTES = 2 << 20 };

void
thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	errno = pthread_create(thread, &attr, run, arg);
	if (errno != 0)
		fatal("%s: thread cannot be started", name);
	pthread_attr_destroy(&attr);
	pthread_setname_np(*thread, name);
}
