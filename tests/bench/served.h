/* A rowcast that serves, in a process of its own, and the web server's end of
 * connections to it. */
#ifndef BENCH_SERVED_H
#define BENCH_SERVED_H

#include <sys/types.h>

#include "lib/buf.h"

struct served {
	char *socket;    /* owned */
	pid_t pid;
};

/* served_start starts `program serve` with socket, key and table in the folder
 * and waits until it accepts; the process ends where it does not. */
void served_start(struct served *served, const char *program, const char *folder, const char *key);

/* served_ask sends the bytes on a connection of their own and reads until it is
 * closed. The HTTP status of the answer; 0: it hung up without one; -1: it
 * left the connection open. */
int served_ask(const struct served *served, const struct buf *bytes);

/* served_cpu_us returns the CPU time that the process has taken. */
double served_cpu_us(const struct served *served);

void served_stop(struct served *served);

#endif
