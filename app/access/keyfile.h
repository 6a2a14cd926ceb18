/* A key file: the secret, or the public key, that tokens are checked with. */
#ifndef APP_ACCESS_KEYFILE_H
#define APP_ACCESS_KEYFILE_H

#include <stddef.h>

/* Longer is not a key; the largest RSA keys in use need about 3000. */
enum { KEYFILE_MAX_BYTES = 16384 };

/* A shorter secret can be found from one token by trying (RFC 7518 3.2 asks for
 * at least twice as much). */
enum { KEYFILE_MIN_SECRET_BYTES = 16 };

struct keyfile {
	char *bytes;  /* owned; a secret as it is, or a PEM text; a NUL behind it */
	size_t len;   /* without the NUL */
};

/* keyfile_read reads the file of that name as a key for alg, one of HS, RS and
 * ES with 256, 384 or 512. 0: keyfile_free is due. -1: logged, without a word
 * of what the file has. Refused are: a file that is missing, unreadable, not a
 * regular file, empty, too long, of another user than root or ours, group- or
 * world-writable; for HS* a PEM file or fewer than KEYFILE_MIN_SECRET_BYTES;
 * for RS* and ES* whatever is not one PEM public key (RFC 7468 13) of that kind
 * and, for ES*, on its curve (RFC 7518 3.4); above all a private key, which has
 * no business on this machine. A line break at the end of a secret is not part
 * of it. A key that RFC 7518 3.2 and 3.3 call too short is used, with a warning;
 * so is a secret that everybody can read. */
int keyfile_read(struct keyfile *key, const char *path, const char *alg);

/* keyfile_free overwrites the key before it gives the memory back. */
void keyfile_free(struct keyfile *key);

#endif
