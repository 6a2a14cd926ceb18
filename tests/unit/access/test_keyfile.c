#include "tests/unit/check.h"
#include "tests/unit/keys.h"

#include "app/access/keyfile.h"
#include "lib/buf.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct keyfile key;

static void
reads(const char *path, const char *alg)
{
	int result;

	capture_begin();
	result = keyfile_read(&key, path, alg);
	assert_string_equal(capture_end(), "");
	assert_int_equal(result, 0);
}

/* refuses: path is, for alg, and the one line says `auth: PATH: WHY`. */
static void
refuses(const char *path, const char *alg, const char *why)
{
	char line[512];
	int result;

	snprintf(line, sizeof(line), "error: auth: %s: %s\n", path, why);
	capture_begin();
	result = keyfile_read(&key, path, alg);
	assert_string_equal(capture_end(), line);
	assert_int_equal(result, -1);
	assert_null(key.bytes);
}

/* warns: path is read for alg, and the one line says `auth: PATH: WHY`. */
static void
warns(const char *path, const char *alg, const char *why)
{
	char line[512];

	snprintf(line, sizeof(line), "warn: auth: %s: %s\n", path, why);
	capture_begin();
	assert_int_equal(keyfile_read(&key, path, alg), 0);
	assert_string_equal(capture_end(), line);
	keyfile_free(&key);
}

static void
secret_is(const void *bytes, size_t len, const void *expected, size_t expected_len)
{
	reads(capture_file("secret", bytes, len, 0600), "HS256");
	assert_int_equal(key.len, expected_len);
	assert_memory_equal(key.bytes, expected, expected_len);
	assert_int_equal(key.bytes[key.len], '\0');
	keyfile_free(&key);
}

TEST(one_line_break_at_the_end_is_not_part_of_a_secret)
{
	secret_is(SECRET, 64, SECRET, 64);
	secret_is(SECRET "\n", 65, SECRET, 64);
	secret_is(SECRET "\r\n", 66, SECRET, 64);
	secret_is(SECRET "\n\n", 66, SECRET "\n", 65);
	secret_is(SECRET " ", 65, SECRET " ", 65);
	secret_is("\n" SECRET, 65, "\n" SECRET, 65);
	secret_is(SECRET "\0\xff\0", 67, SECRET "\0\xff\0", 67);
}

TEST(a_short_secret_is_used_with_a_warning)
{
	static const struct { const char *alg; size_t min; } least[] = {
		{ "HS256", 32 }, { "HS384", 48 }, { "HS512", 64 },
	};

	for (size_t i = 0; i < 3; i++) {
		char why[128];

		reads(capture_file("secret", SECRET, least[i].min, 0600), least[i].alg);
		keyfile_free(&key);
		snprintf(why, sizeof(why), "the secret is too short for %s; %zu bytes are the least",
		    least[i].alg, least[i].min);
		warns(capture_file("secret", SECRET, least[i].min - 1, 0600), least[i].alg, why);
	}
}

TEST(a_secret_that_can_be_guessed_is_refused)
{
	static const char *const algs[] = { "HS256", "HS384", "HS512" };

	for (size_t i = 0; i < 3; i++) {
		char why[256];

		snprintf(why, sizeof(why), "a secret of fewer than 16 bytes can be guessed; %d are the"
		    " least for %s (head -c 48 /dev/urandom | base64 -w0)", 32 + 16 * (int)i, algs[i]);
		refuses(capture_file("secret", SECRET, 15, 0600), algs[i], why);
		refuses(capture_file("secret", "0123456789abcde\n", 16, 0600), algs[i], why);
		snprintf(why, sizeof(why), "the secret is too short for %s; %d bytes are the least",
		    algs[i], 32 + 16 * (int)i);
		warns(capture_file("secret", SECRET, 16, 0600), algs[i], why);
	}
}

/* Only root can give a file away; anybody can look at one of root's. */
TEST(a_file_of_another_user_than_root_or_ours_is_refused)
{
	const uid_t us = geteuid(), other = 65534;
	const char *path = capture_file("secret", SECRET, 64, 0400);

	reads(path, "HS256");
	keyfile_free(&key);
	if (us == 0 && chown(path, other, (gid_t)-1) == 0)
		refuses(path, "HS256",
		    "the file belongs to another user; who owns it can be anyone (chown root)");
	if (us == 0)
		assert_int_equal(seteuid(other), 0);
	warns("/etc/passwd", "HS256", "everybody on this machine can read the secret; "
	    "who can read it can be anyone (chmod o-r)");
	assert_int_equal(seteuid(us), 0);
}

TEST(an_empty_secret_is_refused)
{
	refuses(capture_file("secret", "", 0, 0600), "HS256", "the file is empty");
	refuses(capture_file("secret", "\n", 1, 0600), "HS256", "the file is empty");
	refuses(capture_file("secret", "\r\n", 2, 0600), "HS256", "the file is empty");
	refuses(capture_file("secret", "", 0, 0600), "RS256", "the file is empty");
}

TEST(a_file_at_the_bound_is_read_and_one_byte_more_is_not)
{
	char bytes[KEYFILE_MAX_BYTES + 1];

	memset(bytes, 'x', sizeof(bytes));
	secret_is(bytes, KEYFILE_MAX_BYTES, bytes, KEYFILE_MAX_BYTES);
	refuses(capture_file("secret", bytes, KEYFILE_MAX_BYTES + 1, 0600), "HS256",
	    "longer than 16384 bytes; this is not a key");
}

TEST(what_others_can_write_is_refused)
{
	static const mode_t bad[] = { 0620, 0602, 0666, 0622 };
	static const mode_t good[] = { 0600, 0400, 0640, 0440, 0750 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuses(capture_file("secret", SECRET, 64, bad[i]), "HS256",
		    "the file is writable by group or others; who can write it can be anyone "
		    "(chmod go-w)");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		reads(capture_file("secret", SECRET, 64, good[i]), "HS256");
		keyfile_free(&key);
	}
}

TEST(a_secret_that_everybody_can_read_is_used_with_a_warning)
{
	static const mode_t modes[] = { 0644, 0444, 0604 };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		warns(capture_file("secret", SECRET, 64, modes[i]), "HS256", "everybody on this machine "
		    "can read the secret; who can read it can be anyone (chmod o-r)");
}

TEST(what_is_no_file_is_refused)
{
	const char *fifo = capture_file("fifo", "", 0, 0600);

	refuses("/nonexistent/key", "HS256", "cannot be read: No such file or directory");
	refuses("/", "HS256", "this is not a regular file");
	refuses("/dev/null", "HS256", "this is not a regular file");
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refuses(fifo, "HS256", "this is not a regular file");
}

TEST(no_line_of_the_log_has_the_secret)
{
	capture_begin();
	assert_int_equal(keyfile_read(&key, capture_file("secret", "hunter2hunter2hunter2", 21, 0600), "HS256"), 0);
	assert_null(strstr(capture_end(), "hunter2"));
	keyfile_free(&key);
	capture_begin();
	assert_int_equal(keyfile_read(&key, capture_file("secret", "hunter2", 7, 0600), "HS256"), -1);
	assert_null(strstr(capture_end(), "hunter2"));
	capture_begin();
	assert_int_equal(keyfile_read(&key, capture_file("secret", "hunter2", 7, 0600), "RS256"), -1);
	assert_null(strstr(capture_end(), "hunter2"));
}

TEST(a_pem_file_is_no_secret)
{
	refuses(key_file("rsa-public"), "HS256", "this is a PEM file; HS256 needs a secret");
	refuses(key_file("rsa-private"), "HS512", "this is a PEM file; HS512 needs a secret");
}

TEST(each_public_key_serves_its_own_algorithms_only)
{
	static const char *const algs[] = { "RS256", "RS384", "RS512", "ES256", "ES384", "ES512" };
	static const char *const names[] = {
		"rsa-public", "rsa-public", "rsa-public", "p256-public", "p384-public", "p521-public",
	};
	static const char *const whats[] = {
		"an RSA key", "an RSA key", "an RSA key", "an EC key on the curve P-256",
		"an EC key on the curve P-384", "an EC key on the curve P-521",
	};

	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < 6; j++) {
			const char *path = key_file(names[j]);
			char why[128];

			if (strcmp(names[i], names[j]) == 0) {
				reads(path, algs[i]);
				keyfile_free(&key);
				continue;
			}
			snprintf(why, sizeof(why), "this is not %s, which %s needs", whats[i], algs[i]);
			refuses(path, algs[i], why);
		}
	}
}

TEST(a_private_key_is_refused)
{
	const char *why = "this is a private key; only the public one belongs here "
	    "(openssl pkey -pubout)";
	char *public = key_text("rsa-public"), *private = key_text("rsa-private");
	char *both = mem_printf("%s%s", public, private);

	refuses(key_file("rsa-private"), "RS256", why);
	refuses(key_file("p256-private"), "ES256", why);
	refuses(capture_file("both", both, strlen(both), 0600), "RS256", why);
	free(both);
	free(private);
	free(public);
}

TEST(what_is_no_public_key_is_refused)
{
	const char *why = "expected a PEM file with a line -----BEGIN PUBLIC KEY-----";
	char *text = key_text("rsa-public"), *pkcs1;

	refuses(capture_file("key", SECRET, 64, 0600), "RS256", why);
	refuses(key_file("rsa-certificate"), "RS256", why);
	pkcs1 = mem_printf("-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n");
	refuses(capture_file("key", pkcs1, strlen(pkcs1), 0600), "RS256", why);
	text[40] = '\0';
	refuses(capture_file("key", text, 200, 0600), "RS256",
	    "expected a PEM file with a public key");
	free(pkcs1);
	free(text);
}

/* rsa_key is a SubjectPublicKeyInfo with these bytes as its BIT STRING. */
static const char *
rsa_key(const void *bits, size_t n)
{
	static const unsigned char algorithm[] = {
		0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
	};
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char der[1024];
	struct buf pem = BUF_EMPTY;
	size_t inside = sizeof(algorithm) + 4 + n, len = 0;
	const char *path;

	der[len++] = 0x30;
	der[len++] = 0x82;
	der[len++] = (unsigned char)(inside >> 8);
	der[len++] = (unsigned char)inside;
	memcpy(der + len, algorithm, sizeof(algorithm));
	len += sizeof(algorithm);
	der[len++] = 0x03;
	der[len++] = 0x82;
	der[len++] = (unsigned char)(n >> 8);
	der[len++] = (unsigned char)n;
	memcpy(der + len, bits, n);
	len += n;
	buf_add_str(&pem, "-----BEGIN PUBLIC KEY-----\n");
	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		unsigned three = (unsigned)der[i] << 16 | (have > 1 ? (unsigned)der[i + 1] << 8 : 0)
		    | (have > 2 ? der[i + 2] : 0);

		for (size_t j = 0; j < 4; j++)
			buf_add_char(&pem, j <= have ? digits[three >> (18 - 6 * j) & 63] : '=');
	}
	buf_add_str(&pem, "\n-----END PUBLIC KEY-----\n");
	path = capture_file("key", pem.bytes, pem.len, 0600);
	buf_free(&pem);
	return path;
}

TEST(an_rsa_key_without_a_modulus_is_damaged)
{
	static const struct { const char *bits; size_t n; } damaged[] = {
		{ "", 0 },                                      /* nothing */
		{ "\1\x30\x03\x02\x01\x07", 6 },               /* bits that are not whole bytes */
		{ "\0\x02\x01\x07", 4 },                        /* no sequence of two numbers */
		{ "\0\x30\0", 3 },                              /* an empty one */
		{ "\0\x30\x03\x04\x01\x07", 6 },               /* another type than a number */
		{ "\0\x30\x02\x02\0", 5 },                     /* a number without a digit */
		{ "\0\x30\x04\x02\x02\0\0", 7 },               /* 0 */
		{ "\0\x30\x80\x02\x01\x07", 6 },               /* a length that is left open */
		{ "\0\x30\x83\0\0\x03\x02\x01\x07", 9 },      /* one in three bytes */
		{ "\0\x30\x7f\x02\x01\x07", 6 },               /* one beyond the end */
	};

	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
		refuses(rsa_key(damaged[i].bits, damaged[i].n), "RS256", "the public key is damaged");
}

/* Zeros in front are of the encoding, and do not make a key longer. */
TEST(the_bits_of_an_rsa_key_are_counted_from_its_first_one)
{
	unsigned char bits[1 + 4 + 4 + 258] = { 0, 0x30, 0x82, 0x01, 0x06, 0x02, 0x82, 0x01, 0x02 };
	unsigned char *modulus = bits + 9;

	memset(modulus, 0xff, 258);
	modulus[0] = modulus[1] = 0;
	reads(rsa_key(bits, sizeof(bits)), "RS256");
	keyfile_free(&key);
	for (int zeros = 1; zeros < 8; zeros++) {
		char why[128];

		modulus[2] = (unsigned char)(0xff >> zeros);
		capture_begin();
		assert_int_equal(keyfile_read(&key, rsa_key(bits, sizeof(bits)), "RS256"), 0);
		snprintf(why, sizeof(why), "an RSA key of %d bits is too short", 2048 - zeros);
		assert_says(capture_end(), why);
		keyfile_free(&key);
	}
}

/* The memory of a process is a regular file whose first page cannot be read. */
TEST(a_file_that_cannot_be_read_is_said)
{
	refuses("/proc/self/mem", "HS256", "cannot be read: Input/output error");
}

TEST(two_keys_in_one_file_are_refused)
{
	char *text = key_text("rsa-public");
	char *two = mem_printf("%s%s", text, text);

	refuses(capture_file("key", two, strlen(two), 0600), "RS256", "more than one key; a second "
	    "one belongs in a file of its own, with a jwt_key_file line of its own");
	free(two);
	free(text);
}

TEST(a_damaged_public_key_is_refused)
{
	const char *path, *why = "the public key is damaged";
	char *text = key_text("rsa-public"), *copy;
	char *first = strchr(text, '\n') + 1;

	/* Cut short, at every length. */
	for (size_t len = (size_t)(first - text); len < strlen(text) - 2; len += 7)
		refuses(capture_file("key", text, len, 0600), "RS256", why);

	/* A whole text with a piece of base64 missing. */
	copy = mem_printf("%.*s%s", (int)(first - text), text, first + 4);
	path = capture_file("key", copy, strlen(copy), 0600);
	refuses(path, "RS256", why);
	free(copy);

	/* A character that is not base64. */
	first[10] = '!';
	refuses(capture_file("key", text, strlen(text), 0600), "RS256", why);

	copy = mem_printf("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n");
	refuses(capture_file("key", copy, strlen(copy), 0600), "RS256", why);
	free(copy);
	free(text);
}

TEST(every_damaged_byte_is_refused_or_harmless)
{
	char *text = key_text("p256-public");

	/* Whatever a byte becomes: no crash, no read beyond the end. */
	for (size_t i = 0; i < strlen(text); i++) {
		char kept = text[i];

		for (int c = 'A'; c <= 'Z'; c += 5) {
			text[i] = (char)c;
			capture_begin();
			if (keyfile_read(&key, capture_file("key", text, strlen(text), 0600), "ES256") == 0)
				keyfile_free(&key);
			capture_end();
		}
		text[i] = kept;
	}
	free(text);
}

TEST(a_public_key_is_read_however_it_is_wrapped)
{
	char *text = key_text("rsa-public"), *copy = mem_strdup(text), *to = copy;

	reads(key_file("rsa-public"), "RS256");
	assert_string_equal(key.bytes, text);
	keyfile_free(&key);

	/* All on one line, a comment before it, CRLF. */
	for (const char *from = text; *from != '\0'; from++)
		if (*from != '\n')
			*to++ = *from;
	*to = '\0';
	to = mem_printf("made yesterday\r\n%s\r\n", copy);
	reads(capture_file("key", to, strlen(to), 0600), "RS256");
	assert_int_equal(key.len, strlen(text));
	assert_string_equal(key.bytes, text);
	keyfile_free(&key);
	free(to);
	free(copy);
	free(text);
}

TEST(a_short_rsa_key_is_used_with_a_warning)
{
	warns(key_file("rsa1024-public"), "RS256",
	    "an RSA key of 1024 bits is too short; 2048 is the least");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_line_break_at_the_end_is_not_part_of_a_secret),
	cmocka_unit_test(a_short_secret_is_used_with_a_warning),
	cmocka_unit_test(a_secret_that_can_be_guessed_is_refused),
	cmocka_unit_test(a_file_of_another_user_than_root_or_ours_is_refused),
	cmocka_unit_test(an_empty_secret_is_refused),
	cmocka_unit_test(a_file_at_the_bound_is_read_and_one_byte_more_is_not),
	cmocka_unit_test(what_others_can_write_is_refused),
	cmocka_unit_test(a_secret_that_everybody_can_read_is_used_with_a_warning),
	cmocka_unit_test(what_is_no_file_is_refused),
	cmocka_unit_test(no_line_of_the_log_has_the_secret),
	cmocka_unit_test(a_pem_file_is_no_secret),
	cmocka_unit_test(each_public_key_serves_its_own_algorithms_only),
	cmocka_unit_test(a_private_key_is_refused),
	cmocka_unit_test(what_is_no_public_key_is_refused),
	cmocka_unit_test(an_rsa_key_without_a_modulus_is_damaged),
	cmocka_unit_test(the_bits_of_an_rsa_key_are_counted_from_its_first_one),
	cmocka_unit_test(a_file_that_cannot_be_read_is_said),
	cmocka_unit_test(two_keys_in_one_file_are_refused),
	cmocka_unit_test(a_damaged_public_key_is_refused),
	cmocka_unit_test(every_damaged_byte_is_refused_or_harmless),
	cmocka_unit_test(a_public_key_is_read_however_it_is_wrapped),
	cmocka_unit_test(a_short_rsa_key_is_used_with_a_warning),
};

RUN_TESTS(tests)
