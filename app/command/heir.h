/* An heir: a child that waits for its parent's end, and does what is due where that was
 * killed before it could. Main's thread, while it is the only one. */
#ifndef APP_COMMAND_HEIR_H
#define APP_COMMAND_HEIR_H

#include <sys/types.h>

struct heir {
	pid_t pid;
	int fd;     /* owned: our end of the pipe whose end tells of ours */
};

/* heir_start starts it. Where this process ends without heir_dismiss, by whatever signal,
 * the child runs deed(context); it has another session than ours, no stdin and no stdout.
 * 0, or -1 (logged, by the name of the command): there is none. */
int heir_start(struct heir *heir, const char *command, void (*deed)(void *context), void *context);

/* heir_dismiss ends it: nothing is due any more. */
void heir_dismiss(struct heir *heir);

#endif
