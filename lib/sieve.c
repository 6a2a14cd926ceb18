#include "lib/sieve.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

enum {
	KEY_BITS = 12,      /* a key, or up to twice as many: with PROBES one in 100 to 600 is wrong */
	PROBES = 4,         /* bits of a group that are set for a key: 16 bits of it each */
	BITS_MIN = 64, BITS_MAX = 1 << 16,
};

struct sieve_group {
	int64_t number;
	uint32_t mask;      /* of a place among its bits, whose number is a power of two */
	uint64_t *bits;     /* owned */
};

uint64_t
sieve_key(const char *a, const char *b)
{
	uint64_t key = hash_code(a != NULL ? a : "") * 0x9e3779b97f4a7c15u;

	key ^= key >> 29;
	key = (key ^ hash_code(b != NULL ? b : "")) * 0xbf58476d1ce4e5b9u;
	return key ^ key >> 32;
}

static uint32_t
place_of(const struct sieve_group *group, uint64_t key, unsigned probe)
{
	return (uint32_t)(key >> (16 * probe)) & group->mask;
}

static size_t
bytes_of(const struct sieve_group *group)
{
	return sizeof(*group) + (group->mask + 1) / 8;
}

void
sieve_add(struct sieve *sieve, int64_t number, const uint64_t keys[], size_t n)
{
	uint32_t n_bits = BITS_MIN;
	struct sieve_group *group;

	if (sieve->n == sieve->max) {
		sieve->max = sieve->max != 0 ? 2 * sieve->max : 64;
		sieve->groups = mem_realloc(sieve->groups, sieve->max * sizeof(*sieve->groups));
	}
	while (n_bits < BITS_MAX && n_bits < KEY_BITS * n)
		n_bits *= 2;
	group = &sieve->groups[sieve->n++];
	*group = (struct sieve_group){ number, n_bits - 1, mem_zalloc(n_bits / 8) };
	for (size_t i = 0; i < n; i++)
		for (unsigned probe = 0; probe < PROBES; probe++) {
			uint32_t place = place_of(group, keys[i], probe);

			group->bits[place / 64] |= UINT64_C(1) << place % 64;
		}
	sieve->n_bytes += bytes_of(group);
}

static bool
may_have(const struct sieve_group *group, uint64_t key)
{
	for (unsigned probe = 0; probe < PROBES; probe++) {
		uint32_t place = place_of(group, key, probe);

		if ((group->bits[place / 64] >> place % 64 & 1) == 0)
			return false;
	}
	return true;
}

static bool
may_have_any(const struct sieve_group *group, const uint64_t keys[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (may_have(group, keys[i]))
			return true;
	return false;
}

/* first_from returns the index of the first group with that number or above; n: none. */
static size_t
first_from(const struct sieve *sieve, int64_t number)
{
	size_t low = 0, high = sieve->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sieve->groups[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void
sieve_forget(struct sieve *sieve, int64_t below)
{
	size_t n = first_from(sieve, below);

	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		sieve->n_bytes -= bytes_of(&sieve->groups[i]);
		free(sieve->groups[i].bits);
	}
	sieve->n -= n;
	memmove(sieve->groups, sieve->groups + n, sieve->n * sizeof(*sieve->groups));
}

int64_t
sieve_pass_up(const struct sieve *sieve, int64_t number, const uint64_t keys[], size_t n,
    size_t *n_looks)
{
	size_t max = *n_looks, i = first_from(sieve, number);
	int64_t passed = number - 1;

	for (*n_looks = 0; i < sieve->n && *n_looks < max; i++) {
		++*n_looks;
		if (may_have_any(&sieve->groups[i], keys, n))
			return sieve->groups[i].number - 1;
		passed = sieve->groups[i].number;
	}
	return passed;
}

int64_t
sieve_pass_down(const struct sieve *sieve, int64_t number, const uint64_t keys[], size_t n,
    size_t *n_looks)
{
	size_t max = *n_looks, i = first_from(sieve, number);
	int64_t passed = number + 1;

	*n_looks = 0;
	if (i == sieve->n)
		return passed;
	if (sieve->groups[i].number == number)
		i++;
	for (; i > 0 && *n_looks < max; i--) {
		++*n_looks;
		if (may_have_any(&sieve->groups[i - 1], keys, n))
			return sieve->groups[i - 1].number + 1;
		passed = sieve->groups[i - 1].number;
	}
	return passed;
}

void
sieve_free(struct sieve *sieve)
{
	for (size_t i = 0; i < sieve->n; i++)
		free(sieve->groups[i].bits);
	free(sieve->groups);
	*sieve = (struct sieve){ 0 };
}
