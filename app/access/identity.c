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

/* Each judges one claim of an object of claims and returns NULL, or what is
 * wrong, for the log. */

static const char *
read_user(const json_t *claims, const char *name, char **user)
{
	const json_t *claim = json_object_get(claims, name);

	if (claim == NULL)
		return "the user claim is missing";
	if (json_is_integer(claim)) {
		*user = mem_printf("%" JSON_INTEGER_FORMAT, json_integer_value(claim));
		return NULL;
	}
	if (!json_is_string(claim))
		return "the user claim is neither a string nor an integer";
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
read_times(const json_t *claims, wall_s now, struct expiry *expiry)
{
	const json_t *exp = json_object_get(claims, "exp");
	const json_t *nbf = json_object_get(claims, "nbf");

	if (exp != NULL) {
		if (!json_is_number(exp))
			return "exp is not a number";
		*expiry = EXPIRY_AT(0);
		if (json_number_value(exp) >= (double)TIME_MAX_S)
			expiry->at = TIME_MAX_S;
		else if (json_is_integer(exp))
			expiry->at = json_integer_value(exp);
		else if (json_real_value(exp) > 0)
			expiry->at = (wall_s)json_real_value(exp);
		if (expiry_is_over(*expiry, now))
			return "it has expired";
	}
	if (nbf != NULL) {
		if (!json_is_number(nbf))
			return "nbf is not a number";
		if (json_number_value(nbf) > (double)now)
			return "it is not valid yet";
	}
	return NULL;
}

static bool
is_string(const json_t *value, const char *expected)
{
	return json_is_string(value) && strcmp(json_string_value(value), expected) == 0;
}

static const char *
check_issuer(const json_t *claims, const char *issuer)
{
	if (issuer != NULL && !is_string(json_object_get(claims, "iss"), issuer))
		return "iss is not the one expected";
	return NULL;
}

/* aud is one string or an array of them (RFC 7519 4.1.3). */
static const char *
check_audience(const json_t *claims, const char *audience)
{
	const json_t *aud = json_object_get(claims, "aud"), *one;
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
	const json_t *topics = json_object_get(claims, "topics"), *topic;
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
	const json_t *scope = json_object_get(claims, "scope");

	if (scope == NULL)
		return NULL;
	if (!json_is_string(scope))
		return "scope is not a string";
	id->may_publish = has_word(json_string_value(scope), "rowcast:publish");
	id->may_admin = has_word(json_string_value(scope), "rowcast:admin");
	return NULL;
}

static const char *
read_claims(const json_t *claims, const struct claim_rules *rules, wall_s now,
    struct identity *id)
{
	const char *why;

	if ((why = read_times(claims, now, &id->expiry)) != NULL ||
	    (why = check_issuer(claims, rules->issuer)) != NULL ||
	    (why = check_audience(claims, rules->audience)) != NULL ||
	    (why = read_user(claims, rules->user_claim, &id->user)) != NULL ||
	    (why = read_topics(claims, id)) != NULL ||
	    (why = read_scope(claims, id)) != NULL)
		return why;
	return NULL;
}

const char *
identity_read(struct identity *id, const char *json, size_t len, const struct claim_rules *rules,
    wall_s now)
{
	struct identity claimed = { 0 };
	const char *why = "the claims are malformed";
	json_t *claims = NULL;

	/* jansson refuses U+0000 in strings and what is not UTF-8 without being
	 * asked, but it passes over a NUL byte behind a number or a word. */
	if (memchr(json, '\0', len) == NULL)
		claims = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(claims))
		why = read_claims(claims, rules, now, &claimed);
	json_decref(claims);
	if (why != NULL)
		identity_free(&claimed);
	else
		*id = claimed;
	return why;
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
	for (size_t i = 0; i < id->n_topics; i++)
		if (grants(id->topics[i], topic))
			return true;
	return false;
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
