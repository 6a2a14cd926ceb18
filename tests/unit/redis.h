/* A real redis-server for a test, and a real Sentinel, each in a folder of this
 * program's own, on a unix socket and a port of the loopback. What a test has started
 * ends with it, whatever happens. Only the thread of the test may use them. */
#ifndef TESTS_UNIT_REDIS_H
#define TESTS_UNIT_REDIS_H

#include "tests/unit/harness.h"

#include <sys/types.h>

struct redis_server {
	pid_t pid;            /* 0: it does not run */
	bool is_sentinel;
	int port;
	char *socket;         /* owned: the path; NULL of a Sentinel */
	char *folder;         /* owned: its data, and its configuration */
	char *unix_url;       /* owned: as the setting `upstream` has it: "unix:PATH" */
	char *url;            /* owned: "redis://127.0.0.1:PORT" */
};

/* redis_server_start starts one with these lines in its configuration besides (NULL:
 * none), empty, without persistence, and waits until it answers. redis_server_free is
 * due. */
void redis_server_start(struct redis_server *server, const char *const lines[]);

/* redis_replica_start starts a replica of it, and waits until it has all of it. */
void redis_replica_start(struct redis_server *server, const struct redis_server *primary,
    const char *const lines[]);

/* redis_sentinel_start starts a Sentinel that calls this primary "mymaster", alone to
 * decide that it is down after 300 ms, and waits until it knows n_replicas of it. */
void redis_sentinel_start(struct redis_server *sentinel, const struct redis_server *primary,
    int n_replicas);

/* redis_server_kill ends it at once, redis_server_stop with what it does on the way out
 * (writing its data, where it is set up to). redis_server_again starts it where it was
 * before, with what its folder holds. */
void redis_server_kill(struct redis_server *server);
void redis_server_stop(struct redis_server *server);
void redis_server_again(struct redis_server *server);

/* redis_server_hang stops it without ending it, until redis_server_wake. */
void redis_server_hang(struct redis_server *server);
void redis_server_wake(struct redis_server *server);

/* redis_server_free ends it, and frees what is in it. */
void redis_server_free(struct redis_server *server);

/* redis_cli sends it one command, as another program would, and returns what it answers,
 * as redis-cli prints it without its quotes: an item a line. Good until the next call.
 * With "" for an answer that never came. */
const char *redis_cli(const struct redis_server *server, const char *const args[]);

/* redis_cli_says fails where the answer is another. */
void redis_cli_says(const struct redis_server *server, const char *answer, const char *const args[]);

#endif
