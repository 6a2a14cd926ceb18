/* The tokens here need no signature: who calls has checked it. test_auth.c has the same
 * with tokens that are signed. */

#include "tests/unit/check.h"

#include <pthread.h>
#include <stdatomic.h>

#include "app/access/checked.h"
#include "lib/mem.h"
#include "lib/thread.h"

#define TOKEN "header.payload.a-signature-of-some-length"
#define NOW 1000

/* ---- verbs ---- */

static struct checked *checked;
static char user[] = "42", first_topic[] = "a", second_topic[] = "news:*";
static char *topics[] = { first_topic, second_topic };
static struct identity said;

static int
setup(void **state __attribute__((unused)))
{
	checked = checked_new();
	said = (struct identity){
		.user = user, .topics = topics, .n_topics = 2, .may_publish = true,
		.expiry = EXPIRY_AT(NOW + 10), .issued_at = NOW - 10,
	};
	return 0;
}

static int
teardown(void **state __attribute__((unused)))
{
	checked_free(checked);
	return 0;
}

/* comes has a token found good so often. */
static void
comes(const char *token, int times)
{
	for (int i = 0; i < times; i++)
		checked_keep(checked, token, &said, NOW);
}

static void
knows_at(const char *token, struct revocations *revocations, wall_s now)
{
	struct identity id = { 0 };

	assert_true(checked_find(checked, token, revocations, now, &id));
	assert_string_equal(id.user, said.user);
	assert_ptr_not_equal(id.user, said.user);
	assert_int_equal(id.n_topics, said.n_topics);
	for (size_t i = 0; i < id.n_topics; i++) {
		assert_string_equal(id.topics[i], said.topics[i]);
		assert_ptr_not_equal(id.topics[i], said.topics[i]);
	}
	assert_int_equal(id.may_publish, said.may_publish);
	assert_int_equal(id.may_admin, said.may_admin);
	assert_int_equal(id.expiry.ends, said.expiry.ends);
	assert_int_equal(id.expiry.at, said.expiry.at);
	assert_int_equal(id.issued_at, said.issued_at);
	identity_free(&id);
}

static void
does_not_know_at(const char *token, struct revocations *revocations, wall_s now)
{
	struct identity id, untouched;

	memset(&id, 0x5a, sizeof(id));
	memset(&untouched, 0x5a, sizeof(untouched));
	assert_false(checked_find(checked, token, revocations, now, &id));
	assert_memory_equal(&id, &untouched, sizeof(id));
}

static void
knows(const char *token)
{
	knows_at(token, NULL, NOW);
}

static void
does_not_know(const char *token)
{
	does_not_know_at(token, NULL, NOW);
}

/* neighbour_of returns the n-th other token that has the same slot; the caller frees it. */
static char *
neighbour_of(const char *token, int n)
{
	for (int i = 0;; i++) {
		char *other = mem_printf("header.payload.%024d", i);

		if (checked_slot(other) == checked_slot(token) && n-- == 0)
			return other;
		free(other);
	}
}

/* ---- what is known ---- */

TEST(a_token_is_known_when_it_has_come_twice)
{
	does_not_know(TOKEN);
	comes(TOKEN, 1);
	does_not_know(TOKEN);
	comes(TOKEN, 1);
	knows(TOKEN);
	knows(TOKEN);
}

TEST(what_a_token_says_comes_back_as_it_was)
{
	said.n_topics = 0;
	said.topics = NULL;
	said.may_publish = false;
	said.may_admin = true;
	said.expiry = EXPIRY_NEVER;
	said.issued_at = REVOCATIONS_NOT_ISSUED;
	comes(TOKEN, 2);
	knows(TOKEN);
	knows_at(TOKEN, NULL, NOW * 1000);
}

TEST(another_byte_anywhere_is_another_token)
{
	char token[] = TOKEN;

	comes(TOKEN, 2);
	for (size_t i = 0; i < strlen(token); i++)
		for (int bit = 0; bit < 8; bit++) {
			token[i] ^= (char)(1 << bit);
			if (token[i] != '\0')
				does_not_know(token);
			token[i] ^= (char)(1 << bit);
		}
	for (size_t len = 0; len < strlen(TOKEN); len++) {
		token[len] = '\0';
		does_not_know(token);
		does_not_know(&TOKEN[len + 1]);
		token[len] = TOKEN[len];
	}
	does_not_know(TOKEN "a");
	does_not_know("a" TOKEN);
	knows(token);
}

TEST(a_token_that_is_too_long_is_not_kept)
{
	char token[CHECKED_TOKEN_MAX_BYTES + 2];

	memset(token, 'a', sizeof(token));
	token[CHECKED_TOKEN_MAX_BYTES + 1] = '\0';
	comes(token, 3);
	does_not_know(token);
	token[CHECKED_TOKEN_MAX_BYTES] = '\0';
	comes(token, 2);
	knows(token);
}

/* ---- what ends it ---- */

TEST(a_token_that_has_expired_meanwhile_is_not_known)
{
	comes(TOKEN, 2);
	knows_at(TOKEN, NULL, said.expiry.at - 1);
	does_not_know_at(TOKEN, NULL, said.expiry.at);
	does_not_know_at(TOKEN, NULL, said.expiry.at + 1);
}

/* nbf is not kept: before the time at which it was judged nothing is known of it. */
TEST(a_clock_that_was_put_back_knows_no_token)
{
	comes(TOKEN, 2);
	does_not_know_at(TOKEN, NULL, NOW - 1);
	knows_at(TOKEN, NULL, NOW);
}

TEST(a_token_that_was_revoked_meanwhile_is_not_known)
{
	struct revocations *revocations = revocations_new();

	comes(TOKEN, 2);
	knows_at(TOKEN, revocations, NOW);
	revocations_raise(revocations, "43", NOW);
	revocations_raise(revocations, "42", said.issued_at - 1);
	knows_at(TOKEN, revocations, NOW);
	revocations_raise(revocations, "42", said.issued_at);
	does_not_know_at(TOKEN, revocations, NOW);
	revocations_free(revocations);
}

/* ---- who shares a slot ---- */

TEST(the_one_that_comes_again_takes_the_slot)
{
	char *other = neighbour_of(TOKEN, 0);

	comes(TOKEN, 2);
	does_not_know(other);
	comes(other, 2);
	knows(other);
	does_not_know(TOKEN);
	free(other);
}

/* Whoever is known shows the token in between. */
TEST(a_crowd_drives_out_nobody)
{
	comes(TOKEN, 2);
	for (int i = 0; i < 20; i++) {
		char *other = neighbour_of(TOKEN, i / 4);

		comes(other, 1);
		does_not_know(other);
		knows(TOKEN);
		free(other);
	}
}

/* ---- threads ---- */

struct comer {
	pthread_t thread;
	char *token, user[16];
	_Atomic int n_known;
};

static atomic_bool done;

/* Whoever else shares the slot: nobody is taken for another. */
static void *
come_on(void *arg)
{
	struct comer *comer = arg;
	struct identity id = { .user = comer->user }, found;

	while (!atomic_load(&done)) {
		if (checked_find(checked, comer->token, NULL, NOW, &found)) {
			if (strcmp(found.user, comer->user) != 0)
				abort();
			identity_free(&found);
			atomic_fetch_add(&comer->n_known, 1);
		} else {
			checked_keep(checked, comer->token, &id, NOW);
		}
	}
	return NULL;
}

TEST(threads_that_share_a_slot_find_their_own_token)
{
	struct comer comers[3] = { 0 };

	atomic_store(&done, false);
	for (int i = 0; i < 3; i++) {
		comers[i].token = neighbour_of(TOKEN, i / 2);  /* two have the same */
		snprintf(comers[i].user, sizeof(comers[i].user), "%d", i / 2);
		thread_start(&comers[i].thread, "comer", come_on, &comers[i]);
	}
	while (atomic_load(&comers[0].n_known) + atomic_load(&comers[1].n_known)
	    + atomic_load(&comers[2].n_known) < 1000)
		sched_yield();
	atomic_store(&done, true);
	for (int i = 0; i < 3; i++) {
		pthread_join(comers[i].thread, NULL);
		free(comers[i].token);
	}
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
	UNIT(a_token_is_known_when_it_has_come_twice),
	UNIT(what_a_token_says_comes_back_as_it_was),
	UNIT(another_byte_anywhere_is_another_token),
	UNIT(a_token_that_is_too_long_is_not_kept),
	UNIT(a_token_that_has_expired_meanwhile_is_not_known),
	UNIT(a_clock_that_was_put_back_knows_no_token),
	UNIT(a_token_that_was_revoked_meanwhile_is_not_known),
	UNIT(the_one_that_comes_again_takes_the_slot),
	UNIT(a_crowd_drives_out_nobody),
	UNIT(threads_that_share_a_slot_find_their_own_token),
};

RUN_TESTS(tests)
