/* Runs in whichever thread read the request, a worker's or intake's, and only reads what
 * other threads have counted: no store is opened for it, and nothing is waited for. */

#include "app/serve/snapshot.h"

void
snapshot_take(struct service *service, struct snapshot *now)
{
	*now = (struct snapshot){ .is_shared = service->node != NULL };
	hub_count(service->hub, &now->hub);
	writer_count(service->writer, &now->writer);
	tail_newest(service->tail);  /* whoever has just committed finds it in the next */
	tail_bounds(service->tail, &now->store);
	if (now->is_shared)
		node_count(service->node, &now->node);
	now->readable = !tail_is_failing(service->tail);
	tally_total(hub_users(service->hub), &now->n_users);
	now->uptime_s = (clock_mono_us() - service->started_at) / 1000000;
	now->n_foreign = origin_n_foreign(service->origin);
	for (size_t i = 0; i < STREAM_REFUSALS; i++)
		now->n_refused += now->hub.n_refused[i];
	for (size_t i = 0; i < GAPS; i++)
		now->n_gaps += now->hub.n_gaps[i];
	now->n_trimmed = now->writer.n_trimmed + now->node.n_trimmed;
}
