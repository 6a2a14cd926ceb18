/* rowcast status: asks the rowcast that listens on `listen` for /status, as a web
 * server would, and prints the answer. Whoever may connect to that socket may read
 * it. One thread; it opens the socket and no store. */

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/command/command.h"
#include "app/fastcgi/listener.h"
#include "app/fastcgi/request.h"
#include "lib/buf.h"
#include "lib/fcgi.h"

static const char usage[] = "status [-c FILE] [-o KEY=VALUE]...";

enum { ANSWER_MAX_BYTES = 64 << 10, ANSWER_WAIT_S = 5 };

/* ask sends the request and reads until the other side hangs up. */
static int
ask(int fd, struct buf *answer)
{
	static const char *const params[] = {
		"REQUEST_METHOD", "GET", "SCRIPT_NAME", "/status", REQUEST_LOCAL_PARAM, "1", NULL,
	};
	struct timeval wait = { .tv_sec = ANSWER_WAIT_S };
	struct buf request = BUF_EMPTY;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	fcgi_get(&request, params);
	n = send(fd, request.bytes, request.len, MSG_NOSIGNAL);
	buf_free(&request);
	while (n > 0 && answer->len < ANSWER_MAX_BYTES) {
		n = recv(fd, buf_reserve(answer, ANSWER_MAX_BYTES), ANSWER_MAX_BYTES, 0);
		if (n > 0)
			answer->len += (size_t)n;
	}
	return n == 0 ? 0 : -1;
}

/* print_json prints the object inside the answer, a member a line. */
static int
print_json(struct buf *answer)
{
	char *from, *to;

	buf_add_char(answer, '\0');
	/* The answer is records; the object is short and lies in the first. */
	from = memmem(answer->bytes, answer->len, "\r\n\r\n{", 5);
	to = from != NULL ? memchr(from, '}', answer->len - (size_t)(from - answer->bytes)) : NULL;
	if (to == NULL)
		return -1;
	for (from += 5; from < to; from++) {
		if (*from == ',')
			putchar('\n');
		else if (*from == ':')
			fputs(": ", stdout);
		else if (*from != '"')
			putchar(*from);
	}
	putchar('\n');
	return 0;
}

int
command_status(int argc, char *argv[])
{
	struct command_conf cc = { 0 };
	struct buf answer = BUF_EMPTY;
	struct conf conf;
	int fd, rc = -1;

	if (command_conf_args(&cc, argc, argv, usage) != 0)
		return 2;
	if (command_conf_load(&cc, &conf) == 0) {
		fd = listener_connect(conf.listen);
		if (fd < 0)
			log_error("status: no rowcast answers on %s", conf.listen);
		else if (ask(fd, &answer) < 0 || (rc = print_json(&answer)) < 0)
			log_errorx("status: what answers on %s is not a rowcast of this version",
			    conf.listen);
		if (fd >= 0)
			close(fd);
		buf_free(&answer);
		conf_free(&conf);
	}
	command_conf_free(&cc);
	return rc == 0 ? 0 : 1;
}
