/* A connection of the kind that the log uses, and what is asked over it. */
#ifndef TESTS_UNIT_UPSTREAM_CONNECTION_H
#define TESTS_UNIT_UPSTREAM_CONNECTION_H

#include "tests/unit/redis.h"

#include "app/upstream/redis/redis.h"
#include "app/upstream/upstream.h"
#include "lib/mem.h"

/* connection_to returns one, not yet connected, to what `upstream` would name. */
static inline struct redis *
connection_to(const char *upstream)
{
	char *line = mem_printf("upstream = %s", upstream);
	struct conf conf;
	struct redis *redis;

	conf_of(&conf, LIST(line));
	redis = redis_new(&conf);
	conf_free(&conf);
	free(line);
	return redis;
}

/* ask sends one command and returns the answer; NULL: none. */
static inline struct redis_value *
ask(struct redis *redis, const char *const args[])
{
	size_t n = 0;

	while (args[n] != NULL)
		n++;
	redis_send(redis, n, args, NULL);
	return redis_receive(redis, clock_mono_in_ms(PATIENCE_MS));
}

/* answers: the command has this text for an answer. */
static inline void
answers(struct redis *redis, const char *text, const char *const args[])
{
	struct redis_value *value = ask(redis, args);

	assert_non_null(value);
	if (!redis_is_text(value, text))
		fail_msg("expected \"%s\", got \"%s\"", text, redis_text(value, NULL));
	redis_value_free(value);
}

/* port_of returns the port of the server that it is connected to. */
static inline int
port_of(struct redis *redis)
{
	struct redis_value *value = ask(redis, LIST("CONFIG", "GET", "port"));
	int port;

	assert_non_null(value);
	port = atoi(redis_text(redis_at(value, 1), NULL));
	redis_value_free(value);
	return port;
}

#endif
