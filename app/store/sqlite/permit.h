/* What SQLite needs of the file system to open the store's file: asked before it is, since
 * SQLite's own sentence is `unable to open database file` whatever is in the way. The
 * thread that opens the handle. */
#ifndef APP_STORE_SQLITE_PERMIT_H
#define APP_STORE_SQLITE_PERMIT_H

#include <stdbool.h>

enum permit_use {
	PERMIT_READ,   /* reads: of a file that nobody has open the -wal and -shm have to be made */
	PERMIT_WRITE,  /* writes, and makes what is missing */
	PERMIT_KEEP,   /* the same, and makes -wal and -shm anew when nobody has it open any more */
};

/* permit_refuse: 0, or -1: logged, each reason why the file at path, or what lies beside
 * it, cannot be used so: whose it is, and the command that helps. */
int permit_refuse(const char *path, enum permit_use use);

#endif
