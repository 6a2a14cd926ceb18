/* The two clocks, as two types so that they cannot be mixed up. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

typedef int64_t mono_us; /* microseconds, never going back; only differences mean anything */
typedef int64_t wall_s;  /* seconds since 1970-01-01 UTC; may jump either way */

mono_us clock_mono_us(void);
wall_s clock_wall_s(void);

/* How far the first clock is ahead of the system's. Only tests add to it, so as
 * not to wait for a minute to be over, and never take away. */
extern _Atomic mono_us clock_ahead_us;

/* clock_wall_us is the wall clock in microseconds, for deadlines given in wall
 * seconds (a token's exp) that must be met to the fraction. */
int64_t clock_wall_us(void);

#endif
