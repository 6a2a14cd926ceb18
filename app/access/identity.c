/* Reads the claims of a token and judges each of them. Any thread: nothing is
 * shared, and nothing but the caller's identity is touched. */

#include "app/access/identity.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "app/store/message.h"
#include "lib/mem.h"

/* A claimed time is cut off at 9999-12-31, so that it can be turned into
 * microseconds without overflow. */
#define TIME_MAX_S INT64_C(253402300799)

/* No double above it stands for one whole number alone. */
#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

/* claim_of returns NULL where the claim is absent, or null. */
static const json_t *
claim_of(const json_t *claims, const char *name)
{
	const json_t *claim = json_object_get(claims, name);

	return json_is_null(claim) ? NULL : claim;
}

/* Each of these judges one claim and returns NULL, or what is wrong, for the log. */

static const char *
read_user(const json_t *claims, const char *name, char **user)
{
	const json_t *claim = claim_of(claims, name);
	json_int_t number = json_integer_value(claim);

	if (claim == NULL)
		return "the user claim is missing";
	if (json_is_real(claim)) {
		double real = json_real_value(claim);

		if (real < -WHOLE_MAX || real > WHOLE_MAX || real != (double)(json_int_t)real)
			return "the user claim is not a whole number";
		number = (json_int_t)real;
	}
	if (json_is_number(claim)) {
		*user = mem_printf("%" JSON_INTEGER_FORMAT, number);
		return NULL;
	}
	if (!json_is_string(claim))
		return "the user claim is neither a string nor a number";
	if (json_string_length(claim) == 0)
		return "the user claim is empty";
	if (json_string_length(claim) > USER_MAX_BYTES)
		return "the user claim is too long";
	*user = mem_strdup(json_string_value(claim));
	return NULL;
}

/* A NumericDate may have a fraction (RFC 7519 2). Rounded down, exp comes up to
 * a second early, never late; nbf is compared as it is. */

static const char *
read_exp(const json_t *claims, struct expiry *expiry)
{
	const json_t *exp = claim_of(claims, "exp");

	if (exp == NULL)
		return NULL;
	if (!json_is_number(exp))
		return "exp is not a number";
	*expiry = EXPIRY_AT(0);
	if (json_number_value(exp) >= (double)TIME_MAX_S)
		expiry->at = TIME_MAX_S;
	else if (json_is_integer(exp))
		expiry->at = json_integer_value(exp);
	else if (json_real_value(exp) > 0)
		expiry->at = (wall_s)json_real_value(exp);
	return NULL;
}

/* read_nbf leaves 0 where there is none. */
static const char *
read_nbf(const json_t *claims, double *nbf)
{
	const json_t *claim = claim_of(claims, "nbf");

	if (claim != NULL && !json_is_number(claim))
		return "nbf is not a number";
	*nbf = json_number_value(claim);
	return NULL;
}

/* read_iat rounds down: until the end of the second in which tokens were revoked they
 * are. What is no number is none, and no fault: nobody has asked for it so far. */
static wall_s
read_iat(const json_t *claims)
{
	const json_t *iat = claim_of(claims, "iat");
	double seconds = json_number_value(iat);

	if (!json_is_number(iat))
		return REVOCATIONS_NOT_ISSUED;
	if (seconds >= (double)TIME_MAX_S)
		return TIME_MAX_S;
	if (json_is_integer(iat))
		return json_integer_value(iat);
	return seconds > 0 ? (wall_s)seconds : 0;
}

static bool
is_string(const json_t *value, const char *expected)
{
	return json_is_string(value) && strcmp(json_string_value(value), expected) == 0;
}

static const char *
check_issuer(const json_t *claims, const char *issuer)
{
	if (issuer != NULL && !is_string(claim_of(claims, "iss"), issuer))
		return "iss is not the one expected";
	return NULL;
}

/* aud is one string or an array of them (RFC 7519 4.1.3). */
static const char *
check_audience(const json_t *claims, const char *audience)
{
	const json_t *aud = claim_of(claims, "aud"), *one;
	size_t i;

	if (audience == NULL || is_string(aud, audience))
		return NULL;
	json_array_foreach(aud, i, one)
		if (is_string(one, audience))
			return NULL;
	return "aud does not name this server";
}

static const char *
read_topics(const json_t *claims, struct identity *id)
{
	const json_t *topics = claim_of(claims, "topics"), *topic;
	size_t i;

	if (topics == NULL)
		return NULL;
	if (!json_is_array(topics))
		return "topics is not an array";
	id->topics = mem_zalloc((json_array_size(topics) + 1) * sizeof(id->topics[0]));
	json_array_foreach(topics, i, topic) {
		if (!json_is_string(topic) || json_string_length(topic) == 0)
			return "topics has an entry that is not a name";
		id->topics[id->n_topics++] = mem_strdup(json_string_value(topic));
	}
	return NULL;
}

/* has_word: is word one of the words of text, which blanks separate? */
static bool
has_word(const char *text, const char *word)
{
	size_t word_len = strlen(word), len;

	for (; *text != '\0'; text += len) {
		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (len == word_len && memcmp(text, word, len) == 0)
			return true;
	}
	return false;
}

static const char *
read_scope(const json_t *claims, struct identity *id)
{
	const json_t *scope = claim_of(claims, "scope"), *one;
	size_t i;

	if (json_is_string(scope)) {
		id->may_publish = has_word(json_string_value(scope), IDENTITY_SCOPE_PUBLISH);
		id->may_admin = has_word(json_string_value(scope), IDENTITY_SCOPE_ADMIN);
	} else if (scope != NULL && !json_is_array(scope)) {
		return "scope is neither a string nor an array";
	}
	json_array_foreach(scope, i, one) {
		if (!json_is_string(one))
			return "scope has an entry that is not a string";
		id->may_publish |= is_string(one, IDENTITY_SCOPE_PUBLISH);
		id->may_admin |= is_string(one, IDENTITY_SCOPE_ADMIN);
	}
	return NULL;
}

/* add_fault adds one to the verdict; *why stays with the first. */
static void
add_fault(unsigned *verdict, enum verdict fault, const char **why, const char *phrase)
{
	if (*verdict == 0)
		*why = phrase;
	*verdict |= fault;
}

/* judge reads the claims in the order in which faults are told. */
static unsigned
judge(const json_t *claims, const struct claim_rules *rules, wall_s now, struct identity *id,
    const char **why)
{
	unsigned verdict = 0;
	const char *fault;
	double nbf;

	if ((fault = read_exp(claims, &id->expiry)) != NULL ||
	    (fault = read_nbf(claims, &nbf)) != NULL ||
	    (fault = read_topics(claims, id)) != NULL ||
	    (fault = read_scope(claims, id)) != NULL) {
		*why = fault;
		return VERDICT_INVALID;
	}
	if (expiry_is_over(id->expiry, now))
		add_fault(&verdict, VERDICT_EXPIRED, why, "it has expired");
	if (nbf > (double)now + (double)rules->leeway_ms / 1000)
		add_fault(&verdict, VERDICT_NOT_YET, why, "it is not valid yet");
	if ((fault = read_user(claims, rules->user_claim, &id->user)) != NULL)
		add_fault(&verdict, VERDICT_NO_USER, why, fault);
	if ((fault = check_issuer(claims, rules->issuer)) != NULL)
		add_fault(&verdict, VERDICT_ISSUER, why, fault);
	if ((fault = check_audience(claims, rules->audience)) != NULL)
		add_fault(&verdict, VERDICT_AUDIENCE, why, fault);
	id->issued_at = read_iat(claims);
	if (rules->revocations != NULL && id->user != NULL
	    && revocations_cover(rules->revocations, id->user, id->issued_at))
		add_fault(&verdict, VERDICT_REVOKED, why, "it was revoked");
	return verdict;
}

unsigned
identity_read(struct identity *id, const char *json, size_t len, const struct claim_rules *rules,
    wall_s now, const char **why)
{
	struct identity claimed = { 0 };
	unsigned verdict = VERDICT_INVALID;
	json_t *claims = NULL;

	*why = "the claims are malformed";
	/* jansson refuses U+0000 in strings and what is not UTF-8 without being
	 * asked, but it passes over a NUL byte behind a number or a word. */
	if (memchr(json, '\0', len) == NULL)
		claims = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(claims))
		verdict = judge(claims, rules, now, &claimed, why);
	json_decref(claims);
	if (verdict != 0)
		identity_free(&claimed);
	else
		*id = claimed;
	return verdict;
}

/* grants goes over both once: a token of a thousand topics is asked about 32. A
 * '*' that ends what is granted may as well stand for itself and what follows. */
static bool
grants(const char *granted, const char *topic)
{
	size_t i = 0;

	while (granted[i] != '\0' && granted[i] == topic[i])
		i++;
	if (granted[i] == '\0')
		return topic[i] == '\0' || granted[i - 1] == '*';
	return granted[i] == '*' && granted[i + 1] == '\0';
}

bool
identity_may_read(const struct identity *id, const char *topic)
{
	/* Whatever the token lists: a `*` was written without a thought of these. */
	if (message_topic_is_reserved(topic))
		return id->may_admin;
	for (size_t i = 0; i < id->n_topics; i++)
		if (grants(id->topics[i], topic))
			return true;
	return false;
}

const char *
identity_unknown_scope(const char *scope)
{
	static const char *const scopes[] = { IDENTITY_SCOPE_PUBLISH, IDENTITY_SCOPE_ADMIN };

	for (scope += strspn(scope, " "); *scope != '\0'; scope += strspn(scope, " ")) {
		size_t len = strcspn(scope, " "), i = 0;

		while (i < 2 && (strlen(scopes[i]) != len || memcmp(scopes[i], scope, len) != 0))
			i++;
		if (i == 2)
			return scope;
		scope += len;
	}
	return NULL;
}

void
identity_copy(struct identity *to, const struct identity *id)
{
	*to = *id;
	to->user = mem_strdup(id->user);
	to->topics = NULL;
	if (id->topics != NULL)
		to->topics = mem_zalloc((id->n_topics + 1) * sizeof(to->topics[0]));
	for (size_t i = 0; i < id->n_topics; i++)
		to->topics[i] = mem_strdup(id->topics[i]);
}

void
identity_free(struct identity *id)
{
	free(id->user);
	for (size_t i = 0; i < id->n_topics; i++)
		free(id->topics[i]);
	free(id->topics);
	*id = (struct identity){ 0 };
}
