/* Writing the log to stderr. Any thread; only the level is shared, an atomic.
 *
 * Each line is built whole and written with one write(), so that the lines of
 * two threads never mix. Control characters are replaced: what a peer sent
 * must not be able to start a line of its own. */

#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 }; /* longer lines are cut; picked, not tuned */

static _Atomic int wanted = LOG_LEVEL_INFO;

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&wanted, (int)level, memory_order_relaxed);
}

int
log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&wanted, memory_order_relaxed);
}

static void __attribute__((format(printf, 3, 0)))
write_line(enum log_level level, int error, const char *format, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - 1; /* one byte is kept for the newline */
	size_t len = (size_t)snprintf(line, room, "%s: ", names[level]);
	int n = vsnprintf(line + len, room - len, format, ap);

	if (n > 0)
		len += (size_t)n < room - len ? (size_t)n : room - len - 1;
	if (error != 0 && len + 1 < room) {
		char text[128];

		n = snprintf(line + len, room - len, ": %s",
		    strerror_r(error, text, sizeof(text)));
		if (n > 0)
			len += (size_t)n < room - len ? (size_t)n : room - len - 1;
	}
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == '\x7f')
			line[i] = '?';
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* There is no other place to report it. */
	}
}

void
log_write(enum log_level level, int with_errno, const char *format, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	write_line(level, with_errno ? saved : 0, format, ap);
	va_end(ap);
	errno = saved;
}

void
log_die(int with_errno, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	write_line(LOG_LEVEL_ERROR, with_errno ? errno : 0, format, ap);
	va_end(ap);
	exit(1);
}
