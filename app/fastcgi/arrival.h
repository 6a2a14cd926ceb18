/* An arrival: a request that was not whole when intake first looked, and is read
 * from the socket as it comes. It belongs to its conn, and so to the conn's
 * owner. */
#ifndef APP_FASTCGI_ARRIVAL_H
#define APP_FASTCGI_ARRIVAL_H

#include <stdbool.h>
#include <stddef.h>

#include "app/fastcgi/holdings.h"
#include "lib/buf.h"
#include "lib/fcgi.h"

/* What becomes of the bytes. */
enum arrival_use {
	ARRIVAL_UNJUDGED,   /* they are kept: nobody has been asked yet whose they are */
	ARRIVAL_GATHERED,   /* kept, for a user that may send them */
	ARRIVAL_PASSED,     /* the body is thrown away; the request is served at its end */
	ARRIVAL_ANSWERED,   /* likewise, and the answer is given: its end is waited for, no more */
};

struct conn;

struct arrival {
	struct fcgi_scan scan;
	enum arrival_use use;
	struct conn *conn;         /* its owner */
	struct buf head;           /* the records up to the end of the parameters */
	struct buf body;           /* the content of STDIN */
	size_t body_max_bytes;     /* of it, once gathered */
	size_t n_discarded;        /* bytes that were thrown away */
	struct holding holding;
};

/* arrival_new begins with the first byte; holdings is lent. */
struct arrival *arrival_new(struct conn *conn, struct holdings *holdings, size_t head_max_bytes);

/* arrival_free does nothing with NULL. */
void arrival_free(struct arrival *arrival);

/* arrival_take takes the next bytes, as fcgi_scan does, and keeps of them what
 * the use says. */
size_t arrival_take(struct arrival *arrival, const unsigned char *bytes, size_t n);

/* arrival_hand_over gives what came of the body to the caller, who owns the conn and reads on
 * by itself, and holds and counts nothing more. */
struct buf arrival_hand_over(struct arrival *arrival);

/* arrival_let_go frees what is held; further bytes are for this use. */
void arrival_let_go(struct arrival *arrival, enum arrival_use use);

#endif
