/* A skip list behind a lock. A name stands on the lowest level, and with a chance of
 * one in four on each next; who looks for one goes along the highest level as far as
 * that leads, then down. So a change looks at some 2 log2(n) names, and a page is a
 * walk along the lowest level.
 *
 * A name that is gone, and had changed, stays until that is taken: with none of it,
 * and passed over by pages. */

#include "lib/tally.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

struct tally_entry {
	size_t n;
	TAILQ_ENTRY(tally_entry) link;
	const char *name;            /* behind next, in the same memory */
	int n_levels;
	bool has_changed;            /* in tally->changed */
	struct tally_entry *next[];
};

/* find sets before[level] to the pointer that leads, on that level, to the first entry
 * that is not below the name, and returns that entry of the lowest level. */
static struct tally_entry *
find(struct tally *tally, const char *name, struct tally_entry **before[TALLY_LEVELS])
{
	struct tally_entry **at = tally->first;

	for (int level = TALLY_LEVELS - 1; level >= 0; level--) {
		while (at[level] != NULL && strcmp(at[level]->name, name) < 0)
			at = at[level]->next;
		before[level] = &at[level];
	}
	return *before[0];
}

static int
throw_levels(struct tally *tally)
{
	uint64_t dice = tally->dice != 0 ? tally->dice : 0x9e3779b97f4a7c15u;
	int n = 1;

	dice ^= dice << 13;  /* xorshift64 */
	dice ^= dice >> 7;
	dice ^= dice << 17;
	tally->dice = dice;
	for (; n < TALLY_LEVELS && (dice & 3) == 0; dice >>= 2)
		n++;
	return n;
}

static struct tally_entry *
insert(struct tally *tally, const char *name, struct tally_entry **before[TALLY_LEVELS])
{
	int n_levels = throw_levels(tally);
	size_t levels_bytes = (size_t)n_levels * sizeof(struct tally_entry *);
	size_t name_bytes = strlen(name) + 1;
	struct tally_entry *entry = mem_alloc(sizeof(*entry) + levels_bytes + name_bytes);
	char *copy = (char *)entry->next + levels_bytes;

	memcpy(copy, name, name_bytes);
	entry->n = 0;
	entry->has_changed = false;
	entry->name = copy;
	entry->n_levels = n_levels;
	for (int level = 0; level < n_levels; level++) {
		entry->next[level] = *before[level];
		*before[level] = entry;
	}
	return entry;
}

static void
drop(struct tally_entry *entry, struct tally_entry **before[TALLY_LEVELS])
{
	for (int level = 0; level < entry->n_levels; level++)
		*before[level] = entry->next[level];
	free(entry);
}

static void
note_change(struct tally *tally, struct tally_entry *entry)
{
	if (!tally->is_watched || entry->has_changed)
		return;
	entry->has_changed = true;
	TAILQ_INSERT_TAIL(&tally->changed, entry, link);
}

void
tally_add(struct tally *tally, const char *name)
{
	struct tally_entry **before[TALLY_LEVELS], *entry;

	pthread_mutex_lock(&tally->lock);
	entry = find(tally, name, before);
	if (entry == NULL || strcmp(entry->name, name) != 0)
		entry = insert(tally, name, before);
	if (entry->n++ == 0)
		tally->n_names++;
	tally->n++;
	note_change(tally, entry);
	pthread_mutex_unlock(&tally->lock);
}

void
tally_remove(struct tally *tally, const char *name)
{
	struct tally_entry **before[TALLY_LEVELS], *entry;

	pthread_mutex_lock(&tally->lock);
	entry = find(tally, name, before);
	if (--entry->n == 0)
		tally->n_names--;
	tally->n--;
	note_change(tally, entry);
	if (entry->n == 0 && !entry->has_changed)
		drop(entry, before);
	pthread_mutex_unlock(&tally->lock);
}

size_t
tally_total(struct tally *tally, size_t *n_names)
{
	size_t n;

	pthread_mutex_lock(&tally->lock);
	n = tally->n;
	*n_names = tally->n_names;
	pthread_mutex_unlock(&tally->lock);
	return n;
}

size_t
tally_of(struct tally *tally, const char *name)
{
	struct tally_entry **before[TALLY_LEVELS], *entry;
	size_t n;

	pthread_mutex_lock(&tally->lock);
	entry = find(tally, name, before);
	n = entry != NULL && strcmp(entry->name, name) == 0 ? entry->n : 0;
	pthread_mutex_unlock(&tally->lock);
	return n;
}

size_t
tally_page(struct tally *tally, const char *after, size_t max, tally_row *row, void *context)
{
	struct tally_entry **before[TALLY_LEVELS], *entry;
	size_t n = 0;

	pthread_mutex_lock(&tally->lock);
	entry = after != NULL ? find(tally, after, before) : tally->first[0];
	if (after != NULL && entry != NULL && strcmp(entry->name, after) == 0)
		entry = entry->next[0];
	for (; entry != NULL && n < max; entry = entry->next[0]) {
		if (entry->n == 0)
			continue;
		row(context, entry->name, entry->n);
		n++;
	}
	pthread_mutex_unlock(&tally->lock);
	return n;
}

void
tally_watch(struct tally *tally)
{
	pthread_mutex_lock(&tally->lock);
	TAILQ_INIT(&tally->changed);
	tally->is_watched = true;
	pthread_mutex_unlock(&tally->lock);
}

/* take_first takes the first of those that have changed off their list, and returns
 * false where there is none. */
static bool
take_first(struct tally *tally, tally_row *row, void *context)
{
	struct tally_entry **before[TALLY_LEVELS], *entry = TAILQ_FIRST(&tally->changed);

	if (entry == NULL)
		return false;
	TAILQ_REMOVE(&tally->changed, entry, link);
	entry->has_changed = false;
	if (row != NULL)
		row(context, entry->name, entry->n);
	if (entry->n == 0) {
		find(tally, entry->name, before);
		drop(entry, before);
	}
	return true;
}

void
tally_unwatch(struct tally *tally)
{
	pthread_mutex_lock(&tally->lock);
	while (take_first(tally, NULL, NULL))
		;
	tally->is_watched = false;
	pthread_mutex_unlock(&tally->lock);
}

size_t
tally_take_changed(struct tally *tally, size_t max, tally_row *row, void *context)
{
	size_t n = 0;

	pthread_mutex_lock(&tally->lock);
	while (n < max && take_first(tally, row, context))
		n++;
	pthread_mutex_unlock(&tally->lock);
	return n;
}
