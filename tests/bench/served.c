#include "tests/bench/served.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/mem.h"

#define LEFT_OPEN SIZE_MAX

enum {
	LOOK_EACH_US = 20000,
	LOOKS = 500,
	PATIENCE_S = 5,
	STATUS_AT = 8 + 8,   /* behind a record's header and "Status: " */
};

static int
connect_to(const struct served *served)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(served->socket) >= sizeof(address.sun_path))
		err(1, "%s", served->socket);
	strcpy(address.sun_path, served->socket);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fputs(text, f) == EOF || fclose(f) != 0)
		err(1, "%s", path);
}

void
served_start(struct served *served, const char *program, const char *folder, const char *key)
{
	char *key_path = mem_printf("%s/key", folder), *conf_path = mem_printf("%s/worst.conf", folder);
	char *conf = mem_printf("jwt_key_file = %s\nlisten = unix:%s/socket\n"
	    "store = sqlite:%s/served.db\nlog_level = error\n", key_path, folder, folder);
	int fd = -1;

	served->socket = mem_printf("%s/socket", folder);
	umask(077);
	write_file(key_path, key);
	write_file(conf_path, conf);
	served->pid = fork();
	if (served->pid < 0)
		err(1, "fork");
	if (served->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);  /* it never outlives us */
		execl(program, program, "serve", "-c", conf_path, (char *)NULL);
		err(1, "%s", program);
	}
	for (int i = 0; i < LOOKS && (fd = connect_to(served)) < 0; i++)
		usleep(LOOK_EACH_US);
	if (fd < 0) {
		kill(served->pid, SIGKILL);
		errx(1, "%s does not serve", program);
	}
	close(fd);
	free(key_path);
	free(conf_path);
	free(conf);
}

int
served_ask(const struct served *served, const struct buf *bytes)
{
	static char answer[1 << 16];
	size_t at = 0, have = 0;
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = connect_to(served);
	ssize_t n;

	if (fd < 0)
		err(1, "connect");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* It may answer before it has read everything, and hang up. */
	while (at < bytes->len
	    && (n = send(fd, bytes->bytes + at, bytes->len - at, MSG_NOSIGNAL)) > 0)
		at += (size_t)n;
	while ((n = recv(fd, answer + have, sizeof(answer) - 1 - have, 0)) > 0)
		have += (size_t)n;
	if (n < 0 && errno == EAGAIN)
		have = LEFT_OPEN;
	close(fd);
	if (have == LEFT_OPEN)
		return -1;
	answer[have] = '\0';
	return have > STATUS_AT ? atoi(answer + STATUS_AT) : 0;
}

double
served_cpu_us(const struct served *served)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(served->pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		errx(1, "the server is gone");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

void
served_stop(struct served *served)
{
	kill(served->pid, SIGTERM);
	waitpid(served->pid, NULL, 0);
	free(served->socket);
}
