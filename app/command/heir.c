/* The child holds the reading end of a pipe, of which only the parent has the other: the
 * kernel closes that whatever ends the parent. A byte says that nothing is due. */

#include "app/command/heir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"

/* wait_for_the_end returns 0 where nothing is due. */
static int
wait_for_the_end(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : -1;
}

/* inherit: what is sent to our group, or by a terminal, is not for the child; and nobody
 * is to wait for the end of a pipe that only it has open still. */
static void __attribute__((noreturn))
inherit(int fd, void (*deed)(void *context), void *context)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0)
		_exit(1);
	if (wait_for_the_end(fd) != 0)
		deed(context);
	_exit(0);
}

int
heir_start(struct heir *heir, const char *command, void (*deed)(void *context), void *context)
{
	int ends[2];

	*heir = (struct heir){ .fd = -1 };
	if (pipe2(ends, O_CLOEXEC) != 0) {
		log_error("%s: pipe", command);
		return -1;
	}
	heir->pid = fork();
	if (heir->pid == 0) {
		close(ends[1]);
		inherit(ends[0], deed, context);
	}
	if (heir->pid < 0)
		log_error("%s: fork", command);
	close(ends[0]);
	if (heir->pid < 0)
		close(ends[1]);
	else
		heir->fd = ends[1];
	return heir->pid > 0 ? 0 : -1;
}

void
heir_dismiss(struct heir *heir)
{
	ssize_t n = write(heir->fd, "", 1);  /* it may have been killed too */

	(void)n;
	close(heir->fd);
	while (waitpid(heir->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
