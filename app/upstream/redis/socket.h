/* A socket to a server: connected, and waited for, until a deadline or an interruption.
 * Any thread; only the resolution of a host's name takes its own time. */
#ifndef APP_UPSTREAM_REDIS_SOCKET_H
#define APP_UPSTREAM_REDIS_SOCKET_H

#include "lib/clock.h"

enum { SOCKET_WHY_BYTES = 160 };

/* Both return a connected descriptor, non-blocking and the caller's to close. -1: why says
 * why not; they give up at the deadline, or when wake_fd (-1: none) becomes readable.
 * socket_connect_host tries each address of the host. */
int socket_connect_path(const char *path, int wake_fd, mono_us deadline,
    char why[SOCKET_WHY_BYTES]);
int socket_connect_host(const char *host, int port, int wake_fd, mono_us deadline,
    char why[SOCKET_WHY_BYTES]);

enum socket_awaited {
	SOCKET_READY,   /* for one of the events, or the other side has hung up */
	SOCKET_LATE,    /* the deadline is over */
	SOCKET_WOKEN,   /* wake_fd is readable, whatever else */
};

/* socket_await waits for the events (poll's), or a hang-up. With a deadline that is over
 * it looks once. */
enum socket_awaited socket_await(int fd, short events, int wake_fd, mono_us deadline);

/* Why: the system's words for an error, and ours for SOCKET_LATE and SOCKET_WOKEN. */
void socket_tell_errno(char why[SOCKET_WHY_BYTES], int error);
void socket_tell_awaited(char why[SOCKET_WHY_BYTES], enum socket_awaited awaited);

#endif
