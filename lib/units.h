/* Numbers and times as people write them: 64k, 2M, 500ms, 15s, 2s..6s. */
#ifndef LIB_UNITS_H
#define LIB_UNITS_H

#include <stdint.h>

/* Each reads the whole of text: decimal digits, then at most one unit, without
 * blanks, sign or fraction. 0: the result is set. -1: it is untouched, errno is
 * EINVAL (not of that form) or ERANGE (does not fit into 63 bits). */

/* units_number: no unit, k or K (1024) or M (1024 * 1024), for rows as for
 * bytes. m is refused: elsewhere it means minutes. */
int units_number(const char *text, int64_t *number);

/* units_time_ms: ms, s, m, h or d; without a unit, seconds. In milliseconds. */
int units_time_ms(const char *text, int64_t *time_ms);

/* units_range_ms: two times with `..` between them, or one time, which is then
 * both ends. Which is the larger is for the caller to judge. */
int units_range_ms(const char *text, int64_t *from_ms, int64_t *to_ms);

#endif
