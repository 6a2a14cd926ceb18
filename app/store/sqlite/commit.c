#include "app/store/sqlite/commit.h"

#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "app/store/sqlite/replaced.h"
#include "lib/sql.h"

int
commit_end(struct store *store, int outcome, const char *failed)
{
	if (replaced_check(store))
		outcome = -1;
	if (outcome == 0)
		outcome = sql_run(store->commit);
	if (outcome == 0)
		return 0;
	outcome = store->replaced ? STORE_REPLACED : fault_outcome(store, outcome, failed);
	sql_roll_back(store->sql);
	return outcome;
}
