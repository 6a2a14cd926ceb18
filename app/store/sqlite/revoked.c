/* Whose tokens were revoked (revoked.h). Run by the thread that has the handle. */

#include "app/store/sqlite/revoked.h"

#include <string.h>

#include "app/store/sqlite/commit.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "lib/sql.h"

int
revoked_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->read_revoked, "SELECT number, user, until"
	    " FROM rowcast_revoked WHERE number > ?1 ORDER BY number") != 0)
		return fault_log(store, "prepare");
	if (store->is_copy && (sql_prepare(store->sql, &store->revoke[0],
	        "DELETE FROM rowcast_revoked WHERE user = ?1 AND until < ?2") != 0
	    || sql_prepare(store->sql, &store->revoke[1],
	        "INSERT INTO rowcast_revoked(user, until) SELECT ?1, ?2"
	        " WHERE NOT EXISTS (SELECT 1 FROM rowcast_revoked WHERE user = ?1)") != 0))
		return fault_log(store, "prepare");
	return 0;
}

int
store_read_revoked(struct store *store, int64_t *after, store_revoked *take_user, void *context)
{
	struct sql_statement *rows = store->read_revoked;
	int outcome;

	sql_bind_int64(rows, 1, *after);
	while ((outcome = sql_step(rows)) == SQL_ROW) {
		take_user(context, sql_text(rows, 1), sql_int64(rows, 2));
		*after = sql_int64(rows, 0);
	}
	sql_reset(rows);
	return outcome == SQL_DONE ? 0 : fault_log(store, "who was revoked cannot be read");
}

/* raise_until raises the user's second. 0 or what sql_run says. */
static int
raise_until(struct store *store, const char *user, wall_s until)
{
	int outcome = 0;

	for (int i = 0; i < 2 && outcome == 0; i++) {
		sql_bind_text(store->revoke[i], 1, user);
		sql_bind_int64(store->revoke[i], 2, until);
		outcome = sql_run(store->revoke[i]);
	}
	return outcome;
}

int
revoked_note(struct store *store, const struct message *m)
{
	if (m->topic == NULL || m->event == NULL || m->user == NULL
	    || strcmp(m->topic, MESSAGE_TOPIC_CONTROL) != 0 || strcmp(m->event, "revoke") != 0)
		return 0;
	return raise_until(store, m->user, m->created_at);
}

int
store_revoke(struct store *store, const struct store_revocation *revocations, size_t n)
{
	int outcome = sql_run(store->begin_write);

	for (size_t i = 0; i < n && outcome == 0; i++)
		outcome = raise_until(store, revocations[i].user, revocations[i].until);
	return commit_end(store, outcome, "who was revoked cannot be stored");
}
