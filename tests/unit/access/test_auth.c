#include "tests/unit/check.h"
#include "tests/unit/hs256.h"
#include "tests/unit/keys.h"

#include <jansson.h>
#include <jwt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "app/access/auth.h"
#include "app/store/message.h"
#include "lib/clock.h"
#include "lib/log.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "another secret, another secret, another secret, another secret!!"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

/* ---- verbs ---- */

static struct auth *auth;
static struct identity id;
static char *key_files[2];

static struct conf
conf_for(const char *alg, const char *first, const char *second)
{
	static char algs[8], claim[] = "sub";
	struct conf conf = { .jwt_alg = algs, .jwt_user_claim = claim };

	strcpy(algs, alg);
	for (size_t i = 0; i < 2; i++) {
		free(key_files[i]);
		key_files[i] = NULL;
	}
	key_files[0] = mem_strdup(first);
	conf.jwt_key_files.paths[conf.jwt_key_files.n++] = key_files[0];
	if (second != NULL) {
		key_files[1] = mem_strdup(second);
		conf.jwt_key_files.paths[conf.jwt_key_files.n++] = key_files[1];
	}
	return conf;
}

static const char *
secret_file(const char *name, const char *secret)
{
	return capture_file(name, secret, strlen(secret), 0600);
}

static void
open_with(const char *alg, const char *path)
{
	struct conf conf = conf_for(alg, path, NULL);

	auth = auth_open(&conf);
	assert_non_null(auth);
}

static void
reloads(const struct conf *conf)
{
	assert_int_equal(auth_reload(auth, conf), 0);
}

static int
setup(void **state __attribute__((unused)))
{
	auth = NULL;
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	auth_close(auth);
	for (size_t i = 0; i < 2; i++) {
		free(key_files[i]);
		key_files[i] = NULL;
	}
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

/* accepts, judges and refuses free the token. */
static void
accepts(char *token)
{
	log_set_level(LOG_LEVEL_DEBUG);
	capture_begin();
	if (auth_check(auth, token, &id) != 0)
		fail_msg("refused: %s", capture_end());
	assert_string_equal(capture_end(), "");
	free(token);
	assert_non_null(id.user);
	identity_free(&id);
}

static void
judges(char *token, unsigned expected, const char *why)
{
	struct identity untouched;
	char line[256];
	unsigned verdict;

	memset(&id, 0x5a, sizeof(id));
	memset(&untouched, 0x5a, sizeof(untouched));
	snprintf(line, sizeof(line), "debug: auth: token refused: %s\n", why);
	log_set_level(LOG_LEVEL_DEBUG);
	capture_begin();
	verdict = auth_check(auth, token, &id);
	assert_string_equal(capture_end(), line);
	assert_int_equal(verdict, expected);
	assert_memory_equal(&id, &untouched, sizeof(id));
	free(token);
}

static void
refuses(char *token, const char *why)
{
	judges(token, VERDICT_INVALID, why);
}

/* library_token is signed by libjwt with the key, a text. */
static char *
library_token(jwt_alg_t alg, const char *key, const char *claims)
{
	jwt_t *jwt;
	char *token;

	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
	assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, (int)strlen(key)), 0);
	token = jwt_encode_str(jwt);
	assert_non_null(token);
	jwt_free(jwt);
	return token;
}

static char *
pem_token(jwt_alg_t alg, const char *private_name)
{
	char *key = key_text(private_name);
	char *token = library_token(alg, key, "{\"sub\":\"42\"}");

	free(key);
	return token;
}

/* ---- the test's own tools ---- */

TEST(the_tokens_made_by_hand_are_those_of_the_library)
{
	char *ours = hs256_sign(SECRET, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", "{\"sub\":\"42\"}");
	char *theirs = library_token(JWT_ALG_HS256, SECRET, "{\"sub\":\"42\"}");

	assert_string_equal(ours, theirs);
	free(ours);
	free(theirs);
}

/* ---- signatures and algorithms ---- */

TEST(each_algorithm_checks_its_own_signature)
{
	static const struct { const char *alg; jwt_alg_t jwt_alg; const char *public, *private; } rows[] = {
		{ "RS256", JWT_ALG_RS256, "rsa-public", "rsa-private" },
		{ "RS384", JWT_ALG_RS384, "rsa-public", "rsa-private" },
		{ "RS512", JWT_ALG_RS512, "rsa-public", "rsa-private" },
		{ "ES256", JWT_ALG_ES256, "p256-public", "p256-private" },
		{ "ES384", JWT_ALG_ES384, "p384-public", "p384-private" },
		{ "ES512", JWT_ALG_ES512, "p521-public", "p521-private" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *token;

		open_with(rows[i].alg, key_file(rows[i].public));
		accepts(pem_token(rows[i].jwt_alg, rows[i].private));

		/* The last character stands for bits that must be zero: the one
		 * before it changes the signature, the last its form. */
		token = pem_token(rows[i].jwt_alg, rows[i].private);
		token[strlen(token) - 10] = token[strlen(token) - 10] == 'A' ? 'B' : 'A';
		refuses(token, "the signature is wrong");
		auth_close(auth);
	}
	auth = NULL;
}

TEST(each_hs_algorithm_checks_its_own_signature)
{
	static const char *const algs[] = { "HS256", "HS384", "HS512" };
	static const jwt_alg_t jwt_algs[] = { JWT_ALG_HS256, JWT_ALG_HS384, JWT_ALG_HS512 };

	for (size_t i = 0; i < 3; i++) {
		open_with(algs[i], secret_file("secret", SECRET "\n"));
		for (size_t j = 0; j < 3; j++) {
			char *token = library_token(jwt_algs[j], SECRET, "{\"sub\":\"42\"}");

			if (i == j)
				accepts(token);
			else
				refuses(token, "alg is not the one configured");
		}
		refuses(library_token(jwt_algs[i], OTHER, "{\"sub\":\"42\"}"), "the signature is wrong");
		auth_close(auth);
	}
	auth = NULL;
}

TEST(a_public_key_is_no_secret)
{
	char *public = key_text("rsa-public");

	open_with("RS256", key_file("rsa-public"));
	refuses(library_token(JWT_ALG_HS256, public, "{\"sub\":\"42\"}"), "alg is not the one configured");
	free(public);
}

TEST(another_rsa_key_is_refused)
{
	open_with("RS256", key_file("rsa2-public"));
	refuses(pem_token(JWT_ALG_RS256, "rsa-private"), "the signature is wrong");
	refuses(pem_token(JWT_ALG_RS384, "rsa-private"), "alg is not the one configured");
	refuses(pem_token(JWT_ALG_ES256, "p256-private"), "alg is not the one configured");
}

TEST(alg_none_is_refused)
{
	const char *unsigned_token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiJ9.";

	open_with("HS256", secret_file("secret", SECRET));
	refuses(mem_strdup(unsigned_token), "alg is not the one configured");
	refuses(mem_printf("%sAAAA", unsigned_token), "alg is not the one configured");
	refuses(hs256_sign(SECRET, "{\"alg\":\"none\"}", "{\"sub\":\"42\"}"),
	    "alg is not the one configured");
	refuses(hs256_sign(SECRET, "{\"alg\":\"NoNe\"}", "{\"sub\":\"42\"}"),
	    "alg is not the one configured");
}

TEST(alg_is_compared_letter_by_letter)
{
	static const char *const headers[] = {
		"{\"alg\":\"hs256\"}", "{\"alg\":\"HS256 \"}", "{\"alg\":256}", "{\"alg\":null}",
		"{\"alg\":[\"HS256\"]}", "{\"alg\":\"\"}", "{}", "{\"typ\":\"JWT\"}",
	};

	open_with("HS256", secret_file("secret", SECRET));
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		refuses(hs256_sign(SECRET, headers[i], "{\"sub\":\"42\"}"),
		    "alg is not the one configured");
	accepts(hs256_sign(SECRET, "{\"alg\":\"HS256\"}", "{\"sub\":\"42\"}"));
	accepts(hs256_sign(SECRET, "{\"alg\":\"HS256\",\"kid\":\"7\",\"x\":1}", "{\"sub\":\"42\"}"));
}

TEST(a_malformed_header_is_refused)
{
	static const char *const headers[] = {
		"[]", "null", "\"HS256\"", "{", "", "{\"alg\":\"HS256\"}x",
		"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{\"alg\":\"none\",\"alg\":\"HS256\"}",
		"{\"alg\":\"HS256\",\"x\":\"\\u0000\"}", "{\"alg\":\"HS256\",\"x\":\"\xff\"}",
	};

	open_with("HS256", secret_file("secret", SECRET));
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		refuses(hs256_sign(SECRET, headers[i], "{\"sub\":\"42\"}"), "the header is malformed");
}

TEST(a_header_that_asks_for_extensions_is_refused)
{
	open_with("HS256", secret_file("secret", SECRET));
	refuses(hs256_sign(SECRET, "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
	    "{\"sub\":\"42\"}"), "the header asks for extensions");
	refuses(hs256_sign(SECRET, "{\"alg\":\"HS256\",\"crit\":[]}", "{\"sub\":\"42\"}"),
	    "the header asks for extensions");
}

TEST(a_type_is_that_of_an_access_token_or_absent)
{
	static const char *const ours[] = {
		"JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt",
	};
	static const char *const others[] = {
		"\"\"", "\"JWT \"", "\"JOSE\"", "\"application/jwt\"", "\"logout+jwt\"", "\"at+jw\"",
		"\"dpop+jwt\"", "\"application/application/at+jwt\"", "null", "7", "[\"JWT\"]", "{}",
	};

	open_with("HS256", secret_file("secret", SECRET));
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		char *header = mem_printf("{\"typ\":\"%s\",\"alg\":\"HS256\"}", ours[i]);

		accepts(hs256_sign(SECRET, header, "{\"sub\":\"42\"}"));
		refuses(hs256_sign(OTHER, header, "{\"sub\":\"42\"}"), "the signature is wrong");
		free(header);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char *header = mem_printf("{\"typ\":%s,\"alg\":\"HS256\"}", others[i]);

		/* Whatever its claims say. */
		refuses(hs256_sign(SECRET, header, "{\"sub\":\"42\",\"exp\":1}"),
		    "typ is not that of an access token");
		free(header);
	}
}

/* ---- the form of a token ---- */

TEST(what_has_not_three_parts_is_refused)
{
	static const char *const texts[] = { "", ".", "a", "a.b", "a.b.c.d", "..." };
	char *token;

	open_with("HS256", secret_file("secret", SECRET));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refuses(mem_strdup(texts[i]), "it has not three parts");
	refuses(mem_strdup(".."), "the header is malformed");
	token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}");
	refuses(mem_printf("%s.", token), "it has not three parts");
	refuses(mem_printf(".%s", token), "it has not three parts");
	refuses(mem_printf("Bearer %s", token), "the header is malformed");
	refuses(mem_printf(" %s", token), "the header is malformed");
	refuses(mem_printf("%s ", token), "the signature is malformed");
	refuses(mem_printf("%s\n", token), "the signature is malformed");
	refuses(mem_printf("%s=", token), "the signature is malformed");
	*(strrchr(token, '.') + 1) = '\0';
	refuses(token, "the signature is wrong");
}

TEST(every_change_of_a_character_is_refused)
{
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"exp\":99999999999}");
	static const char replacements[] = { 'A', 'z', '-', '+', '/', '=', '.', ' ', '\n', '\x80' };

	open_with("HS256", secret_file("secret", SECRET));
	for (size_t i = 0; i < strlen(token); i++) {
		for (size_t j = 0; j < sizeof(replacements); j++) {
			char kept = token[i];

			if (replacements[j] == kept)
				continue;
			token[i] = replacements[j];
			if (auth_check(auth, token, &id) != VERDICT_INVALID)
				fail_msg("accepted: %s", token);
			token[i] = kept;
		}
	}
	for (size_t len = 0; len < strlen(token); len++) {
		char *cut = mem_strndup(token, len);

		assert_int_equal(auth_check(auth, cut, &id), VERDICT_INVALID);
		free(cut);
	}
	accepts(token);
}

/* For each value of the last character of a signature there are others that
 * stand for the same bytes; only one is the signature. */
TEST(a_signature_has_one_spelling)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *token = pem_token(JWT_ALG_RS256, "rsa-private");
	size_t n_accepted = 0;

	open_with("RS256", key_file("rsa-public"));
	for (size_t i = 0; i < 64; i++) {
		token[strlen(token) - 1] = digits[i];
		if (auth_check(auth, token, &id) == 0) {
			n_accepted++;
			identity_free(&id);
		}
	}
	assert_int_equal(n_accepted, 1);
	free(token);
}

/* token_of_length tries paddings in header and claims: base64 takes steps. */
static char *
token_of_length(size_t len)
{
	for (int in_header = 1; in_header < 4; in_header++) {
		for (int in_claims = 6000; in_claims < 6200; in_claims++) {
			char *header = mem_printf("{\"alg\":\"HS256\",\"x\":\"%0*d\"}", in_header, 0);
			char *claims = mem_printf("{\"sub\":\"42\",\"x\":\"%0*d\"}", in_claims, 0);
			char *token = hs256_sign(SECRET, header, claims);

			free(header);
			free(claims);
			if (strlen(token) == len)
				return token;
			free(token);
		}
	}
	fail_msg("no token has %zu bytes", len);
	return NULL;
}

TEST(a_token_at_the_bound_is_read_and_one_byte_more_is_not)
{
	char *token;

	open_with("HS256", secret_file("secret", SECRET));
	accepts(token_of_length(AUTH_TOKEN_MAX_BYTES));
	refuses(token_of_length(AUTH_TOKEN_MAX_BYTES + 1), "it is too long");
	token = mem_alloc(1 << 20);
	memset(token, 'A', (1 << 20) - 1);
	token[(1 << 20) - 1] = '\0';
	refuses(token, "it is too long");
}

/* ---- the claims, of which test_identity.c has all the cases ---- */

TEST(claims_are_judged_once_the_signature_is_good)
{
	open_with("HS256", secret_file("secret", SECRET));
	refuses(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"sub\":\"43\"}"), "the claims are malformed");
	refuses(hs256_sign_bytes(SECRET, HEADER, "{\"sub\":\"4\\u00002\"}", 18), "the claims are malformed");
	refuses(hs256_sign_bytes(SECRET, HEADER, "{\"sub\":\"42\"}\0x", 14), "the claims are malformed");
	judges(hs256_sign(SECRET, HEADER, "{\"sub\":true}"), VERDICT_NO_USER,
	    "the user claim is neither a string nor a number");
	refuses(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"exp\":\"never\"}"), "exp is not a number");
	refuses(hs256_sign(OTHER, HEADER, "{\"sub\":true}"), "the signature is wrong");
	refuses(hs256_sign(SECRET, HEADER, "[]"), "the claims are malformed");
}

TEST(the_clock_decides_about_exp_and_nbf)
{
	wall_s now = clock_wall_s();

	open_with("HS256", secret_file("secret", SECRET));
	for (int delta = -100; delta <= 100; delta += 200) {
		char *claims = mem_printf("{\"sub\":1,\"exp\":%lld}", (long long)now + delta);

		if (delta < 0)
			judges(hs256_sign(SECRET, HEADER, claims), VERDICT_EXPIRED, "it has expired");
		else
			accepts(hs256_sign(SECRET, HEADER, claims));
		free(claims);
		claims = mem_printf("{\"sub\":1,\"nbf\":%lld}", (long long)now + delta);
		if (delta < 0)
			accepts(hs256_sign(SECRET, HEADER, claims));
		else
			judges(hs256_sign(SECRET, HEADER, claims), VERDICT_NOT_YET,
			    "it is not valid yet");
		free(claims);
	}
}

TEST(the_leeway_is_that_of_the_configuration)
{
	struct conf conf = conf_for("HS256", secret_file("secret", SECRET), NULL);
	char *claims = mem_printf("{\"sub\":1,\"nbf\":%lld}", (long long)clock_wall_s() + 200);

	conf.jwt_leeway_ms = 300000;
	auth = auth_open(&conf);
	assert_non_null(auth);
	accepts(hs256_sign(SECRET, HEADER, claims));
	conf.jwt_leeway_ms = 100000;
	reloads(&conf);
	judges(hs256_sign(SECRET, HEADER, claims), VERDICT_NOT_YET, "it is not valid yet");
	free(claims);
}

TEST(only_a_token_whose_signature_fits_is_told_more)
{
	open_with("HS256", secret_file("secret", SECRET));
	judges(hs256_sign(SECRET, HEADER, "{\"exp\":1}"), VERDICT_EXPIRED | VERDICT_NO_USER,
	    "it has expired");
	refuses(hs256_sign(OTHER, HEADER, "{\"exp\":1}"), "the signature is wrong");
}

TEST(the_identity_is_what_the_claims_say)
{
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":42,\"exp\":99999999999,"
	    "\"topics\":[\"news\",\"room/*\"],\"scope\":\"rowcast:publish\"}");

	open_with("HS256", secret_file("secret", SECRET));
	assert_int_equal(auth_check(auth, token, &id), 0);
	assert_string_equal(id.user, "42");
	assert_int_equal(id.expiry.at, INT64_C(99999999999));
	assert_int_equal(id.n_topics, 2);
	assert_true(id.may_publish);
	assert_false(id.may_admin);
	identity_free(&id);
	free(token);
}

TEST(issuer_and_audience_and_user_claim_are_those_of_the_configuration)
{
	char claim[] = "uid", issuer[] = "me", audience[] = "us";
	struct conf conf = conf_for("HS256", secret_file("secret", SECRET), NULL);

	conf.jwt_user_claim = claim;
	conf.jwt_issuer = issuer;
	conf.jwt_audience = audience;
	auth = auth_open(&conf);
	assert_non_null(auth);
	memset(claim, 'x', 3); /* what auth needs it has copied */
	memset(issuer, 'x', 2);
	memset(audience, 'x', 2);
	accepts(hs256_sign(SECRET, HEADER, "{\"uid\":1,\"iss\":\"me\",\"aud\":[\"us\"]}"));
	judges(hs256_sign(SECRET, HEADER, "{\"uid\":1,\"iss\":\"xx\",\"aud\":\"us\"}"), VERDICT_ISSUER,
	    "iss is not the one expected");
	judges(hs256_sign(SECRET, HEADER, "{\"uid\":1,\"iss\":\"me\",\"aud\":\"xx\"}"), VERDICT_AUDIENCE,
	    "aud does not name this server");
	judges(hs256_sign(SECRET, HEADER, "{\"sub\":1,\"iss\":\"me\",\"aud\":\"us\"}"), VERDICT_NO_USER,
	    "the user claim is missing");
}

/* ---- keys ---- */

TEST(either_of_two_keys_will_do)
{
	char *first = mem_strdup(secret_file("new", SECRET));
	struct conf conf = conf_for("HS256", first, secret_file("old", OTHER));

	auth = auth_open(&conf);
	assert_non_null(auth);
	accepts(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}"));
	accepts(hs256_sign(OTHER, HEADER, "{\"sub\":\"42\"}"));
	refuses(hs256_sign("a third", HEADER, "{\"sub\":\"42\"}"), "the signature is wrong");
	free(first);
}

TEST(every_bad_key_file_is_told)
{
	struct conf conf = conf_for("HS256", "/nonexistent/a", "/nonexistent/b");

	capture_begin();
	auth = auth_open(&conf);
	assert_string_equal(capture_end(),
	    "error: auth: /nonexistent/a: cannot be read: No such file or directory\n"
	    "error: auth: /nonexistent/b: cannot be read: No such file or directory\n");
	assert_null(auth);
}

TEST(a_public_key_whose_numbers_are_none_is_told)
{
	char *text = key_text("p256-public"), *last = strstr(text, "-----END") - 5;
	struct conf conf;

	*last = *last == 'A' ? 'B' : 'A';
	conf = conf_for("ES256", capture_file("key", text, strlen(text), 0600), NULL);
	capture_begin();
	auth = auth_open(&conf);
	assert_says(capture_end(), "/key: the public key is damaged\n");
	assert_null(auth);
	free(text);
}

TEST(a_reload_changes_the_keys_or_keeps_them)
{
	struct conf conf;

	open_with("HS256", secret_file("secret", SECRET));
	conf = conf_for("HS256", secret_file("secret", OTHER), NULL);
	accepts(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}"));
	reloads(&conf);
	refuses(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}"), "the signature is wrong");
	accepts(hs256_sign(OTHER, HEADER, "{\"sub\":\"42\"}"));

	capture_file("secret", "", 0, 0600);
	capture_begin();
	assert_int_equal(auth_reload(auth, &conf), -1);
	assert_says(capture_end(), "/secret: the file is empty\n");
	accepts(hs256_sign(OTHER, HEADER, "{\"sub\":\"42\"}"));

	conf = conf_for("ES256", key_file("p256-public"), NULL);
	reloads(&conf);
	accepts(pem_token(JWT_ALG_ES256, "p256-private"));
	refuses(hs256_sign(OTHER, HEADER, "{\"sub\":\"42\"}"), "alg is not the one configured");
}

/* What a check under each of two sets of rules finds is either right or
 * VERDICT_INVALID; that it never sees half of one is for the sanitizers to say. */
struct checker {
	char *old_token, *new_token;
	atomic_bool done;
	atomic_int n_checks;
};

static void *
check_on(void *arg)
{
	struct checker *c = arg;
	struct identity found;

	while (!atomic_load(&c->done)) {
		const char *tokens[2] = { c->old_token, c->new_token };

		for (int i = 0; i < 2; i++) {
			if (auth_check(auth, tokens[i], &found) == 0) {
				if (strcmp(found.user, "42") != 0)
					abort();
				identity_free(&found);
			}
		}
		atomic_fetch_add(&c->n_checks, 1);
	}
	return NULL;
}

TEST(who_is_revoked_stays_so_over_a_reload)
{
	struct conf conf = conf_for("HS256", secret_file("revoked.key", SECRET), NULL);
	struct revocations *revocations = revocations_new();

	auth = auth_open(&conf);
	assert_non_null(auth);
	auth_heed(auth, revocations);
	accepts(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"iat\":1000}"));
	identity_free(&id);
	revocations_raise(revocations, "42", 1000);
	judges(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"iat\":1000}"), VERDICT_REVOKED,
	    "it was revoked");
	reloads(&conf);
	judges(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"iat\":1000}"), VERDICT_REVOKED,
	    "it was revoked");
	accepts(hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"iat\":1001}"));
	identity_free(&id);
	auth_close(auth);
	auth = NULL;
	revocations_free(revocations);
}

/* ---- tokens that come again ---- */

/* settles has the token checked until it is known without being taken apart. */
static void
settles(const char *token)
{
	for (int i = 0; i < 4; i++)
		accepts(mem_strdup(token));
}

TEST(a_known_token_says_what_it_said_at_first)
{
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":42,\"topics\":[\"a\",\"b*\"],\"scope\":"
	    "\"rowcast:publish\",\"iat\":7.5,\"exp\":99999999999}");
	struct identity first;

	open_with("HS256", secret_file("secret", SECRET));
	assert_int_equal(auth_check(auth, token, &first), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(auth_check(auth, token, &id), 0);
		assert_string_equal(id.user, first.user);
		assert_int_equal(id.n_topics, 2);
		assert_string_equal(id.topics[0], "a");
		assert_string_equal(id.topics[1], "b*");
		assert_true(id.may_publish);
		assert_false(id.may_admin);
		assert_int_equal(id.expiry.at, first.expiry.at);
		assert_int_equal(id.issued_at, 7);
		identity_free(&id);
	}
	identity_free(&first);
	free(token);
}

TEST(a_known_token_with_another_signature_is_refused)
{
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}");
	char *forged = hs256_sign(OTHER, HEADER, "{\"sub\":\"42\"}"), *other;

	open_with("HS256", secret_file("secret", SECRET));
	settles(token);
	refuses(forged, "the signature is wrong");
	/* The signature of a known token under the claims of another. */
	other = hs256_sign(OTHER, HEADER, "{\"sub\":\"43\"}");
	strcpy(strrchr(other, '.'), strrchr(token, '.'));
	refuses(other, "the signature is wrong");
	accepts(token);
}

TEST(a_known_token_is_unknown_to_other_keys)
{
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}");
	struct conf conf;

	open_with("HS256", secret_file("secret", SECRET));
	settles(token);
	conf = conf_for("HS256", secret_file("secret", OTHER), NULL);
	reloads(&conf);
	refuses(mem_strdup(token), "the signature is wrong");
	/* Both in force, as while one is replaced, and then the first is gone again. */
	conf = conf_for("HS256", secret_file("new", OTHER), secret_file("old", SECRET));
	reloads(&conf);
	settles(token);
	conf = conf_for("HS256", secret_file("new", OTHER), NULL);
	reloads(&conf);
	refuses(token, "the signature is wrong");
}

TEST(a_known_token_is_judged_by_settings_that_were_reloaded)
{
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"iss\":\"a\",\"aud\":\"b\"}");
	char a[] = "a", b[] = "b", name[] = "name";
	struct conf conf;

	open_with("HS256", secret_file("secret", SECRET));
	settles(token);
	conf = conf_for("HS256", secret_file("secret", SECRET), NULL);
	conf.jwt_issuer = b;
	reloads(&conf);
	judges(mem_strdup(token), VERDICT_ISSUER, "iss is not the one expected");
	conf.jwt_issuer = a;
	reloads(&conf);
	settles(token);
	conf.jwt_audience = a;
	reloads(&conf);
	judges(mem_strdup(token), VERDICT_AUDIENCE, "aud does not name this server");
	conf.jwt_audience = b;
	reloads(&conf);
	settles(token);
	conf.jwt_user_claim = name;
	reloads(&conf);
	judges(token, VERDICT_NO_USER, "the user claim is missing");
}

TEST(a_known_token_is_refused_once_it_is_revoked)
{
	struct revocations *revocations = revocations_new();
	char *token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\",\"iat\":1000}");

	open_with("HS256", secret_file("secret", SECRET));
	auth_heed(auth, revocations);
	settles(token);
	revocations_raise(revocations, "42", 999);
	settles(token);
	revocations_raise(revocations, "42", 1000);
	for (int i = 0; i < 3; i++)
		judges(mem_strdup(token), VERDICT_REVOKED, "it was revoked");
	free(token);
	auth_close(auth);
	auth = NULL;
	revocations_free(revocations);
}

TEST(a_reload_runs_beside_checks)
{
	struct checker c = {
		.old_token = hs256_sign(SECRET, HEADER, "{\"sub\":\"42\"}"),
		.new_token = pem_token(JWT_ALG_ES256, "p256-private"),
	};
	char *secret = mem_strdup(secret_file("secret", SECRET));
	char *public = mem_strdup(key_file("p256-public"));
	pthread_t threads[2];

	open_with("HS256", secret);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, check_on, &c), 0);
	for (int i = 0; i < 100 || atomic_load(&c.n_checks) < 100; i++) {
		struct conf conf = i % 2 == 0 ? conf_for("ES256", public, NULL) :
		    conf_for("HS256", secret, NULL);

		reloads(&conf);
	}
	atomic_store(&c.done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	free(c.old_token);
	free(c.new_token);
	free(secret);
	free(public);
}

/* ---- signing ---- */

TEST(what_is_signed_is_accepted)
{
	static const char *const algs[] = { "HS256", "HS384", "HS512" };
	char news[] = "news", rooms[] = "room/*";
	char *topics[] = { news, rooms };

	for (size_t i = 0; i < 3; i++) {
		wall_s before = clock_wall_s();
		char *token;

		open_with(algs[i], secret_file("secret", SECRET));
		token = auth_sign(auth, "J\xc3\xbcrgen", topics, 2, "rowcast:admin", 3600);
		assert_non_null(token);
		assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		    "0123456789-_."), strlen(token)); /* one word, however long */
		assert_int_equal(auth_check(auth, token, &id), 0);
		assert_string_equal(id.user, "J\xc3\xbcrgen");
		assert_int_equal(id.n_topics, 2);
		assert_string_equal(id.topics[1], "room/*");
		assert_true(id.may_admin);
		assert_false(id.may_publish);
		assert_in_range(id.expiry.at, before + 3600, clock_wall_s() + 3600);
		identity_free(&id);
		free(token);

		token = auth_sign(auth, "42", NULL, 0, NULL, 1000);
		assert_non_null(token);
		assert_int_equal(auth_check(auth, token, &id), 0);
		assert_int_equal(id.n_topics, 0);
		assert_false(id.may_admin || id.may_publish);
		identity_free(&id);
		free(token);
		auth_close(auth);
	}
	auth = NULL;
}

TEST(a_signed_token_has_the_configured_issuer_and_audience)
{
	char claim[] = "uid", issuer[] = "me", audience[] = "us";
	struct conf conf = conf_for("HS256", secret_file("secret", SECRET), NULL);
	char *token;

	conf.jwt_user_claim = claim;
	conf.jwt_issuer = issuer;
	conf.jwt_audience = audience;
	auth = auth_open(&conf);
	assert_non_null(auth);
	token = auth_sign(auth, "42", NULL, 0, NULL, 60);
	assert_non_null(token);
	accepts(token);
}

static void
does_not_sign(const char *user, const char *topic, int64_t ttl_s, const char *said)
{
	char *copy = mem_strdup(topic != NULL ? topic : "");
	char *token;

	capture_begin();
	token = auth_sign(auth, user, &copy, topic != NULL, NULL, ttl_s);
	assert_string_equal(capture_end(), said);
	assert_null(token);
	free(copy);
}

TEST(what_would_not_be_accepted_is_not_signed)
{
	char long_user[USER_MAX_BYTES + 2], long_topic[AUTH_TOKEN_MAX_BYTES + 1];

	open_with("HS256", secret_file("secret", SECRET));
	does_not_sign("", NULL, 60, "error: auth: no such token: the user claim is empty\n");
	memset(long_user, 'x', sizeof(long_user));
	long_user[USER_MAX_BYTES + 1] = '\0';
	does_not_sign(long_user, NULL, 60,
	    "error: auth: no such token: the user claim is too long\n");
	does_not_sign("\xff", NULL, 60, "error: auth: no such token: a name in it is not valid UTF-8\n");
	does_not_sign("a", "\xff", 60, "error: auth: no such token: a name in it is not valid UTF-8\n");
	does_not_sign("a", "", 60,
	    "error: auth: no such token: topics has an entry that is not a name\n");
	memset(long_topic, 'x', sizeof(long_topic));
	long_topic[AUTH_TOKEN_MAX_BYTES] = '\0';
	does_not_sign("a", long_topic, 60,
	    "error: auth: the token is longer than 8192 bytes, which no one accepts\n");
	does_not_sign("a", NULL, 0, "error: auth: a token is valid from 1 second to 100 years\n");
	does_not_sign("a", NULL, -1, "error: auth: a token is valid from 1 second to 100 years\n");
	does_not_sign("a", NULL, INT64_C(100) * 365 * 86400 + 1,
	    "error: auth: a token is valid from 1 second to 100 years\n");
	does_not_sign("a", NULL, INT64_MAX,
	    "error: auth: a token is valid from 1 second to 100 years\n");
}

TEST(a_public_key_cannot_sign)
{
	open_with("RS256", key_file("rsa-public"));
	does_not_sign("a", NULL, 60, "error: auth: RS256: a public key cannot sign; only the secret "
	    "of HS256, HS384 or HS512 can\n");
}

#define UNIT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST(who_has_the_keys_may_ask_what_exactly_is_wrong_with_a_token)
{
	char *token;
	const char *why;

	open_with("HS256", secret_file("secret", SECRET));
	token = auth_sign(auth, "42", NULL, 0, NULL, 60);
	assert_int_equal(auth_explain(auth, token, &id, &why), 0);
	assert_string_equal(id.user, "42");
	identity_free(&id);
	capture_begin();
	assert_int_equal(auth_explain(auth, "a.b", &id, &why), VERDICT_INVALID);
	assert_string_equal(why, "it has not three parts");
	token[strlen(token) - 2] = token[strlen(token) - 2] == 'A' ? 'B' : 'A';
	assert_int_equal(auth_explain(auth, token, &id, &why), VERDICT_INVALID);
	assert_string_equal(why, "the signature is wrong");
	assert_string_equal(capture_end(), "");
	free(token);
}

static const struct CMUnitTest tests[] = {
	UNIT(who_has_the_keys_may_ask_what_exactly_is_wrong_with_a_token),
	UNIT(the_tokens_made_by_hand_are_those_of_the_library),
	UNIT(each_algorithm_checks_its_own_signature),
	UNIT(each_hs_algorithm_checks_its_own_signature),
	UNIT(a_public_key_is_no_secret),
	UNIT(another_rsa_key_is_refused),
	UNIT(alg_none_is_refused),
	UNIT(alg_is_compared_letter_by_letter),
	UNIT(a_malformed_header_is_refused),
	UNIT(a_header_that_asks_for_extensions_is_refused),
	UNIT(a_type_is_that_of_an_access_token_or_absent),
	UNIT(what_has_not_three_parts_is_refused),
	UNIT(every_change_of_a_character_is_refused),
	UNIT(a_signature_has_one_spelling),
	UNIT(a_token_at_the_bound_is_read_and_one_byte_more_is_not),
	UNIT(claims_are_judged_once_the_signature_is_good),
	UNIT(the_clock_decides_about_exp_and_nbf),
	UNIT(the_leeway_is_that_of_the_configuration),
	UNIT(only_a_token_whose_signature_fits_is_told_more),
	UNIT(the_identity_is_what_the_claims_say),
	UNIT(issuer_and_audience_and_user_claim_are_those_of_the_configuration),
	UNIT(either_of_two_keys_will_do),
	UNIT(every_bad_key_file_is_told),
	UNIT(a_public_key_whose_numbers_are_none_is_told),
	UNIT(a_reload_changes_the_keys_or_keeps_them),
	UNIT(who_is_revoked_stays_so_over_a_reload),
	UNIT(a_known_token_says_what_it_said_at_first),
	UNIT(a_known_token_with_another_signature_is_refused),
	UNIT(a_known_token_is_unknown_to_other_keys),
	UNIT(a_known_token_is_judged_by_settings_that_were_reloaded),
	UNIT(a_known_token_is_refused_once_it_is_revoked),
	UNIT(a_reload_runs_beside_checks),
	UNIT(what_is_signed_is_accepted),
	UNIT(a_signed_token_has_the_configured_issuer_and_audience),
	UNIT(what_would_not_be_accepted_is_not_signed),
	UNIT(a_public_key_cannot_sign),
};

RUN_TESTS(tests)
