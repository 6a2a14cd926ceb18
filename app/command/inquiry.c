/* Asks over the FastCGI socket; who answers there may be anybody, so what is read is
 * bounded. */

#include "app/command/inquiry.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "app/fastcgi/listener.h"
#include "app/fastcgi/request.h"
#include "lib/fcgi.h"
#include "lib/log.h"

enum { ANSWER_MAX_BYTES = 1 << 20, READ_BYTES = 64 << 10, ANSWER_WAIT_S = 10 };

/* ask sends the request and reads until the other side hangs up. */
static int
ask(int fd, const char *path, const char *query, struct buf *answer)
{
	const char *const params[] = {
		"REQUEST_METHOD", "GET", "SCRIPT_NAME", path, "QUERY_STRING", query,
		REQUEST_LOCAL_PARAM, "1", NULL,
	};
	struct timeval wait = { .tv_sec = ANSWER_WAIT_S };
	struct buf request = BUF_EMPTY;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	fcgi_get(&request, params);
	n = send(fd, request.bytes, request.len, MSG_NOSIGNAL);
	buf_free(&request);
	while (n > 0 && answer->len < ANSWER_MAX_BYTES) {
		n = recv(fd, buf_reserve(answer, READ_BYTES), READ_BYTES, 0);
		if (n > 0)
			answer->len += (size_t)n;
	}
	return n == 0 ? 0 : -1;
}

int
inquiry_is_foreign(const struct conf *conf)
{
	log_errorx("status: what answers on %s is not a rowcast of this version", conf->listen);
	return -1;
}

int
inquiry_get(const struct conf *conf, const char *path, const char *query, struct buf *body)
{
	struct buf answer = BUF_EMPTY, content = BUF_EMPTY;
	int fd = listener_connect(conf->listen), rc = -1;
	const char *from;

	if (fd < 0) {
		log_error("status: no rowcast answers on %s", conf->listen);
		return -1;
	}
	if (ask(fd, path, query, &answer) == 0) {
		fcgi_add_content(&content, answer.bytes, answer.len);
		buf_add_char(&content, '\0');
		from = strstr(content.bytes, "\r\n\r\n");
		if (from != NULL && strncmp(content.bytes, "Status: 200 ", 12) == 0) {
			buf_add(body, from + 4, strlen(from + 4) + 1);
			body->len--;
			rc = 0;
		}
	}
	close(fd);
	buf_free(&answer);
	buf_free(&content);
	return rc == 0 ? 0 : inquiry_is_foreign(conf);
}
