#include "app/fastcgi/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

enum {
	REFUSAL_LOG_MS = 1000,    /* how often it is logged that connections are refused */
	/* An answer must fit in the socket's buffer: nobody waits to send one. */
	SEND_BUFFER_BYTES = 256 << 10,
};

/* watch_listener watches the listening socket, or does not. */
static void
watch_listener(struct acceptor *acceptor, bool wanted)
{
	struct epoll_event event = { .events = wanted ? EPOLLIN : 0, .data.ptr = acceptor };

	if (epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_MOD, acceptor->listen_fd, &event) == 0)
		acceptor->deaf = !wanted;
}

static void
open_spare(struct acceptor *acceptor)
{
	if (acceptor->spare_fd < 0)
		acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* refuse_one makes room when descriptors have run out: without it the peer
 * would stay in the backlog, and accept would fail again at once, for ever. Where
 * not even the spare one could be had again nobody is listened to for a while. */
static void
refuse_one(struct acceptor *acceptor)
{
	int fd = -1;

	if (acceptor->spare_fd >= 0) {
		close(acceptor->spare_fd);
		acceptor->spare_fd = -1;
		fd = accept4(acceptor->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		open_spare(acceptor);
	}
	if (fd < 0)
		watch_listener(acceptor, false);
	if (clock_mono_us() - acceptor->refusal_logged_at >= REFUSAL_LOG_MS * 1000) {
		acceptor->refusal_logged_at = clock_mono_us();
		log_warnx("intake: no descriptors left, connections are refused"
		    " (raise the limit on open files, or lower max_streams)");
	}
}

int
acceptor_accept(struct acceptor *acceptor)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int bytes = SEND_BUFFER_BYTES;
	int fd = accept4(acceptor->listen_fd, (struct sockaddr *)&address, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse_one(acceptor);
		else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_warn("intake: accept");
		return -1;
	}
	if (address.ss_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return fd;
}

void
acceptor_recover(struct acceptor *acceptor)
{
	open_spare(acceptor);
	if (acceptor->deaf)
		watch_listener(acceptor, true);
}

int
acceptor_init(struct acceptor *acceptor, int listen_fd)
{
	*acceptor = (struct acceptor){ .listen_fd = listen_fd, .epoll_fd = -1, .spare_fd = -1 };
	open_spare(acceptor);
	return acceptor->spare_fd >= 0 ? 0 : -1;
}

void
acceptor_watch(struct acceptor *acceptor, int epoll_fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = acceptor };

	acceptor->epoll_fd = epoll_fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, acceptor->listen_fd, &event) < 0)
		fatal("intake: epoll_ctl");
}

void
acceptor_stop(struct acceptor *acceptor)
{
	close(acceptor->listen_fd);
	acceptor->listen_fd = -1;
}

void
acceptor_free(struct acceptor *acceptor)
{
	if (acceptor->spare_fd >= 0)
		close(acceptor->spare_fd);
}
