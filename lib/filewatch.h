/* Tells when a file, or one beside it whose name begins alike, was written. */
#ifndef LIB_FILEWATCH_H
#define LIB_FILEWATCH_H

struct filewatch {
	int fd;      /* an inotify descriptor, readable when something happened */
	char *name;  /* owned; the file's name without its folder */
};

/* filewatch_open watches the folder of path, so that it goes on when the file
 * is replaced, removed or not there yet. -1: errno is set (no inotify left, or
 * no such folder), and the watch may still be closed; its fd is -1. */
int filewatch_open(struct filewatch *w, const char *path);
void filewatch_close(struct filewatch *w);

/* filewatch_read takes what has happened; 1 where any of it was about the file
 * or a name that begins with it ("x.db-wal" for "x.db"), else 0. Does not wait. */
int filewatch_read(struct filewatch *w);

#endif
