/* Connecting to an address, or to one after the other. All waiting is in socket_await, for
 * socket, deadline and interruption at once. */

#include "app/upstream/redis/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum socket_awaited
socket_await(int fd, short events, int wake_fd, mono_us deadline)
{
	struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = wake_fd, .events = POLLIN } };

	for (;;) {
		mono_us left = deadline - clock_mono_us();
		struct timespec wait = { 0 };

		if (left > 0)
			wait = (struct timespec){ left / 1000000, left % 1000000 * 1000 };
		if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
			return SOCKET_LATE;  /* no memory; the next try may have some */
		if (fds[1].revents != 0)
			return SOCKET_WOKEN;
		if (fds[0].revents != 0)
			return SOCKET_READY;
		if (left <= 0)
			return SOCKET_LATE;
	}
}

void
socket_tell_errno(char why[SOCKET_WHY_BYTES], int error)
{
	char text[SOCKET_WHY_BYTES];

	snprintf(why, SOCKET_WHY_BYTES, "%s", strerror_r(error, text, sizeof(text)));
}

void
socket_tell_awaited(char why[SOCKET_WHY_BYTES], enum socket_awaited awaited)
{
	snprintf(why, SOCKET_WHY_BYTES, "%s",
	    awaited == SOCKET_WOKEN ? "interrupted" : "no answer in time");
}

/* ---- connecting ---- */

/* connect_to returns a connected descriptor, or -1. */
static int
connect_to(const struct sockaddr *address, socklen_t len, int wake_fd, mono_us deadline,
    char why[SOCKET_WHY_BYTES])
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0, one = 1;
	socklen_t error_len = sizeof(error);
	enum socket_awaited awaited;

	if (fd < 0) {
		socket_tell_errno(why, errno);
		return -1;
	}
	if (address->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, address, len) < 0) {
		/* A unix socket whose backlog is full says EAGAIN: it has to be asked anew. */
		if (errno != EINPROGRESS) {
			socket_tell_errno(why, errno);
			goto fail;
		}
		awaited = socket_await(fd, POLLOUT, wake_fd, deadline);
		if (awaited != SOCKET_READY) {
			socket_tell_awaited(why, awaited);
			goto fail;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0)
			error = errno;
		if (error != 0) {
			socket_tell_errno(why, error);
			goto fail;
		}
	}
	return fd;

fail:
	close(fd);
	return -1;
}

int
socket_connect_path(const char *path, int wake_fd, mono_us deadline, char why[SOCKET_WHY_BYTES])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(why, SOCKET_WHY_BYTES, "the path is too long");
		return -1;
	}
	strcpy(address.sun_path, path);
	return connect_to((const struct sockaddr *)&address, sizeof(address), wake_fd, deadline, why);
}

/* What is left of the time is shared by the addresses that are left, so that one that does
 * not answer leaves some for the next. */
int
socket_connect_host(const char *host, int port, int wake_fd, mono_us deadline,
    char why[SOCKET_WHY_BYTES])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *list, *each;
	char service[16];
	int error, fd = -1, n_left = 0;

	snprintf(service, sizeof(service), "%d", port);
	/* An address is asked of nobody. */
	error = getaddrinfo(host, service, &hints, &list);
	if (error != 0) {
		hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
		error = getaddrinfo(host, service, &hints, &list);
	}
	if (error != 0) {
		snprintf(why, SOCKET_WHY_BYTES, "no address is known of this host: %s", gai_strerror(error));
		return -1;
	}
	for (each = list; each != NULL; each = each->ai_next)
		n_left++;
	for (each = list; each != NULL && fd < 0; each = each->ai_next, n_left--) {
		mono_us now = clock_mono_us();

		fd = connect_to(each->ai_addr, each->ai_addrlen, wake_fd,
		    deadline > now ? now + (deadline - now) / n_left : deadline, why);
	}
	freeaddrinfo(list);
	return fd;
}
