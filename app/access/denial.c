/* Counting denials. Whoever answers with one counts it, so each is counted once, however
 * many tokens a request had or how often it was judged. */

#include "app/access/denial.h"

#include <stdatomic.h>
#include <stddef.h>

#include "app/access/verdict.h"

enum denial
denial_of(unsigned verdict)
{
	static const struct { enum verdict fault; enum denial denial; } denials[] = {
		{ VERDICT_INVALID, DENIAL_INVALID },
		{ VERDICT_EXPIRED, DENIAL_EXPIRED },
		{ VERDICT_NOT_YET, DENIAL_NOT_YET },
		{ VERDICT_NO_USER, DENIAL_USER },
		{ VERDICT_ISSUER, DENIAL_ISSUER },
		{ VERDICT_AUDIENCE, DENIAL_AUDIENCE },
		{ VERDICT_REVOKED, DENIAL_REVOKED },
	};

	/* In the order in which faults are told. */
	for (size_t i = 0; i < sizeof(denials) / sizeof(denials[0]); i++)
		if (verdict & denials[i].fault)
			return denials[i].denial;
	return DENIAL_INVALID;
}

void
denials_add(struct denials *denials, enum denial denial)
{
	atomic_fetch_add_explicit(&denials->n[denial], 1, memory_order_relaxed);
}

void
denials_read(const struct denials *denials, uint64_t n[DENIALS])
{
	for (size_t i = 0; i < DENIALS; i++)
		n[i] = atomic_load_explicit(&denials->n[i], memory_order_relaxed);
}
