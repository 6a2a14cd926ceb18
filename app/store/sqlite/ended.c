/* Which topics have ended (ended.h). Run by the thread that has the handle. */

#include "app/store/sqlite/ended.h"

#include <inttypes.h>
#include <stdlib.h>

#include "app/store/sqlite/commit.h"
#include "app/store/sqlite/fault.h"
#include "app/store/sqlite/handle.h"
#include "lib/mem.h"
#include "lib/sql.h"

int
ended_prepare(struct store *store)
{
	if (sql_prepare(store->sql, &store->ended, "SELECT id FROM rowcast_ended WHERE topic = ?1") != 0
	    || sql_prepare(store->sql, &store->any_ended, "SELECT 1 FROM rowcast_ended LIMIT 1") != 0)
		return fault_log(store, "prepare");
	if (store->is_copy && sql_prepare(store->sql, &store->end, "INSERT INTO"
	    " rowcast_ended(topic, id, ended_at) VALUES(?1, ?2, ?3) ON CONFLICT(topic)"
	    " DO UPDATE SET id = excluded.id, ended_at = excluded.ended_at WHERE excluded.id < id") != 0)
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

int
store_read_ends(struct store *store, int64_t after, int max, store_end_row *take, void *context)
{
	struct sql_statement *rows;
	int outcome;

	if (sql_prepare(store->sql, &rows, "SELECT topic, id, ended_at FROM rowcast_ended"
	    " WHERE id > ?1 ORDER BY id LIMIT ?2") != 0)
		return fault_log(store, "prepare");
	sql_bind_int64(rows, 1, after);
	sql_bind_int64(rows, 2, max);
	while ((outcome = sql_step(rows)) == SQL_ROW) {
		const struct store_end end = { sql_text(rows, 0), sql_int64(rows, 1), sql_int64(rows, 2) };

		take(context, &end);
	}
	sql_finalize(rows);
	return outcome == SQL_DONE ? 0 : fault_log(store, "which topics have ended cannot be read");
}

int
ended_forget(struct store *store, int64_t upto)
{
	char *sql = mem_printf("DELETE FROM rowcast_ended WHERE id <= %" PRId64, upto);
	int outcome = sql_execute(store->sql, sql);

	free(sql);
	return outcome;
}

/* ---- what a copy takes ---- */

int
ended_topics_begin(struct ended_topics *topics, struct store *store, size_t max)
{
	int outcome = sql_step(store->any_ended);

	sql_reset(store->any_ended);
	*topics = (struct ended_topics){ .store = store, .any = outcome == SQL_ROW, .capacity = max };
	return outcome == SQL_ROW ? 0 : outcome;
}

void
ended_topics_free(struct ended_topics *topics)
{
	hash_free(&topics->topics);
	free(topics->ids);
}

/* id_of finds where the id of the topic's end is, 0 for none. 0 or -1 (logged). */
static int
id_of(struct ended_topics *topics, char *topic, int64_t **id)
{
	*id = hash_get(&topics->topics, topic);
	if (*id != NULL)
		return 0;
	if (topics->ids == NULL)
		topics->ids = mem_alloc(topics->capacity * sizeof(topics->ids[0]));
	*id = &topics->ids[topics->n];
	**id = 0;
	if (topics->any && store_ended(topics->store, &topic, 1, *id) < 0)
		return -1;
	topics->n++;
	hash_put(&topics->topics, topic, *id);
	return 0;
}

/* note notes an end, unless an earlier one of its topic is known. 0 or what sql_run says. */
static int
note(struct store *store, const struct store_end *end)
{
	sql_bind_text(store->end, 1, end->topic);
	sql_bind_int64(store->end, 2, end->id);
	sql_bind_int64(store->end, 3, end->ended_at);
	return sql_run(store->end);
}

int
ended_topics_take(struct ended_topics *topics, const struct message *m, bool *ended)
{
	bool ends = message_is_end(m);
	int64_t *id;

	*ended = false;
	/* Where none has ended, what is in the table is not asked for. */
	if (m->topic == NULL || (!topics->any && !ends && topics->n == 0))
		return 0;
	if (id_of(topics, m->topic, &id) < 0)
		return -1;
	*ended = *id != 0 && *id < m->id;
	if (!ends || *id != 0)
		return 0;
	*id = m->id;
	return note(topics->store, &(struct store_end){ m->topic, m->id, m->created_at });
}

int
ended_topics_forget(struct ended_topics *topics, int64_t upto)
{
	hash_free(&topics->topics);
	topics->topics = HASH_EMPTY;
	topics->n = 0;
	topics->any = true;
	return ended_forget(topics->store, upto);
}

/* ---- what machines tell each other ---- */

int
store_end(struct store *store, const struct store_end *ends, size_t n, int64_t forgotten)
{
	int outcome = sql_run(store->begin_write);

	if (outcome == 0)
		outcome = ended_forget(store, forgotten);
	for (size_t i = 0; i < n && outcome == 0; i++)
		outcome = note(store, &ends[i]);
	return commit_end(store, outcome, "which topics have ended cannot be stored");
}
