/* Signatures of libjwt and of the tests' own HMAC are checked; test_auth.c has
 * the tokens around them. */

#include "tests/unit/check.h"
#include "tests/unit/hs256.h"
#include "tests/unit/keys.h"

#include <jwt.h>
#include <pthread.h>

#include "app/access/signature.h"
#include "lib/base64.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct signed_text {
	char *token;          /* owned; the text stands in front of its last dot */
	size_t len;
	struct buf signature;
};

static struct signed_text
sign(jwt_alg_t alg, const char *private_name)
{
	char *key = private_name != NULL ? key_text(private_name) : mem_strdup(SECRET);
	struct signed_text s = { .signature = BUF_EMPTY };
	jwt_t *jwt;

	assert_int_equal(jwt_new(&jwt), 0);
	assert_int_equal(jwt_add_grant(jwt, "sub", "42"), 0);
	assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, (int)strlen(key)), 0);
	s.token = jwt_encode_str(jwt);
	jwt_free(jwt);
	free(key);
	assert_non_null(s.token);
	s.len = (size_t)(strrchr(s.token, '.') - s.token);
	assert_int_equal(base64url_decode(&s.signature, s.token + s.len + 1,
	    strlen(s.token + s.len + 1)), 0);
	return s;
}

static void
signed_text_free(struct signed_text *s)
{
	free(s->token);
	buf_free(&s->signature);
}

static struct signature_key *
key_of(const char *alg, const char *path)
{
	struct signature_key *key;
	struct keyfile file;

	assert_int_equal(keyfile_read(&file, path, alg), 0);
	key = signature_key_new(alg, &file);
	keyfile_free(&file);
	assert_non_null(key);
	return key;
}

static const struct row {
	const char *alg;
	jwt_alg_t jwt_alg;
	const char *public, *private;
	size_t len;
} rows[] = {
	{ "HS256", JWT_ALG_HS256, NULL, NULL, 32 },
	{ "HS384", JWT_ALG_HS384, NULL, NULL, 48 },
	{ "HS512", JWT_ALG_HS512, NULL, NULL, 64 },
	{ "RS256", JWT_ALG_RS256, "rsa-public", "rsa-private", 256 },
	{ "RS384", JWT_ALG_RS384, "rsa-public", "rsa-private", 256 },
	{ "RS512", JWT_ALG_RS512, "rsa-public", "rsa-private", 256 },
	{ "ES256", JWT_ALG_ES256, "p256-public", "p256-private", 64 },
	{ "ES384", JWT_ALG_ES384, "p384-public", "p384-private", 96 },
	{ "ES512", JWT_ALG_ES512, "p521-public", "p521-private", 132 },
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct signature_key *
key_of_row(const struct row *row)
{
	return key_of(row->alg, row->public != NULL ? key_file(row->public)
	    : capture_file("secret", SECRET, strlen(SECRET), 0600));
}

TEST(a_signature_fits_its_text_and_no_other)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		struct signature_key *key = key_of_row(&rows[i]);
		struct signed_text s = sign(rows[i].jwt_alg, rows[i].private);
		const char *bytes = s.signature.bytes;

		assert_int_equal(s.signature.len, rows[i].len);
		assert_true(signature_fits(key, s.token, s.len, bytes, rows[i].len));
		assert_false(signature_fits(key, s.token, s.len - 1, bytes, rows[i].len));
		assert_false(signature_fits(key, s.token, 0, bytes, rows[i].len));
		s.token[0] ^= 1;
		assert_false(signature_fits(key, s.token, s.len, bytes, rows[i].len));
		s.token[0] ^= 1;
		assert_true(signature_fits(key, s.token, s.len, bytes, rows[i].len));
		signed_text_free(&s);
		signature_key_free(key);
	}
}

TEST(every_bit_of_a_signature_counts)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		struct signature_key *key = key_of_row(&rows[i]);
		struct signed_text s = sign(rows[i].jwt_alg, rows[i].private);

		for (size_t bit = 0; bit < 8 * rows[i].len; bit += 7) {
			s.signature.bytes[bit / 8] ^= (char)(1 << bit % 8);
			assert_false(signature_fits(key, s.token, s.len, s.signature.bytes,
			    rows[i].len));
			s.signature.bytes[bit / 8] ^= (char)(1 << bit % 8);
		}
		signed_text_free(&s);
		signature_key_free(key);
	}
}

TEST(a_signature_of_another_length_does_not_fit)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		struct signature_key *key = key_of_row(&rows[i]);
		struct signed_text s = sign(rows[i].jwt_alg, rows[i].private);

		assert_false(signature_fits(key, s.token, s.len, NULL, 0));
		for (size_t len = 1; len < rows[i].len; len += 5)
			assert_false(signature_fits(key, s.token, s.len, s.signature.bytes, len));
		buf_add(&s.signature, "\0", 2);
		assert_false(signature_fits(key, s.token, s.len, s.signature.bytes, rows[i].len + 1));
		assert_false(signature_fits(key, s.token, s.len, s.signature.bytes, rows[i].len + 2));
		signed_text_free(&s);
		signature_key_free(key);
	}
}

/* r and s of nothing but zeros fit everything where nobody looks at them
 * (CVE-2022-21449); of nothing but ones they are above the order of the curve. */
TEST(numbers_that_no_signature_has_do_not_fit)
{
	char zeros[132] = { 0 }, ones[132];

	memset(ones, 0xff, sizeof(ones));
	for (size_t i = 6; i < N_ROWS; i++) {
		struct signature_key *key = key_of_row(&rows[i]);

		assert_false(signature_fits(key, "a.b", 3, zeros, rows[i].len));
		assert_false(signature_fits(key, "a.b", 3, ones, rows[i].len));
		signature_key_free(key);
	}
}

/* In DER, as other protocols write it, it is none of RFC 7518 3.4. */
TEST(an_ecdsa_signature_in_der_does_not_fit)
{
	struct signature_key *key = key_of_row(&rows[6]);
	struct signed_text s = sign(JWT_ALG_ES256, "p256-private");
	struct buf der = BUF_EMPTY;

	for (size_t i = 0; i < 64; i += 32) {
		const char *number = s.signature.bytes + i;
		size_t n = 32;

		for (; n > 1 && *number == 0; n--)
			number++;
		buf_add_char(&der, 2);
		buf_add_char(&der, (char)(n + (*number & 0x80 ? 1 : 0)));
		if (*number & 0x80)
			buf_add_char(&der, 0);
		buf_add(&der, number, n);
	}
	buf_add_char(&s.signature, 0x30);
	buf_add_char(&s.signature, (char)der.len);
	buf_add(&s.signature, der.bytes, der.len);
	assert_true(signature_fits(key, s.token, s.len, s.signature.bytes, 64));
	assert_false(signature_fits(key, s.token, s.len, s.signature.bytes + 64,
	    s.signature.len - 64));
	buf_free(&der);
	signed_text_free(&s);
	signature_key_free(key);
}

TEST(a_mac_is_that_of_the_tests_own_hmac)
{
	struct signature_key *key = key_of_row(&rows[0]);
	unsigned char mac[32];

	hs256_mac(SECRET, "a.b", 3, mac);
	assert_true(signature_fits(key, "a.b", 3, (const char *)mac, sizeof(mac)));
	hs256_mac(SECRET, "", 0, mac);
	assert_true(signature_fits(key, "", 0, (const char *)mac, sizeof(mac)));
	signature_key_free(key);
}

TEST(another_key_does_not_fit)
{
	struct signature_key *key = key_of("RS256", key_file("rsa2-public"));
	struct signed_text s = sign(JWT_ALG_RS256, "rsa-private");

	assert_false(signature_fits(key, s.token, s.len, s.signature.bytes, s.signature.len));
	signature_key_free(key);
	key = key_of("RS384", key_file("rsa-public"));
	assert_false(signature_fits(key, s.token, s.len, s.signature.bytes, s.signature.len));
	signature_key_free(key);
	signed_text_free(&s);
}

TEST(a_point_that_lies_on_no_curve_is_no_key)
{
	char *text = key_text("p256-public"), *last = strstr(text, "-----END") - 5;
	struct keyfile file;

	/* The numbers are the last 64 bytes: still a PEM file, of a P-256 key. */
	*last = *last == 'A' ? 'B' : 'A';
	assert_int_equal(keyfile_read(&file, capture_file("key", text, strlen(text), 0600),
	    "ES256"), 0);
	assert_null(signature_key_new("ES256", &file));
	keyfile_free(&file);
	free(text);
}

/* What the sanitizers look on at. */
struct checker {
	const struct signature_key *key;
	const struct signed_text *s;
	size_t n_fits;
};

static void *
check_on(void *arg)
{
	struct checker *c = arg;

	for (int i = 0; i < 200; i++)
		c->n_fits += signature_fits(c->key, c->s->token, c->s->len, c->s->signature.bytes,
		    c->s->signature.len);
	return NULL;
}

TEST(several_threads_check_with_one_key)
{
	for (size_t i = 0; i < N_ROWS; i += 3) {
		struct signature_key *key = key_of_row(&rows[i]);
		struct signed_text s = sign(rows[i].jwt_alg, rows[i].private);
		struct checker checkers[3];
		pthread_t threads[3];

		for (size_t t = 0; t < 3; t++) {
			checkers[t] = (struct checker){ key, &s, 0 };
			assert_int_equal(pthread_create(&threads[t], NULL, check_on, &checkers[t]), 0);
		}
		for (size_t t = 0; t < 3; t++) {
			pthread_join(threads[t], NULL);
			assert_int_equal(checkers[t].n_fits, 200);
		}
		signed_text_free(&s);
		signature_key_free(key);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_signature_fits_its_text_and_no_other),
	cmocka_unit_test(every_bit_of_a_signature_counts),
	cmocka_unit_test(a_signature_of_another_length_does_not_fit),
	cmocka_unit_test(numbers_that_no_signature_has_do_not_fit),
	cmocka_unit_test(an_ecdsa_signature_in_der_does_not_fit),
	cmocka_unit_test(a_mac_is_that_of_the_tests_own_hmac),
	cmocka_unit_test(another_key_does_not_fit),
	cmocka_unit_test(a_point_that_lies_on_no_curve_is_no_key),
	cmocka_unit_test(several_threads_check_with_one_key),
};

RUN_TESTS(tests)
