/* A fixed number of slots, and one token in each at most. A hash of the token's end says
 * which: there its signature is, which no other token has, and to go through the whole of
 * it takes longer than to compare it. A slot is taken by who looks into it, for as long as a
 * copy takes, and nobody waits for it: who finds it taken has his token checked as if it
 * were not here, which is always right.
 *
 * A token is kept when the last one that was checked for its slot was the same. So a crowd
 * with a token each, all good, costs a hash, nothing is copied for it, and it drives out
 * nobody: each hit has the slot forget who else came by.
 *
 * Only what is good is kept, and what may end that is asked each time: exp, and who was
 * revoked. A clock that was put back might be before nbf: then the token is not known. The
 * rules never change here (checked.h). Tokens are compared without stopping at the first
 * byte that differs: how long it takes says nothing about the one that is kept. */

#include "app/access/checked.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "lib/mem.h"

enum { END_BYTES = 16 };  /* 96 bits of the signature */

struct kept {
	struct identity id;
	wall_s checked_at;
	size_t len;
	char token[];
};

struct slot {
	atomic_flag taken;
	uint64_t last;      /* the hash of the last token that was checked; 0: none */
	struct kept *kept;  /* owned, or NULL */
};

struct checked {
	struct slot slots[CHECKED_SLOTS];
};

struct checked *
checked_new(void)
{
	return mem_zalloc(sizeof(struct checked));  /* all zero: nobody has taken a slot */
}

static void
kept_free(struct kept *kept)
{
	if (kept == NULL)
		return;
	explicit_bzero(kept->token, kept->len);
	identity_free(&kept->id);
	free(kept);
}

void
checked_free(struct checked *checked)
{
	if (checked == NULL)
		return;
	for (size_t i = 0; i < CHECKED_SLOTS; i++)
		kept_free(checked->slots[i].kept);
	free(checked);
}

static uint64_t
code_of(const char *token, size_t len)
{
	return hash_code(token + (len > END_BYTES ? len - END_BYTES : 0));
}

size_t
checked_slot(const char *token)
{
	return code_of(token, strlen(token)) % CHECKED_SLOTS;
}

/* take_slot returns NULL where somebody else has it. */
static struct slot *
take_slot(struct checked *checked, uint64_t code)
{
	struct slot *slot = &checked->slots[code % CHECKED_SLOTS];

	return atomic_flag_test_and_set_explicit(&slot->taken, memory_order_acquire) ? NULL : slot;
}

static void
give_back(struct slot *slot)
{
	atomic_flag_clear_explicit(&slot->taken, memory_order_release);
}

/* is_same looks at every byte, whatever it finds. */
static bool
is_same(const struct kept *kept, const char *token, size_t len)
{
	unsigned char differs = 0;

	if (kept->len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)(kept->token[i] ^ token[i]);
	return differs == 0;
}

static bool
is_good(const struct kept *kept, struct revocations *revocations, wall_s now)
{
	return now >= kept->checked_at && !expiry_is_over(kept->id.expiry, now)
	    && (revocations == NULL
	        || !revocations_cover(revocations, kept->id.user, kept->id.issued_at));
}

bool
checked_find(struct checked *checked, const char *token, struct revocations *revocations,
    wall_s now, struct identity *id)
{
	size_t len = strlen(token);
	struct slot *slot = take_slot(checked, code_of(token, len));
	bool found;

	if (slot == NULL)
		return false;
	found = slot->kept != NULL && is_same(slot->kept, token, len)
	    && is_good(slot->kept, revocations, now);
	if (found) {
		identity_copy(id, &slot->kept->id);
		slot->last = 0;
	}
	give_back(slot);
	return found;
}

/* kept_new copies the token and what it says. */
static struct kept *
kept_new(const char *token, size_t len, const struct identity *id, wall_s now)
{
	struct kept *kept = mem_alloc(sizeof(*kept) + len);

	identity_copy(&kept->id, id);
	kept->checked_at = now;
	kept->len = len;
	memcpy(kept->token, token, len);
	return kept;
}

void
checked_keep(struct checked *checked, const char *token, const struct identity *id, wall_s now)
{
	size_t len = strlen(token);
	uint64_t code = code_of(token, len);
	struct slot *slot;

	if (len > CHECKED_TOKEN_MAX_BYTES || (slot = take_slot(checked, code)) == NULL)
		return;
	if (slot->last == code) {
		kept_free(slot->kept);
		slot->kept = kept_new(token, len, id, now);
	}
	slot->last = code;
	give_back(slot);
}
