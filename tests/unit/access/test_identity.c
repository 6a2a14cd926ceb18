#include "tests/unit/check.h"

#include "app/access/identity.h"
#include "app/store/message.h"

#define NOW 1000000

static struct claim_rules rules;
static struct identity id;

static int
setup(void **state __attribute__((unused)))
{
	rules = (struct claim_rules){ .user_claim = "sub" };
	return 0;
}

/* accepts leaves the identity in id; the test frees it. */
static void
accepts(const char *json)
{
	const char *why;

	if (identity_read(&id, json, strlen(json), &rules, NOW, &why) != 0)
		fail_msg("%s refused: %s", json, why);
}

static void
user_is(const char *json, const char *user)
{
	accepts(json);
	assert_string_equal(id.user, user);
	identity_free(&id);
}

static void
expires(const char *json, wall_s expected)
{
	accepts(json);
	assert_int_equal(id.expiry.ends, expected != 0);
	assert_int_equal(id.expiry.at, expected);
	identity_free(&id);
}

static void
refuses_bytes(unsigned verdict, const char *json, size_t len, const char *expected)
{
	struct identity untouched;
	const char *why;
	unsigned got;

	memset(&id, 0x5a, sizeof(id));
	memset(&untouched, 0x5a, sizeof(untouched));
	got = identity_read(&id, json, len, &rules, NOW, &why);
	if (got == 0)
		fail_msg("%s accepted", json);
	assert_string_equal(why, expected);
	assert_int_equal(got, verdict);
	assert_memory_equal(&id, &untouched, sizeof(id));
}

static void
refuses(unsigned verdict, const char *json, const char *expected)
{
	refuses_bytes(verdict, json, strlen(json), expected);
}

TEST(a_number_and_the_same_digits_are_one_user)
{
	user_is("{\"sub\":42}", "42");
	user_is("{\"sub\":\"42\"}", "42");
	user_is("{\"sub\":0}", "0");
	user_is("{\"sub\":-7}", "-7");
	user_is("{\"sub\":42.0}", "42");
	user_is("{\"sub\":4.2e1}", "42");
	user_is("{\"sub\":-0.0}", "0");
	user_is("{\"sub\":9007199254740992.0}", "9007199254740992");
	user_is("{\"sub\":9223372036854775807}", "9223372036854775807");
	user_is("{\"sub\":\"J\\u00fcrgen\"}", "J\xc3\xbcrgen");
}

TEST(what_names_nobody_is_no_user)
{
	static const char *const odd[] = {
		"true", "false", "[]", "[42]", "{}", "{\"a\":1}",
	};

	refuses(VERDICT_NO_USER, "{}", "the user claim is missing");
	refuses(VERDICT_NO_USER, "{\"sub\":null}", "the user claim is missing");
	refuses(VERDICT_NO_USER, "{\"Sub\":\"42\"}", "the user claim is missing");
	refuses(VERDICT_NO_USER, "{\"sub\":\"\"}", "the user claim is empty");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char json[64];

		snprintf(json, sizeof(json), "{\"sub\":%s}", odd[i]);
		refuses(VERDICT_NO_USER, json, "the user claim is neither a string nor a number");
	}
	refuses(VERDICT_NO_USER, "{\"sub\":42.5}", "the user claim is not a whole number");
	refuses(VERDICT_NO_USER, "{\"sub\":9007199254740994.0}", "the user claim is not a whole number");
	refuses(VERDICT_NO_USER, "{\"sub\":-1e300}", "the user claim is not a whole number");
	refuses(VERDICT_INVALID, "{\"sub\":1e400}", "the claims are malformed");
	refuses(VERDICT_INVALID, "{\"sub\":9223372036854775808}", "the claims are malformed");
}

TEST(a_user_at_the_bound_is_read_and_one_byte_more_is_not)
{
	char json[USER_MAX_BYTES + 32];

	snprintf(json, sizeof(json), "{\"sub\":\"%0*d\"}", USER_MAX_BYTES, 0);
	accepts(json);
	assert_int_equal(strlen(id.user), USER_MAX_BYTES);
	identity_free(&id);
	snprintf(json, sizeof(json), "{\"sub\":\"%0*d\"}", USER_MAX_BYTES + 1, 0);
	refuses(VERDICT_NO_USER, json, "the user claim is too long");
}

TEST(the_user_claim_is_the_configured_one)
{
	rules.user_claim = "uid";
	user_is("{\"sub\":\"a\",\"uid\":7}", "7");
	refuses(VERDICT_NO_USER, "{\"sub\":\"a\"}", "the user claim is missing");
	rules.user_claim = "https://example.org/uid";
	user_is("{\"https://example.org/uid\":\"b\"}", "b");
}

TEST(what_is_no_object_of_claims_is_malformed)
{
	static const char *const texts[] = {
		"", "null", "42", "\"sub\"", "[]", "[{\"sub\":1}]", "{", "{\"sub\":1", "{\"sub\":1}x",
		"{\"sub\":1}{\"sub\":2}", "{'sub':1}", "{sub:1}", "{\"sub\":\"\xff\"}",
		"{\"sub\":\"\xc0\x80\"}", "{\"sub\":\"\\ud800\"}", "\xef\xbb\xbf{\"sub\":1}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuses(VERDICT_INVALID, texts[i], "the claims are malformed");
}

TEST(a_nul_anywhere_is_malformed)
{
	refuses(VERDICT_INVALID, "{\"sub\":\"a\\u0000b\"}", "the claims are malformed");
	refuses(VERDICT_INVALID, "{\"sub\":\"a\",\"x\\u0000\":1}", "the claims are malformed");
	refuses(VERDICT_INVALID, "{\"sub\":\"a\",\"other\":[\"\\u0000\"]}", "the claims are malformed");
	refuses_bytes(VERDICT_INVALID, "{\"sub\":\"a\0b\"}", 13, "the claims are malformed");
	refuses_bytes(VERDICT_INVALID, "{\"sub\":\"a\"}\0", 12, "the claims are malformed");
	refuses_bytes(VERDICT_INVALID, "{\"sub\":1\0}", 10, "the claims are malformed");
	refuses_bytes(VERDICT_INVALID, "{\"sub\":\"a\",\"x\":true\0}", 21, "the claims are malformed");
}

TEST(a_name_given_twice_is_malformed)
{
	refuses(VERDICT_INVALID, "{\"sub\":\"a\",\"sub\":\"b\"}", "the claims are malformed");
	refuses(VERDICT_INVALID, "{\"sub\":\"a\",\"sub\":\"a\"}", "the claims are malformed");
	refuses(VERDICT_INVALID, "{\"sub\":\"a\",\"s\\u0075b\":\"b\"}", "the claims are malformed");
	refuses(VERDICT_INVALID, "{\"sub\":\"a\",\"x\":{\"y\":1,\"y\":2}}", "the claims are malformed");
}

TEST(exp_must_be_in_the_future)
{
	expires("{\"sub\":1}", 0);
	expires("{\"sub\":1,\"exp\":1000001}", 1000001);
	expires("{\"sub\":1,\"exp\":1000001.9}", 1000001);
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":1000000}", "it has expired");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":1000000.9}", "it has expired");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":999999}", "it has expired");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":0}", "it has expired");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":-1}", "it has expired");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":-1e300}", "it has expired");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":-9223372036854775808}", "it has expired");
}

TEST(exp_beyond_all_reason_is_cut_off)
{
	expires("{\"sub\":1,\"exp\":253402300798}", INT64_C(253402300798));
	expires("{\"sub\":1,\"exp\":253402300799}", INT64_C(253402300799));
	expires("{\"sub\":1,\"exp\":253402300800}", INT64_C(253402300799));
	expires("{\"sub\":1,\"exp\":9223372036854775807}", INT64_C(253402300799));
	expires("{\"sub\":1,\"exp\":1e300}", INT64_C(253402300799));
}

TEST(nbf_must_not_be_in_the_future)
{
	expires("{\"sub\":1,\"nbf\":1000000}", 0);
	expires("{\"sub\":1,\"nbf\":0}", 0);
	expires("{\"sub\":1,\"nbf\":-5.5}", 0);
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":1000001}", "it is not valid yet");
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":1000000.5}", "it is not valid yet");
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":9223372036854775807}", "it is not valid yet");
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":1e300}", "it is not valid yet");
}

TEST(an_issuers_clock_may_be_ahead_by_the_leeway)
{
	rules.leeway_ms = 5000;
	expires("{\"sub\":1,\"nbf\":1000002}", 0);
	expires("{\"sub\":1,\"nbf\":1000005}", 0);
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":1000005.5}", "it is not valid yet");
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":1000006}", "it is not valid yet");
	rules.leeway_ms = 500;
	expires("{\"sub\":1,\"nbf\":1000000.5}", 0);
	refuses(VERDICT_NOT_YET, "{\"sub\":1,\"nbf\":1000001}", "it is not valid yet");
	/* exp is exact, either way. */
	rules.leeway_ms = 5000;
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"exp\":1000000}", "it has expired");
	expires("{\"sub\":1,\"exp\":1000001}", 1000001);
}

TEST(a_claim_that_is_null_is_absent)
{
	expires("{\"sub\":1,\"exp\":null,\"nbf\":null,\"iss\":null,\"aud\":null,\"topics\":null,"
	    "\"scope\":null}", 0);
	rules.issuer = "me";
	refuses(VERDICT_ISSUER, "{\"sub\":\"a\",\"iss\":null}", "iss is not the one expected");
	rules.issuer = NULL;
	rules.audience = "us";
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\",\"aud\":null}", "aud does not name this server");
}

TEST(every_fault_is_in_the_verdict_and_the_first_is_told)
{
	unsigned rest = VERDICT_EXPIRED | VERDICT_NOT_YET | VERDICT_NO_USER | VERDICT_ISSUER
	    | VERDICT_AUDIENCE;

	rules.issuer = "me";
	rules.audience = "us";
	refuses(rest, "{\"exp\":1,\"nbf\":2000000}", "it has expired");
	rest &= ~(unsigned)VERDICT_EXPIRED;
	refuses(rest, "{\"exp\":2000000,\"nbf\":2000000}", "it is not valid yet");
	rest &= ~(unsigned)VERDICT_NOT_YET;
	refuses(rest, "{\"sub\":\"\"}", "the user claim is empty");
	rest &= ~(unsigned)VERDICT_NO_USER;
	refuses(rest, "{\"sub\":1}", "iss is not the one expected");
	refuses(VERDICT_AUDIENCE, "{\"sub\":1,\"iss\":\"me\"}", "aud does not name this server");
	refuses(VERDICT_EXPIRED, "{\"sub\":1,\"iss\":\"me\",\"aud\":\"us\",\"exp\":1}",
	    "it has expired");
	/* What cannot be read comes before all of them. */
	refuses(VERDICT_INVALID, "{\"exp\":1,\"nbf\":\"x\"}", "nbf is not a number");
	refuses(VERDICT_INVALID, "{\"exp\":1,\"topics\":1}", "topics is not an array");
	refuses(VERDICT_INVALID, "{\"exp\":1,\"scope\":1}", "scope is neither a string nor an array");
}

TEST(times_of_another_type_are_refused)
{
	static const char *const odd[] = { "\"2000000\"", "true", "[2000000]", "{}", "\"\"" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char json[64];

		snprintf(json, sizeof(json), "{\"sub\":1,\"exp\":%s}", odd[i]);
		refuses(VERDICT_INVALID, json, "exp is not a number");
		snprintf(json, sizeof(json), "{\"sub\":1,\"nbf\":%s}", odd[i]);
		refuses(VERDICT_INVALID, json, "nbf is not a number");
	}
}

TEST(iss_is_checked_where_configured)
{
	user_is("{\"sub\":\"a\",\"iss\":\"whoever\"}", "a");
	rules.issuer = "me";
	user_is("{\"sub\":\"a\",\"iss\":\"me\"}", "a");
	refuses(VERDICT_ISSUER, "{\"sub\":\"a\"}", "iss is not the one expected");
	refuses(VERDICT_ISSUER, "{\"sub\":\"a\",\"iss\":\"Me\"}", "iss is not the one expected");
	refuses(VERDICT_ISSUER, "{\"sub\":\"a\",\"iss\":\"me \"}", "iss is not the one expected");
	refuses(VERDICT_ISSUER, "{\"sub\":\"a\",\"iss\":[\"me\"]}", "iss is not the one expected");
}

TEST(aud_is_a_string_or_an_array_that_holds_it)
{
	user_is("{\"sub\":\"a\",\"aud\":\"whoever\"}", "a");
	rules.audience = "us";
	user_is("{\"sub\":\"a\",\"aud\":\"us\"}", "a");
	user_is("{\"sub\":\"a\",\"aud\":[\"them\",\"us\"]}", "a");
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\"}", "aud does not name this server");
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\",\"aud\":\"them\"}", "aud does not name this server");
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\",\"aud\":\"us them\"}", "aud does not name this server");
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\",\"aud\":[]}", "aud does not name this server");
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\",\"aud\":[[\"us\"]]}", "aud does not name this server");
	refuses(VERDICT_AUDIENCE, "{\"sub\":\"a\",\"aud\":{\"us\":\"us\"}}", "aud does not name this server");
}

TEST(topics_are_exact_names_or_prefixes)
{
	accepts("{\"sub\":1,\"topics\":[\"news\",\"room/*\",\"a*b\"]}");
	assert_int_equal(id.n_topics, 3);
	assert_true(identity_may_read(&id, "news"));
	assert_false(identity_may_read(&id, "news2"));
	assert_false(identity_may_read(&id, "new"));
	assert_false(identity_may_read(&id, "News"));
	assert_true(identity_may_read(&id, "room/"));
	assert_true(identity_may_read(&id, "room/1"));
	assert_true(identity_may_read(&id, "room/*"));
	assert_false(identity_may_read(&id, "room"));
	assert_true(identity_may_read(&id, "a*b"));
	assert_false(identity_may_read(&id, "axb"));
	assert_false(identity_may_read(&id, ""));
	identity_free(&id);

	accepts("{\"sub\":1,\"topics\":[\"*\"]}");
	assert_true(identity_may_read(&id, "anything"));
	identity_free(&id);
}

TEST(a_reserved_topic_is_granted_by_the_scope_of_administrators_alone)
{
	static const char *const reserved[] = { "rowcast.", "rowcast.control", "rowcast.status",
		"rowcast.anything" };

	accepts("{\"sub\":1,\"topics\":[\"*\",\"row*\",\"rowcast.*\",\"rowcast.control\"],"
	    "\"scope\":\"rowcast:publish\"}");
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		assert_false(identity_may_read(&id, reserved[i]));
	assert_true(identity_may_read(&id, "rowcast"));
	assert_true(identity_may_read(&id, "rowcasting"));
	identity_free(&id);

	accepts("{\"sub\":1,\"scope\":\"rowcast:admin\"}");
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		assert_true(identity_may_read(&id, reserved[i]));
	assert_false(identity_may_read(&id, "rowcast"));
	assert_false(identity_may_read(&id, "news"));
	identity_free(&id);
}

TEST(no_topics_grant_none)
{
	accepts("{\"sub\":1}");
	assert_false(identity_may_read(&id, "news"));
	identity_free(&id);
	accepts("{\"sub\":1,\"topics\":[]}");
	assert_false(identity_may_read(&id, "news"));
	identity_free(&id);
}

TEST(topics_of_another_type_are_refused)
{
	refuses(VERDICT_INVALID, "{\"sub\":1,\"topics\":\"news\"}", "topics is not an array");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"topics\":{\"0\":\"news\"}}", "topics is not an array");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"topics\":[\"news\",7]}", "topics has an entry that is not a name");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"topics\":[\"news\",\"\"]}", "topics has an entry that is not a name");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"topics\":[null]}", "topics has an entry that is not a name");
}

static void
scope_grants(const char *scope, bool may_publish, bool may_admin)
{
	char json[128];

	snprintf(json, sizeof(json), "{\"sub\":1,\"scope\":\"%s\"}", scope);
	accepts(json);
	assert_int_equal(id.may_publish, may_publish);
	assert_int_equal(id.may_admin, may_admin);
	identity_free(&id);
}

TEST(scope_is_read_word_by_word)
{
	scope_grants("", false, false);
	scope_grants("rowcast:publish", true, false);
	scope_grants("rowcast:admin", false, true);
	scope_grants("openid rowcast:publish  rowcast:admin ", true, true);
	scope_grants(" rowcast:publish", true, false);
	scope_grants("rowcast:publisher xrowcast:publish rowcast:publis", false, false);
	scope_grants("rowcast:publish,rowcast:admin", false, false);
	scope_grants("ROWCAST:PUBLISH", false, false);
	scope_grants("rowcast:publish\\trowcast:admin", false, false);
	accepts("{\"sub\":1}");
	assert_false(id.may_publish || id.may_admin);
	identity_free(&id);
}

static void
array_grants(const char *array, bool may_publish, bool may_admin)
{
	char json[128];

	snprintf(json, sizeof(json), "{\"sub\":1,\"scope\":%s}", array);
	accepts(json);
	assert_int_equal(id.may_publish, may_publish);
	assert_int_equal(id.may_admin, may_admin);
	identity_free(&id);
}

TEST(scope_may_be_an_array)
{
	array_grants("[]", false, false);
	array_grants("[\"rowcast:publish\"]", true, false);
	array_grants("[\"openid\",\"rowcast:admin\",\"rowcast:publish\",\"x\"]", true, true);
	/* An entry is one scope, which has no blanks (RFC 6749 3.3). */
	array_grants("[\"rowcast:publish rowcast:admin\",\" rowcast:admin\",\"\"]", false, false);
	array_grants("[\"rowcast:publisher\"]", false, false);
}

TEST(scope_of_another_type_is_refused)
{
	refuses(VERDICT_INVALID, "{\"sub\":1,\"scope\":true}", "scope is neither a string nor an array");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"scope\":{\"0\":\"rowcast:publish\"}}",
	    "scope is neither a string nor an array");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"scope\":[\"rowcast:publish\",1]}",
	    "scope has an entry that is not a string");
	refuses(VERDICT_INVALID, "{\"sub\":1,\"scope\":[null]}",
	    "scope has an entry that is not a string");
}

static void
is_issued(const char *json, wall_s expected)
{
	accepts(json);
	assert_int_equal(id.issued_at, expected);
	identity_free(&id);
}

TEST(when_a_token_was_issued_is_rounded_down_and_may_be_unknown)
{
	is_issued("{\"sub\":1,\"iat\":1000}", 1000);
	is_issued("{\"sub\":1,\"iat\":1000.9}", 1000);
	is_issued("{\"sub\":1,\"iat\":0}", 0);
	is_issued("{\"sub\":1,\"iat\":-5}", -5);
	is_issued("{\"sub\":1,\"iat\":-1e300}", 0);
	is_issued("{\"sub\":1,\"iat\":1e300}", 253402300799);
	is_issued("{\"sub\":1,\"iat\":9223372036854775807}", 253402300799);
	is_issued("{\"sub\":1}", REVOCATIONS_NOT_ISSUED);
	is_issued("{\"sub\":1,\"iat\":null}", REVOCATIONS_NOT_ISSUED);
	is_issued("{\"sub\":1,\"iat\":\"1000\"}", REVOCATIONS_NOT_ISSUED);
	is_issued("{\"sub\":1,\"iat\":[1000]}", REVOCATIONS_NOT_ISSUED);
}

TEST(a_token_issued_up_to_the_second_in_which_its_user_was_revoked_is_revoked)
{
	struct revocations *revocations = revocations_new();

	revocations_raise(revocations, "42", 1000);
	rules.revocations = revocations;
	refuses(VERDICT_REVOKED, "{\"sub\":\"42\",\"iat\":999}", "it was revoked");
	refuses(VERDICT_REVOKED, "{\"sub\":\"42\",\"iat\":1000}", "it was revoked");
	refuses(VERDICT_REVOKED, "{\"sub\":\"42\",\"iat\":1000.999}", "it was revoked");
	refuses(VERDICT_REVOKED, "{\"sub\":42}", "it was revoked");
	refuses(VERDICT_REVOKED, "{\"sub\":42.0,\"iat\":\"2000\"}", "it was revoked");
	user_is("{\"sub\":\"42\",\"iat\":1001}", "42");
	user_is("{\"sub\":\"43\",\"iat\":1000}", "43");
	user_is("{\"sub\":\"43\"}", "43");
	/* The last of the faults, and one beside the others. */
	rules.issuer = "me";
	rules.audience = "us";
	refuses(VERDICT_EXPIRED | VERDICT_ISSUER | VERDICT_AUDIENCE | VERDICT_REVOKED,
	    "{\"sub\":\"42\",\"exp\":1}", "it has expired");
	refuses(VERDICT_AUDIENCE | VERDICT_REVOKED, "{\"sub\":\"42\",\"iss\":\"me\"}",
	    "aud does not name this server");
	revocations_free(revocations);
}

TEST(a_verdict_is_told_by_its_first_fault)
{
	static const char *const sentences[] = { "token is invalid", "token is expired",
		"token is not valid yet", "token names no user", "token has another issuer",
		"token is for another audience", "token was revoked" };

	assert_null(verdict_sentence(0));
	for (unsigned i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		assert_string_equal(verdict_sentence(1u << i), sentences[i]);
		assert_string_equal(verdict_sentence(0x7fu << i & 0x7f), sentences[i]);
	}
}

TEST(a_scope_that_is_unknown_is_found_among_others)
{
	assert_null(identity_unknown_scope(""));
	assert_null(identity_unknown_scope("  "));
	assert_null(identity_unknown_scope("rowcast:publish"));
	assert_null(identity_unknown_scope(" rowcast:admin  rowcast:publish "));
	assert_string_equal(identity_unknown_scope("publish"), "publish");
	assert_string_equal(identity_unknown_scope("rowcast:publish rowcast:admi x"), "rowcast:admi x");
	assert_string_equal(identity_unknown_scope("rowcast:publishe"), "rowcast:publishe");
	assert_string_equal(identity_unknown_scope("rowcast:admin,rowcast:publish"),
	    "rowcast:admin,rowcast:publish");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_scope_that_is_unknown_is_found_among_others),
	cmocka_unit_test_setup(a_number_and_the_same_digits_are_one_user, setup),
	cmocka_unit_test_setup(what_names_nobody_is_no_user, setup),
	cmocka_unit_test_setup(a_user_at_the_bound_is_read_and_one_byte_more_is_not, setup),
	cmocka_unit_test_setup(the_user_claim_is_the_configured_one, setup),
	cmocka_unit_test_setup(what_is_no_object_of_claims_is_malformed, setup),
	cmocka_unit_test_setup(a_nul_anywhere_is_malformed, setup),
	cmocka_unit_test_setup(a_name_given_twice_is_malformed, setup),
	cmocka_unit_test_setup(exp_must_be_in_the_future, setup),
	cmocka_unit_test_setup(exp_beyond_all_reason_is_cut_off, setup),
	cmocka_unit_test_setup(nbf_must_not_be_in_the_future, setup),
	cmocka_unit_test_setup(an_issuers_clock_may_be_ahead_by_the_leeway, setup),
	cmocka_unit_test_setup(a_claim_that_is_null_is_absent, setup),
	cmocka_unit_test_setup(every_fault_is_in_the_verdict_and_the_first_is_told, setup),
	cmocka_unit_test_setup(times_of_another_type_are_refused, setup),
	cmocka_unit_test_setup(iss_is_checked_where_configured, setup),
	cmocka_unit_test_setup(aud_is_a_string_or_an_array_that_holds_it, setup),
	cmocka_unit_test_setup(topics_are_exact_names_or_prefixes, setup),
	cmocka_unit_test_setup(a_reserved_topic_is_granted_by_the_scope_of_administrators_alone, setup),
	cmocka_unit_test_setup(no_topics_grant_none, setup),
	cmocka_unit_test_setup(topics_of_another_type_are_refused, setup),
	cmocka_unit_test_setup(scope_is_read_word_by_word, setup),
	cmocka_unit_test_setup(scope_may_be_an_array, setup),
	cmocka_unit_test_setup(when_a_token_was_issued_is_rounded_down_and_may_be_unknown, setup),
	cmocka_unit_test_setup(a_token_issued_up_to_the_second_in_which_its_user_was_revoked_is_revoked, setup),
	cmocka_unit_test_setup(a_verdict_is_told_by_its_first_fault, setup),
	cmocka_unit_test_setup(scope_of_another_type_is_refused, setup),
};

RUN_TESTS(tests)
