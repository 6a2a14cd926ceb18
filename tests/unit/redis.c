#include "tests/unit/redis.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/random.h"

/* ---- processes ---- */

/* free_port returns a port that nobody has now, below those that the kernel gives to
 * whoever connects (32768 and up): one of these could be taken before the server has it,
 * or while it is killed. */
static int
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int port, taken;

	do {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		port = (int)random_between(10000, 32767);
		address.sin_port = htons((uint16_t)port);
		taken = bind(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
	} while (taken != 0);
	return port;
}

static void
write_conf(const struct redis_server *server, const char *const lines[], const char *more)
{
	char *path = mem_printf("%s/conf", server->folder);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fprintf(file, "port %d\nbind 127.0.0.1\ndir %s\nlogfile %s/log\ndaemonize no\n", server->port,
	    server->folder, server->folder);
	if (!server->is_sentinel)
		fprintf(file, "unixsocket %s\nsave \"\"\nappendonly no\n"
		    "repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n", server->socket);
	if (more != NULL)
		fprintf(file, "%s\n", more);
	for (; lines != NULL && *lines != NULL; lines++)
		fprintf(file, "%s\n", *lines);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static void
run(struct redis_server *server)
{
	const char *program = server->is_sentinel ? "redis-sentinel" : "redis-server";
	char *path = mem_printf("%s/conf", server->folder);

	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);  /* a test that fails leaves none */
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execlp(program, program, path, (char *)NULL);
		_exit(127);
	}
	free(path);
	/* LOADING is an answer too, but not yet the right one; NOAUTH is. */
	WAIT_FOR(strcmp(redis_cli(server, LIST("PING")), "PONG") == 0
	    || strncmp(redis_cli(server, LIST("PING")), "NOAUTH", strlen("NOAUTH")) == 0);
}

static void
start(struct redis_server *server, bool is_sentinel, const char *const lines[], const char *more)
{
	static int number;
	char *name = mem_printf("redis-%d", number++);

	*server = (struct redis_server){ .is_sentinel = is_sentinel, .port = free_port() };
	server->folder = path_in_folder(name);
	assert_int_equal(mkdir(server->folder, 0700), 0);
	if (!is_sentinel)
		server->socket = mem_printf("%s/s", server->folder);
	server->unix_url = mem_printf("unix:%s", is_sentinel ? "" : server->socket);
	server->url = mem_printf("redis://127.0.0.1:%d", server->port);
	write_conf(server, lines, more);
	run(server);
	free(name);
}

void
redis_server_start(struct redis_server *server, const char *const lines[])
{
	start(server, false, lines, NULL);
}

void
redis_replica_start(struct redis_server *server, const struct redis_server *primary,
    const char *const lines[])
{
	char *more = mem_printf("replicaof 127.0.0.1 %d", primary->port);

	start(server, false, lines, more);
	free(more);
	WAIT_FOR(strstr(redis_cli(server, LIST("ROLE")), "connected") != NULL);
	WAIT_FOR(strstr(redis_cli(primary, LIST("INFO", "replication")), "state=online") != NULL);
}

void
redis_sentinel_start(struct redis_server *sentinel, const struct redis_server *primary,
    int n_replicas)
{
	char *more = mem_printf("sentinel monitor mymaster 127.0.0.1 %d 1\n"
	    "sentinel down-after-milliseconds mymaster 300\n"
	    "sentinel failover-timeout mymaster 3000", primary->port);
	char *known = mem_printf("slaves=%d", n_replicas);

	start(sentinel, true, NULL, more);
	WAIT_FOR(strstr(redis_cli(sentinel, LIST("INFO", "sentinel")), known) != NULL);
	free(known);
	free(more);
}

static void
end(struct redis_server *server, int signal)
{
	if (server->pid == 0)
		return;
	kill(server->pid, signal);
	kill(server->pid, SIGCONT);
	assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
	server->pid = 0;
}

void
redis_server_kill(struct redis_server *server)
{
	end(server, SIGKILL);
}

void
redis_server_stop(struct redis_server *server)
{
	end(server, SIGTERM);
}

void
redis_server_again(struct redis_server *server)
{
	assert_int_equal(server->pid, 0);
	run(server);
}

void
redis_server_hang(struct redis_server *server)
{
	int status;

	assert_int_equal(kill(server->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(server->pid, &status, WUNTRACED), server->pid);
	assert_true(WIFSTOPPED(status));
}

void
redis_server_wake(struct redis_server *server)
{
	assert_int_equal(kill(server->pid, SIGCONT), 0);
}

void
redis_server_free(struct redis_server *server)
{
	redis_server_kill(server);
	free(server->socket);
	free(server->folder);
	free(server->unix_url);
	free(server->url);
	*server = (struct redis_server){ 0 };
}

/* ---- commands ---- */

const char *
redis_cli(const struct redis_server *server, const char *const args[])
{
	static char answer[65536];
	char port[16];
	const char *argv[64] = { "redis-cli", "-p", port };
	size_t n_args = 3, len = 0;
	ssize_t n;
	int out[2];
	pid_t child;

	snprintf(port, sizeof(port), "%d", server->port);
	for (; *args != NULL; args++) {
		assert_true(n_args < 63);
		argv[n_args++] = *args;
	}
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(out[1]);
	while ((n = read(out[0], answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)n;
	close(out[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	while (len > 0 && answer[len - 1] == '\n')
		len--;
	answer[len] = '\0';
	return answer;
}

void
redis_cli_says(const struct redis_server *server, const char *answer, const char *const args[])
{
	assert_string_equal(redis_cli(server, args), answer);
}
