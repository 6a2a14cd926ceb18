/* Whether the SQLite store is still the one that was opened: store.h says what
 * that means, replaced.c how it is noticed. Called by the thread that has the
 * handle. Once it is noticed, store->replaced stays true. */
#ifndef APP_STORE_SQLITE_REPLACED_H
#define APP_STORE_SQLITE_REPLACED_H

#include <stdbool.h>
#include <stdint.h>

#include "app/store/store.h"

/* replaced_check returns true where what the configured name leads to, or what lies
 * beside it, is no longer what was opened, or where that, or ids that went back, was noticed before. Logged when noticed. */
bool replaced_check(struct store *store);

/* replaced_check_newest takes the highest id ever given, as the file has it now,
 * and returns true where it is lower than one that was seen before. Logged when
 * noticed. */
bool replaced_check_newest(struct store *store, int64_t newest);

/* replaced_by_copy notes, and logs, that a file with messages of its own was made a
 * machine's copy: ids are of the log then, and `message` takes rows for that. */
void replaced_by_copy(struct store *store);

/* replaced_end does, before the handle is closed, what is to be done where the store
 * was replaced: replaced.c has the table. Not for a store that is not yet open. */
void replaced_end(struct store *store);

#endif
