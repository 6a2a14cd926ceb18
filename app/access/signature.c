/* Checks signatures with OpenSSL's libcrypto, the only file that knows it. Any
 * thread.
 *
 * libjwt 1.10 could be asked, and once was. But it refuses every token whose
 * `typ` is not JWT, so those of RFC 9068 (at+jwt), after the signature was found
 * right; and it reads the PEM text of a public key for each token, which costs
 * more than the check. So a key is read here once, when it is configured, and
 * each check begins with a copy of a context that stands right behind that.
 * libcrypto counts references atomically, and copying only reads. */

#include "app/access/signature.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

enum {
	ES_NUMBER_MAX_BYTES = 66,  /* of r and s each, on the curve P-521 */
	DER_MAX_BYTES = 2 * ES_NUMBER_MAX_BYTES + 16,
};

struct signature_key {
	EVP_MAC_CTX *mac;         /* owned, not shared; NULL but for HS* */
	EVP_MD_CTX *verify;       /* owned, not shared; NULL for HS* */
	size_t es_number_bytes;   /* of r and s each (RFC 7518 3.4); 0 but for ES* */
};

/* fail ends the process where libcrypto cannot do what it is there for: no
 * memory, or an installation without the algorithms. */
static void __attribute__((noreturn))
fail(const char *what)
{
	fatalx("auth: libcrypto: %s: %s", what, ERR_reason_error_string(ERR_peek_last_error()));
}

/* ---- keys ---- */

static void
set_secret(struct signature_key *key, const char *digest, const struct keyfile *file)
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	char name[8];
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, strcpy(name, digest), 0),
		OSSL_PARAM_construct_end(),
	};

	key->mac = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac);
	if (key->mac == NULL ||
	    !EVP_MAC_init(key->mac, (const unsigned char *)file->bytes, file->len, params))
		fail("HMAC");
}

/* set_public returns -1 where libcrypto does not take the key. */
static int
set_public(struct signature_key *key, const char *alg, const char *digest,
    const struct keyfile *file)
{
	BIO *text = BIO_new_mem_buf(file->bytes, (int)file->len);
	EVP_PKEY *public = PEM_read_bio_PUBKEY(text, NULL, NULL, NULL);
	int result = -1;

	BIO_free(text);
	if (public != NULL) {
		if (alg[0] == 'E')
			key->es_number_bytes = ((size_t)EVP_PKEY_get_bits(public) + 7) / 8;
		key->verify = EVP_MD_CTX_new();
		if (key->verify != NULL &&
		    EVP_DigestVerifyInit_ex(key->verify, NULL, digest, NULL, NULL, public, NULL) == 1)
			result = 0;
	}
	EVP_PKEY_free(public);
	ERR_clear_error();
	return result;
}

struct signature_key *
signature_key_new(const char *alg, const struct keyfile *file)
{
	struct signature_key *key = mem_zalloc(sizeof(*key));
	char digest[8] = "SHA";

	strcat(digest, alg + 2);
	if (alg[0] == 'H') {
		set_secret(key, digest, file);
	} else if (set_public(key, alg, digest, file) < 0) {
		signature_key_free(key);
		return NULL;
	}
	return key;
}

void
signature_key_free(struct signature_key *key)
{
	if (key == NULL)
		return;
	EVP_MAC_CTX_free(key->mac);
	EVP_MD_CTX_free(key->verify);
	free(key);
}

/* ---- checks ---- */

static bool
mac_fits(const struct signature_key *key, const char *text, size_t text_len,
    const char *signature, size_t signature_len)
{
	EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(key->mac);
	unsigned char ours[EVP_MAX_MD_SIZE];
	size_t len;

	if (mac == NULL || !EVP_MAC_update(mac, (const unsigned char *)text, text_len) ||
	    !EVP_MAC_final(mac, ours, &len, sizeof(ours)))
		fail("HMAC");
	EVP_MAC_CTX_free(mac);
	return signature_len == len && CRYPTO_memcmp(ours, signature, len) == 0;
}

/* to_der writes the DER form of an ES* signature, which is r and s one behind
 * the other (RFC 7518 3.4), and returns its length; 0 where it is none. */
static size_t
to_der(const struct signature_key *key, const char *signature, size_t len,
    unsigned char der[DER_MAX_BYTES])
{
	size_t number_len = key->es_number_bytes;
	const unsigned char *numbers = (const unsigned char *)signature;
	ECDSA_SIG *pair;
	int der_len;

	if (len != 2 * number_len)
		return 0;
	pair = ECDSA_SIG_new();
	if (pair == NULL || !ECDSA_SIG_set0(pair, BN_bin2bn(numbers, (int)number_len, NULL),
	    BN_bin2bn(numbers + number_len, (int)number_len, NULL)))
		fail("ECDSA");
	der_len = i2d_ECDSA_SIG(pair, &der);
	ECDSA_SIG_free(pair);
	return der_len > 0 ? (size_t)der_len : 0;
}

static bool
public_fits(const struct signature_key *key, const char *text, size_t text_len,
    const unsigned char *signature, size_t signature_len)
{
	EVP_MD_CTX *verify = EVP_MD_CTX_new();
	bool fits;

	if (verify == NULL || !EVP_MD_CTX_copy_ex(verify, key->verify))
		fail("the public key");
	fits = EVP_DigestVerify(verify, signature, signature_len, (const unsigned char *)text,
	    text_len) == 1;
	EVP_MD_CTX_free(verify);
	ERR_clear_error();  /* why not is the next caller's of this thread otherwise */
	return fits;
}

bool
signature_fits(const struct signature_key *key, const char *text, size_t text_len,
    const char *signature, size_t signature_len)
{
	unsigned char der[DER_MAX_BYTES];

	if (key->mac != NULL)
		return mac_fits(key, text, text_len, signature, signature_len);
	if (key->es_number_bytes == 0)
		return public_fits(key, text, text_len, (const unsigned char *)signature,
		    signature_len);
	signature_len = to_der(key, signature, signature_len, der);
	return signature_len > 0 && public_fits(key, text, text_len, der, signature_len);
}
