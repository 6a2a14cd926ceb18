/* What the processes of the server side cost: CPU time and memory, by name. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

enum { USAGE_PIDS = 64, USAGE_NAME = 32 };

/* One process; several may have the same name (the workers of a web server). */
struct usage_of {
	char name[USAGE_NAME];
	pid_t pid;
};

/* What they have used up to now, a figure a process, in the order of the list. */
struct usage {
	int64_t cpu_us[USAGE_PIDS];
	int64_t pss_bytes[USAGE_PIDS]; /* shared pages counted in proportion */
};

/* usage_parse reads "name=pid" into of; -1: it is not that. */
int usage_parse(struct usage_of *of, const char *text);

/* usage_read fills u for n processes; a process that is gone counts 0.
 * with_memory 0 leaves pss_bytes alone: reading it takes the process's
 * memory lock, which a running measurement would feel. */
void usage_read(struct usage *u, const struct usage_of *of, int n, int with_memory);

/* What all cores of the machine have done up to now. What neither server nor
 * client used, others did, and disturbed. */
struct usage_machine {
	int64_t busy_us; /* in processes */
	int64_t idle_us; /* in none */
};

void usage_read_machine(struct usage_machine *m);

#endif
