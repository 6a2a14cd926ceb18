/* Checks tokens, and signs them for the command line. Any thread that serves a
 * request checks; the main thread opens, reloads and closes. Only the rules are
 * shared, behind the lock below.
 *
 * A token is taken apart here: three parts of strict base64url, a header that
 * names the configured algorithm, a type of ours or none (`typ`), and nothing
 * that must be understood (`crit`), and JSON without a name given twice.
 * signature.c is left with one question, whether the signature fits. The one
 * invariant: claims are read only from bytes whose signature has been checked.
 * What was found good is kept with the rules by which it was (checked.h), and gone
 * with them.
 * libjwt signs, for the command line.
 *
 * The rules in force are read under a lock held for one check; a reload makes
 * new ones first and takes the lock only to exchange them. The lock prefers the
 * writer, or a busy server would never reload. jansson keeps nothing between
 * calls, and a signature_key does not change, so checks run beside each other. */

#include "app/access/auth.h"

#include <jansson.h>
#include <jwt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/access/checked.h"
#include "app/access/identity.h"
#include "app/access/keyfile.h"
#include "app/access/signature.h"
#include "lib/base64.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define SIGN_TTL_MAX_S (INT64_C(100) * 365 * 86400) /* picked, not tuned */

/* What tokens are checked against. */
struct rules {
	char *alg;
	struct rules_key {
		struct keyfile file;              /* to sign with */
		struct signature_key *signature;  /* owned; to check with */
	} keys[SETTING_KEY_FILES_MAX];
	size_t n_keys;
	char *user_claim;
	char *issuer;               /* NULL: not checked */
	char *audience;             /* NULL: not checked */
	struct claim_rules claims;  /* the three above, lent; and jwt_leeway */
	struct checked *checked;    /* owned; the tokens that are good by all of these */
};

struct auth {
	pthread_rwlock_t lock; /* protects the pointer, and through it the rules */
	struct rules *rules;   /* owned */
	struct revocations *revocations;  /* lent; NULL: none */
	struct denials denials;
};

/* ---- the rules ---- */

static void
rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	for (size_t i = 0; i < rules->n_keys; i++) {
		keyfile_free(&rules->keys[i].file);
		signature_key_free(rules->keys[i].signature);
	}
	checked_free(rules->checked);
	free(rules->alg);
	free(rules->user_claim);
	free(rules->issuer);
	free(rules->audience);
	free(rules);
}

/* key_read returns -1 where the file is no good: logged, nothing is left to free. */
static int
key_read(struct rules_key *key, const char *path, const char *alg)
{
	if (keyfile_read(&key->file, path, alg) < 0)
		return -1;
	key->signature = signature_key_new(alg, &key->file);
	if (key->signature == NULL) {
		log_errorx("auth: %s: the public key is damaged", path);
		keyfile_free(&key->file);
		return -1;
	}
	return 0;
}

/* rules_read tells about every key file that is no good, not just the first. */
static struct rules *
rules_read(const struct conf *conf)
{
	struct rules *rules = mem_zalloc(sizeof(*rules));
	bool failed = false;

	rules->checked = checked_new();
	rules->alg = mem_strdup(conf->jwt_alg);
	rules->user_claim = mem_strdup(conf->jwt_user_claim);
	if (conf->jwt_issuer != NULL)
		rules->issuer = mem_strdup(conf->jwt_issuer);
	if (conf->jwt_audience != NULL)
		rules->audience = mem_strdup(conf->jwt_audience);
	rules->claims = (struct claim_rules){
		rules->user_claim, rules->issuer, rules->audience, conf->jwt_leeway_ms, NULL,
	};
	for (size_t i = 0; i < conf->jwt_key_files.n; i++) {
		if (key_read(&rules->keys[rules->n_keys], conf->jwt_key_files.paths[i],
		    conf->jwt_alg) < 0)
			failed = true;
		else
			rules->n_keys++;
	}
	if (failed) {
		rules_free(rules);
		return NULL;
	}
	return rules;
}

struct auth *
auth_open(const struct conf *conf)
{
	struct rules *rules = rules_read(conf);
	pthread_rwlockattr_t attr;
	struct auth *auth;

	if (rules == NULL)
		return NULL;
	auth = mem_zalloc(sizeof(*auth));
	auth->rules = rules;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&auth->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return auth;
}

void
auth_close(struct auth *auth)
{
	if (auth == NULL)
		return;
	rules_free(auth->rules);
	pthread_rwlock_destroy(&auth->lock);
	free(auth);
}

void
auth_heed(struct auth *auth, struct revocations *revocations)
{
	auth->revocations = auth->rules->claims.revocations = revocations;
}

int
auth_reload(struct auth *auth, const struct conf *conf)
{
	struct rules *fresh = rules_read(conf), *old;

	if (fresh == NULL)
		return -1;
	fresh->claims.revocations = auth->revocations;
	pthread_rwlock_wrlock(&auth->lock);
	old = auth->rules;
	auth->rules = fresh;
	pthread_rwlock_unlock(&auth->lock);
	rules_free(old);
	return 0;
}

/* ---- the token ---- */

/* is_type: may a token say that of itself (`typ`)? Names of media types have no
 * case (RFC 7515 4.1.9). A token of another kind, of an OpenID login for
 * instance, is not meant for us. */
static bool
is_type(const json_t *typ)
{
	static const char *const types[] = { "JWT", "at+jwt", "application/at+jwt" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (json_is_string(typ) && strcasecmp(json_string_value(typ), types[i]) == 0)
			return true;
	return false;
}

static const char *
check_header(const struct rules *rules, const char *part, size_t len)
{
	struct buf text = BUF_EMPTY;
	const char *alg, *why = NULL;
	json_t *header = NULL, *typ;

	if (base64url_decode(&text, part, len) == 0 && text.len > 0)
		header = json_loadb(text.bytes, text.len, JSON_REJECT_DUPLICATES, NULL);
	alg = json_string_value(json_object_get(header, "alg"));
	typ = json_object_get(header, "typ");
	if (!json_is_object(header))
		why = "the header is malformed";
	else if (alg == NULL || strcmp(alg, rules->alg) != 0)
		why = "alg is not the one configured";
	else if (json_object_get(header, "crit") != NULL) /* RFC 7515 4.1.11 */
		why = "the header asks for extensions";
	else if (typ != NULL && !is_type(typ))
		why = "typ is not that of an access token";
	json_decref(header);
	buf_free(&text);
	return why;
}

/* check_signature is asked about the part behind the last dot, which stands at
 * the end of the token. */
static const char *
check_signature(const struct rules *rules, const char *token, const char *part)
{
	const char *why = "the signature is wrong";
	struct buf bytes = BUF_EMPTY;

	if (base64url_decode(&bytes, part, strlen(part)) < 0) {
		why = "the signature is malformed";
	} else {
		for (size_t i = 0; i < rules->n_keys && why != NULL; i++)
			if (signature_fits(rules->keys[i].signature, token, (size_t)(part - 1 - token),
			    bytes.bytes, bytes.len))
				why = NULL;
	}
	buf_free(&bytes);
	return why;
}

static unsigned
read_payload(const struct rules *rules, const char *part, size_t len, struct identity *id,
    const char **why)
{
	struct buf text = BUF_EMPTY;
	unsigned verdict = VERDICT_INVALID;

	*why = "the claims are malformed";
	if (base64url_decode(&text, part, len) == 0 && text.len > 0)
		verdict = identity_read(id, text.bytes, text.len, &rules->claims, clock_wall_s(), why);
	buf_free(&text);
	return verdict;
}

/* check judges a token under rules that do not change meanwhile. */
static unsigned
check(const struct rules *rules, const char *token, struct identity *id, const char **why)
{
	const char *payload, *signature;

	*why = "it is too long";
	if (strnlen(token, AUTH_TOKEN_MAX_BYTES + 1) > AUTH_TOKEN_MAX_BYTES)
		return VERDICT_INVALID;
	*why = "it has not three parts";
	payload = strchr(token, '.');
	signature = payload != NULL ? strchr(payload + 1, '.') : NULL;
	if (signature == NULL || strchr(signature + 1, '.') != NULL)
		return VERDICT_INVALID;
	payload++;
	signature++;
	if ((*why = check_header(rules, token, (size_t)(payload - 1 - token))) != NULL ||
	    (*why = check_signature(rules, token, signature)) != NULL)
		return VERDICT_INVALID;
	return read_payload(rules, payload, (size_t)(signature - 1 - payload), id, why);
}

struct denials *
auth_denials(struct auth *auth)
{
	return &auth->denials;
}

unsigned
auth_explain(struct auth *auth, const char *token, struct identity *id, const char **why)
{
	unsigned verdict;

	pthread_rwlock_rdlock(&auth->lock);
	verdict = check(auth->rules, token, id, why);
	pthread_rwlock_unlock(&auth->lock);
	return verdict;
}

/* check_known has a token that was good a moment ago by the same rules as good still. */
static unsigned
check_known(const struct rules *rules, const char *token, struct identity *id, const char **why)
{
	unsigned verdict;

	if (checked_find(rules->checked, token, rules->claims.revocations, clock_wall_s(), id))
		return 0;
	verdict = check(rules, token, id, why);
	if (verdict == 0)
		checked_keep(rules->checked, token, id, clock_wall_s());
	return verdict;
}

unsigned
auth_check(struct auth *auth, const char *token, struct identity *id)
{
	const char *why;
	unsigned verdict;

	pthread_rwlock_rdlock(&auth->lock);
	verdict = check_known(auth->rules, token, id, &why);
	pthread_rwlock_unlock(&auth->lock);
	if (verdict != 0)
		log_debug("auth: token refused: %s", why);
	return verdict;
}

/* ---- signing ---- */

/* claims_for returns the claims as JSON; the caller frees them. NULL: a string
 * among them is not valid UTF-8. */
static char *
claims_for(const struct rules *rules, const char *user, char *const topics[], size_t n_topics,
    const char *scope, int64_t ttl_s)
{
	json_t *claims = json_object(), *array = json_array();
	wall_s now = clock_wall_s();
	char *text = NULL;
	int failed = 0;

	failed |= json_object_set_new(claims, rules->user_claim, json_string(user));
	failed |= json_object_set_new(claims, "iat", json_integer(now));
	failed |= json_object_set_new(claims, "exp", json_integer(now + ttl_s));
	if (rules->issuer != NULL)
		failed |= json_object_set_new(claims, "iss", json_string(rules->issuer));
	if (rules->audience != NULL)
		failed |= json_object_set_new(claims, "aud", json_string(rules->audience));
	if (scope != NULL)
		failed |= json_object_set_new(claims, "scope", json_string(scope));
	for (size_t i = 0; i < n_topics; i++)
		failed |= json_array_append_new(array, json_string(topics[i]));
	if (n_topics > 0)
		failed |= json_object_set(claims, "topics", array);
	if (!failed)
		text = json_dumps(claims, JSON_COMPACT);
	json_decref(array);
	json_decref(claims);
	return text;
}

/* sign returns the token, NULL where the library would not make one. */
static char *
sign(const struct rules *rules, const char *claims)
{
	const struct keyfile *key = &rules->keys[0].file;
	char *token = NULL;
	jwt_t *jwt = NULL;

	if (jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
	    jwt_set_alg(jwt, jwt_str_alg(rules->alg), (const unsigned char *)key->bytes,
	    (int)key->len) == 0)
		token = jwt_encode_str(jwt);
	jwt_free(jwt);
	return token;
}

/* The claims are read back as auth_check would: what is signed is accepted. */
static char *
sign_for(const struct rules *rules, const char *user, char *const topics[], size_t n_topics,
    const char *scope, int64_t ttl_s)
{
	struct identity id;
	char *claims, *token = NULL;
	const char *why = "a name in it is not valid UTF-8";

	if (rules->alg[0] != 'H') {
		log_errorx("auth: %s: a public key cannot sign; only the secret of HS256, HS384 or "
		    "HS512 can", rules->alg);
		return NULL;
	}
	if (ttl_s <= 0 || ttl_s > SIGN_TTL_MAX_S) {
		log_errorx("auth: a token is valid from 1 second to 100 years");
		return NULL;
	}
	claims = claims_for(rules, user, topics, n_topics, scope, ttl_s);
	if (claims == NULL || identity_read(&id, claims, strlen(claims), &rules->claims,
	    clock_wall_s(), &why) != 0) {
		log_errorx("auth: no such token: %s", why);
		goto fail;
	}
	identity_free(&id);
	token = sign(rules, claims);
	if (token == NULL)
		log_errorx("auth: signing failed");
	else if (strlen(token) > AUTH_TOKEN_MAX_BYTES) {
		log_errorx("auth: the token is longer than %d bytes, which no one accepts",
		    AUTH_TOKEN_MAX_BYTES);
		free(token);
		token = NULL;
	}
fail:
	free(claims);
	return token;
}

char *
auth_sign(struct auth *auth, const char *user, char *const topics[], size_t n_topics,
    const char *scope, int64_t ttl_s)
{
	char *token;

	pthread_rwlock_rdlock(&auth->lock);
	token = sign_for(auth->rules, user, topics, n_topics, scope, ttl_s);
	pthread_rwlock_unlock(&auth->lock);
	return token;
}
