#include "tests/bench/xadd.h"

#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"

struct xadd {
	const struct log_side *log;
	int fd;
	struct buf out;
};

static void
add_word(struct buf *out, const char *word, size_t len)
{
	buf_printf(out, "$%zu\r\n", len);
	buf_add(out, word, len);
	buf_add_str(out, "\r\n");
}

static void
begin(struct xadd *x, unsigned n_words)
{
	x->out.len = 0;
	buf_printf(&x->out, "*%u\r\n", n_words);
}

/* ask sends what was made and waits for the answer, which is one line, or two where
 * it is a string. */
static void
ask(struct xadd *x)
{
	char answer[512];
	size_t len = 0;
	unsigned n_lines = 0, wanted = 1;

	if (send(x->fd, x->out.bytes, x->out.len, MSG_NOSIGNAL) != (ssize_t)x->out.len)
		err(1, "redis: send");
	while (n_lines < wanted && len < sizeof answer - 1) {
		ssize_t n = recv(x->fd, answer + len, sizeof answer - 1 - len, 0);

		if (n <= 0)
			err(1, "redis: recv");
		for (ssize_t k = 0; k < n; k++)
			n_lines += answer[len + (size_t)k] == '\n';
		len += (size_t)n;
		wanted = answer[0] == '$' ? 2 : 1;
	}
	answer[len] = '\0';
	if (answer[0] == '-')
		errx(1, "redis: %.*s", (int)strcspn(answer, "\r"), answer);
}

struct xadd *
xadd_open(const struct log_side *log)
{
	struct xadd *x = mem_zalloc(sizeof *x);
	int on = 1;

	x->log = log;
	x->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (x->fd == -1 || connect(x->fd, (const struct sockaddr *)&log->address, sizeof log->address) == -1)
		err(1, "redis: connect");
	setsockopt(x->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (log->login != NULL) {
		const char *colon = strchr(log->login, ':');

		if (colon == NULL)
			errx(2, "--redis-login: not USER:PASSWORD");
		begin(x, 3);
		add_word(&x->out, "AUTH", 4);
		add_word(&x->out, log->login, (size_t)(colon - log->login));
		add_word(&x->out, colon + 1, strlen(colon + 1));
		ask(x);
	}
	return x;
}

void
xadd_close(struct xadd *x)
{
	close(x->fd);
	buf_free(&x->out);
	free(x);
}

void
xadd_insert(struct xadd *x, const char *text, size_t len)
{
	begin(x, x->log->user != NULL ? 7 : 5);
	add_word(&x->out, "XADD", 4);
	add_word(&x->out, x->log->key, strlen(x->log->key));
	add_word(&x->out, "*", 1);
	if (x->log->user != NULL) {
		add_word(&x->out, "user", 4);
		add_word(&x->out, x->log->user, strlen(x->log->user));
	}
	add_word(&x->out, "data", 4);
	add_word(&x->out, text, len);
	ask(x);
}
