/* What the tests of a node share: a machine, which is a configuration with a real Redis
 * as its log and a copy of its own, and what its threads tell. */
#ifndef TESTS_UNIT_NODE_MACHINE_H
#define TESTS_UNIT_NODE_MACHINE_H

#include "tests/unit/check.h"
#include "tests/unit/capture.h"
#include "tests/unit/harness.h"
#include "tests/unit/redis.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/node/wiring.h"
#include "app/upstream/upstream.h"
#include "lib/mem.h"
#include "lib/tally.h"

struct machine {
	struct conf conf;
	struct table table;            /* its name only: the copy of this machine */
	struct node_wiring wiring;
	struct tally users;            /* nobody */
	_Atomic int64_t newest;        /* heard of, or followed */
	_Atomic int64_t followed, sent;
	_Atomic int n_heard;
};

static void
machine_raise(_Atomic int64_t *to, int64_t id)
{
	int64_t now = atomic_load(to);

	while (now < id && !atomic_compare_exchange_weak(to, &now, id))
		;
}

static void
machine_heard(void *context, int64_t newest, mono_us asked_at)
{
	struct machine *m = context;

	if (asked_at > clock_mono_us())
		abort();
	machine_raise(&m->newest, newest);
	atomic_fetch_add(&m->n_heard, 1);
}

static void
machine_followed(void *context, int64_t newest)
{
	struct machine *m = context;

	if (newest < atomic_load(&m->followed))
		abort();
	atomic_store(&m->followed, newest);
	machine_raise(&m->newest, newest);
}

static int64_t
machine_seen(void *context)
{
	return atomic_load(&((struct machine *)context)->newest);
}

static int64_t
machine_sent(void *context)
{
	return atomic_load(&((struct machine *)context)->sent);
}

/* machine_open makes a machine of that name, with a new copy; nothing is running. */
static void
machine_open(struct machine *m, const struct redis_server *log, const char *name)
{
	static int number;
	char *upstream = mem_printf("upstream = %s", log->unix_url);
	char *node = mem_printf("node = %s", name);
	char *file = mem_printf("copy-%d.db", number++), *path = path_in_folder(file);

	*m = (struct machine){ .wiring = {
		machine_heard, machine_followed, machine_seen, machine_sent, &m->users, origin_new(), m,
	} };
	conf_of(&m->conf, LIST(upstream, node, "keep_for = 0", "keep_rows = 1000000"));
	free(m->conf.store);
	m->conf.store = mem_printf("sqlite:%s", path);
	m->table.name = m->conf.store;
	atomic_store(&m->sent, INT64_MAX);
	free(path);
	free(file);
	free(node);
	free(upstream);
}

static void
machine_close(struct machine *m)
{
	origin_free(m->wiring.origin);
	conf_free(&m->conf);
}

static struct store *
machine_store(const struct machine *m)
{
	struct store *store = store_open(m->conf.store, STORE_COPY);

	assert_non_null(store);
	return store;
}

static int
machine_take_value(void *context, int n __attribute__((unused)), char **values,
    char **names __attribute__((unused)))
{
	char **text = context;

	free(*text);
	*text = mem_strdup(values[0] != NULL ? values[0] : "");
	return 0;
}

/* machine_ask returns the one value that the SQL finds in the machine's file, as another
 * program would; the caller frees it. */
__attribute__((unused)) static char *
machine_ask(const struct machine *m, const char *sql)
{
	struct sqlite3 *foreign = foreign_open(&m->table);
	char *text = mem_strdup("");

	if (sqlite3_exec(foreign, sql, machine_take_value, &text, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(foreign));
	foreign_close(foreign);
	return text;
}

__attribute__((unused)) static int64_t
machine_ask_number(const struct machine *m, const char *sql)
{
	char *text = machine_ask(m, sql);
	int64_t n = strtoll(text, NULL, 10);

	free(text);
	return n;
}

#endif
