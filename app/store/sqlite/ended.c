/* Which topics have ended (ended.h). Run by the thread that has the handle. */

#include "app/store/sqlite/ended.h"

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "lib/sql.h"

int
ended_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->ended, "SELECT id FROM rowcast_ended WHERE topic = ?1") != 0)
		return fault_log(store, "prepare");
	return 0;
}

int
store_ended(struct store *store, char *const topics[], size_t n, int64_t ids[])
{
	int outcome = SQL_DONE;

	for (size_t i = 0; i < n && (outcome == SQL_DONE || outcome == SQL_ROW); i++) {
		sql_bind_text(store->ended, 1, topics[i]);
		outcome = sql_step(store->ended);
		ids[i] = outcome == SQL_ROW ? sql_int64(store->ended, 0) : 0;
		sql_reset(store->ended);
	}
	return outcome == SQL_DONE || outcome == SQL_ROW ? 0
	    : fault_log(store, "which topics have ended cannot be read");
}
