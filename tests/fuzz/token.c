/* Tokens. The first byte chooses between the text of a token, which has to be
 * refused unless it really is signed, and claims (JSON), which are read by
 * identity_read and then, signed with the key by a HMAC of the tests' own, by
 * auth_check: the two have to agree. */

#include "tests/fuzz/fuzz.h"
#include "tests/unit/hs256.h"

#include <unistd.h>

#include "app/access/auth.h"
#include "app/store/message.h"
#include "lib/log.h"

enum { CHOICE_CLAIMS = 1, CHOICE_RULES = 2 };

static char secret[] = "a secret of the tests, 32 bytes.";
static char issuer[] = "https://issuer.example", audience[] = "rowcast";
static struct auth *any_auth, *strict_auth;

static struct auth *
open_auth(char *key_file, bool strict)
{
	char alg[] = "HS256", user_claim[] = "sub";
	struct conf conf = { .jwt_alg = alg, .jwt_key_files = { { key_file }, 1 },
		.jwt_user_claim = user_claim, .jwt_issuer = strict ? issuer : NULL,
		.jwt_audience = strict ? audience : NULL };
	struct auth *auth = auth_open(&conf);

	REQUIRE(auth != NULL);
	return auth;
}

int
LLVMFuzzerInitialize(int *argc __attribute__((unused)), char ***argv __attribute__((unused)))
{
	char key_file[] = "/tmp/rowcast-fuzz-XXXXXX";
	int fd = mkstemp(key_file);

	REQUIRE(fd >= 0 && write(fd, secret, strlen(secret)) == (ssize_t)strlen(secret));
	log_set_level(LOG_LEVEL_ERROR);
	any_auth = open_auth(key_file, false);
	strict_auth = open_auth(key_file, true);
	close(fd);
	unlink(key_file);
	return 0;
}

static void
check_identity(const struct identity *id, wall_s now)
{
	REQUIRE(*id->user != '\0' && strlen(id->user) <= USER_MAX_BYTES);
	REQUIRE(text_is_utf8(id->user, strlen(id->user)));
	REQUIRE(!expiry_is_over(id->expiry, now));
	for (size_t i = 0; i < id->n_topics; i++) {
		REQUIRE(*id->topics[i] != '\0' && text_is_utf8(id->topics[i], strlen(id->topics[i])));
		if (message_topic_is_reserved(id->topics[i]))
			REQUIRE(identity_may_read(id, id->topics[i]) == id->may_admin);
		else if (strchr(id->topics[i], '*') == NULL)
			REQUIRE(identity_may_read(id, id->topics[i]));
	}
	REQUIRE(!identity_may_read(id, "") || id->n_topics > 0);
}

/* is_signed: is the last of the parts the MAC of what stands before it? */
static bool
is_signed(const char *token)
{
	const char *dot = strrchr(token, '.');
	char *text, *ours;
	bool same;

	if (dot == NULL)
		return false;
	text = mem_strndup(token, (size_t)(dot - token));
	ours = hs256_sign_text(secret, text);
	same = strcmp(ours, token) == 0;
	free(text);
	free(ours);
	return same;
}

static void
check_text(struct auth *auth, struct input *in)
{
	char *token = mem_strndup(in->left > 0 ? in->at : "", in->left);
	struct identity id;
	unsigned verdict = auth_check(auth, token, &id);

	/* More than that it is invalid is told only to who holds a signed one. */
	if (verdict != VERDICT_INVALID)
		REQUIRE(is_signed(token) && strlen(token) <= AUTH_TOKEN_MAX_BYTES);
	if (verdict == 0) {
		check_identity(&id, 0);
		identity_free(&id);
	}
	free(token);
}

/* The first line is the header, or empty for one that is right. */
static void
check_claims(struct auth *auth, struct input *in, bool strict)
{
	struct claim_rules rules = { .user_claim = "sub", .issuer = strict ? issuer : NULL,
		.audience = strict ? audience : NULL };
	char *header = input_line(in), *token;
	bool right = *header == '\0';
	const char *claims = in->left > 0 ? in->at : "";
	wall_s now = clock_wall_s();
	struct identity id, checked;
	const char *why;
	unsigned expected = identity_read(&id, claims, in->left, &rules, now, &why), verdict;

	token = hs256_sign_bytes(secret, right ? "{\"alg\":\"HS256\"}" : header, claims, in->left);
	verdict = auth_check(auth, token, &checked);
	if (verdict == 0) {
		/* nbf may have come in between. */
		REQUIRE(expected == 0 || clock_wall_s() > now);
		check_identity(&checked, now);
	}
	if (expected == 0) {
		check_identity(&id, now);
		REQUIRE(verdict == 0 || !right || strlen(token) > AUTH_TOKEN_MAX_BYTES
		    || expiry_is_over(id.expiry, clock_wall_s()));
	} else {
		REQUIRE(text_is_sentence(why) && verdict_sentence(expected) != NULL);
		REQUIRE(!right || verdict == expected || strlen(token) > AUTH_TOKEN_MAX_BYTES
		    || clock_wall_s() > now);
	}
	if (verdict == 0 && expected == 0)
		REQUIRE(strcmp(id.user, checked.user) == 0 && id.n_topics == checked.n_topics
		    && id.may_publish == checked.may_publish && id.may_admin == checked.may_admin
		    && id.expiry.ends == checked.expiry.ends && id.expiry.at == checked.expiry.at);
	if (verdict == 0)
		identity_free(&checked);
	if (expected == 0)
		identity_free(&id);
	free(token);
	free(header);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { (const char *)data, size };
	unsigned choice = input_byte(&in);
	bool strict = choice & CHOICE_RULES;
	struct auth *auth = strict ? strict_auth : any_auth;

	if (choice & CHOICE_CLAIMS)
		check_claims(auth, &in, strict);
	else
		check_text(auth, &in);
	return 0;
}
