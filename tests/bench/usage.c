#include "tests/bench/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int
usage_parse(struct usage_of *of, const char *text)
{
	const char *eq = strchr(text, '=');
	char *end;

	if (eq == NULL || eq == text || (size_t)(eq - text) >= sizeof of->name)
		return -1;
	memcpy(of->name, text, (size_t)(eq - text));
	of->name[eq - text] = '\0';
	of->pid = (pid_t)strtol(eq + 1, &end, 10);
	return of->pid > 0 && *end == '\0' ? 0 : -1;
}

/* open_proc opens a file of the process's folder in /proc; NULL: it is gone. */
static FILE *
open_proc(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* read_cpu asks the kernel's own count: /proc has ticks of 10 ms. */
static int64_t
read_cpu(pid_t pid)
{
	clockid_t of;
	struct timespec t;

	if (clock_getcpuclockid(pid, &of) != 0 || clock_gettime(of, &t) == -1)
		return 0;
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* read_kb returns the bytes of the line `Name:  N kB`; -1: there is none. */
static int64_t
read_kb(pid_t pid, const char *file, const char *name)
{
	char text[256];
	int64_t bytes = -1;
	size_t n = strlen(name);
	FILE *f = open_proc(pid, file);

	if (f == NULL)
		return -1;
	while (bytes == -1 && fgets(text, sizeof text, f) != NULL)
		if (strncmp(text, name, n) == 0 && text[n] == ':')
			bytes = strtoll(text + n + 1, NULL, 10) * 1024;
	fclose(f);
	return bytes;
}

static int64_t
read_memory(pid_t pid)
{
	int64_t bytes = read_kb(pid, "smaps_rollup", "Pss");

	if (bytes == -1) /* another user's process: only root reads its maps */
		bytes = read_kb(pid, "status", "VmRSS");
	return bytes != -1 ? bytes : 0;
}

void
usage_read(struct usage *u, const struct usage_of *of, int n, int with_memory)
{
	for (int k = 0; k < n; k++) {
		u->cpu_us[k] = read_cpu(of[k].pid);
		if (with_memory)
			u->pss_bytes[k] = read_memory(of[k].pid);
	}
}

static int64_t
ticks_to_us(unsigned long long ticks)
{
	return (int64_t)ticks * 1000000 / sysconf(_SC_CLK_TCK);
}

void
usage_read_machine(struct usage_machine *m)
{
	unsigned long long user, nice, system, idle, waiting;
	FILE *f = fopen("/proc/stat", "re");

	*m = (struct usage_machine){ 0, 0 };
	if (f == NULL)
		return;
	if (fscanf(f, "cpu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &waiting) == 5) {
		m->busy_us = ticks_to_us(user + nice + system);
		m->idle_us = ticks_to_us(idle + waiting);
	}
	fclose(f);
}
