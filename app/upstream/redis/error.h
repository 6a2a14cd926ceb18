/* What an error means that Redis answers. Plain function: any thread. */
#ifndef APP_UPSTREAM_REDIS_ERROR_H
#define APP_UPSTREAM_REDIS_ERROR_H

#include <stdbool.h>

enum { ERROR_WHY_BYTES = 320 };

/* error_read returns the upstream_outcome that an error stands for: UPSTREAM_AWAY where it
 * passes by itself, UPSTREAM_FULL, or UPSTREAM_REFUSED where somebody has to put something
 * right. why says it, and holds neither user nor password; *leaves: the connection leads
 * nowhere. */
int error_read(const char *text, char why[ERROR_WHY_BYTES], bool *leaves);

#endif
