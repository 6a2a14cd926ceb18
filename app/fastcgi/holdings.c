/* Counting what unfinished requests hold. Intake's thread calls all of it, a
 * worker holding_end only; each call takes the lock, never two, and waits for
 * nothing else.
 *
 * An account stands while it has a holding, so holdings_excess walks through no
 * more of them than connections wait; intake asks once a turn. */

#include "app/fastcgi/holdings.h"

#include <stdlib.h>

#include "lib/mem.h"

struct account {
	TAILQ_ENTRY(account) link;
	char *user;
	size_t n_bytes;
	size_t n_holdings;
	struct holding_list may_go;   /* the oldest first */
};

void
holdings_init(struct holdings *holdings)
{
	*holdings = (struct holdings){ .by_user = HASH_EMPTY };
	pthread_mutex_init(&holdings->lock, NULL);
	TAILQ_INIT(&holdings->nobodys);
	TAILQ_INIT(&holdings->accounts);
}

void
holdings_free(struct holdings *holdings)
{
	hash_free(&holdings->by_user);
	pthread_mutex_destroy(&holdings->lock);
}

/* ---- under the lock ---- */

static void
count(struct holding *holding, size_t n_bytes)
{
	holding->holdings->n_bytes += n_bytes - holding->n_bytes;
	if (holding->account != NULL)
		holding->account->n_bytes += n_bytes - holding->n_bytes;
	holding->n_bytes = n_bytes;
}

static struct holding_list *
list_of(struct holding *holding)
{
	return holding->account != NULL ? &holding->account->may_go : &holding->holdings->nobodys;
}

static void
stay(struct holding *holding)
{
	if (holding->may_go)
		TAILQ_REMOVE(list_of(holding), holding, link);
	holding->may_go = false;
}

static struct account *
account_of(struct holdings *holdings, const char *user)
{
	struct account *account = hash_get(&holdings->by_user, user);

	if (account == NULL) {
		account = mem_zalloc(sizeof(*account));
		account->user = mem_strdup(user);
		TAILQ_INIT(&account->may_go);
		TAILQ_INSERT_TAIL(&holdings->accounts, account, link);
		hash_put(&holdings->by_user, account->user, account);
	}
	return account;
}

static void
leave_account(struct holdings *holdings, struct account *account)
{
	if (--account->n_holdings > 0)
		return;
	hash_remove(&holdings->by_user, account->user);
	TAILQ_REMOVE(&holdings->accounts, account, link);
	free(account->user);
	free(account);
}

static struct holding *
newest(struct account *account)
{
	return TAILQ_LAST(&account->may_go, holding_list);
}

/* ---- the calls ---- */

void
holding_begin(struct holding *holding, struct holdings *holdings)
{
	pthread_mutex_lock(&holdings->lock);
	*holding = (struct holding){ .holdings = holdings, .may_go = true };
	TAILQ_INSERT_TAIL(&holdings->nobodys, holding, link);
	pthread_mutex_unlock(&holdings->lock);
}

void
holding_set(struct holding *holding, size_t n_bytes)
{
	pthread_mutex_lock(&holding->holdings->lock);
	count(holding, n_bytes);
	pthread_mutex_unlock(&holding->holdings->lock);
}

void
holding_judged(struct holding *holding, const char *user)
{
	struct holdings *holdings = holding->holdings;
	size_t n_bytes = holding->n_bytes;

	pthread_mutex_lock(&holdings->lock);
	stay(holding);
	count(holding, 0);
	holding->account = account_of(holdings, user);
	holding->account->n_holdings++;
	count(holding, n_bytes);
	TAILQ_INSERT_TAIL(&holding->account->may_go, holding, link);
	holding->may_go = true;
	pthread_mutex_unlock(&holdings->lock);
}

void
holding_stays(struct holding *holding)
{
	pthread_mutex_lock(&holding->holdings->lock);
	stay(holding);
	pthread_mutex_unlock(&holding->holdings->lock);
}

void
holding_end(struct holding *holding)
{
	struct holdings *holdings = holding->holdings;

	if (holdings == NULL)
		return;
	pthread_mutex_lock(&holdings->lock);
	stay(holding);
	count(holding, 0);
	if (holding->account != NULL)
		leave_account(holdings, holding->account);
	*holding = (struct holding){ 0 };
	pthread_mutex_unlock(&holdings->lock);
}

struct holding *
holdings_excess(struct holdings *holdings)
{
	struct account *account, *most = NULL;
	struct holding *goes = NULL;

	pthread_mutex_lock(&holdings->lock);
	/* No account can be over its bound where all together are not. */
	if (holdings->n_bytes <= HOLDINGS_USER_MAX_BYTES)
		goto done;
	TAILQ_FOREACH(account, &holdings->accounts, link) {
		if (newest(account) == NULL)
			continue;
		if (most == NULL || account->n_bytes > most->n_bytes)
			most = account;
	}
	if (most != NULL && most->n_bytes > HOLDINGS_USER_MAX_BYTES)
		goes = newest(most);
	else if (holdings->n_bytes > HOLDINGS_MAX_BYTES)
		goes = !TAILQ_EMPTY(&holdings->nobodys) ? TAILQ_FIRST(&holdings->nobodys)
		    : most != NULL ? newest(most) : NULL;
done:
	pthread_mutex_unlock(&holdings->lock);
	return goes;
}
