/* Two lists of the same conns: all that wait, in the order in which they began to, so that
 * the oldest is found where there are too many; and those to be judged. All but those to be
 * judged at once are judged so long after they were put in: each goes behind the others, and
 * only the first is looked at. */

#include "app/fastcgi/waiting.h"

#include <sys/epoll.h>

#include "lib/log.h"

void
waiting_init(struct waiting *waiting, int epoll_fd)
{
	waiting->epoll_fd = epoll_fd;
	TAILQ_INIT(&waiting->conns);
	waiting->n_conns = 0;
	TAILQ_INIT(&waiting->to_judge);
}

static void
close_first(struct waiting *waiting)
{
	struct conn *conn = TAILQ_FIRST(&waiting->conns);

	waiting_stop(conn);
	conn_close(conn);
}

void
waiting_free(struct waiting *waiting)
{
	while (!TAILQ_EMPTY(&waiting->conns))
		close_first(waiting);
}

bool
waiting_start(struct waiting *waiting, struct conn *conn)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = conn };

	if (conn->waiting != NULL)
		return true;
	if (epoll_ctl(waiting->epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) < 0) {
		log_warn("intake: a connection cannot be watched");
		conn_close(conn);
		return false;
	}
	if (waiting->n_conns == WAITING_MAX) {
		log_debug("intake: %d connections wait, the oldest is closed", WAITING_MAX);
		close_first(waiting);
	}
	conn->waiting = waiting;
	TAILQ_INSERT_TAIL(&waiting->conns, conn, link);
	waiting->n_conns++;
	return true;
}

void
waiting_stop(struct conn *conn)
{
	struct waiting *waiting = conn->waiting;

	if (waiting == NULL)
		return;
	waiting_judge_never(conn);
	TAILQ_REMOVE(&waiting->conns, conn, link);
	waiting->n_conns--;
	epoll_ctl(waiting->epoll_fd, EPOLL_CTL_DEL, conn->fd, NULL);
	conn->waiting = NULL;
}

void
waiting_judge(struct conn *conn, mono_us at)
{
	waiting_judge_never(conn);
	conn->judge_at = at != 0 ? at : 1;
	if (at != 0)
		TAILQ_INSERT_TAIL(&conn->waiting->to_judge, conn, judge_link);
	else
		TAILQ_INSERT_HEAD(&conn->waiting->to_judge, conn, judge_link);
}

void
waiting_judge_never(struct conn *conn)
{
	if (conn->judge_at != 0)
		TAILQ_REMOVE(&conn->waiting->to_judge, conn, judge_link);
	conn->judge_at = 0;
}

struct conn *
waiting_due(const struct waiting *waiting)
{
	struct conn *conn = TAILQ_FIRST(&waiting->to_judge);

	return conn != NULL && conn->judge_at <= clock_mono_us() ? conn : NULL;
}

int
waiting_ms(const struct waiting *waiting, int max_ms)
{
	const struct conn *conn = TAILQ_FIRST(&waiting->to_judge);
	mono_us left;

	if (conn == NULL)
		return max_ms;
	left = conn->judge_at - clock_mono_us();
	return left > 0 ? (int)(left / 1000) + 1 : 0;
}
