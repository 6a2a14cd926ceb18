/* A table from strings to pointers. */
#ifndef LIB_HASH_H
#define LIB_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_slot {
	const char *key;   /* lent by the caller while the entry stands; NULL: free slot */
	void *value;
	uint64_t code;     /* hash_code(key) */
};

/* Open addressing; all zero is an empty table. */
struct hash {
	struct hash_slot *slots;  /* owned; a power of two of them */
	size_t n_slots;
	size_t n_used;
};

#define HASH_EMPTY ((struct hash){ NULL, 0, 0 })

/* hash_code is stable within a process and differs between processes, so that
 * nobody outside can choose keys that collide. */
uint64_t hash_code(const char *key);

/* hash_get returns the value, or NULL where key has none. */
void *hash_get(const struct hash *h, const char *key);

/* hash_put enters a key that is not in the table yet. key is lent until
 * hash_remove; value is not NULL. */
void hash_put(struct hash *h, const char *key, void *value);

/* hash_remove takes key out; one that is not there is left alone. */
void hash_remove(struct hash *h, const char *key);

/* hash_free releases the slots, not what they point to. */
void hash_free(struct hash *h);

#endif
