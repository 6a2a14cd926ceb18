/* Taking a request in, piece by piece. No system calls; runs in the thread of
 * the conn's owner. */

#include "app/fastcgi/arrival.h"

#include <stdlib.h>

#include "lib/mem.h"

struct arrival *
arrival_new(struct conn *conn, struct holdings *holdings, size_t head_max_bytes)
{
	struct arrival *arrival = mem_zalloc(sizeof(*arrival));

	arrival->conn = conn;
	fcgi_scan_init(&arrival->scan, head_max_bytes);
	holding_begin(&arrival->holding, holdings);
	return arrival;
}

void
arrival_free(struct arrival *arrival)
{
	if (arrival == NULL)
		return;
	holding_end(&arrival->holding);
	buf_free(&arrival->head);
	buf_free(&arrival->body);
	free(arrival);
}

static bool
keeps(const struct arrival *arrival)
{
	return arrival->use == ARRIVAL_UNJUDGED || arrival->use == ARRIVAL_GATHERED;
}

size_t
arrival_take(struct arrival *arrival, const unsigned char *bytes, size_t n)
{
	bool in_head = arrival->scan.state == FCGI_SCAN_PARTIAL;
	size_t capacity = arrival->head.capacity + arrival->body.capacity;
	size_t taken = fcgi_scan(&arrival->scan, bytes, n, keeps(arrival) ? &arrival->body : NULL);

	if (!keeps(arrival))
		arrival->n_discarded += taken;
	else if (in_head)
		buf_add(&arrival->head, bytes, taken);
	if (arrival->head.capacity + arrival->body.capacity != capacity)
		holding_set(&arrival->holding, arrival->head.capacity + arrival->body.capacity);
	return taken;
}

void
arrival_let_go(struct arrival *arrival, enum arrival_use use)
{
	arrival->use = use;
	buf_free(&arrival->body);
	if (use == ARRIVAL_ANSWERED) {
		buf_free(&arrival->head);
		holding_end(&arrival->holding);
	} else {
		holding_set(&arrival->holding, arrival->head.capacity);
	}
}

struct buf
arrival_hand_over(struct arrival *arrival)
{
	struct buf body = arrival->body;

	arrival->body = BUF_EMPTY;
	arrival_let_go(arrival, ARRIVAL_ANSWERED);
	return body;
}
