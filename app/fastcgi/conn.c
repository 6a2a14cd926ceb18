/* Opening, closing and handing back a connection of the web server. Any thread,
 * as long as it owns the conn; nothing here waits. */

#include "app/fastcgi/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/fastcgi/arrival.h"
#include "lib/fcgi.h"
#include "lib/mem.h"

/* Of what was not asked for, so much is read before closing; picked, not tuned. */
enum { DISCARD_BYTES = 4096, DISCARDS_MAX = 64 };

struct conn *
conn_open(int fd, struct mailbox *return_to)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));

	conn->fd = fd;
	conn->return_to = return_to;
	return conn;
}

bool
conn_is_unfinished(const struct conn *conn)
{
	return conn->arrival != NULL && conn->arrival->scan.state != FCGI_SCAN_WHOLE;
}

/* discard_unread reads what has come: who closes with bytes unread resets the
 * connection, and the peer may lose what it has not read of the answer. */
static void
discard_unread(int fd)
{
	char bytes[DISCARD_BYTES];

	for (int i = 0; i < DISCARDS_MAX && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++)
		;
}

void
conn_close(struct conn *conn)
{
	if (conn->followed)
		discard_unread(conn->fd);
	close(conn->fd);
	arrival_free(conn->arrival);
	free(conn);
}

int
conn_detach(struct conn *conn)
{
	int fd = conn->fd;

	arrival_free(conn->arrival);
	free(conn);
	return fd;
}

void
conn_keep(struct conn *conn)
{
	mailbox_put(conn->return_to, &conn->mail);
}

void
conn_end(int fd, uint16_t request_id, struct mailbox *return_to)
{
	unsigned char end[FCGI_END_BYTES], heard[DISCARD_BYTES];
	ssize_t n = recv(fd, heard, sizeof(heard), MSG_DONTWAIT);
	bool clean = n < 0 ? errno == EAGAIN || errno == EWOULDBLOCK
	    : fcgi_is_abort(heard, (size_t)n, request_id);

	if (n == (ssize_t)sizeof(heard))
		discard_unread(fd);
	fcgi_end(end, request_id);
	if (send(fd, end, sizeof(end), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(end))
		clean = false;  /* gone, or full: closing it ends the response, too */
	if (clean && return_to != NULL)
		conn_keep(conn_open(fd, return_to));
	else
		close(fd);
}
