/* What the child logs comes through a pipe that is its stderr. It is bounded: the deed
 * ends, and a line that is too long is cut. */

#include "app/command/standin.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DONE = 0, NOT_THAT_USER = 3 };  /* how the child ends */

static bool
become(const struct passwd *user)
{
	return initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0
	    && setuid(user->pw_uid) == 0;
}

static void __attribute__((noreturn))
stand_in(const struct passwd *user, int to, void (*deed)(void *context), void *context)
{
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (nothing < 0 || dup2(nothing, STDOUT_FILENO) < 0 || dup2(to, STDERR_FILENO) < 0
	    || !become(user))
		_exit(NOT_THAT_USER);
	deed(context);
	_exit(DONE);
}

/* pass_on returns how many errors there were. */
static size_t
pass_on(FILE *from, standin_retell *retell, void *context)
{
	static const char mark[] = "error: ";
	char line[4096];
	size_t n = 0;

	while (fgets(line, sizeof(line), from) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, mark, strlen(mark)) != 0)
			continue;
		retell(context, line + strlen(mark));
		n++;
	}
	return n;
}

int
standin_run(const char *name, void (*deed)(void *context), standin_retell *retell, void *context)
{
	const struct passwd *user = getpwnam(name);
	int ends[2], status = -1;
	size_t n_errors = 0;
	FILE *from;
	pid_t child;

	if (user == NULL || user->pw_uid == 0 || pipe2(ends, O_CLOEXEC) < 0)
		return STANDIN_NOBODY;
	fflush(stdout);
	child = fork();
	if (child == 0)
		stand_in(user, ends[1], deed, context);
	close(ends[1]);
	from = fdopen(ends[0], "r");
	if (from == NULL)
		close(ends[0]);
	else if (child > 0)
		n_errors = pass_on(from, retell, context);
	if (from != NULL)
		fclose(from);
	if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status)
	    || WEXITSTATUS(status) != DONE)
		return STANDIN_NOBODY;
	return n_errors > 0 ? STANDIN_FAILED : 0;
}
