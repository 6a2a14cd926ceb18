/* Which denial a verdict is. */

#include "tests/unit/check.h"

#include "app/access/denial.h"
#include "app/access/verdict.h"

TEST(each_fault_is_counted_by_its_own_name)
{
	static const struct { unsigned verdict; enum denial denial; } faults[] = {
		{ VERDICT_INVALID, DENIAL_INVALID }, { VERDICT_EXPIRED, DENIAL_EXPIRED },
		{ VERDICT_NOT_YET, DENIAL_NOT_YET }, { VERDICT_NO_USER, DENIAL_USER },
		{ VERDICT_ISSUER, DENIAL_ISSUER }, { VERDICT_AUDIENCE, DENIAL_AUDIENCE },
		{ VERDICT_REVOKED, DENIAL_REVOKED },
	};
	struct denials denials = { 0 };
	uint64_t n[DENIALS];

	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(denial_of(faults[i].verdict), faults[i].denial);
		for (size_t k = 0; k <= i; k++)
			denials_add(&denials, denial_of(faults[i].verdict));
	}
	denials_read(&denials, n);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(n[faults[i].denial], i + 1);
	assert_int_equal(n[DENIAL_MISSING] + n[DENIAL_SCOPE] + n[DENIAL_TOPIC] + n[DENIAL_ORIGIN], 0);
}

TEST(of_several_faults_the_one_that_is_told_is_counted)
{
	for (unsigned verdict = 1; verdict < 1u << 7; verdict++)
		for (unsigned fault = 1; fault < 1u << 7; fault <<= 1)
			if (denial_of(verdict) == denial_of(fault))
				assert_string_equal(verdict_sentence(verdict), verdict_sentence(fault));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_counted_by_its_own_name),
		cmocka_unit_test(of_several_faults_the_one_that_is_told_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
