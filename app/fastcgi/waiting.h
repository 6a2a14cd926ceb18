/* What is waiting: connections of which bytes are to come, and which of those requests
 * are to be judged meanwhile. An embedded value of intake; its thread alone. */
#ifndef APP_FASTCGI_WAITING_H
#define APP_FASTCGI_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include "app/fastcgi/conn.h"
#include "lib/clock.h"

/* How many conns wait; beyond, the oldest goes. */
enum { WAITING_MAX = 4096 };

struct waiting {
	int epoll_fd;               /* lent; the event's pointer is the conn */
	struct conn_list conns;     /* the one that has waited longest first */
	size_t n_conns;
	struct conn_list to_judge;  /* of those, the ones with judge_at, in its order */
};

void waiting_init(struct waiting *waiting, int epoll_fd);

/* waiting_free closes those that wait still. */
void waiting_free(struct waiting *waiting);

/* waiting_start takes the conn, until waiting_stop; nothing is done where it waits
 * already. Where WAITING_MAX wait, the one that has waited longest is closed. False: it
 * cannot be watched, which is logged; the conn is closed. */
bool waiting_start(struct waiting *waiting, struct conn *conn);

/* waiting_stop gives the conn back, if it waits; it is to be judged no more. */
void waiting_stop(struct conn *conn);

/* waiting_judge has the conn, which waits, judged then; before all others, where at is 0.
 * Other times have to be said in their order. waiting_judge_never takes back what
 * waiting_judge has said, if it has. */
void waiting_judge(struct conn *conn, mono_us at);
void waiting_judge_never(struct conn *conn);

/* waiting_due returns the first that is to be judged by now; NULL: there is none. */
struct conn *waiting_due(const struct waiting *waiting);

/* waiting_ms returns for how many ms nothing becomes due, max_ms at most. */
int waiting_ms(const struct waiting *waiting, int max_ms);

#endif
