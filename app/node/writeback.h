/* Writing back: the thread that brings what was committed into this machine's copy, and
 * lies beside its file, into the file, so that no commit has to (store.h). */
#ifndef APP_NODE_WRITEBACK_H
#define APP_NODE_WRITEBACK_H

#include <stddef.h>

#include "app/store/store.h"

/* So much is left beside the file before it is worth two waits for the disk; picked, not
 * tuned. */
enum { WRITEBACK_BYTES = 16 << 20 };

struct writeback;

/* writeback_start takes the store, a STORE_COPY handle. */
struct writeback *writeback_start(struct store *store);

/* writeback_note says that so many bytes lie beside the file (store_beside). Does not
 * wait. One thread. */
void writeback_note(struct writeback *writeback, size_t n_bytes);

/* writeback_stop ends the thread and closes the store. Nothing is noted any more. */
void writeback_stop(struct writeback *writeback);

#endif
