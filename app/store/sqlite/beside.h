/* What lies in the -wal of a machine's copy, and is not written back by those who commit. */
#ifndef APP_STORE_SQLITE_BESIDE_H
#define APP_STORE_SQLITE_BESIDE_H

struct store;

/* beside_begin: from now on commits of this handle write back only where there is too
 * much. */
void beside_begin(struct store *store);

#endif
