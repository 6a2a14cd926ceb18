/* The two clocks, as two types so that they cannot be mixed up. Any thread. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef int64_t mono_us; /* microseconds, never going back; only differences mean anything */
typedef int64_t wall_s;  /* seconds since 1970-01-01 UTC; may jump either way */

mono_us clock_mono_us(void);
wall_s clock_wall_s(void);

/* clock_mono_in_ms returns when so many milliseconds from now will be over. */
static inline mono_us
clock_mono_in_ms(int64_t ms)
{
	return clock_mono_us() + ms * 1000;
}

/* When something ends, if ever: the zero value never does. */
struct expiry {
	bool ends;
	wall_s at;       /* from this second on it is over; unused where it never ends */
};

#define EXPIRY_NEVER ((struct expiry){ .ends = false })
#define EXPIRY_AT(second) ((struct expiry){ .ends = true, .at = (second) })

static inline bool
expiry_is_over(struct expiry expiry, wall_s now)
{
	return expiry.ends && expiry.at <= now;
}

/* How far the first clock is ahead of the system's. Only tests add to it, so as
 * not to wait for a minute to be over, and never take away. */
extern _Atomic mono_us clock_ahead_us;

/* Where the first clock stands still, whatever it is ahead by; 0: it runs. Only tests
 * stop it, so that nothing depends on how busy the machine is: clock_stop of
 * tests/unit/check.h. */
extern _Atomic mono_us clock_stopped_us;

/* clock_wall_us is the wall clock in microseconds, for deadlines given in wall
 * seconds (a token's exp) that must be met to the fraction. */
int64_t clock_wall_us(void);

#endif
