#include "tests/unit/check.h"

#include "app/access/identity.h"
#include "app/store/message.h"

#define NOW 1000000

static struct claim_rules rules;
static struct identity id;

static int
setup(void **state __attribute__((unused)))
{
	rules = (struct claim_rules){ "sub", NULL, NULL };
	return 0;
}

/* accepts leaves the identity in id; the test frees it. */
static void
accepts(const char *json)
{
	const char *why = identity_read(&id, json, strlen(json), &rules, NOW);

	if (why != NULL)
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
refuses_bytes(const char *json, size_t len, const char *expected)
{
	struct identity untouched;
	const char *why;

	memset(&id, 0x5a, sizeof(id));
	memset(&untouched, 0x5a, sizeof(untouched));
	why = identity_read(&id, json, len, &rules, NOW);
	if (why == NULL)
		fail_msg("%s accepted", json);
	assert_string_equal(why, expected);
	assert_memory_equal(&id, &untouched, sizeof(id));
}

static void
refuses(const char *json, const char *expected)
{
	refuses_bytes(json, strlen(json), expected);
}

TEST(a_number_and_the_same_digits_are_one_user)
{
	user_is("{\"sub\":42}", "42");
	user_is("{\"sub\":\"42\"}", "42");
	user_is("{\"sub\":0}", "0");
	user_is("{\"sub\":-7}", "-7");
	user_is("{\"sub\":9223372036854775807}", "9223372036854775807");
	user_is("{\"sub\":\"J\\u00fcrgen\"}", "J\xc3\xbcrgen");
}

TEST(what_names_nobody_is_no_user)
{
	static const char *const odd[] = {
		"true", "false", "null", "[]", "[42]", "{}", "{\"a\":1}", "42.5", "42.0", "4e1", "1e400",
	};

	refuses("{}", "the user claim is missing");
	refuses("{\"Sub\":\"42\"}", "the user claim is missing");
	refuses("{\"sub\":\"\"}", "the user claim is empty");
	for (size_t i = 0; i + 1 < sizeof(odd) / sizeof(odd[0]); i++) {
		char json[64];

		snprintf(json, sizeof(json), "{\"sub\":%s}", odd[i]);
		refuses(json, "the user claim is neither a string nor an integer");
	}
	refuses("{\"sub\":1e400}", "the claims are malformed");
	refuses("{\"sub\":9223372036854775808}", "the claims are malformed");
}

TEST(a_user_at_the_bound_is_read_and_one_byte_more_is_not)
{
	char json[USER_MAX_BYTES + 32];

	snprintf(json, sizeof(json), "{\"sub\":\"%0*d\"}", USER_MAX_BYTES, 0);
	accepts(json);
	assert_int_equal(strlen(id.user), USER_MAX_BYTES);
	identity_free(&id);
	snprintf(json, sizeof(json), "{\"sub\":\"%0*d\"}", USER_MAX_BYTES + 1, 0);
	refuses(json, "the user claim is too long");
}

TEST(the_user_claim_is_the_configured_one)
{
	rules.user_claim = "uid";
	user_is("{\"sub\":\"a\",\"uid\":7}", "7");
	refuses("{\"sub\":\"a\"}", "the user claim is missing");
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
		refuses(texts[i], "the claims are malformed");
}

TEST(a_nul_anywhere_is_malformed)
{
	refuses("{\"sub\":\"a\\u0000b\"}", "the claims are malformed");
	refuses("{\"sub\":\"a\",\"x\\u0000\":1}", "the claims are malformed");
	refuses("{\"sub\":\"a\",\"other\":[\"\\u0000\"]}", "the claims are malformed");
	refuses_bytes("{\"sub\":\"a\0b\"}", 13, "the claims are malformed");
	refuses_bytes("{\"sub\":\"a\"}\0", 12, "the claims are malformed");
	refuses_bytes("{\"sub\":1\0}", 10, "the claims are malformed");
	refuses_bytes("{\"sub\":\"a\",\"x\":true\0}", 21, "the claims are malformed");
}

TEST(a_name_given_twice_is_malformed)
{
	refuses("{\"sub\":\"a\",\"sub\":\"b\"}", "the claims are malformed");
	refuses("{\"sub\":\"a\",\"sub\":\"a\"}", "the claims are malformed");
	refuses("{\"sub\":\"a\",\"s\\u0075b\":\"b\"}", "the claims are malformed");
	refuses("{\"sub\":\"a\",\"x\":{\"y\":1,\"y\":2}}", "the claims are malformed");
}

TEST(exp_must_be_in_the_future)
{
	expires("{\"sub\":1}", 0);
	expires("{\"sub\":1,\"exp\":1000001}", 1000001);
	expires("{\"sub\":1,\"exp\":1000001.9}", 1000001);
	refuses("{\"sub\":1,\"exp\":1000000}", "it has expired");
	refuses("{\"sub\":1,\"exp\":1000000.9}", "it has expired");
	refuses("{\"sub\":1,\"exp\":999999}", "it has expired");
	refuses("{\"sub\":1,\"exp\":0}", "it has expired");
	refuses("{\"sub\":1,\"exp\":-1}", "it has expired");
	refuses("{\"sub\":1,\"exp\":-1e300}", "it has expired");
	refuses("{\"sub\":1,\"exp\":-9223372036854775808}", "it has expired");
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
	refuses("{\"sub\":1,\"nbf\":1000001}", "it is not valid yet");
	refuses("{\"sub\":1,\"nbf\":1000000.5}", "it is not valid yet");
	refuses("{\"sub\":1,\"nbf\":9223372036854775807}", "it is not valid yet");
	refuses("{\"sub\":1,\"nbf\":1e300}", "it is not valid yet");
}

TEST(times_of_another_type_are_refused)
{
	static const char *const odd[] = { "\"2000000\"", "true", "null", "[2000000]", "{}", "\"\"" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char json[64];

		snprintf(json, sizeof(json), "{\"sub\":1,\"exp\":%s}", odd[i]);
		refuses(json, "exp is not a number");
		snprintf(json, sizeof(json), "{\"sub\":1,\"nbf\":%s}", odd[i]);
		refuses(json, "nbf is not a number");
	}
}

TEST(iss_is_checked_where_configured)
{
	user_is("{\"sub\":\"a\",\"iss\":\"whoever\"}", "a");
	rules.issuer = "me";
	user_is("{\"sub\":\"a\",\"iss\":\"me\"}", "a");
	refuses("{\"sub\":\"a\"}", "iss is not the one expected");
	refuses("{\"sub\":\"a\",\"iss\":\"Me\"}", "iss is not the one expected");
	refuses("{\"sub\":\"a\",\"iss\":\"me \"}", "iss is not the one expected");
	refuses("{\"sub\":\"a\",\"iss\":[\"me\"]}", "iss is not the one expected");
	refuses("{\"sub\":\"a\",\"iss\":null}", "iss is not the one expected");
}

TEST(aud_is_a_string_or_an_array_that_holds_it)
{
	user_is("{\"sub\":\"a\",\"aud\":\"whoever\"}", "a");
	rules.audience = "us";
	user_is("{\"sub\":\"a\",\"aud\":\"us\"}", "a");
	user_is("{\"sub\":\"a\",\"aud\":[\"them\",\"us\"]}", "a");
	refuses("{\"sub\":\"a\"}", "aud does not name this server");
	refuses("{\"sub\":\"a\",\"aud\":\"them\"}", "aud does not name this server");
	refuses("{\"sub\":\"a\",\"aud\":\"us them\"}", "aud does not name this server");
	refuses("{\"sub\":\"a\",\"aud\":[]}", "aud does not name this server");
	refuses("{\"sub\":\"a\",\"aud\":[[\"us\"]]}", "aud does not name this server");
	refuses("{\"sub\":\"a\",\"aud\":{\"us\":\"us\"}}", "aud does not name this server");
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
	refuses("{\"sub\":1,\"topics\":\"news\"}", "topics is not an array");
	refuses("{\"sub\":1,\"topics\":null}", "topics is not an array");
	refuses("{\"sub\":1,\"topics\":{\"0\":\"news\"}}", "topics is not an array");
	refuses("{\"sub\":1,\"topics\":[\"news\",7]}", "topics has an entry that is not a name");
	refuses("{\"sub\":1,\"topics\":[\"news\",\"\"]}", "topics has an entry that is not a name");
	refuses("{\"sub\":1,\"topics\":[null]}", "topics has an entry that is not a name");
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

TEST(scope_of_another_type_is_refused)
{
	refuses("{\"sub\":1,\"scope\":[\"rowcast:publish\"]}", "scope is not a string");
	refuses("{\"sub\":1,\"scope\":true}", "scope is not a string");
	refuses("{\"sub\":1,\"scope\":null}", "scope is not a string");
}

static const struct CMUnitTest tests[] = {
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
	cmocka_unit_test_setup(times_of_another_type_are_refused, setup),
	cmocka_unit_test_setup(iss_is_checked_where_configured, setup),
	cmocka_unit_test_setup(aud_is_a_string_or_an_array_that_holds_it, setup),
	cmocka_unit_test_setup(topics_are_exact_names_or_prefixes, setup),
	cmocka_unit_test_setup(no_topics_grant_none, setup),
	cmocka_unit_test_setup(topics_of_another_type_are_refused, setup),
	cmocka_unit_test_setup(scope_is_read_word_by_word, setup),
	cmocka_unit_test_setup(scope_of_another_type_is_refused, setup),
};

RUN_TESTS(tests)
