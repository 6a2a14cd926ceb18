/* Opening the socket that the web server connects to, and connecting to one. The
 * main thread's, at the start before any other thread (umask is the whole
 * process's) and at the end; listener_connect is the command line's. It touches
 * the socket's file and looks up host names, so it may wait. */

#include "app/fastcgi/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/permission.h"

enum {
	BACKLOG = 4096,          /* the kernel cuts it to net.core.somaxconn */
	SYSTEMD_FIRST_FD = 3,    /* sd_listen_fds(3) */
	GROUPS_MAX = 256,        /* that we may be in; picked, not tuned */
};

static const char unix_scheme[] = "unix:";

static bool
is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

int
listener_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

	if (pid != NULL && n != NULL && atol(pid) == (long)getpid() && atoi(n) > 0
	    && is_listening(SYSTEMD_FIRST_FD))
		return SYSTEMD_FIRST_FD;
	return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

/* is_deserted: does nobody listen there any more? 1 or 0, or -1 where that
 * cannot be tried. Only a refusal says so: a backlog may be full (EAGAIN), the
 * socket of another type or another user's (EPROTOTYPE, EACCES). */
static int
is_deserted(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), refused;

	if (fd < 0)
		return -1;
	refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0
	    && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

/* clear_path removes a socket that a program which is gone has left behind. */
static int
clear_path(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		log_errorx("listen: %s: is there and is not a socket", path);
		return -1;
	}
	switch (is_deserted(address)) {
	case -1:
		log_error("listen: %s: cannot be tried", path);
		return -1;
	case 0:
		log_errorx("listen: %s: another program is listening there", path);
		return -1;
	}
	if (unlink(path) < 0) {
		log_error("listen: %s: cannot be replaced", path);
		return -1;
	}
	return 0;
}

/* refuse_folder: can a socket be made in its folder? -1: logged. */
static int
refuse_folder(const char *path)
{
	char *copy = mem_strdup(path), *folder = dirname(copy);
	char *why = permission_folder_refusal(path, W_OK | X_OK);
	struct stat st;
	int rc = -1;

	if (why != NULL)
		log_errorx("listen: %s", why);
	else if (stat(folder, &st) < 0)
		log_error("listen: %s: its folder %s", path, folder);
	else if (!S_ISDIR(st.st_mode))
		log_errorx("listen: %s: %s is not a folder", path, folder);
	else
		rc = 0;
	free(why);
	free(copy);
	return rc;
}

/* log_not_our_group: only root, and who is in a group, may give that a file. */
static void
log_not_our_group(const char *path, const char *group)
{
	log_errorx("listen: %s: cannot be given to the group %s (listen_group): only root may, or who is"
	    " in it: `usermod -aG %s USER`, USER being who runs rowcast, and start it anew; or let the"
	    " folder hand its group on: `chgrp %s` and `chmod g+s` it, and leave listen_group empty",
	    path, group, group, group);
}

/* give hands the socket to the group of that name (NULL: to none), and then opens it. */
static int
give(const char *path, mode_t mode, const char *group)
{
	gid_t gid;

	if (group != NULL && !setting_find_group(group, &gid)) {
		log_errorx("listen: %s: there is no group %s any more", path, group);
		return -1;
	}
	if (group != NULL && chown(path, (uid_t)-1, gid) < 0) {
		if (errno == EPERM)
			log_not_our_group(path, group);
		else
			log_error("listen: %s: cannot be given to the group %s", path, group);
		return -1;
	}
	if (chmod(path, mode) == 0)
		return 0;
	log_error("listen: %s: its mode cannot be set", path);
	return -1;
}

static int
open_unix(const char *path, mode_t mode, const char *group)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t umask_before;
	int fd, rc;

	if (strlen(path) >= sizeof(address.sun_path)) {
		log_errorx("listen: %s: is too long for a socket's path", path);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	if (clear_path(&address) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		log_error("listen: %s", path);
		return -1;
	}
	/* Nobody may connect before the mode is right. */
	umask_before = umask(0777);
	rc = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(umask_before);
	if (rc < 0) {
		int error = errno;

		if (refuse_folder(path) == 0) {
			errno = error;
			log_error("listen: %s", path);
		}
		close(fd);
		return -1;
	}
	rc = give(path, mode, group);
	if (rc == 0 && (rc = listen(fd, BACKLOG)) < 0)
		log_error("listen: %s", path);
	if (rc == 0)
		return fd;
	unlink(path);
	close(fd);
	return -1;
}

/* resolve looks up HOST:PORT or [IPV6]:PORT. The caller frees *addresses. */
static int
resolve(const char *host_and_port, struct addrinfo **addresses)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	char *copy = mem_strdup(host_and_port), *host = copy, *port = strrchr(copy, ':');
	int rc;

	*port++ = '\0';
	if (*host == '[' && host[strlen(host) - 1] == ']') {
		host[strlen(host) - 1] = '\0';
		host++;
	}
	rc = getaddrinfo(*host != '\0' ? host : NULL, port, &hints, addresses);
	if (rc != 0)
		log_errorx("listen: %s: %s", host_and_port, gai_strerror(rc));
	free(copy);
	return rc == 0 ? 0 : -1;
}

static int
open_tcp(const char *host_and_port)
{
	struct addrinfo *addresses;
	int fd, one = 1;

	if (resolve(host_and_port, &addresses) < 0)
		return -1;
	fd = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, addresses->ai_addr, addresses->ai_addrlen) < 0
	    || listen(fd, BACKLOG) < 0) {
		log_error("listen: %s", host_and_port);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(addresses);
	return fd;
}

static int
connect_to(int family, const struct sockaddr *address, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd >= 0 && connect(fd, address, len) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

int
listener_connect(const char *listen_name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = listen_name + strlen(unix_scheme);
	struct addrinfo *addresses;
	int fd;

	if (strncmp(listen_name, unix_scheme, strlen(unix_scheme)) == 0) {
		if (strlen(path) >= sizeof(address.sun_path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(address.sun_path, path, strlen(path));
		return connect_to(AF_UNIX, (const struct sockaddr *)&address, sizeof(address));
	}
	if (resolve(listen_name, &addresses) < 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	fd = connect_to(addresses->ai_family, addresses->ai_addr, addresses->ai_addrlen);
	freeaddrinfo(addresses);
	return fd;
}

int
listener_open(struct listener *listener, const struct conf *conf)
{
	*listener = (struct listener){ .fd = listener_passed() };
	if (listener->fd >= 0) {
		fcntl(listener->fd, F_SETFD, FD_CLOEXEC);
	} else if (strncmp(conf->listen, unix_scheme, strlen(unix_scheme)) == 0) {
		listener->path = mem_strdup(conf->listen + strlen(unix_scheme));
		listener->fd = open_unix(listener->path, conf->listen_mode,
		    conf->listen_group);
	} else {
		listener->fd = open_tcp(conf->listen);
	}
	if (listener->fd < 0) {
		free(listener->path);
		listener->path = NULL;
		return -1;
	}
	fcntl(listener->fd, F_SETFL, fcntl(listener->fd, F_GETFL) | O_NONBLOCK);
	return 0;
}

/* may_give: could we give a file of ours to that group? */
static bool
may_give(const char *group)
{
	gid_t gid, groups[GROUPS_MAX];
	int n = getgroups(GROUPS_MAX, groups);

	if (geteuid() == 0 || !setting_find_group(group, &gid) || gid == getegid())
		return true;
	while (n > 0)
		if (groups[--n] == gid)
			return true;
	return false;
}

/* look_at_unix asks with a socket of another type whether somebody has this one:
 * the kernel says so (EPROTOTYPE), and nobody is connected to, whom that would start
 * (systemd). */
static int
look_at_unix(const char *path, const char *group)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, rc = -1;

	memcpy(address.sun_path, path, strlen(path));  /* the setting knows how long it may be */
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			log_errorx("listen: %s: is there and is not a socket", path);
			return -1;
		}
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
		if (rc < 0 && errno != ECONNREFUSED)
			rc = LISTENER_SERVED;
		close(fd);
		if (rc == LISTENER_SERVED)
			return rc;
	}
	rc = refuse_folder(path);
	if (group != NULL && !may_give(group)) {
		log_not_our_group(path, group);
		rc = -1;
	}
	return rc;
}

/* look_at_tcp takes the address for a moment, but does not listen. */
static int
look_at_tcp(const char *host_and_port)
{
	struct addrinfo *addresses;
	int fd, rc = 0, one = 1;

	if (resolve(host_and_port, &addresses) < 0)
		return -1;
	fd = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, addresses->ai_addr, addresses->ai_addrlen) < 0) {
		rc = errno == EADDRINUSE ? LISTENER_SERVED : -1;
		if (rc < 0)
			log_error("listen: %s", host_and_port);
	}
	if (fd >= 0)
		close(fd);
	freeaddrinfo(addresses);
	return rc;
}

int
listener_look(const struct conf *conf)
{
	if (listener_passed() >= 0)
		return LISTENER_PASSED;
	if (strncmp(conf->listen, unix_scheme, strlen(unix_scheme)) == 0)
		return look_at_unix(conf->listen + strlen(unix_scheme), conf->listen_group);
	return look_at_tcp(conf->listen);
}

void
listener_close(struct listener *listener)
{
	if (listener->path != NULL) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		struct stat st;

		/* Where somebody listens, another rowcast has put its socket there. */
		memcpy(address.sun_path, listener->path, strlen(listener->path));
		if (lstat(listener->path, &st) == 0 && S_ISSOCK(st.st_mode)
		    && is_deserted(&address) == 1)
			unlink(listener->path);
	}
	free(listener->path);
	listener->path = NULL;
}
