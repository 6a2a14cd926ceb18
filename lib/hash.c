/* A hash table from strings to pointers. A table belongs to one thread at a time;
 * the seed that all share is drawn once.
 *
 * Open addressing with linear probing at a load of at most one half; a removal
 * closes the gap by moving later entries of the run back, so there are no
 * tombstones, and a table does not get slower the longer it is used. */

#include "lib/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/mem.h"

enum { HASH_FIRST_SLOTS = 16 };  /* picked, not tuned */

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void
draw_seed(void)
{
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = (uint64_t)(uintptr_t)&seed; /* address randomisation is better than nothing */
}

uint64_t
hash_code(const char *key)
{
	uint64_t code;

	pthread_once(&seed_once, draw_seed);
	code = seed ^ 0xcbf29ce484222325u;
	for (; *key != '\0'; key++) {
		code ^= (unsigned char)*key;
		code *= 0x100000001b3u;  /* FNV-1a's prime; the mix below spreads its weak low bits */
		code ^= code >> 29;
	}
	code *= 0x9e3779b97f4a7c15u;
	return code ^ code >> 32;
}

static size_t
find(const struct hash *h, const char *key, uint64_t code)
{
	size_t mask = h->n_slots - 1, i = code & mask;

	while (h->slots[i].key != NULL
	    && (h->slots[i].code != code || strcmp(h->slots[i].key, key) != 0))
		i = (i + 1) & mask;
	return i;
}

void *
hash_get(const struct hash *h, const char *key)
{
	if (h->n_used == 0)
		return NULL;
	return h->slots[find(h, key, hash_code(key))].value;
}

static void
grow(struct hash *h)
{
	struct hash bigger = {
		.n_slots = h->n_slots != 0 ? 2 * h->n_slots : HASH_FIRST_SLOTS,
		.n_used = h->n_used,
	};

	bigger.slots = mem_zalloc(bigger.n_slots * sizeof(*bigger.slots));
	for (size_t i = 0; i < h->n_slots; i++) {
		const struct hash_slot *old = &h->slots[i];

		if (old->key != NULL)
			bigger.slots[find(&bigger, old->key, old->code)] = *old;
	}
	free(h->slots);
	*h = bigger;
}

void
hash_put(struct hash *h, const char *key, void *value)
{
	uint64_t code = hash_code(key);

	if (2 * (h->n_used + 1) > h->n_slots)
		grow(h);
	h->slots[find(h, key, code)] = (struct hash_slot){ key, value, code };
	h->n_used++;
}

void
hash_remove(struct hash *h, const char *key)
{
	size_t mask = h->n_slots - 1, hole, i;

	if (h->n_used == 0)
		return;
	hole = find(h, key, hash_code(key));
	if (h->slots[hole].key == NULL)
		return;
	/* An entry may fill the hole where the hole lies between the entry's home
	 * and its place, counted round the table. */
	for (i = (hole + 1) & mask; h->slots[i].key != NULL; i = (i + 1) & mask) {
		size_t home = h->slots[i].code & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			h->slots[hole] = h->slots[i];
			hole = i;
		}
	}
	h->slots[hole] = (struct hash_slot){ 0 };
	h->n_used--;
}

void
hash_free(struct hash *h)
{
	free(h->slots);
	*h = HASH_EMPTY;
}
