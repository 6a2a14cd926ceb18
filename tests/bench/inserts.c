/* Answers as rows that one own SQLite connection inserts, as any program can that knows
 * nothing of rowcast but its table. */

#include <stdio.h>
#include <stdlib.h>

#include "lib/mem.h"
#include "tests/bench/foreign.h"
#include "tests/bench/loop.h"
#include "tests/bench/sse.h"
#include "tests/bench/written.h"

struct inserts {
	const struct options *options;
	struct written *written;
	struct foreign *table;
	uint32_t n_begun;  /* rows of the transaction under way; 0: there is none */
};

static void *
inserts_open(const struct options *o, struct written *w)
{
	struct inserts *all = mem_zalloc(sizeof *all);

	all->options = o;
	all->written = w;
	all->table = foreign_open(o->db);
	return all;
}

static bool
has_room(void *of, uint32_t answer)
{
	const struct inserts *all = of;

	(void)answer;
	return all->options->rate > 0 || all->n_begun == 0;
}

static void
insert(struct inserts *all, uint32_t answer, const char *event, const char *text, size_t len)
{
	char topic[32];

	if (all->n_begun++ == 0)
		foreign_begin(all->table);
	snprintf(topic, sizeof topic, "answer:%u", answer);
	foreign_insert_topic(all->table, topic, event, text, len);
}

static void
add(void *of, uint32_t answer, const char *text, size_t len)
{
	insert(of, answer, NULL, text, len);
}

static void
flush(void *of)
{
	struct inserts *all = of;

	if (all->n_begun == 0)
		return;
	foreign_commit(all->table);
	all->n_begun = 0;
	all->written->transactions++;
}

static void
wait_turn(void *of)
{
	const struct inserts *all = of;

	if (all->options->rate > 0)
		loop_turn(1); /* nothing is watched: a millisecond */
}

static void
end_all(void *of)
{
	struct inserts *all = of;

	for (uint32_t k = 0; k < all->options->answers; k++)
		insert(all, k, "rowcast.end", ANSWER_END, sizeof ANSWER_END - 1);
}

static bool
is_acknowledged(void *of)
{
	(void)of;
	return true; /* a commit that returned */
}

static void
inserts_close(void *of)
{
	struct inserts *all = of;

	foreign_close(all->table);
	free(all);
}

const struct way way_insert = {
	.open = inserts_open, .has_room = has_room, .add = add, .flush = flush, .wait = wait_turn, .end = end_all,
	.is_acknowledged = is_acknowledged, .close = inserts_close,
};
