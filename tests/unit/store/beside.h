/* Opening a store while others open it too, or write. On a slow disk, or a busy machine,
 * they may keep it locked for longer than it waits, which is said and is no loss. */
#ifndef TESTS_UNIT_STORE_BESIDE_H
#define TESTS_UNIT_STORE_BESIDE_H

#include "tests/unit/check.h"

#include <string.h>

#include "app/store/store.h"

/* open_beside_others tries for half a minute. NULL: it was not opened; the caller looks at
 * what was said. Any thread. */
static inline struct store *
open_beside_others(const char *name, enum store_access access)
{
	struct store *store;

	for (int i = 0; (store = store_open(name, access)) == NULL && i < 15; i++)
		;
	return store;
}

/* says_locked_only: of what was said meanwhile every line is about the lock. */
static inline void
says_locked_only(const char *said)
{
	while (*said != '\0') {
		const char *end = strchrnul(said, '\n');

		if (memmem(said, (size_t)(end - said), "database is locked", 18) == NULL)
			fail_msg("said: %s", said);
		said = *end == '\n' ? end + 1 : end;
	}
}

#endif
