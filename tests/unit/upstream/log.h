/* What the tests of the log share: handles of it on a real Redis, and another program
 * that speaks to the same Redis. */
#ifndef TESTS_UNIT_UPSTREAM_LOG_H
#define TESTS_UNIT_UPSTREAM_LOG_H

#include "tests/unit/redis.h"

#include "app/store/message.h"
#include "app/upstream/redis/logid.h"
#include "app/upstream/redis/redis.h"
#include "app/upstream/upstream.h"
#include "lib/mem.h"

/* log_open: a handle that needs so many replicas. */
static inline struct upstream *
log_open(const struct redis_server *server, int n_replicas)
{
	char *where = mem_printf("upstream = %s", server->unix_url);
	char *replicas = mem_printf("upstream_replicas = %d", n_replicas);
	struct conf conf;
	struct upstream *log;

	conf_of(&conf, LIST(where, replicas));
	log = upstream_open(&conf);
	conf_free(&conf);
	free(where);
	free(replicas);
	return log;
}

/* The other program. */
static inline struct redis *
foreign_program(const struct redis_server *server)
{
	char *where = mem_printf("upstream = %s", server->unix_url);
	struct conf conf;
	struct redis *foreign;

	conf_of(&conf, LIST(where));
	foreign = redis_new(&conf);
	conf_free(&conf);
	free(where);
	return foreign;
}

static inline mono_us
soon(void)
{
	return clock_mono_in_ms(PATIENCE_MS);
}

/* foreign_ask returns the answer, which the caller frees. */
static inline struct redis_value *
foreign_ask(struct redis *foreign, const char *const args[])
{
	struct redis_value *answer;
	size_t n = 0;

	while (args[n] != NULL)
		n++;
	assert_int_equal(redis_connect(foreign, soon()), 0);
	redis_send(foreign, n, args, NULL);
	answer = redis_receive(foreign, soon());
	assert_non_null(answer);
	return answer;
}

/* foreign_do is for what is not refused. */
static inline void
foreign_do(struct redis *foreign, const char *const args[])
{
	struct redis_value *answer = foreign_ask(foreign, args);

	if (redis_kind(answer) == REDIS_ERROR)
		fail_msg("%s: %s", args[0], redis_text(answer, NULL));
	redis_value_free(answer);
}

static inline int64_t
foreign_number(struct redis *foreign, const char *const args[])
{
	struct redis_value *answer = foreign_ask(foreign, args);
	int64_t number = redis_integer(answer);

	assert_int_equal(redis_kind(answer), REDIS_INTEGER);
	redis_value_free(answer);
	return number;
}

/* foreign_add is XADD, and returns the id that the entry got as our number; 0: none. */
static inline int64_t
foreign_add(struct redis *foreign, const char *const args[])
{
	struct redis_value *answer = foreign_ask(foreign, args);
	int64_t id = 0;
	size_t len;
	const char *text = redis_text(answer, &len);

	if (redis_kind(answer) == REDIS_ERROR)
		fail_msg("%s", text);
	logid_read(text, len, &id);
	redis_value_free(answer);
	return id;
}
#define FOREIGN_ADD(foreign, ...) foreign_add(foreign, LIST("XADD", "rowcast", "*", __VA_ARGS__))

/* await_next_ms returns when Redis gives no id of that millisecond any more: another
 * history could give the very same ones again, which nobody could tell apart. */
static inline void
await_next_ms(int64_t id)
{
	WAIT_FOR(clock_wall_us() / 1000 > logid_time_ms(id));
}

/* message_of: strings are lent. */
static inline struct message
message_of(const char *user, const char *data, const char *key)
{
	return (struct message){ .user = (char *)(uintptr_t)user, .data = (char *)(uintptr_t)data,
		.data_len = strlen(data), .key = (char *)(uintptr_t)key };
}

/* append_of appends one message of publisher p, and returns what upstream_append does. */
static inline int
append_of(struct upstream *log, struct message *m, bool *existed, int64_t above, int wait_ms)
{
	struct append append = { .messages = m, .n = 1, .publisher = "p" };
	struct append *appends[] = { &append };
	int outcome = upstream_append(log, appends, 1, above, 0,
	    clock_mono_in_ms(wait_ms));

	assert_int_equal(append.stored, outcome == 0 && !append.refused);
	if (existed != NULL)
		*existed = append.existed;
	return outcome;
}

/* must_append returns the id. */
static inline int64_t
must_append(struct upstream *log, const char *data)
{
	struct message m = message_of(NULL, data, NULL);

	assert_int_equal(append_of(log, &m, NULL, 0, PATIENCE_MS), 0);
	assert_true(m.id > 0);
	return m.id;
}

/* The Redis of a test program, and the other program; log_start and log_stop are setup and
 * teardown of all its tests. */
static struct redis_server server;
static struct redis *foreign;

static inline int
log_start(void **state __attribute__((unused)))
{
	redis_server_start(&server, NULL);
	foreign = foreign_program(&server);
	return 0;
}

static inline int
log_stop(void **state __attribute__((unused)))
{
	redis_free(foreign);
	redis_server_free(&server);
	return 0;
}

static inline int64_t
log_length(void)
{
	return foreign_number(foreign, LIST("XLEN", "rowcast"));
}

#endif
