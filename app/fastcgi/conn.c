/* Opening, closing and handing back a connection of the web server. Any thread,
 * as long as it owns the conn; nothing here waits. */

#include "app/fastcgi/conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/mem.h"

struct conn *
conn_open(int fd, struct mailbox *return_to)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));

	conn->fd = fd;
	conn->return_to = return_to;
	return conn;
}

void
conn_close(struct conn *conn)
{
	close(conn->fd);
	free(conn);
}

int
conn_detach(struct conn *conn)
{
	int fd = conn->fd;

	free(conn);
	return fd;
}

void
conn_keep(struct conn *conn)
{
	mailbox_put(conn->return_to, &conn->mail);
}
