/* Tokens: who is asking, and what may they do (RFC 7519, RFC 6750). */
#ifndef APP_ACCESS_AUTH_H
#define APP_ACCESS_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "app/access/denial.h"
#include "app/access/identity.h"
#include "app/access/verdict.h"
#include "app/setting/conf.h"

/* Longer is no token. Cookies end at 4096 bytes; headers of web servers at 8192. */
enum { AUTH_TOKEN_MAX_BYTES = 8192 };

/* The keys in force. Opaque; every function may be called by any thread. */
struct auth;

/* auth_open reads the key files conf names (jwt_key_file) and copies all else
 * it needs. Logged and NULL where one is missing, unreadable, another user's,
 * group- or world-writable, or not a key for jwt_alg (a PEM file for HS*, a
 * private key or no PEM public key for RS* and ES*); keyfile.h has the list. One
 * newline at the end of an HS* secret is not part of it. The secret is in no
 * log line. */
struct auth *auth_open(const struct conf *conf);
void auth_close(struct auth *auth);

/* auth_reload reads the keys and claims anew; what is being checked meanwhile
 * is checked against the old. -1: logged, and the old ones stay in force. */
int auth_reload(struct auth *auth, const struct conf *conf);

/* auth_heed refuses the tokens that these cover, from now on, whatever is reloaded. They
 * are lent until auth_close. Called once, before anybody checks. */
void auth_heed(struct auth *auth, struct revocations *revocations);

/* auth_denials lends what was denied, and counts it: whoever answers so adds it. */
struct denials *auth_denials(struct auth *auth);

/* auth_check judges a token as it came, without "Bearer ". 0: *id is filled and
 * identity_free is due. Else *id is untouched, and the first fault is logged at
 * debug level, never the token. VERDICT_INVALID is for what is longer than
 * AUTH_TOKEN_MAX_BYTES, not in compact form (RFC 7515 7.1), of another algorithm
 * than the configured one, of a type that is not JWT, at+jwt (RFC 9068 2.1) or
 * application/at+jwt, or without a signature by one of the keys; the rest is
 * identity_read's verdict. */
unsigned auth_check(struct auth *auth, const char *token, struct identity *id);

/* auth_explain judges as auth_check does, and logs nothing: *why, a constant, is a phrase
 * on the first fault, for whoever has the keys. */
unsigned auth_explain(struct auth *auth, const char *token, struct identity *id, const char **why);

/* auth_sign returns a token (the caller frees it) for the command line, valid
 * for ttl_s seconds from now, with iss and aud as configured. NULL: logged;
 * only HS* keys can sign, a public key cannot. scope may be NULL. */
char *auth_sign(struct auth *auth, const char *user, char *const topics[], size_t n_topics,
    const char *scope, int64_t ttl_s);

#endif
