/* Which of some names was probably meant? For what people and programs misspell. */
#ifndef LIB_NEAREST_H
#define LIB_NEAREST_H

#include <stddef.h>

/* A longer name is near none: what it costs to tell grows with the square. */
enum { NEAREST_MAX_BYTES = 32 };

/* nearest_of returns the index in names, of which there are n, of the one that
 * differs from name by the fewest letters put in, left out or replaced; where
 * case, '-' and '_' make no difference. n: by more than two from each of them. */
size_t nearest_of(const char *name, const char *const names[], size_t n);

#endif
