/* Logging the faults of a handle, see fault.h. The thread that has the handle. */

#include "app/store/sqlite/fault.h"

#include "app/store/sqlite/handle.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/sql.h"

enum { LOG_AGAIN_MS = 1000 };  /* the same fault, while it lasts */

bool
fault_is_new(struct store *store, const char *what, int outcome)
{
	mono_us now = clock_mono_us();

	if (store->fault.what == what && store->fault.outcome == outcome
	    && now - store->fault.logged_at < LOG_AGAIN_MS * 1000)
		return false;
	store->fault.what = what;
	store->fault.outcome = outcome;
	store->fault.logged_at = now;
	return true;
}

int
fault_log(struct store *store, const char *what)
{
	if (fault_is_new(store, what, -1))
		log_errorx("store: %s: %s: %s", store->path, what, sql_error(store->sql));
	return -1;
}

int
fault_outcome(struct store *store, int outcome, const char *what)
{
	switch (outcome) {
	case SQL_BUSY:
		if (fault_is_new(store, what, outcome))
			log_warnx("store: %s: %s: locked by another program for over %d ms",
			    store->path, what, BUSY_WAIT_MS);
		return STORE_BUSY;
	case SQL_FULL:
		if (fault_is_new(store, what, outcome))
			log_errorx("store: %s: %s: no room on the disk", store->path, what);
		return STORE_FULL;
	default:
		return fault_log(store, what);
	}
}
