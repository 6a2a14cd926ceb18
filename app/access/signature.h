/* Signatures: does this one fit that text? The key is opaque, for a foreign
 * handle lives in it; once made it does not change, so any thread may check
 * with it while others do. */
#ifndef APP_ACCESS_SIGNATURE_H
#define APP_ACCESS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "app/access/keyfile.h"

struct signature_key;

/* signature_key_new makes a key for alg, one of HS, RS and ES with 256, 384 or
 * 512 (RFC 7518 3), of what keyfile_read has read for it; it copies what it
 * needs. NULL: the numbers of a public key are none, for instance a point that
 * does not lie on its curve. */
struct signature_key *signature_key_new(const char *alg, const struct keyfile *file);
void signature_key_free(struct signature_key *key);  /* NULL is fine */

/* signature_fits: is this the signature of the text by that key? For HS* the
 * comparison takes the same time wherever the two differ. */
bool signature_fits(const struct signature_key *key, const char *text, size_t text_len,
    const char *signature, size_t signature_len);

#endif
