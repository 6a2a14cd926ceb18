/* Whether the SQLite store is still the one that was opened: store.h says what
 * that means, replaced.c how it is noticed. Called by the thread that has the
 * handle. Once it is noticed, store->replaced stays true. */
#ifndef APP_STORE_SQLITE_REPLACED_H
#define APP_STORE_SQLITE_REPLACED_H

#include <stdbool.h>
#include <stdint.h>

#include "app/store/store.h"

/* replaced_begin notes which files are open, once they are. */
void replaced_begin(struct store *store);

/* replaced_check returns true where the files at the path are no longer those, or
 * where that, or ids that went back, was noticed before. Logged when noticed. */
bool replaced_check(struct store *store);

/* replaced_check_newest takes the highest id ever given, as the file has it now,
 * and returns true where it is lower than one that was seen before. Logged when
 * noticed. */
bool replaced_check_newest(struct store *store, int64_t newest);

/* replaced_end does, before the handle is closed, what an owner of a store that
 * was replaced has to. */
void replaced_end(struct store *store);

#endif
