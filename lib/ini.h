/* A file of `key = value` lines.
 *
 * A `#` that begins a line, or that follows a blank, begins a comment; so a
 * value may hold a '#' but not one after a blank. Blanks around key and value
 * are not part of them, CRLF ends a line as LF does, a byte order mark that
 * begins the file is passed over, and there is no quoting and no continuation.
 * A key is a-z, 0-9 and '_'; a value may be empty. */
#ifndef LIB_INI_H
#define LIB_INI_H

enum {
	INI_LINE_MAX_BYTES = 4096, /* without what ends it; picked, not tuned */
	INI_MAX_LINES = 10000,     /* more is not a file for us; picked, not tuned */
};

struct ini_handler {
	/* A pair, lent until return; line counts from 1. */
	void (*pair)(void *arg, unsigned int line, const char *key, const char *value);
	/* A line that is none of this, and why. The lines after it are read. */
	void (*fault)(void *arg, unsigned int line, const char *why);
};

/* ini_read hands what stands in the file of that name to the handler, line by
 * line. 0: it was read to the end, whatever the handler was told. -1 and errno:
 * it could not be opened, or not be read further. */
int ini_read(const char *path, const struct ini_handler *handler, void *arg);

#endif
