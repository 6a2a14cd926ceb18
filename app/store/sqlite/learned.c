/* Asking the sieve of a handle. Run by the thread that has it, in a reading or a search. */

#include "app/store/sqlite/learned.h"

#include <stdlib.h>

#include "lib/mem.h"
#include "lib/sieve.h"

enum { KEYS_A_LOOK = 8 };  /* to ask for so many in a segment costs as much as a row of the table */

uint64_t
learned_gap(void)
{
	return sieve_key(MESSAGE_EVENT_GAP, MESSAGE_EVENT_GAP);
}

void
learned_open(struct learned *learned, const struct store *store, const struct filter *filter)
{
	*learned = (struct learned){ .sieve = &store->sieve };
	if (store->sieve.n == 0)
		return;
	learned->keys = mem_alloc(2 * (filter->n_topics + 1) * sizeof(*learned->keys));
	for (size_t i = filter->topics_only; i <= filter->n_topics; i++) {
		const char *topic = i > 0 ? filter->topics[i - 1] : NULL;

		learned->keys[learned->n++] = sieve_key(NULL, topic);
		learned->keys[learned->n++] = sieve_key(filter->user, topic);
	}
	if (filter->topics_only && store->is_copy)
		learned->keys[learned->n++] = learned_gap();
}

void
learned_close(struct learned *learned)
{
	free(learned->keys);
}

static int64_t
pass(const struct learned *learned, int64_t segment, int *left,
    int64_t pass_on(const struct sieve *, int64_t, const uint64_t[], size_t, size_t *))
{
	size_t n_looks = *left > 0 && learned->n > 0 ? 1 + (size_t)*left * KEYS_A_LOOK / learned->n : 1;
	int64_t passed = pass_on(learned->sieve, segment, learned->keys, learned->n, &n_looks);

	*left -= (int)(n_looks * learned->n / KEYS_A_LOOK);
	return passed;
}

int64_t
learned_up(const struct learned *learned, int64_t segment, int *left)
{
	return pass(learned, segment, left, sieve_pass_up);
}

int64_t
learned_down(const struct learned *learned, int64_t segment, int *left)
{
	return pass(learned, segment, left, sieve_pass_down);
}
