/* Faults by the kernel's own means: limits, and system calls that it refuses.
 * What ends a process, or cannot be taken back, is tried in a child. */
#ifndef TESTS_UNIT_FAULT_H
#define TESTS_UNIT_FAULT_H

#include "tests/unit/check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* limit sets a limit of this process and returns the one before. Only the soft
 * one is touched, so that it can be put back. */
static inline rlim_t
limit(int resource, rlim_t to)
{
	struct rlimit both;
	rlim_t before;

	assert_int_equal(getrlimit((__rlimit_resource_t)resource, &both), 0);
	before = both.rlim_cur;
	both.rlim_cur = to;
	assert_int_equal(setrlimit((__rlimit_resource_t)resource, &both), 0);
	return before;
}

/* The lowest descriptor is the one that the next open gets: with a limit of so
 * many there is none to be had. */
static inline rlim_t
no_descriptors(void)
{
	int lowest = dup(STDERR_FILENO);

	assert_true(lowest >= 0);
	close(lowest);
	return limit(RLIMIT_NOFILE, (rlim_t)lowest);
}

/* refuse lets this system call fail with that errno from now on, in this thread
 * and those it starts: for a child only. call is one of SYS_... */
static inline void
refuse(long call, int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
	    || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		perror("seccomp");
		abort();
	}
}

/* leave ends a child. What is to be done at the exit is its parent's; but for
 * the counters of `make coverage`, which are its own. */
extern void __gcov_dump(void) __attribute__((weak));

static inline void __attribute__((noreturn))
leave(int status)
{
	if (__gcov_dump != NULL)
		__gcov_dump();
	_exit(status);
}

/* ends: deed, in a child, ends with this status as waitpid() has it (0 where it
 * returns), and what it says on stderr has these words. */
static inline void
ends(void (*deed)(void), int status, const char *words)
{
	char said[4096];
	size_t len = 0;
	ssize_t n;
	int out[2], got;
	pid_t child;

	fflush(stdout);
	assert_int_equal(pipe(out), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		deed();
		leave(0);
	}
	close(out[1]);
	while ((n = read(out[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(out[0]);
	said[len] = '\0';
	assert_int_equal(waitpid(child, &got, 0), child);
	if (got != status || strstr(said, words) == NULL)
		fail_msg("expected status %#x and \"%s\", got %#x and \"%s\"", status, words, got, said);
}

/* The status of who has called exit(1). */
enum { EXIT_1 = 1 << 8 };

#endif
