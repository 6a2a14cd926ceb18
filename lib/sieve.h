/* A sieve: of groups of keys that have ascending numbers, which key may be in which. What
 * is said not to be there is not; of what is said to be there, one in some hundred is not
 * (a Bloom filter for each group). Some bits a key, whatever a key is. */
#ifndef LIB_SIEVE_H
#define LIB_SIEVE_H

#include <stddef.h>
#include <stdint.h>

struct sieve_group;

/* All zero is an empty one. A number between those of two groups has no keys. */
struct sieve {
	struct sieve_group *groups;  /* owned; n of them, ascending */
	size_t n, max;
	size_t n_bytes;              /* that it takes in memory, about */
};

/* sieve_key returns the key of a pair of strings, of which each may be NULL; it is good in
 * this process. Two pairs may have the same. */
uint64_t sieve_key(const char *a, const char *b);

/* sieve_add adds a group, with a number above all that are there. */
void sieve_add(struct sieve *sieve, int64_t number, const uint64_t keys[], size_t n);

/* sieve_forget drops the groups with numbers below that. */
void sieve_forget(struct sieve *sieve, int64_t below);

/* sieve_pass_up passes over the groups from that number upwards in which none of the keys
 * is: it returns the last number that it has passed; number - 1, where it passes none, since
 * a key may be in the first, or it is above the highest group. *n_looks: it looks at so many
 * groups at most, and leaves how many it did. sieve_pass_down goes downwards; number + 1,
 * where it passes none. */
int64_t sieve_pass_up(const struct sieve *sieve, int64_t number, const uint64_t keys[], size_t n,
    size_t *n_looks);
int64_t sieve_pass_down(const struct sieve *sieve, int64_t number, const uint64_t keys[], size_t n,
    size_t *n_looks);

void sieve_free(struct sieve *sieve);

#endif
