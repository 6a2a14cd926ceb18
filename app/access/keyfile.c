/* Reads a key file and checks that it has a key of the kind that is configured.
 * The main thread's, at the start and at each reload; it touches the file, and
 * logs what is wrong with it.
 *
 * A library that is given a bad key says no more than that it is bad. So a key
 * is examined here, when it is read: a person who configures the private key, the
 * certificate or the key of another curve is told so at the start. What is
 * examined is the outside of the SubjectPublicKeyInfo (RFC 5280 4.1): which
 * algorithm, which curve, how long; the numbers in it are left to the library,
 * see signature.h. */

#include "app/access/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base64.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/permission.h"

#define PEM_BEGIN "-----BEGIN "
#define PUBLIC_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PUBLIC_END "-----END PUBLIC KEY-----"

enum { RSA_MIN_BITS = 2048 }; /* RFC 7518 3.3 */

/* ---- DER, as much of it as is needed (X.690 8.1) ---- */

enum { DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_SEQUENCE = 0x30 };

struct der {
	const unsigned char *at;
	size_t left;
};

/* der_open reads the head of the element at d, which must have that tag, and
 * moves d behind the element; *inside is what it holds. */
static bool
der_open(struct der *d, unsigned char tag, struct der *inside)
{
	size_t len, n_bytes;

	if (d->left < 2 || d->at[0] != tag)
		return false;
	len = d->at[1];
	d->at += 2;
	d->left -= 2;
	if (len >= 0x80) {
		n_bytes = len & 0x7f;
		if (n_bytes == 0 || n_bytes > 2 || d->left < n_bytes)
			return false; /* KEYFILE_MAX_BYTES needs no more than two */
		for (len = 0; n_bytes > 0; n_bytes--) {
			len = len << 8 | *d->at++;
			d->left--;
		}
	}
	if (d->left < len)
		return false;
	*inside = (struct der){ d->at, len };
	d->at += len;
	d->left -= len;
	return true;
}

/* What an AlgorithmIdentifier holds, byte by byte: the object identifiers of
 * RFC 3279 2.3.1 (with its NULL) and RFC 5480 2.1.1. */
static const char rsa_id[] = "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
static const char p256_id[] = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
    "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
static const char p384_id[] = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
static const char p521_id[] = "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";

static const struct kind {
	const char *alg;
	const char *id;
	size_t id_len;
	const char *what;
} kinds[] = {
	{ "RS256", rsa_id, sizeof(rsa_id) - 1, "an RSA key" },
	{ "RS384", rsa_id, sizeof(rsa_id) - 1, "an RSA key" },
	{ "RS512", rsa_id, sizeof(rsa_id) - 1, "an RSA key" },
	{ "ES256", p256_id, sizeof(p256_id) - 1, "an EC key on the curve P-256" },
	{ "ES384", p384_id, sizeof(p384_id) - 1, "an EC key on the curve P-384" },
	{ "ES512", p521_id, sizeof(p521_id) - 1, "an EC key on the curve P-521" },
};

/* rsa_bits returns the length of the modulus, 0 where there is none. */
static size_t
rsa_bits(struct der key)
{
	struct der numbers, modulus;
	size_t bits;

	if (key.left == 0 || key.at[0] != 0) /* bits unused in the last byte */
		return 0;
	key.at++;
	key.left--;
	if (!der_open(&key, DER_SEQUENCE, &numbers) ||
	    !der_open(&numbers, DER_INTEGER, &modulus))
		return 0;
	while (modulus.left > 0 && modulus.at[0] == 0) {
		modulus.at++;
		modulus.left--;
	}
	if (modulus.left == 0)
		return 0;
	bits = modulus.left * 8;
	for (unsigned char top = modulus.at[0]; (top & 0x80) == 0; top = (unsigned char)(top << 1))
		bits--;
	return bits;
}

/* check_public examines the bytes of a SubjectPublicKeyInfo. -1: logged. */
static int
check_public(struct der all, const char *path, const char *alg)
{
	const struct kind *kind = kinds;
	struct der info, algorithm, key;

	while (strcmp(kind->alg, alg) != 0)
		kind++;
	if (!der_open(&all, DER_SEQUENCE, &info) || all.left != 0 ||
	    !der_open(&info, DER_SEQUENCE, &algorithm) ||
	    !der_open(&info, DER_BIT_STRING, &key) || info.left != 0) {
		log_errorx("auth: %s: the public key is damaged", path);
		return -1;
	}
	if (algorithm.left != kind->id_len || memcmp(algorithm.at, kind->id, kind->id_len) != 0) {
		log_errorx("auth: %s: this is not %s, which %s needs", path, kind->what, alg);
		return -1;
	}
	if (kind->id == rsa_id) {
		size_t bits = rsa_bits(key);

		if (bits == 0) {
			log_errorx("auth: %s: the public key is damaged", path);
			return -1;
		}
		if (bits < RSA_MIN_BITS)
			log_warnx("auth: %s: an RSA key of %zu bits is too short; "
			    "%d is the least", path, bits, RSA_MIN_BITS);
	}
	return 0;
}

/* rewrap puts the key, whose base64 text is given, between its two lines and
 * nothing around them, in lines of 64 (RFC 7468 2): what was examined is then
 * what the library reads, which passes over long lines and other blocks. */
static void
rewrap(struct keyfile *key, const char *base64, size_t len)
{
	struct buf text = BUF_EMPTY;
	size_t column = 0;

	buf_add_str(&text, PUBLIC_BEGIN "\n");
	for (size_t i = 0; i < len; i++) {
		if (strchr(" \t\r\n", base64[i]) != NULL)
			continue;
		buf_add_char(&text, base64[i]);
		if (++column % 64 == 0)
			buf_add_char(&text, '\n');
	}
	if (column % 64 != 0)
		buf_add_char(&text, '\n');
	buf_add_str(&text, PUBLIC_END "\n");
	keyfile_free(key);
	key->len = text.len;
	key->bytes = buf_take(&text);
}

/* check_pem finds the one public key in the text. -1: logged. */
static int
check_pem(struct keyfile *key, const char *path, const char *alg)
{
	struct buf der = BUF_EMPTY;
	const char *begin, *end;
	int result = -1;

	if (memchr(key->bytes, '\0', key->len) != NULL) {
		log_errorx("auth: %s: expected a PEM file with a public key", path);
		goto fail;
	}
	if (strstr(key->bytes, "PRIVATE KEY-----") != NULL) {
		log_errorx("auth: %s: this is a private key; only the public one belongs here "
		    "(openssl pkey -pubout)", path);
		goto fail;
	}
	begin = strstr(key->bytes, PEM_BEGIN);
	if (begin == NULL || strncmp(begin, PUBLIC_BEGIN, strlen(PUBLIC_BEGIN)) != 0) {
		log_errorx("auth: %s: expected a PEM file with a line " PUBLIC_BEGIN, path);
		goto fail;
	}
	begin += strlen(PUBLIC_BEGIN);
	end = strstr(begin, PUBLIC_END);
	if (end == NULL || base64_decode(&der, begin, (size_t)(end - begin)) < 0) {
		log_errorx("auth: %s: the public key is damaged", path);
		goto fail;
	}
	if (strstr(end, PEM_BEGIN) != NULL) {
		log_errorx("auth: %s: more than one key; a second one belongs in a file of its own, "
		    "with a jwt_key_file line of its own", path);
		goto fail;
	}
	result = check_public((struct der){ (const unsigned char *)der.bytes, der.len }, path, alg);
	if (result == 0)
		rewrap(key, begin, (size_t)(end - begin));
fail:
	buf_free(&der);
	return result;
}

/* check_secret takes the line break off. -1: logged. */
static int
check_secret(struct keyfile *key, const char *path, const char *alg)
{
	size_t min_bytes = (size_t)atoi(alg + 2) / 8; /* RFC 7518 3.2 */

	if (strstr(key->bytes, PEM_BEGIN) != NULL) {
		log_errorx("auth: %s: this is a PEM file; %s needs a secret", path, alg);
		return -1;
	}
	if (key->len > 0 && key->bytes[key->len - 1] == '\n') {
		key->len--;
		if (key->len > 0 && key->bytes[key->len - 1] == '\r')
			key->len--;
		key->bytes[key->len] = '\0';
	}
	if (key->len == 0) {
		log_errorx("auth: %s: the file is empty", path);
		return -1;
	}
	if (key->len < KEYFILE_MIN_SECRET_BYTES) {
		log_errorx("auth: %s: a secret of fewer than %d bytes can be guessed; %zu are the"
		    " least for %s (head -c 48 /dev/urandom | base64 -w0)", path,
		    KEYFILE_MIN_SECRET_BYTES, min_bytes, alg);
		return -1;
	}
	if (key->len < min_bytes)
		log_warnx("auth: %s: the secret is too short for %s; %zu bytes are the least",
		    path, alg, min_bytes);
	return 0;
}

/* ---- the file ---- */

static bool
is_our_kind_of_file(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		log_error("auth: %s: cannot be read", path);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		log_errorx("auth: %s: this is not a regular file", path);
		return false;
	}
	/* The owner may write it, whatever its mode says at the moment. */
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		log_errorx("auth: %s: the file belongs to another user; who owns it can be anyone"
		    " (chown root)", path);
		return false;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		log_errorx("auth: %s: the file is writable by group or others; "
		    "who can write it can be anyone (chmod go-w)", path);
		return false;
	}
	return true;
}

/* warn_if_readable is for secrets: what a public key says, anybody may know. */
static void
warn_if_readable(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & S_IROTH) != 0)
		log_warnx("auth: %s: everybody on this machine can read the secret; "
		    "who can read it can be anyone (chmod o-r)", path);
}

/* read_whole fills key with all of the file. -1: logged. */
static int
read_whole(struct keyfile *key, int fd, const char *path)
{
	key->bytes = mem_alloc(KEYFILE_MAX_BYTES + 1);
	for (;;) {
		ssize_t n = read(fd, key->bytes + key->len, KEYFILE_MAX_BYTES + 1 - key->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			log_error("auth: %s: cannot be read", path);
			return -1;
		}
		if (n == 0)
			break;
		key->len += (size_t)n;
		if (key->len > KEYFILE_MAX_BYTES) {
			log_errorx("auth: %s: longer than %d bytes; this is not a key", path,
			    KEYFILE_MAX_BYTES);
			return -1;
		}
	}
	key->bytes[key->len] = '\0';
	if (key->len == 0) {
		log_errorx("auth: %s: the file is empty", path);
		return -1;
	}
	return 0;
}

static void
log_unreadable(const char *path)
{
	int error = errno;
	char *why = permission_refusal(path, R_OK, NULL);

	errno = error;
	if (why != NULL)
		log_errorx("auth: %s", why);
	else
		log_error("auth: %s: cannot be read", path);
	free(why);
}

int
keyfile_read(struct keyfile *key, const char *path, const char *alg)
{
	int fd;

	*key = (struct keyfile){ NULL, 0 };
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
	if (fd < 0) {
		log_unreadable(path);
		goto fail;
	}
	if (!is_our_kind_of_file(fd, path) || read_whole(key, fd, path) < 0)
		goto fail;
	if ((alg[0] == 'H' ? check_secret(key, path, alg) : check_pem(key, path, alg)) < 0)
		goto fail;
	if (alg[0] == 'H')
		warn_if_readable(fd, path);
	close(fd);
	return 0;

fail:
	if (fd >= 0)
		close(fd);
	keyfile_free(key);
	return -1;
}

void
keyfile_free(struct keyfile *key)
{
	if (key->bytes != NULL)
		explicit_bzero(key->bytes, key->len);
	free(key->bytes);
	*key = (struct keyfile){ NULL, 0 };
}
